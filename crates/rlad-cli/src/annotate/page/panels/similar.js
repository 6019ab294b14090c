// Windows that look like the one that was answered, as small charts, to label many at once.

import { get, startNow } from "../state/api.js";
import { Chart, rangeOf as heightsOf } from "../chart/chart.js";
import { byId, count, element, setName } from "../state/element.js";
import { channelsShown } from "../state/channels.js";
import { lanesOf } from "../chart/lanes.js";
import { enqueue } from "../state/queue.js";
import { resume } from "./question.js";
import { buttonOf, inWords, rangeOf } from "../state/annotation.js";
import { watchSettings } from "../state/settings.js";
import { change, state } from "../state/state.js";
import { say } from "./toast.js";
import { timeText } from "../state/time.js";

const N = 12;
/** More channels over each other in a small chart cannot be told apart. */
const MOST_CHANNELS = 2;
const NEXT_MARK = { "": "anomaly", anomaly: "normal", normal: "" };
let cells = [];
/** The window that the others are compared with, and the range of each channel in all of them. */
let original = null;
let scales = [];
/** The channels that are drawn: of those that are shown the ones that deviate most at the answered point. */
let channels = [];
let openedAt = 0;
/** The start of the server that the windows' numbers are of. */
let start = null;
let turn = 0;

/**
 * The points that a label covers in a window that looks alike: of an anomaly the range that was painted, at the same distance from the
 * judged point; without paint the range that is proposed there.
 */
function spanIn(window, base, mark) {
  if (mark === "normal") return { first: window.first, last: window.last };
  const range = rangeOf(base.annotation, base.question);
  if (!range || buttonOf(base.annotation) === "normal") return window.proposed ?? { first: window.point, last: window.point };
  const clip = (point) => Math.max(window.first, Math.min(window.last, point));
  return { first: clip(window.point + range.first - base.question.point), last: clip(window.point + range.last - base.question.point) };
}

/** Opens the windows that look like the answered one that is shown, else like the one that was answered last. */
export async function openSimilar() {
  const shown = state.screen === "ask" && state.question?.answer ? { question: state.question, annotation: state.question.answer } : null;
  const base = shown ?? state.last;
  if (!base) return say("Answer a question first, then i shows windows like it");
  if (base.question.start !== startNow()) return say("The data were exchanged since that answer: answer another question first");
  const mine = ++turn;
  let windows, reference;
  try {
    ({ windows, reference } = await get("/api/similar", { series: base.question.series.index, point: base.question.point, n: N }));
  } catch (error) {
    return say(error.message);
  }
  if (mine !== turn) return;
  change({ screen: "similar" });
  start = base.question.start;
  openedAt = performance.now();
  const isAlone = windows.length === 0;
  byId("similar-none").hidden = !isAlone;
  for (const id of ["similar-anomaly", "similar-normal", "similar-clear", "similar-save"]) byId(id).hidden = isAlone;
  scales = scalesOf([reference, ...windows]);
  const size = (channel) => Math.abs(base.question.deviations?.[channel] ?? 0);
  channels = channelsShown(reference.values.length).sort((a, b) => size(b) - size(a)).slice(0, MOST_CHANNELS);
  const names = state.session.channels;
  const drawn = names.length > 1 ? ` Drawn: ${channels.map((channel) => names[channel]).join(", ")}.` : "";
  byId("similar-note").textContent = isAlone ? "" : `a or n marks a window and goes on; what is shaded will be labelled. All have one scale.${drawn}`;
  original = referenceOf(reference, base);
  cells = windows.map((window, i) => cell(window, i, base));
  byId("similar-list").replaceChildren(original.row, ...cells.map((made) => made.row));
  drawReference();
  for (const made of cells) mark(made, "");
  (cells[0]?.button ?? byId("similar-close")).focus();
}

/** The lowest and highest value of each channel in all windows, with a little room. */
const scalesOf = (windows) => windows[0].values.map((_, channel) => heightsOf(windows.map(({ values }) => ({ from: 0, step: 1, low: values[channel], high: values[channel] })), 0, Infinity));

/** The window that the others are compared with: it is labelled already, and stands first. */
function referenceOf(window, base) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const row = element("li", { id: "similar-reference" }, element("div", { class: "reference" }, canvas, setName(element("span", { class: "name" }), window.series.name),
    element("span", { class: "note" }, timeText(window.time)), element("span", { class: "mark" }, `Your answer: ${inWords(base.annotation)}`)));
  return { window, base, row, chart: new Chart(canvas) };
}

function cell(window, i, base) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const word = element("span", { class: "mark" });
  const button = element("button", { type: "button", onclick: () => mark(cells[i], NEXT_MARK[cells[i].row.dataset.mark]) },
    canvas, setName(element("span", { class: "name" }), window.series.name), element("span", { class: "note" }, `${timeText(window.time)}; ${Math.round(window.likeness * 100)}\u00a0%\u00a0alike`), word);
  return { window, base, canvas, word, button, chart: new Chart(canvas), row: element("li", { "data-mark": "" }, button) };
}

function mark(made, label) {
  made.row.dataset.mark = label;
  made.word.textContent = label === "" ? "not marked" : label;
  drawCell(made);
  const marked = cells.filter((other) => other.row.dataset.mark !== "").length;
  byId("similar-save").disabled = marked === 0;
  byId("status").textContent = `${label === "" ? "not marked" : label}; ${count(marked, "window")} marked`;
}

/** Draws a window with one span labelled, on the scale of all. */
function drawOne({ window, chart }, labels) {
  const { from, values } = window;
  const visible = { from: from - 0.5, to: from + values[0].length - 0.5 };
  const tile = { from, step: 1, low: values, high: values, times: null };
  const lanes = lanesOf(tile, [], { ...visible, order: channels, stacked: false, ranges: scales });
  chart.draw({ ...visible, compact: true, clock: null, lanes, labels, painted: null, focus: null, point: window.point, hover: null, gap: null });
}

function drawCell(made) {
  const label = made.row.dataset.mark;
  drawOne(made, label === "" ? [] : [{ ...spanIn(made.window, made.base, label), label }]);
}

/** Draws the window that was answered, with the labels that its answer gave. */
function drawReference() {
  const { base } = original;
  const button = buttonOf(base.annotation);
  const { proposed } = base.question;
  const spans = base.annotation.kind === "marked" && button === "anomaly" && proposed ? [{ ...proposed, label: button }] : base.annotation.spans ?? [];
  drawOne(original, spans.filter((span) => span.label === button));
}

/** Marks the window in focus and goes on to the next. */
export function markFocused(label) {
  if (cells.length === 0) return;
  const at = Math.max(0, cells.findIndex((made) => made.button === document.activeElement));
  mark(cells[at], label);
  cells[Math.min(cells.length - 1, at + 1)].button.focus();
}

export function markAll(label) {
  for (const made of cells) mark(made, label);
}

/** Moves the focus by cells to the right, or by rows down. */
export function moveFocus(right, down) {
  if (cells.length === 0) return;
  const at = Math.max(0, cells.findIndex((made) => made.button === document.activeElement));
  const top = cells[0].row.offsetTop;
  const columns = Math.max(1, cells.filter((made) => made.row.offsetTop === top).length);
  const to = at + right + down * columns;
  if (to >= 0 && to < cells.length) cells[to].button.focus();
}

/** Labels the marked windows in one action and goes back. */
export function saveSimilar() {
  const marked = cells.filter((made) => made.row.dataset.mark !== "");
  if (marked.length === 0) return say("Mark windows with a or n first");
  const items = marked.map(({ window, base, row }) => {
    const { first, last } = spanIn(window, base, row.dataset.mark);
    const times = [[window.times[first - window.from], window.times[last - window.from]]];
    return { series: window.series.index, spans: [{ first, last, label: row.dataset.mark }], place: { start, series: window.series.name, times } };
  });
  enqueue("label", { who: state.who, source: "similar", items, comment: null, seconds: Math.round(performance.now() - openedAt) / 1000 });
  closeSimilar();
}

export function closeSimilar() {
  turn++;
  change({ screen: "ask" });
  resume();
}

byId("similar-open").addEventListener("click", openSimilar);
byId("similar-anomaly").addEventListener("click", () => markAll("anomaly"));
byId("similar-normal").addEventListener("click", () => markAll("normal"));
byId("similar-clear").addEventListener("click", () => markAll(""));
byId("similar-save").addEventListener("click", saveSimilar);
byId("similar-close").addEventListener("click", closeSimilar);
watchSettings((name) => {
  if (name !== "theme" || state.screen !== "similar") return;
  drawReference();
  cells.forEach(drawCell);
});
