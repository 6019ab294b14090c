// Pieces of series, thinned by the server to lows and highs, and kept for as long as they may be looked at again.

import { get } from "./api.js";

const KEPT = 60;
/** The most buckets that the server gives in one reply. */
export const MOST_BUCKETS = 4000;

const kept = [];
const asked = new Map();

/** A tile, from memory or from the server. Equal requests that are under way are one. */
export function tile(series, from, to, n) {
  const key = `${series}/${from}/${to}/${n}`;
  const found = kept.find((tile) => tile.key === key);
  if (found) return Promise.resolve(found);
  if (!asked.has(key)) {
    const request = get("/api/tiles", { series, from, to, n: Math.max(1, Math.min(n, MOST_BUCKETS)) })
      .then((reply) => {
        const made = { ...reply, key, series };
        if (asked.get(key) !== request) return made;
        kept.push(made);
        if (kept.length > KEPT) kept.shift();
        return made;
      })
      .finally(() => asked.get(key) === request && asked.delete(key));
    asked.set(key, request);
  }
  return asked.get(key);
}

/** Forgets all tiles: their numbers are of another start of the server. */
export function forgetTiles() {
  kept.length = 0;
  asked.clear();
}

/** The kept tile that shows `from..to` best: one that covers it, with the finest steps; else the one that covers most. */
export function bestTile(series, from, to) {
  let best = null;
  let bestScore = -Infinity;
  for (const tile of kept) {
    if (tile.series !== series) continue;
    const covered = Math.min(tile.to, to) - Math.max(tile.from, from);
    if (covered <= 0) continue;
    const score = covered >= to - from ? 2 - tile.step / 1e12 : covered / (to - from);
    if (score > bestScore) [best, bestScore] = [tile, score];
  }
  return best;
}

/** The kept tile with every point of `first..=last`, or null. */
export const rawTile = (series, first, last) =>
  kept.findLast((tile) => tile.series === series && tile.step === 1 && tile.from <= first && tile.to > last) ?? null;

/** The places at which the time of a tile's points is known, `[points, times]`; a gap is two times at the edge between its points. */
function knotsOf({ from, to, step, times, step_ms, gaps }) {
  const usual = step_ms ?? 1;
  const half = usual / 2;
  const known = times.map((time, i) => [from + i * step, time]);
  for (const [point, before, after] of gaps) known.push([point - 0.5, before + half], [point - 0.5, after - half]);
  known.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (known.length > 0) {
    const [last, time] = known.at(-1);
    known.unshift([from - 0.5, known[0][1] - half]);
    known.push([to - 0.5, time + (to - 0.5 - last) * usual]);
  }
  return [known.map(([point]) => point), known.map(([, time]) => time)];
}

/** The value at `at` of a line through places `xs` with the values `ys`; beyond them it goes on by `slope`. */
function between(xs, ys, at, slope) {
  if (xs.length === 0) return at;
  if (at <= xs[0]) return ys[0] + (at - xs[0]) * slope;
  if (at >= xs.at(-1)) return ys.at(-1) + (at - xs.at(-1)) * slope;
  let low = 0, high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= at) low = middle;
    else high = middle;
  }
  const length = xs[high] - xs[low];
  return length > 0 ? ys[low] + ((at - xs[low]) / length) * (ys[high] - ys[low]) : ys[low];
}

const knots = (tile) => (tile.knots ??= knotsOf(tile));

/** The time of a point by a tile's clock; between two buckets it runs evenly, save over the gaps. */
export function timeAt(tile, point) {
  const [points, times] = knots(tile);
  return between(points, times, point, tile.step_ms ?? 1);
}

/** The point at a time, with a fraction; the inverse of `timeAt`. */
export function pointAt(tile, time) {
  const [points, times] = knots(tile);
  return between(times, points, time, 1 / (tile.step_ms ?? 1));
}
