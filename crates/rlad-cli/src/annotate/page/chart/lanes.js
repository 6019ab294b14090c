// How the channels of a series are laid out in a chart: one below the other, or one over the other.

import { rangeOf } from "./chart.js";
import { DASHES } from "./palette.js";

/** Curves of earlier periods may stretch a lane by this fraction of its own height on each side, and no further. */
const MOST_STRETCH = 0.6;

export const nameOf = (channels, channel) => channels[channel] ?? `channel ${channel + 1}`;

/** The names of the channels over each other, with the values at a point of a tile. */
export const legendOf = (tile, channels, order, point, textOf) => order.map((channel) => ({
  text: `${nameOf(channels, channel)}${point === null || tile.step > 1 ? "" : `  ${textOf(tile.low[channel][point - tile.from])}`}`,
  color: `channel-${channel % DASHES.length}`, dash: DASHES[channel % DASHES.length],
}));

/**
 * The lanes of a tile between the points `from` and `to`.
 * `channels`: their names; `order`: the channels that are shown, in their order; `stacked`: a lane for each; `earlier`: curves of earlier
 * periods, `{values, dash}`, and `usual`: the usual range, `{low, high}`, both from the point `layersFrom` on; `heights`: a tile whose
 * values set the lanes' heights between its `from` and `to`; `ranges`: the heights themselves, by channel.
 */
export function lanesOf(tile, channels, { from, to, order = null, stacked, dots = false, ringed = false, earlier = [], usual = null, layersFrom = 0, heights = null, ranges = null }) {
  const n = tile.low.length;
  const curve = (channel, color, dash) => ({
    from: tile.from, step: tile.step, low: tile.low[channel], high: tile.high[channel], times: tile.times, color, dash, dots, ringed,
  });
  const band = (channel) => (usual?.low[channel] ? [{ from: layersFrom, step: 1, low: usual.low[channel], high: usual.high[channel], color: "before", band: true, counts: false }] : []);
  const past = (channel) =>
    earlier.filter(({ values }) => values[channel]?.some((value) => value !== null)).map(({ values, dash }) => ({
      from: layersFrom, step: 1, low: values[channel], high: values[channel], color: "before", dash, width: 1.3, counts: false, clips: true,
    }));
  const rangeFor = (channel) => {
    if (heights) return rangeOf([{ from: heights.tile.from, step: heights.tile.step, low: heights.tile.low[channel], high: heights.tile.high[channel] }], heights.from, heights.to);
    if (ranges) return ranges[channel];
    const [low, high] = rangeOf([curve(channel)], from, to);
    const beside = [...past(channel), ...band(channel)];
    if (beside.length === 0) return [low, high];
    // A value beyond the reach is cut off, and makes no room for itself.
    const most = (high - low) * MOST_STRETCH;
    const near = beside.flatMap((curve) => (curve.band ? [...curve.low, ...curve.high] : curve.low)).filter((value) => value !== null && value >= low - most && value <= high + most);
    return [Math.min(low, ...near), Math.max(high, ...near)];
  };
  const all = (order ?? Array.from({ length: n }, (_, channel) => channel)).filter((channel) => channel < n);
  if (n === 1 || stacked) {
    return all.map((channel) => ({
      title: n > 1 ? nameOf(channels, channel) : "", range: rangeFor(channel), curves: [...band(channel), ...past(channel), curve(channel, "line", [])],
    }));
  }
  // Over each other, bands would hide each other.
  const scaled = all.flatMap((channel) => {
    const scale = rangeFor(channel);
    return [...past(channel), curve(channel, `channel-${channel % DASHES.length}`, DASHES[channel % DASHES.length])].map((made) => ({ ...made, scale }));
  });
  return [{ title: "", range: [0, 1], unscaled: true, curves: scaled }];
}
