// What lies over the curves of a place: labels, earlier periods, the usual range, and what the detector makes of it.

import { get } from "../state/api.js";
import { setting } from "../state/settings.js";
import { change, state } from "../state/state.js";
import { MOST_BUCKETS } from "../state/tiles.js";

const DAY_S = 86_400;

let labels = { series: -1, from: 0, to: 0, spans: [] };
let earlier = { key: "", curves: [] };
let usual = { key: "", range: null };
let scored = { series: -1, from: 0, to: 0, round: -1, events: [], reason: null, place: "", window: {} };

const place = ({ index }, shown) => `${index}/${shown.first}/${shown.last + 1}`;

/** Asks for all that is needed to draw `shown` in `context`; `redraw` is called as each comes, while `isHere()`. */
export const loadLayers = (series, shown, context, isHere, redraw) => Promise.all(
  [loadLabels, loadEarlier, loadUsual, loadScores].map((load) => load(series, shown, context, isHere).then((isNew) => isNew && isHere() && redraw())));

async function loadLabels({ index }, shown, context, isHere) {
  const from = Math.min(shown.first, context.from), to = Math.max(shown.last + 1, context.to);
  if (labels.series === index && labels.from <= from && labels.to >= to) return false;
  const { spans } = await get("/api/labels", { series: index, from, to });
  if (isHere()) labels = { series: index, from, to, spans };
  return true;
}

async function loadEarlier(series, shown, context, isHere) {
  const lags = series.clock ? [["day", DAY_S, [6, 3]], ["week", 7 * DAY_S, [2, 3]]].filter(([name]) => setting(name)) : [];
  const from = shown.first, to = shown.last + 1;
  const key = `${place(series, shown)}/${lags.map(([name]) => name)}`;
  if (earlier.key === key) return false;
  const curves = to - from > MOST_BUCKETS ? [] : await Promise.all(lags.map(async ([name, lag_s, dash]) =>
    ({ name, dash, ...(await get("/api/before", { series: series.index, from, to, lag_s })) })));
  if (!isHere()) return false;
  earlier = { key, curves };
  const isEmpty = ({ values }) => values.every((channel) => channel.every((value) => value === null));
  change({ absent: curves.filter(isEmpty).map(({ name }) => name) });
  return true;
}

async function loadUsual(series, shown, context, isHere) {
  const key = place(series, shown);
  if (!setting("usual") || usual.key === key || shown.last - shown.first >= MOST_BUCKETS) return false;
  const range = await get("/api/usual", { series: series.index, from: shown.first, to: shown.last + 1 });
  if (isHere()) usual = { key, range };
  return true;
}

async function loadScores({ index }, shown, context, isHere) {
  if (state.session?.mode === "browse") return false;
  const round = state.server?.round ?? -1;
  const from = Math.min(shown.first, context.from), to = Math.max(shown.last + 1, context.to);
  const hasEvents = scored.series === index && scored.from <= from && scored.to >= to && scored.round === round;
  const hasScores = scored.series === index && scored.place === place({ index }, shown) && scored.round === round;
  if (hasEvents && hasScores) return false;
  const [around, window] = await Promise.all([
    hasEvents ? scored : get("/api/scores", { series: index, from, to }),
    hasScores ? scored.window : get("/api/scores", { series: index, from: shown.first, to: shown.last + 1 }),
  ]);
  if (isHere()) scored = { series: index, from, to, ...around, place: place({ index }, shown), window: { ...window, from: shown.first } };
  return true;
}

/** The labels of a series that are known. */
export const labelsOf = ({ index }) => (labels.series === index ? labels.spans : []);

/** The curves of earlier periods of what is shown. */
export const earlierOf = (series, shown) => (earlier.key.startsWith(`${place(series, shown)}/`) ? earlier.curves : []);

/** The usual range of what is shown, `{low, high}`, each of every channel; or null. */
export const usualOf = (series, shown) => (setting("usual") && usual.key === place(series, shown) ? usual.range : null);

/** The events of a series by the detector that asks, or null where there are none to be told. */
export const eventsOf = ({ index }) => (scored.series === index && scored.reason === null ? scored.events : null);

/** The scores of what is shown: `{from, scores, threshold, events}`, or null. */
export const scoresOf = (series, shown) => (scored.place === place(series, shown) && scored.window.scores ? scored.window : null);

/** Why there are no scores of a series, or null. */
export const noScores = ({ index }) => (scored.series === index ? scored.reason : null);

/** Forgets everything: the numbers are of another start of the server. */
export function dropLayers() {
  dropLabels();
  earlier = { key: "", curves: [] };
  usual = { key: "", range: null };
  scored = { series: -1, from: 0, to: 0, round: -1, events: [], reason: null, place: "", window: {} };
}

/** Forgets the labels, after an answer changed them. */
export function dropLabels() {
  labels = { series: -1, from: 0, to: 0, spans: [] };
}

/** Shows spans as labels before the server has confirmed them. */
export function putLabels(index, spans) {
  if (labels.series === index) labels = { ...labels, spans: [...labels.spans, ...spans.filter((span) => span.label !== "unknown")] };
}
