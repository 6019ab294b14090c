// Windows that look like the one that was answered, as small charts, to label many at once.

import { get } from "../state/api.js";
import { Chart } from "../chart/chart.js";
import { byId, count, element, setName } from "../state/element.js";
import { lanesOf } from "../chart/lanes.js";
import { enqueue } from "../state/queue.js";
import { resume } from "./question.js";
import { buttonOf, inWords, rangeOf } from "../state/annotation.js";
import { watchSettings } from "../state/settings.js";
import { change, state } from "../state/state.js";
import { say } from "./toast.js";
import { timeText } from "../state/time.js";

const N = 12;
const NEXT_MARK = { "": "anomaly", anomaly: "normal", normal: "" };
let cells = [];
let openedAt = 0;
let turn = 0;

/** The points that an anomaly covers in a window that looks alike: the painted range at the same distance from the judged point. */
function spanIn(window, base, mark) {
  if (mark === "normal") return { first: window.first, last: window.last };
  const range = rangeOf(base.annotation, base.question);
  if (!range || buttonOf(base.annotation) === "normal") return { first: window.point, last: window.point };
  const clip = (point) => Math.max(window.first, Math.min(window.last, point));
  return { first: clip(window.point + range.first - base.question.point), last: clip(window.point + range.last - base.question.point) };
}

/** Opens the windows that look like the answered one that is shown, else like the one that was answered last. */
export async function openSimilar() {
  const shown = state.screen === "ask" && state.question?.answer ? { question: state.question, annotation: state.question.answer } : null;
  const base = shown ?? state.last;
  if (!base) return say("Answer a question first, then i shows windows like it");
  const mine = ++turn;
  let windows;
  try {
    ({ windows } = await get("/api/similar", { series: base.question.series.index, point: base.question.point, n: N }));
  } catch (error) {
    return say(error.message);
  }
  if (mine !== turn) return;
  if (windows.length === 0) return say("No window without a label looks like it");
  change({ screen: "similar" });
  openedAt = performance.now();
  byId("similar-note").textContent = `like ${base.question.series.name}, ${timeText(base.question.time)}, answered ${inWords(base.annotation)}. a or n marks and goes on; what is shaded will be labelled.`;
  cells = windows.map((window, i) => cell(window, i, base));
  byId("similar-list").replaceChildren(...cells.map((made) => made.row));
  for (const made of cells) mark(made, "");
  cells[0].button.focus();
}

function cell(window, i, base) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const word = element("span", { class: "mark" });
  const button = element("button", { type: "button", onclick: () => mark(cells[i], NEXT_MARK[cells[i].row.dataset.mark]) },
    canvas, setName(element("span", { class: "name" }), window.series.name), element("span", { class: "note" }, timeText(window.time)), word);
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

function drawCell({ window, base, chart, row }) {
  const label = row.dataset.mark;
  const { from, values } = window;
  const to = from + values[0].length - 1;
  const visible = { from: from - 0.5, to: to + 0.5 };
  const tile = { from, step: 1, low: values, high: values, times: null };
  const span = label === "" ? null : spanIn(window, base, label);
  chart.draw({ ...visible, compact: true, clock: null, lanes: lanesOf(tile, [], { ...visible, stacked: false, ringed: false, dots: false }), labels: span ? [{ ...span, label }] : [],
    painted: null, focus: null, point: window.point, hover: null, gap: null });
}

/** Marks the window in focus and goes on to the next. */
export function markFocused(label) {
  const at = Math.max(0, cells.findIndex((made) => made.button === document.activeElement));
  mark(cells[at], label);
  cells[Math.min(cells.length - 1, at + 1)].button.focus();
}

export function markAll(label) {
  for (const made of cells) mark(made, label);
}

/** Moves the focus by cells to the right, or by rows down. */
export function moveFocus(right, down) {
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
  const items = marked.map(({ window, base, row }) => ({ series: window.series.index, spans: [{ ...spanIn(window, base, row.dataset.mark), label: row.dataset.mark }] }));
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
  if (name === "theme" && state.screen === "similar") cells.forEach(drawCell);
});
