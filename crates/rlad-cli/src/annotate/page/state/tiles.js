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
        kept.push(made);
        if (kept.length > KEPT) kept.shift();
        return made;
      })
      .finally(() => asked.delete(key));
    asked.set(key, request);
  }
  return asked.get(key);
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

/** The time of a point by a tile's clock; between two buckets it runs evenly. */
export function timeAt(tile, point) {
  const { from, step, times } = tile;
  if (times.length === 0) return point;
  const at = (point - from) / step;
  const i = Math.max(0, Math.min(times.length - 2, Math.floor(at)));
  if (times.length === 1) return times[0] + (point - from);
  return times[i] + (at - i) * (times[i + 1] - times[i]);
}

/** The point at a time, with a fraction; the inverse of `timeAt`. */
export function pointAt(tile, time) {
  const { from, step, times } = tile;
  if (times.length < 2) return from;
  let low = 0, high = times.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle;
    else high = middle;
  }
  const length = times[high] - times[low];
  return from + step * (low + (length > 0 ? (time - times[low]) / length : 0));
}
