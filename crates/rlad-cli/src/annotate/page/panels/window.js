// The window: the judged point with its values, and how a range is painted in it by drag and by keys.

import { byId, count } from "../state/element.js";
import { moveWindow } from "./context.js";
import { beginOrEnd, between, isMoving, moved, painted } from "../state/paint.js";
import { windowChart } from "../chart/stage.js";
import { change, state, watch } from "../state/state.js";
import { momentText, valueText, zoneName } from "../state/time.js";
import { say } from "./toast.js";
import { bestTile, rawTile, timeAt } from "../state/tiles.js";

const MOUSE_REACH_PX = 8, TOUCH_REACH_PX = 18;
const DRAG_PX = 3;
const MIN_WINDOW = 10, MAX_WINDOW = 4000;

const canvas = byId("window");
let drag = null;

/** Why nothing can be painted at the moment, or null. */
function obstacle() {
  if (!state.series || state.given) return "There is nothing to paint on yet";
  return state.screen === "ask" && state.question?.kind === "point" ? "This session asks about single points: there is no range" : null;
}

const pointUnder = (event) => Math.max(state.shown.first, Math.min(state.shown.last, Math.round(windowChart.pointAt(event.clientX))));

/** The key for painting: begins a range, ends it, takes up the other end. */
export function paintKey() {
  const why = obstacle();
  if (why) return say(why);
  const { point, hover, shown } = state;
  const start = point ?? hover ?? Math.round((shown.first + shown.last) / 2);
  change({ paint: beginOrEnd(state.paint, start) });
  if (isMoving(state.paint)) say("Arrows move the end (shift: 10 points), r ends, Esc drops");
}

/** Moves the end that is being painted, by as many points. Where any series is labelled, the window follows it. */
export function paintMove(by) {
  const isLabelling = state.screen === "label";
  const whole = { first: 0, last: state.series.n_points - 1 };
  const finite = Number.isFinite(by) || !isLabelling;
  const paint = moved(state.paint, by, isLabelling && finite ? whole : state.shown);
  change({ paint });
  const end = paint.ends[paint.moving];
  if (isLabelling && (end < state.shown.first || end > state.shown.last)) moveWindow(end);
}

/** Moves one side of the range by a point: of the painted one, else of the one that is proposed. The range keeps the judged point. */
function moveSide(side, by) {
  const why = obstacle();
  if (why) return say(why);
  const { point, shown, question, screen, series } = state;
  const range = painted(state.paint, point) ?? (screen === "ask" ? (question?.proposed ?? { first: point, last: point }) : null);
  if (!range) return say("Paint a range first: drag over the window, or r and the arrows");
  const limits = screen === "ask" ? shown : { first: 0, last: series.n_points - 1 };
  const moved = { ...range, [side]: range[side] + by };
  const isWhole = moved.first <= moved.last && (point === null || (moved.first <= point && point <= moved.last));
  if (!isWhole) return say("The range keeps the judged point");
  if (moved.first < limits.first || moved.last > limits.last) return say("The range stays in what is shown");
  change({ paint: between(moved.first, moved.last) });
}

/** Makes the range a point longer, on the left (-1) or on the right (1). */
export const growRange = (sign) => (sign < 0 ? moveSide("first", -1) : moveSide("last", 1));

/** Makes the range a point shorter, on the left (-1) or on the right (1). */
export const shortenRange = (sign) => (sign < 0 ? moveSide("first", 1) : moveSide("last", -1));

export const isPainting = () => isMoving(state.paint);

export function dropPaint() {
  change({ paint: null });
}

/** Shows `times` as many points in the window, where any series is labelled. */
export function zoomWindow(times, middle = null) {
  const { series, shown } = state;
  if (state.screen !== "label") return say("The window of a question cannot be zoomed; [ and ] zoom the context");
  const length = shown.last - shown.first + 1;
  const wanted = Math.round(Math.max(Math.min(MIN_WINDOW, series.n_points), Math.min(series.n_points, MAX_WINDOW, length * times)));
  const at = middle ?? (shown.first + shown.last) / 2;
  const fraction = (at - shown.first) / length;
  const first = Math.max(0, Math.min(series.n_points - wanted, Math.round(at - fraction * wanted)));
  change({ shown: { first, last: first + wanted - 1 } });
}

byId("window-out").addEventListener("click", () => zoomWindow(2));
byId("window-in").addEventListener("click", () => zoomWindow(0.5));

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !state.series) return;
  const why = obstacle();
  if (why) return say(why);
  canvas.setPointerCapture(event.pointerId);
  const point = pointUnder(event);
  const range = painted(state.paint, state.point);
  const reach = (event.pointerType === "touch" ? TOUCH_REACH_PX : MOUSE_REACH_PX) / windowChart.pointWidth;
  const at = windowChart.pointAt(event.clientX);
  // An edge that is taken hold of moves; else a new range begins.
  const anchor = range && Math.abs(at - range.first + 0.5) < reach ? range.last : range && Math.abs(at - range.last - 0.5) < reach ? range.first : null;
  drag = { x: event.clientX, anchor: anchor ?? point, held: anchor !== null, erase: event.altKey, moved: false };
});
canvas.addEventListener("pointermove", (event) => {
  if (!state.series) return;
  if (event.pointerType !== "touch") change({ hover: pointUnder(event) });
  if (!drag) return;
  drag.moved ||= drag.held || Math.abs(event.clientX - drag.x) > DRAG_PX;
  if (drag.moved) change({ paint: between(drag.anchor, pointUnder(event)) });
});
canvas.addEventListener("pointerup", () => {
  const done = drag;
  drag = null;
  if (!done?.moved) return;
  const range = painted(state.paint, state.point);
  change({ paint: between(range.first, range.last) });
  if (done.erase && state.screen === "label") byId("answer-erase").click();
});
canvas.addEventListener("pointercancel", () => {
  drag = null;
});
canvas.addEventListener("pointerleave", () => change({ hover: null }));
canvas.addEventListener("wheel", (event) => {
  if (state.screen !== "label" || event.ctrlKey) return;
  event.preventDefault();
  zoomWindow(event.deltaY > 0 ? 1.25 : 0.8, windowChart.pointAt(event.clientX));
}, { passive: false });

/** The time of a point and its values, as text; those of several channels only where `all` are wanted. */
function valuesAt(point, all = true) {
  const { series, session } = state;
  const tile = rawTile(series.index, point, point);
  if (!tile) return "";
  const values = tile.low.map((channel) => valueText(channel[point - tile.from]));
  const named = values.map((value, i) => (values.length > 1 ? `${session?.channels[i] ?? i + 1} ${value}` : value)).join(" · ");
  const moment = momentText(series.clock ? tile.times[point - tile.from] : point, series.clock);
  return values.length > 1 && !all ? moment : `${moment}: ${named}`;
}

watch(["hover", "series", "shown", "point", "paint", "drawnAt", "loaded", "absent", "question"], () => {
  const { series, shown, point, hover } = state;
  if (!series) return;
  const range = painted(state.paint, point);
  const at = hover ?? point;
  byId("readout").textContent = at === null ? "" : valuesAt(at, false);
  const n = shown.last - shown.first + 1;
  byId("paint").setAttribute("aria-pressed", String(state.paint !== null));
  const proposed = state.screen === "ask" && !state.question?.answer ? state.question?.proposed : null;
  const size = (of) => count(of.last - of.first + 1, "point");
  const absent = series.clock && state.absent.length > 0 ? `; no data a ${state.absent.join(" and a ")} before` : "";
  const what = range ? `range: ${size(range)} of ${n.toLocaleString("en")}` : proposed ? `proposed: ${size(proposed)} of ${n.toLocaleString("en")}` : count(n, "point");
  byId("window-note").textContent = `${what}${absent}`;
});

watch(["series", "shown", "drawnAt", "loaded"], () => {
  const { series, shown, point } = state;
  if (!series) return;
  const tile = bestTile(series.index, shown.first, shown.last + 1);
  if (!tile) return;
  const place = (at) => momentText(timeAt(tile, at), series.clock);
  const judged = point === null ? "" : `. Judged point: ${valuesAt(point)}`;
  canvas.setAttribute("aria-label", `Window of ${series.name}: ${count(shown.last - shown.first + 1, "point")} from ${place(shown.first)} to ${place(shown.last)}${series.clock ? ` (${zoneName()})` : ""}${judged}`);
});
