// Where points are, by names and times: what stays when the server is exchanged and its numbers are others.

import { startNow } from "./api.js";
import { bestTile, rawTile, timeAt } from "./tiles.js";

/** The time of a point in milliseconds, or its number where there is no clock; null where no tile tells it. */
export function timeOfPoint(series, point) {
  const raw = rawTile(series, point, point);
  if (raw) return raw.times[point - raw.from];
  const tile = bestTile(series, point, point + 1);
  return tile ? Math.round(timeAt(tile, point)) : null;
}

/** The place of `spans` of a series, `{index, name}`; of an answer with the `time` of the judged point. */
export function placeOf({ index, name }, spans, time = null) {
  const times = spans.map(({ first, last }) => [timeOfPoint(index, first), timeOfPoint(index, last)]);
  return { start: startNow(), series: name, time, times: times.flat().includes(null) ? [] : times };
}
