// The line under the answers: what the last answer did, or why a key did nothing.

import { byId } from "./element.js";

const SCORE_MS = 7000;
const HINT_MS = 4000;
let scoreTimer = 0;
let hintTimer = 0;

/** Says what an action did. The score that comes with it is shown for a while only, so that it sways no later answer. */
export function done(text, entry = null, score = null) {
  const line = byId("toast");
  clearTimeout(scoreTimer);
  line.replaceChildren(text);
  if (entry !== null) line.dataset.entry = entry;
  if (score !== null) {
    const told = document.createElement("strong");
    told.textContent = ` ${score}`;
    line.append(told);
    scoreTimer = setTimeout(() => told.remove(), SCORE_MS);
  }
  say("");
}

/** Says what a key could not do, or what comes next. */
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
