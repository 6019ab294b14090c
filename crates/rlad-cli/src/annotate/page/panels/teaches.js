// What each answer would label, before it is given: on the buttons, and in the window while the pointer is on one.

import { get } from "../state/api.js";
import { taughtInWords } from "../state/annotation.js";
import { byId, count } from "../state/element.js";
import { painted } from "../state/paint.js";
import { change, state, watch } from "../state/state.js";

const LABELS = ["anomaly", "normal", "expected", "late"];
const SETTLE_MS = 40;
let turn = 0;

/** Asks the server what the painted range would teach; without one the question itself tells it. */
async function ask() {
  const mine = ++turn;
  const { question, paint, point, screen } = state;
  if (screen !== "ask" || !question) return change({ teaches: null, preview: null });
  const range = question.kind === "range" ? painted(paint, point) : null;
  if (range === null) return change({ teaches: question.teaches, preview: null });
  change({ teaches: null, preview: null });
  // A range that moves is asked about where it rests.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  if (mine !== turn) return;
  try {
    const { teaches } = await get(`/api/question/${question.id}/teaches`, range);
    if (mine === turn) change({ teaches });
  } catch (error) {
    if (!error.gone && mine === turn) change({ trouble: error.message });
  }
}

/** The numbers of points that a button labels, in words; where no question is shown, those of the painted range. */
function wordsOf(label) {
  const { screen, paint, teaches } = state;
  if (screen === "ask") return teaches === null ? "" : teaches[label] ? taughtInWords(teaches[label], label === "late" ? "anomaly" : label) : "labels nothing";
  const range = painted(paint, null);
  return range ? count(range.last - range.first + 1, "point") : "";
}

watch(["question", "paint", "screen"], ask);
watch(["teaches", "paint", "screen"], () => {
  for (const label of LABELS) byId(`answer-${label}`).querySelector(".effect").textContent = wordsOf(label);
});
for (const label of LABELS) {
  const button = byId(`answer-${label}`);
  const look = () => state.screen === "ask" && !state.given && state.teaches?.[label] && change({ preview: state.teaches[label].spans });
  const leave = () => state.preview && change({ preview: null });
  button.addEventListener("pointerenter", look);
  button.addEventListener("focus", look);
  button.addEventListener("pointerleave", leave);
  button.addEventListener("blur", leave);
}
