// Labels of any points of any series, without a question.

import { get, startNow } from "../state/api.js";
import { contextAround } from "./context.js";
import { byId, count, setName } from "../state/element.js";
import { between, painted } from "../state/paint.js";
import { placeOf } from "../state/place.js";
import { enqueue, onConfirmed } from "../state/queue.js";
import { addLabels, forgetLabels, prepare } from "../chart/stage.js";
import { change, state, watch } from "../state/state.js";
import { isClock, timeText, zoneName } from "../state/time.js";
import { done, say } from "./toast.js";
import { tile } from "../state/tiles.js";

const LABELS = { anomaly: "anomaly", normal: "normal", expected: "expected", erase: "unknown" };
const WORDS = { anomaly: "anomaly", normal: "normal", expected: "expected event", unknown: "label taken away" };
const WINDOW = 150, NARROW_WINDOW = 60;
let turn = 0;

/**
 * Opens a series, as `/api/series` lists it, with the points of `span` in the window, or its whole in the context. `more` are fields of the
 * state that go with it. Returns whether it is shown.
 */
export async function openSeries(listed, span = null, more = {}) {
  const mine = ++turn;
  if (listed.start !== startNow()) return say("The data were exchanged a moment ago: choose it again") ?? false;
  const clock = isClock(listed.from);
  const wanted = Math.min(listed.n_points, window.innerWidth < 700 ? NARROW_WINDOW : WINDOW);
  const length = span?.isWindow ? span.last - span.first + 1 : span ? Math.min(listed.n_points, Math.max(wanted, Math.round((span.last - span.first + 1) * 1.5))) : wanted;
  const middle = span ? (span.first + span.last + 1) / 2 : listed.n_points / 2;
  const first = Math.max(0, Math.min(listed.n_points - length, Math.round(middle - length / 2)));
  const shown = { first, last: first + length - 1 };
  const series = { index: listed.index, name: listed.name, n_points: listed.n_points, clock, step: null, from: listed.from, to: listed.to };
  const context = span ? contextAround(series, shown) : { from: 0, to: listed.n_points };
  try {
    await prepare(series, shown, context);
    // The usual distance of two points, to see breaks of the clock.
    const near = await tile(series.index, shown.first, shown.last + 1, 4000);
    series.step = near.step_ms;
  } catch (error) {
    say(error.message);
    return false;
  }
  if (mine !== turn || listed.start !== startNow()) return false;
  change({ screen: "label", question: null, given: null, drawnAt: null, series, shown, context, point: null, paint: null, hover: null, comment: null, suggestion: null, ...more });
  // The keys are the chart's again.
  byId("question-title").focus({ preventScroll: true });
  if (span?.what) say(`${timeText(span.from ?? listed.from)}: ${span.what}`);
  return true;
}

/** Opens a series with the points of `span` painted, so that one key labels them. */
export const openPainted = (listed, span, more = {}) => openSeries(listed, span, { paint: between(span.first, span.last), ...more });

/** Opens a series of which only the name is known. */
export async function openNamed(name, span) {
  try {
    for (let offset = 0; ; offset += 100) {
      const { series, total } = await get("/api/series", { search: name, offset, limit: 100 });
      const found = series.find((listed) => listed.name === name);
      if (found) return openSeries(found, span);
      if (series.length === 0 || offset + series.length >= total) return say(`There is no series ${name}`);
    }
  } catch (error) {
    say(error.message);
  }
}

/** The words of a label. */
export const labelWords = (label) => WORDS[label];

/** Gives the painted range a label, or takes the labels in it away. */
export function labelRange(button) {
  const label = LABELS[button];
  if (state.isMoving) return say("The data are being exchanged; this key was not taken");
  if (!label) return say("Without a question, labels are anomaly, normal, expected, or erased");
  const range = painted(state.paint, null);
  if (!range) return say("Paint a range first: drag over the window, or r and the arrows");
  const { series } = state;
  const spans = [{ ...range, label }];
  enqueue("label", { who: state.who, source: "unprompted", series: series.index, spans, place: placeOf(series, spans), comment: state.comment || null, seconds: 0 }, { name: series.name });
  addLabels(series.index, spans);
  change({ paint: null, comment: null });
  say(`${count(range.last - range.first + 1, "point")}: ${WORDS[label]}`);
}

onConfirmed("label", (reply, { body }) => {
  const spans = body.items ? body.items.flatMap((item) => item.spans) : body.spans;
  const points = spans.reduce((sum, span) => sum + span.last - span.first + 1, 0);
  const labels = [...new Set(spans.map((span) => WORDS[span.label]))].join(" and ");
  done(`Saved: ${labels}, ${count(points, "point")}${body.items ? ` in ${count(body.items.length, "window")}` : ""}.`, reply.entry ?? reply.entries?.at(-1) ?? null);
  change({ changedAt: reply.entry ?? reply.entries?.at(-1) });
  forgetLabels();
});

watch(["screen", "series", "suggestion"], () => {
  const { screen, series } = state;
  if (screen !== "label" || !series) return;
  setName(byId("question-title"), series.name);
  byId("question-time").textContent = isClock(series.from) ? `${timeText(series.from)} to ${timeText(series.to)} ${zoneName()}` : "";
  byId("question-facts").textContent = `labelling without a question, ${count(series.n_points, "point")}`;
});
