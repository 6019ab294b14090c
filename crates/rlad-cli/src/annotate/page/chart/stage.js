// The two charts in the middle of the page: the window, and the context strip above it.
//
// They draw the tiles at hand at once, and again when finer tiles, labels or earlier periods have come.

import { Chart } from "./chart.js";
import { byId } from "../state/element.js";
import { channelsShown } from "../state/channels.js";
import { lanesOf, legendOf, nameOf } from "./lanes.js";
import { dropLabels, dropLayers, earlierOf, eventsOf, labelsOf, loadLayers, noScores, putLabels, scoresOf, usualOf } from "./layers.js";
import { painted } from "../state/paint.js";
import { setting, watchSettings } from "../state/settings.js";
import { change, state, watch } from "../state/state.js";
import { valueText } from "../state/time.js";
import { bestTile, forgetTiles, MOST_BUCKETS, rawTile, tile } from "../state/tiles.js";

const SETTLE_MS = 70;
const BREAK_STEPS = 1.5;
const STACK_LANE_PX = 50, SCORE_PX = 46;

export const windowChart = new Chart(byId("window"));
export const contextChart = new Chart(byId("context"));

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
      loadLayers(series, shown, context, stillHere, () => draw()),
    ]);
  } catch (error) {
    if (!error.gone && stillHere()) change({ trouble: error.message });
  }
}

/** Forgets the labels, after an answer changed them, and asks for them again; not where another place comes next anyway. */
export function forgetLabels(isLeaving = false) {
  dropLabels();
  if (!isLeaving) load();
}

/** Forgets all that is drawn: its numbers are of another start of the server. What stands on the screen stays until it is drawn anew. */
export function forgetAll() {
  turn++;
  forgetTiles();
  dropLayers();
}

/** Shows spans as labels before the server has confirmed them. */
export function addLabels(series, spans) {
  putLabels(series, spans);
  draw();
}

/** Whether what the detector makes of the window is shown: not of a question that is open, so that it sways no answer, unless it is wanted. */
const isScoreShown = () => setting("score") || state.screen === "label" || Boolean(state.question?.answer);

/** Why no score is shown though it is wanted, or null. */
export const scoreObstacle = () => (state.series && isScoreShown() ? noScores(state.series) : null);

/** The parts of events that lie beside a range. */
const beside = (events, { first, last }) => events.flatMap((event) => [
  { first: event.first, last: Math.min(event.last, first - 1) }, { first: Math.max(event.first, last + 1), last: event.last },
]).filter((part) => part.first <= part.last);

/** The names of the channels, with their values at a point. */
function channelNames(near, channels, point) {
  return near.low.map((values, channel) => {
    const value = point === null || near.step > 1 ? "" : `  ${valueText(values[point - near.from])}`;
    return `${nameOf(channels, channel)}${value}`;
  });
}

/** The range that an anomaly labels, before the answer and without paint; else null. */
const proposedNow = () => (state.screen === "ask" && !state.paint && !state.given && !state.question?.answer ? (state.question?.proposed ?? null) : null);

function drawContext(strip, channels, gap) {
  const { series, shown, context, point } = state;
  const n = strip.low.length;
  const visible = { from: context.from - 0.5, to: context.to - 0.5 };
  const events = eventsOf(series) ?? [];
  contextChart.draw({
    ...visible, clock: series.clock ? strip : null,
    lanes: lanesOf(strip, n > 1 ? [] : channels, { ...visible, order: channelsShown(n), stacked: n > 1 ? setting("stack") : false }).map((lane) => ({ ...lane, title: "" })),
    labels: labelsOf(series), alarms: isScoreShown() ? events : beside(events, shown), painted: null, focus: shown, point, hover: null, gap,
  });
}

function drawWindow(near, strip, channels, gap, done) {
  const { series, shown, context, point, paint, hover } = state;
  const n = near.low.length;
  const stacked = setting("stack");
  const visible = { from: shown.first - 0.5, to: shown.last + 0.5 };
  const order = channelsShown(n);
  const namedAt = hover ?? point;
  // With one channel the value stands above the chart; with more each stands at its name.
  const named = n > 1 && stacked ? channelNames(near, channels, namedAt) : channels;
  const found = isScoreShown() ? scoresOf(series, shown) : null;
  windowChart.draw({
    ...visible, clock: series.clock ? near : null,
    legend: n > 1 && !stacked ? legendOf(near, channels, order, namedAt, valueText) : null,
    lanes: lanesOf(near, named, {
      ...visible, order, stacked, dots: true, ringed: true, earlier: earlierOf(series, shown), usual: usualOf(series, shown), layersFrom: shown.first,
      heights: setting("scale") && strip ? { tile: strip, from: context.from, to: context.to } : null,
    }),
    labels: state.preview ?? labelsOf(series), alarms: found?.events ?? [], score: found, painted: painted(paint, point), proposed: proposedNow(),
    focus: null, point, ringed: true, hover, gap,
  }, near.step === 1 || shown.last - shown.first >= MOST_BUCKETS ? done : null);
}

/** Draws both charts; `done` is called when the window with all its points is on the screen. */
export function draw(done = null) {
  const { series, shown, context, point, paint } = state;
  if (!series || byId("question").hidden) return;
  const channels = state.session?.channels ?? [];
  const strip = bestTile(series.index, context.from, context.to);
  const near = rawTile(series.index, shown.first, shown.last) ?? bestTile(series.index, shown.first, shown.last + 1);
  const gap = series.step === null ? null : series.step * BREAK_STEPS;
  const n = strip?.low.length ?? 1;
  const scored = isScoreShown() && scoresOf(series, shown) ? SCORE_PX : 0;
  const high = setting("stack") && n > 1 ? `${channelsShown(n).length * STACK_LANE_PX + 60 + scored}px` : "";
  const box = byId("window").parentElement;
  if (box.style.minHeight !== high) box.style.minHeight = high;
  if (strip) drawContext(strip, channels, gap);
  if (near) drawWindow(near, strip, channels, gap, done);
  const range = painted(paint, point);
  const proposed = proposedNow();
  const { dataset } = byId("window");
  dataset.first = shown.first;
  dataset.last = shown.last;
  dataset.painted = range ? `${range.first}-${range.last}` : "";
  dataset.proposed = proposed ? `${proposed.first}-${proposed.last}` : "";
  dataset.score = String(scored > 0);
  byId("context").dataset.first = context.from;
  byId("context").dataset.last = context.to - 1;
  byId("context").dataset.alarms = eventsOf(series)?.length ?? "";
}

watch(["series", "shown", "context"], () => {
  draw();
  clearTimeout(settle);
  // A new place loads at once, a moving one when it rests.
  if (!state.series || isFine(state.series, state.context)) load();
  else settle = setTimeout(load, SETTLE_MS);
});
watch(["paint", "hover", "preview", "hidden", "question"], () => draw());
let round = null;
watch(["server"], () => {
  if (state.server.round === round) return;
  round = state.server.round;
  load();
});
watchSettings((name) => {
  if (["day", "week", "usual"].includes(name)) load();
  draw();
});
