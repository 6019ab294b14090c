// Suggestions: labels that others have reason for, listed in the panel, shown in the chart, accepted or dismissed with one key.

import { get } from "../state/api.js";
import { byId, count, element, setName } from "../state/element.js";
import { labelWords, openPainted } from "./label.js";
import { painted } from "../state/paint.js";
import { placeOf } from "../state/place.js";
import { closeOverlay, isOpen, onOpen, toggleSide } from "./side.js";
import { enqueue, onConfirmed, unsent } from "../state/queue.js";
import { addLabels, forgetLabels } from "../chart/stage.js";
import { change, state, watch } from "../state/state.js";
import { done, say } from "./toast.js";
import { clockText, dayText, timeText, yearText } from "../state/time.js";

const GLYPHS = { anomaly: "A", normal: "N", expected: "E" };
const ANSWERS = ["a", "n", "e", "u", "s", "0", "1", "2"];
const KEYS = { anomaly: "a", normal: "n", expected: "e" };
/** Those that wait, as the server told them last. */
let listed = [];
/** Those that were decided here and may still be among what the server tells. */
const decided = new Set();
let shownAt = 0;
let turn = 0;

/** From when to when; a day is named once. */
function timesOf({ from, to }) {
  if (to === null) return `${timeText(from)} to now`;
  const [begin, end] = [Date.parse(from), Date.parse(to)];
  const isOneDay = dayText(begin) === dayText(end) && yearText(begin) === yearText(end);
  return `${timeText(from)} to ${isOneDay ? clockText(end, end % 60_000 !== 0) : timeText(to)}`;
}

const sourceOf = ({ source, who }) => (who === "" ? source : `${source} by ${who}`);
const isLink = (url) => /^https?:\/\//.test(url ?? "");

function item(suggestion) {
  const { id, kind, series, comment, url, obstacle } = suggestion;
  const isShown = state.suggestion?.id === id;
  const lines = element("span", { class: "lines" },
    element("span", {}, `${kind}: ${sourceOf(suggestion)}`),
    comment === "" ? null : element("q", {}, comment),
    setName(element("span", { class: "note" }), series),
    element("span", { class: "note" }, timesOf(suggestion)),
    obstacle === null ? null : element("span", { class: "obstacle" }, `Cannot be accepted: ${obstacle}.`));
  const open = element("button", { type: "button", class: "open", "aria-current": isShown ? "true" : null, onclick: () => openSuggestion(suggestion) },
    element("span", { class: `glyph ${kind}`, "aria-hidden": "true" }, GLYPHS[kind]), lines);
  const dismiss = element("button", { type: "button", class: "dismiss", "aria-label": `Dismiss: ${kind}, ${series}`, onclick: () => decide(suggestion, false) }, "Dismiss");
  const link = isLink(url) ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, `Open the ${suggestion.source}`) : null;
  return element("li", { "data-suggestion": id, "data-kind": kind, "data-obstacle": obstacle }, open, element("span", { class: "beside" }, link, dismiss));
}

const waiting = () => listed.filter(({ id }) => !decided.has(id));

function draw() {
  const items = waiting().map(item);
  const focused = document.activeElement?.closest?.("#suggestions-list li")?.dataset.suggestion;
  byId("suggestions-list").replaceChildren(...(items.length > 0 ? items : [element("li", { class: "note" }, "Nothing is suggested.")]));
  if (focused !== undefined) (rowOf(focused) ?? byId("suggestions-list")).querySelector(".open")?.focus();
}

const rowOf = (id) => [...byId("suggestions-list").children].find((row) => row.dataset.suggestion === id);

async function list() {
  if (!state.session?.suggests) return;
  const mine = ++turn;
  try {
    const { suggestions } = await get("/api/suggestions");
    if (mine !== turn) return;
    listed = suggestions;
    // What is still to be sent is decided, though the server does not know it.
    if (unsent() === 0) decided.clear();
    draw();
  } catch (error) {
    if (!error.gone) say(error.message);
  }
}

/** Opens the list with the focus on the first of it, or closes it. */
export function toggleSuggestions() {
  if (!state.session?.suggests) return say("There are no suggestions here: no other program gives some");
  toggleSide("suggestions");
  if (isOpen("suggestions")) list().then(() => byId("suggestions-list").querySelector(".open")?.focus());
}

/** Shows a suggestion in the chart, with its points painted; of one that has none says why. */
export async function openSuggestion(suggestion) {
  closeOverlay();
  const { listed: series, first, last, obstacle } = suggestion;
  if (obstacle !== null) return say(`This cannot be accepted: ${obstacle}. Dismiss drops it`);
  if (await openPainted(series, { first, last }, { suggestion })) {
    shownAt = performance.now();
    say(`${KEYS[suggestion.kind]} accepts, x dismisses, esc leaves it open`);
  }
}

/** What a key says of the suggestion that is shown. */
export function decideBy(button, at) {
  const { suggestion } = state;
  if (button === "erase") return decide(suggestion, false, at);
  if (button !== suggestion.kind) return say(`This is suggested as ${suggestion.kind}: ${KEYS[suggestion.kind]} accepts, x dismisses, esc leaves it to label freely`);
  if (painted(state.paint, null) === null) return say("Paint the range that is to be labelled first");
  return decide(suggestion, true, at);
}

function decide(suggestion, accept, at = performance.now()) {
  if (state.isMoving) return say("The data are being exchanged; this key was not taken");
  const { id, kind } = suggestion;
  const isShown = state.suggestion?.id === id;
  const range = accept ? painted(state.paint, null) : null;
  const seconds = isShown ? Math.max(0, Math.round(at - shownAt) / 1000) : 0;
  const place = range ? placeOf(state.series, [range]) : null;
  enqueue("suggestion", { who: state.who, accept, points: range ? [range.first, range.last] : null, place, seconds }, { id, kind, points: range ? range.last - range.first + 1 : 0 });
  if (range) addLabels(state.series.index, [{ ...range, label: kind }]);
  decided.add(id);
  draw();
  drawCount();
  if (!isShown) return;
  const next = waiting().find((other) => other.obstacle === null);
  if (next) openSuggestion(next);
  else endSuggestions();
}

/** Leaves the suggestion that is shown open; its range stays painted, to be labelled freely. */
export function leaveSuggestion() {
  change({ suggestion: null });
  say("The suggestion stays open; a, n or e labels what is painted by your own judgement");
}

function endSuggestions() {
  change({ suggestion: null, paint: null });
  if (waiting().length === 0) say(state.session.mode === "browse" ? "No suggestion is left" : "No suggestion is left: enter goes on with the questions");
}

onConfirmed("suggestion", (reply, { body, more }) => {
  if (body.who !== state.who) return;
  done(reply.accepted ? `Saved: ${labelWords(more.kind)}, ${count(more.points, "point")}; the suggestion is accepted.` : "The suggestion is dismissed.", reply.entry);
  change({ changedAt: reply.entry ?? state.changedAt });
  forgetLabels();
  list().then(drawCount);
});

function drawCount() {
  const tab = byId("tab-suggestions");
  tab.hidden = !state.session?.suggests;
  const n = listed.length > 0 ? waiting().length : (state.server?.suggestions ?? 0);
  byId("suggestions-count").textContent = n > 0 ? ` ${n.toLocaleString("en")}` : "";
}

let known = "";
watch(["server", "session"], () => {
  const now = `${state.session?.start}/${state.server?.suggestions}`;
  if (now !== known) list().then(drawCount);
  known = now;
  drawCount();
});
watch(["suggestion", "series"], () => {
  document.body.dataset.suggested = state.suggestion?.id ?? "";
  if (state.suggestion && state.series) byId("question-facts").textContent = `suggested as ${state.suggestion.kind} (${sourceOf(state.suggestion)})${state.suggestion.comment === "" ? "" : `: ${state.suggestion.comment}`}`;
  if (isOpen("suggestions")) draw();
});
byId("suggestions").addEventListener("keydown", (event) => {
  const focused = document.activeElement?.closest?.("#suggestions-list li");
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const isAnswer = ANSWERS.includes(event.key) && focused?.dataset.suggestion !== state.suggestion?.id;
  if (!focused || (by === undefined && !isAnswer && !["x", "Backspace", "Delete"].includes(event.key))) return;
  event.preventDefault();
  event.stopPropagation();
  // Nobody judges what is not in the chart; nor is the question behind the list meant.
  if (isAnswer) return say(`Enter shows it in the chart; then ${KEYS[focused.dataset.kind]} accepts it`);
  const rows = [...byId("suggestions-list").children];
  const at = rows.indexOf(focused);
  if (by !== undefined) return rows[at + by]?.querySelector(".open")?.focus();
  const suggestion = listed.find(({ id }) => id === focused.dataset.suggestion);
  const next = rows[at + 1]?.dataset.suggestion ?? rows[at - 1]?.dataset.suggestion;
  decide(suggestion, false, event.timeStamp);
  if (next !== undefined) rowOf(next)?.querySelector(".open").focus();
});
onOpen("suggestions", list);
