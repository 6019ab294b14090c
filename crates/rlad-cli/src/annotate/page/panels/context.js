// The context strip: how much of the series is in view, and how keys, wheel and drag change it.

import { byId, count } from "../state/element.js";
import { contextChart } from "../chart/stage.js";
import { change, state, watch } from "../state/state.js";
import { momentText, spanText, zoneName } from "../state/time.js";
import { bestTile, timeAt } from "../state/tiles.js";

const FACTOR = 10;
const DRAG_PX = 4;
const PHONE_WIDTH = 600;
/** How many times the window's length is in view; it stays from question to question. */
let factor = FACTOR;

/** The points around a window, `factor` times as many, as far as the series goes. */
export function contextAround(series, shown) {
  const length = shown.last - shown.first + 1;
  return fitted(series, (shown.first + shown.last + 1) / 2, length * factor);
}

function fitted(series, middle, length) {
  const n = Math.max(1, Math.min(series.n_points, Math.round(length)));
  const from = Math.max(0, Math.min(series.n_points - n, Math.round(middle - n / 2)));
  return { from, to: from + n };
}

/** Shows `times` as many points, around `middle` (the window's middle where it is not given). */
export function zoom(times, middle = null) {
  const { series, context, shown } = state;
  if (!series) return;
  const length = context.to - context.from;
  const window = shown.last - shown.first + 1;
  const wanted = Math.max(Math.min(window * 1.2, series.n_points), Math.min(series.n_points, length * times));
  const at = middle ?? (shown.first + shown.last + 1) / 2;
  // What is under the pointer stays there.
  const fraction = middle === null ? 0.5 : (middle - context.from) / length;
  factor = wanted >= series.n_points ? factor : Math.max(1.2, wanted / window);
  change({ context: fitted(series, at - fraction * wanted + wanted / 2, wanted) });
}

/** Moves the strip by a fraction of its length. */
export function pan(fraction) {
  const { series, context } = state;
  if (!series) return;
  const length = context.to - context.from;
  change({ context: fitted(series, (context.from + context.to) / 2 + Math.sign(fraction) * Math.max(1, Math.abs(fraction) * length), length) });
}

const isWhole = () => state.series !== null && state.context !== null && state.context.from === 0 && state.context.to === state.series.n_points;

/** Shows the whole series; where it is shown, the surroundings of the window again. */
export function toggleWhole() {
  const { series, shown } = state;
  if (!series) return;
  if (!isWhole()) change({ context: { from: 0, to: series.n_points } });
  else {
    factor = FACTOR;
    change({ context: contextAround(series, shown) });
  }
}

/** Moves the window to the middle of `first..=last` places of the same length; only where any series is labelled. */
export function moveWindow(to) {
  const { series, shown, context } = state;
  const length = shown.last - shown.first + 1;
  const first = Math.max(0, Math.min(series.n_points - length, Math.round(to - length / 2)));
  const moved = { first, last: first + length - 1 };
  const inView = moved.first >= context.from && moved.last < context.to;
  change(inView ? { shown: moved } : { shown: moved, context: fitted(series, first + length / 2, context.to - context.from) });
}

const canvas = byId("context");
let drag = null;

canvas.addEventListener("wheel", (event) => {
  if (!state.series || event.ctrlKey) return;
  event.preventDefault();
  if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(Math.sign(event.deltaX) * 0.06);
  else zoom(event.deltaY > 0 ? 1.25 : 0.8, contextChart.pointAt(event.clientX));
}, { passive: false });

canvas.addEventListener("pointerdown", (event) => {
  if (!state.series || event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  drag = { x: event.clientX, point: contextChart.pointAt(event.clientX), context: state.context, width: contextChart.pointWidth, moved: false };
});
canvas.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const by = event.clientX - drag.x;
  drag.moved ||= Math.abs(by) > DRAG_PX;
  if (!drag.moved) return;
  const { from, to } = drag.context;
  change({ context: fitted(state.series, (from + to) / 2 - by / drag.width, to - from) });
});
canvas.addEventListener("pointerup", () => {
  if (drag && !drag.moved && state.screen === "label") moveWindow(drag.point);
  drag = null;
});
canvas.addEventListener("pointercancel", () => {
  drag = null;
});
canvas.addEventListener("dblclick", toggleWhole);

byId("zoom-out").addEventListener("click", () => zoom(2));
byId("zoom-in").addEventListener("click", () => zoom(0.5));
byId("show-whole").addEventListener("click", toggleWhole);

watch(["context", "series", "loaded"], () => {
  const { series, context } = state;
  if (!series) return;
  const n = context.to - context.from;
  const strip = bestTile(series.index, context.from, context.to);
  const whole = isWhole() ? "whole series: " : "";
  const narrow = window.innerWidth < PHONE_WIDTH;
  const length = strip && series.clock ? `, ${spanText(timeAt(strip, context.to) - timeAt(strip, context.from))}` : "";
  byId("context-note").textContent = `${whole}${count(n, "point")}${length}${series.clock && !narrow ? `; times in ${zoneName()}` : ""}`;
  byId("show-whole").setAttribute("aria-pressed", String(isWhole()));
  const bounds = strip ? ` from ${momentText(timeAt(strip, context.from), series.clock)} to ${momentText(timeAt(strip, context.to - 1), series.clock)}` : "";
  canvas.setAttribute("aria-label", `Context of ${series.name}: ${count(n, "point")}${bounds}`);
});
