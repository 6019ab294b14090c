// The state of the page, in one place. Whoever changes it calls `change`; whoever draws it watches.

export const state = {
  /** The session, as `/api/session` has it. */
  session: null,
  /** The phase, the rounds and the experts, as `/api/state` has them. */
  server: null,
  /** The expert's name. */
  who: null,
  /** Whether what is shown is being found again in other data; no key labels meanwhile. */
  isMoving: false,
  /** The part in the middle of the page: `ask` (a question), `label` (any series) or `similar`. */
  screen: "ask",
  /** The question that is shown, or null. */
  question: null,
  /** When the question's curves were on the screen, in milliseconds of the page's clock; null until then. */
  drawnAt: null,
  /** The question's answer that was given and is not confirmed yet: the name of its button, or null. */
  given: null,
  /** The series that is shown: `{index, name, n_points, clock, step}`; `step` is the usual milliseconds between points, or null. */
  series: null,
  /** The points in the window, both ends inclusive. */
  shown: null,
  /** The points in the context strip: `{from, to}`, `to` exclusive. */
  context: null,
  /** The judged point; null where any series is labelled. */
  point: null,
  /** The range that is being painted, as `paint.js` makes it, or null. */
  paint: null,
  /** The suggestion that is shown, as `/api/suggestions` has it, or null. */
  suggestion: null,
  /** The comment that goes with the next answer. */
  comment: null,
  /** The channels that are not shown, by their index. */
  hidden: [],
  /** The labels that the answer under the pointer would give, or null. */
  preview: null,
  /** What each answer would teach, `{anomaly, normal, expected}`, as the server tells it of the present range; or null. */
  teaches: null,
  /** The earlier periods that have no data here: `day`, `week`. */
  absent: [],
  /** The point under the pointer, or null. */
  hover: null,
  /** The answer that was confirmed last: `{question, annotation, entry}`, or null. */
  last: null,
};

const watchers = [];

/** Takes over the fields of `patch` and tells those who watch one of them, in the order in which they came. */
export function change(patch) {
  Object.assign(state, patch);
  for (const { names, react } of watchers) {
    if (names.some((name) => name in patch)) react(patch);
  }
}

/** Calls `react` whenever one of the fields `names` is changed. */
export function watch(names, react) {
  watchers.push({ names, react });
}
