// The two charts in the middle of the page: the window, and the context strip above it.
//
// They draw the tiles at hand at once, and again when finer tiles, labels or earlier periods have come.

import { get } from "../state/api.js";
import { Chart } from "./chart.js";
import { byId } from "../state/element.js";
import { lanesOf, legendOf, nameOf } from "./lanes.js";
import { painted } from "../state/paint.js";
import { setting, watchSettings } from "../state/settings.js";
import { change, state, watch } from "../state/state.js";
import { valueText } from "../state/time.js";
import { bestTile, MOST_BUCKETS, rawTile, tile } from "../state/tiles.js";

const DAY_S = 86_400;
const SETTLE_MS = 70;
const BREAK_STEPS = 1.5;
const STACK_LANE_PX = 50;

export const windowChart = new Chart(byId("window"));
export const contextChart = new Chart(byId("context"));

let labels = { series: -1, from: 0, to: 0, spans: [] };
let earlier = { key: "", curves: [] };
let turn = 0;
let settle = 0;

/** The requests that are needed to draw `shown` in `context`; of the context three times its length, so that it can be moved. */
function requests(series, shown, context) {
  const length = context.to - context.from;
  const n = Math.max(300, Math.min(1600, byId("context").clientWidth || 1200));
  const wide = { from: Math.max(0, context.from - length), to: Math.min(series.n_points, context.to + length) };
  const isRaw = wide.to - wide.from <= MOST_BUCKETS;
  // On a grid of half lengths, so that small moves ask for nothing.
  const around = isRaw ? wide : { from: Math.max(0, context.from - Math.ceil(length / 2)), to: Math.min(series.n_points, context.to + Math.ceil(length / 2)) };
  const made = [[around.from, around.to, isRaw ? MOST_BUCKETS : Math.min(MOST_BUCKETS, n * 2)]];
  if (!isRaw || shown.first < around.from || shown.last >= around.to) {
    const room = shown.last - shown.first + 1;
    made.push([Math.max(0, shown.first - room), Math.min(series.n_points, shown.last + 1 + room), MOST_BUCKETS]);
  }
  return made;
}

/** Asks for the curves of a place before it is shown. */
export const prepare = (series, shown, context) => Promise.all(requests(series, shown, context).map(([from, to, n]) => tile(series.index, from, to, n)));

/** Whether the tiles at hand show `context` as finely as it is drawn. */
function isFine({ index }, context) {
  const best = bestTile(index, context.from, context.to);
  if (best === null || best.from > context.from || best.to < context.to) return false;
  return best.step === 1 || (context.to - context.from) / best.step >= Math.min(600, (byId("context").clientWidth || 600) * 0.7);
}

async function load() {
  const { series, shown, context } = state;
  if (!series) return;
  const mine = ++turn;
  const wanted = isFine(series, context) && rawTile(series.index, shown.first, shown.last) ? Promise.resolve() : prepare(series, shown, context);
  const stillHere = () => mine === turn;
  try {
    await Promise.all([
      wanted.then(() => {
        if (!stillHere()) return;
        draw();
        change({ loaded: mine });
      }),
      loadLabels(series, shown, context, stillHere),
      loadEarlier(series, shown, stillHere),
    ]);
  } catch (error) {
    if (error.status !== 0 && stillHere()) change({ trouble: error.message });
  }
}

async function loadLabels({ index }, shown, context, stillHere) {
  const from = Math.min(shown.first, context.from), to = Math.max(shown.last + 1, context.to);
  if (labels.series === index && labels.from <= from && labels.to >= to) return;
  const { spans } = await get("/api/labels", { series: index, from, to });
  if (!stillHere()) return;
  labels = { series: index, from, to, spans };
  draw();
}

async function loadEarlier(series, shown, stillHere) {
  const lags = series.clock ? [["day", DAY_S, [6, 3]], ["week", 7 * DAY_S, [2, 3]]].filter(([name]) => setting(name)) : [];
  const from = shown.first, to = shown.last + 1;
  const key = `${series.index}/${from}/${to}/${lags.map(([name]) => name)}`;
  if (earlier.key === key) return;
  const curves = to - from > MOST_BUCKETS ? [] : await Promise.all(lags.map(async ([, lag_s, dash]) =>
    ({ dash, ...(await get("/api/before", { series: series.index, from, to, lag_s })) })));
  if (!stillHere()) return;
  earlier = { key, curves, from };
  draw();
}

/** Forgets the labels, after an answer changed them, and asks for them again; not where another place comes next anyway. */
export function forgetLabels(isLeaving = false) {
  labels = { series: -1, from: 0, to: 0, spans: [] };
  if (!isLeaving) load();
}

/** Shows spans as labels before the server has confirmed them. */
export function addLabels(series, spans) {
  if (labels.series !== series) return;
  labels = { ...labels, spans: [...labels.spans, ...spans.filter((span) => span.label !== "unknown")] };
  draw();
}

/** The names of the channels, with their values at a point. */
function channelNames(near, channels, point) {
  return near.low.map((values, channel) => {
    const value = point === null || near.step > 1 ? "" : `  ${valueText(values[point - near.from])}`;
    return `${nameOf(channels, channel)}${value}`;
  });
}

/** Draws both charts; `done` is called when the window with all its points is on the screen. */
export function draw(done = null) {
  const { series, shown, context, point, paint, hover } = state;
  if (!series || byId("question").hidden) return;
  const channels = state.session?.channels ?? [];
  const spans = labels.series === series.index ? labels.spans : [];
  const stacked = setting("stack");
  const range = painted(paint, point);
  const strip = bestTile(series.index, context.from, context.to);
  const near = rawTile(series.index, shown.first, shown.last) ?? bestTile(series.index, shown.first, shown.last + 1);
  // Before the answer: the range that *anomaly* without paint labels, where it is more than the point.
  const isOpen = state.screen === "ask" && !range && !state.given && !state.question?.answer;
  const grown = isOpen ? (state.question?.proposed ?? null) : null;
  const proposed = grown && grown.last > grown.first ? grown : null;
  const gap = series.step === null ? null : series.step * BREAK_STEPS;
  const n = strip?.low.length ?? 1;
  const high = stacked && n > 1 ? `${n * STACK_LANE_PX + 60}px` : "";
  const box = byId("window").parentElement;
  if (box.style.minHeight !== high) box.style.minHeight = high;
  if (strip) {
    const visible = { from: context.from - 0.5, to: context.to - 0.5 };
    contextChart.draw({
      ...visible, clock: series.clock ? strip : null, lanes: lanesOf(strip, n > 1 ? [] : channels, { ...visible, stacked: n > 1 ? stacked : false }).map((lane) => ({ ...lane, title: "" })),
      labels: spans, painted: null, focus: shown, point, hover: null, gap,
    });
  }
  if (near) {
    const visible = { from: shown.first - 0.5, to: shown.last + 0.5 };
    const namedAt = hover ?? point;
    const isStacked = n > 1 && stacked;
    // With one channel the value stands above the chart; with more each stands at its name.
    const named = isStacked ? channelNames(near, channels, namedAt) : channels;
    const ready = near.step === 1 || shown.last - shown.first >= MOST_BUCKETS ? done : null;
    windowChart.draw({
      ...visible, clock: series.clock ? near : null,
      legend: n > 1 && !stacked ? legendOf(near, channels, namedAt, valueText) : null,
      lanes: lanesOf(near, named, {
        ...visible, stacked, dots: true, ringed: true, earlier: earlier.key.startsWith(`${series.index}/${shown.first}/${shown.last + 1}/`) ? earlier.curves : [],
        earlierFrom: earlier.from, heights: setting("scale") && strip ? { tile: strip, from: context.from, to: context.to } : null,
      }),
      labels: spans, painted: range, proposed, focus: null, point, ringed: true, hover, gap,
    }, ready);
  }
  byId("window").dataset.first = shown.first;
  byId("window").dataset.last = shown.last;
  byId("window").dataset.painted = range ? `${range.first}-${range.last}` : "";
  byId("context").dataset.first = context.from;
  byId("context").dataset.last = context.to - 1;
}

watch(["series", "shown", "context"], () => {
  draw();
  clearTimeout(settle);
  // A new place loads at once, a moving one when it rests.
  if (!state.series || isFine(state.series, state.context)) load();
  else settle = setTimeout(load, SETTLE_MS);
});
watch(["paint", "hover"], () => draw());
watchSettings((name) => {
  if (["day", "week"].includes(name)) load();
  draw();
});
