// One curve of a lane: a line, a band between lows and highs, and marks where it leaves the frame.

import { line } from "./strokes.js";

/** Breaks of the clock are looked for where no more points than these are in view. */
const MOST_POINTS_WITH_BREAKS = 1500;
/** Points that are nearer to each other have no dots. */
const LEAST_DOT_PX = 7;

/** The first and the last bucket of a curve in view, with one more on each side. */
const inView = (spec, { from, step, low }) => [Math.max(0, Math.floor((spec.from - from) / step) - 1), Math.min(low.length, Math.ceil((spec.to - from) / step) + 2)];

/** The runs of buckets with values: `[first, end]`, `end` exclusive; `isBroken(i)` tells a break before a bucket. */
function runs(low, begin, end, isBroken) {
  const found = [];
  let i = begin;
  while (i < end) {
    while (i < end && (low[i] === null || low[i] === undefined)) i++;
    const first = i;
    while (i < end && low[i] !== null && low[i] !== undefined && (i === first || !isBroken(i))) i++;
    if (i > first) found.push([first, i]);
  }
  return found;
}

/** Goes along the highs and back along the lows. */
function outline(context, at, y, { low, high }, first, end) {
  context.beginPath();
  context.moveTo(at(first), y(high[first]));
  for (let k = first + 1; k < end; k++) context.lineTo(at(k), y(high[k]));
  for (let k = end - 1; k >= first; k--) context.lineTo(at(k), y(low[k]));
  context.closePath();
}

/** Draws a curve; `y` gives the height of a value, `color` the colours by their names. */
export function drawCurve(context, spec, curve, x, y, color) {
  const { from, step, low, high, times } = curve;
  const [begin, end] = inView(spec, curve);
  const middle = (step - 1) / 2;
  const at = (i) => x(from + i * step + middle);
  context.strokeStyle = context.fillStyle = color[curve.color];
  context.lineWidth = curve.width ?? 1.5;
  context.setLineDash(curve.dash ?? []);
  const gap = step === 1 && times && spec.gap && end - begin < MOST_POINTS_WITH_BREAKS ? spec.gap : Infinity;
  let before = null;
  for (const [first, last] of runs(low, begin, end, (i) => gap !== Infinity && times[i] - times[i - 1] > gap)) {
    if (curve.band || step > 1) {
      outline(context, at, y, curve, first, last);
      context.globalAlpha = curve.band ? 0.16 : 0.45;
      context.fill();
      context.globalAlpha = 1;
      context.lineWidth = 1;
      if (!curve.band) context.stroke();
      continue;
    }
    if (before !== null && before === first) {
      // Over a break of the clock the curve is only hinted at.
      context.setLineDash([1, 4]);
      line(context, at(first - 1), y(low[first - 1]), at(first), y(low[first]));
      context.setLineDash(curve.dash ?? []);
    }
    before = last;
    if (last - first === 1) {
      context.fillRect(at(first) - 1.5, y(low[first]) - 1.5, 3, 3);
      continue;
    }
    context.beginPath();
    context.moveTo(at(first), y(low[first]));
    for (let k = first + 1; k < last; k++) context.lineTo(at(k), y(low[k]));
    context.stroke();
  }
  context.setLineDash([]);
  if (curve.dots && step === 1 && x(spec.to) - x(spec.from) >= LEAST_DOT_PX * (spec.to - spec.from)) {
    for (let k = begin; k < end; k++) {
      if (low[k] === null) continue;
      context.beginPath();
      context.arc(at(k), y(low[k]), 2.4, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/** Marks by arrows at the frame where a curve leaves it, one a run of values beyond it. */
export function drawClips(context, spec, curve, x, y, box, color) {
  const [begin, end] = inView(spec, curve);
  context.fillStyle = color[curve.color];
  let side = 0;
  for (let i = begin; i < end; i++) {
    const value = curve.low[i];
    const place = value === null || value === undefined ? NaN : y(value);
    const now = place < box.top - 1 ? -1 : place > box.bottom + 1 ? 1 : 0;
    const at = x(curve.from + i);
    if (now !== 0 && now !== side && at >= box.left && at <= box.right) {
      const tip = now < 0 ? box.top : box.bottom;
      context.beginPath();
      context.moveTo(at, tip);
      context.lineTo(at - 5, tip - now * 8);
      context.lineTo(at + 5, tip - now * 8);
      context.fill();
    }
    side = now;
  }
}
