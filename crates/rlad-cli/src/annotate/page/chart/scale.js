// Where points and times stand in a chart: by the clock, where there is one, else evenly.
//
// A gap is as wide as it is long, but no wider than a part of the chart, so that what was measured stays large enough to be seen.

import { pointAt, timeAt } from "../state/tiles.js";

/** The widest gap, as a part of the time in which something was measured, and the most that all gaps take together. */
const WIDEST_GAP = 0.15, ALL_GAPS = 0.4;

/** A scale of points that stand evenly. */
function even(from, to, left, right) {
  return {
    x: (point) => left + ((point - from) / (to - from)) * (right - left),
    pointAt: (x) => from + ((x - left) / (right - left)) * (to - from),
    gaps: [],
  };
}

/** The stretches of time between the edges: `{from, to, width, gap}`, where `width` is what a stretch takes and `gap` tells a gap. */
function stretches(tile, begin, end) {
  const half = (tile.step_ms ?? 0) / 2;
  const gaps = tile.gaps.map(([, before, after]) => ({ from: Math.max(begin, before + half), to: Math.min(end, after - half) })).filter(({ from, to }) => to > from);
  const missing = gaps.reduce((sum, { from, to }) => sum + to - from, 0);
  const measured = Math.max(end - begin - missing, 1);
  const widest = Math.min(WIDEST_GAP, ALL_GAPS / Math.max(gaps.length, 1)) * measured;
  const found = [];
  let at = begin;
  for (const { from, to } of gaps) {
    if (from > at) found.push({ from: at, to: from, width: from - at, gap: false });
    found.push({ from, to, width: Math.min(to - from, widest), gap: true });
    at = to;
  }
  if (end > at) found.push({ from: at, to: end, width: end - at, gap: false });
  return found;
}

/**
 * The scale of the points `from..to` between two places on the canvas; `clock` is a tile that tells times, or null.
 * It has `x(point)`, `pointAt(x)`, `xOfTime(ms)` (only with a clock) and `gaps`: `{left, right, from, to}`.
 */
export function scaleOf(clock, from, to, left, right) {
  if (clock === null) return even(from, to, left, right);
  // Half a point at an edge belongs to its point, not to the gap beside it.
  const begin = timeAt(clock, from + 0.001), end = timeAt(clock, to - 0.001);
  if (!(end > begin)) return even(from, to, left, right);
  const parts = stretches(clock, begin, end);
  const total = parts.reduce((sum, part) => sum + part.width, 0);
  let at = left;
  for (const part of parts) {
    part.left = at;
    at += (part.width / total) * (right - left);
    part.right = at;
  }
  const share = (value, low, high) => (high > low ? (value - low) / (high - low) : 0);
  const xOfTime = (time) => {
    const part = parts.find((part) => time <= part.to) ?? parts.at(-1);
    return part.left + share(time, part.from, part.to) * (part.right - part.left);
  };
  return {
    x: (point) => xOfTime(timeAt(clock, point)),
    pointAt: (x) => {
      const part = parts.find((part) => x <= part.right) ?? parts.at(-1);
      return pointAt(clock, part.from + share(x, part.left, part.right) * (part.to - part.from));
    },
    xOfTime,
    gaps: parts.filter((part) => part.gap),
  };
}
