// The line under the answers: the outcome of the last answer, or why a key did nothing.

import { byId } from "../state/element.js";

const SCORE_MS = 7000;
const HINT_MS = 4000;
let scoreTimer = 0;
let hintTimer = 0;

/** Shows the outcome of an action. The score that comes with it is shown for a while only, so that it sways no later answer. */
export function done(text, entry = null, score = null) {
  const line = byId("toast");
  clearTimeout(scoreTimer);
  line.replaceChildren(text);
  if (entry !== null) line.dataset.entry = entry;
  if (score !== null) {
    const strong = document.createElement("strong");
    strong.textContent = ` ${score}`;
    line.append(strong);
    scoreTimer = setTimeout(() => strong.remove(), SCORE_MS);
  }
  say("");
}

/** Shows why a key did nothing, or what comes next. */
export function say(text) {
  const hint = byId("hint");
  clearTimeout(hintTimer);
  hint.textContent = text;
  byId("status").textContent = text;
  if (text !== "") {
    hintTimer = setTimeout(() => {
      hint.textContent = "";
    }, HINT_MS);
  }
}
