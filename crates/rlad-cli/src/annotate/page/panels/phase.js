// The phase of the server, what is spent, what to do where there is no question, trouble.

import { post } from "../state/api.js";
import { byId, count } from "../state/element.js";
import { next } from "./question.js";
import { dropFirst, observeQueue, run } from "../state/queue.js";
import { change, state, watch } from "../state/state.js";
import { done, say } from "./toast.js";

const TEXTS = {
  preparing: ["Preparing", "The detector reads the series and looks for its first questions."],
  asking: ["No question at the moment", "Other experts answer the open questions, or the next ones are being chosen."],
  learning: ["Learning from the answers", "The next questions come by themselves when it is done. Meanwhile any series can be labelled."],
  finishing: ["Finishing", "The last answers are learned from, and the detector is written."],
  done: ["All questions are answered", "The budget is spent. Raise it to be asked more, look at the history, or label any series."],
  failed: ["The session stopped", "What was answered is kept."],
};
const TRICKLE_MS = 2000;

/** Round 0 asks before there is a detector that could choose. */
const roundText = (round) => (round === 0 ? "warm-up" : `round ${round}`);

/** The error in the way of the queue, or null. */
let trouble = null;
let connected = true;
/** What the server awaits, in words; empty where nothing answers. */
let awaited = "";

function drawPhase() {
  const { server, session } = state;
  if (!server || !session) return;
  const isBrowsing = session.mode === "browse";
  const chip = byId("phase");
  chip.dataset.phase = server.phase;
  const text = isBrowsing ? "browsing" : `${server.phase}${["asking", "learning"].includes(server.phase) ? `, ${roundText(server.round)}` : ""}`;
  if (chip.textContent !== text) chip.textContent = text;
  byId("spent").hidden = isBrowsing;
  byId("spent-bar").max = Math.max(server.budget, 1);
  byId("spent-bar").value = server.questions;
  byId("spent-text").textContent = `${server.questions.toLocaleString("en")} of ${server.budget.toLocaleString("en")}`;
  byId("go-ask").hidden = isBrowsing;
}

function drawEmpty() {
  const { server, session } = state;
  if (!server || !session) return;
  const isBrowsing = session.mode === "browse";
  const [title, text] = isBrowsing ? ["Nothing is asked here", "Choose a series to look at it and to label it."] : (TEXTS[server.phase] ?? [server.phase, ""]);
  byId("empty-title").textContent = title;
  byId("empty-text").textContent = [text, server.message].filter(Boolean).join(" ");
  const isDone = server.phase === "done" && !isBrowsing;
  byId("budget-form").hidden = !isDone;
  byId("empty").dataset.busy = String(["preparing", "learning", "finishing"].includes(server.phase) && !isBrowsing);
  if (isDone && document.activeElement !== byId("budget")) byId("budget").value = server.budget + Math.max(10, Math.round(server.budget / 2));
}

function drawTrouble() {
  const banner = byId("banner");
  byId("connection").dataset.state = connected ? "ok" : "gone";
  const parts = [];
  if (state.server?.phase === "failed" && state.server.message) parts.push(`The session stopped: ${state.server.message}.`);
  if (!connected) parts.push(awaited === "" ? "The program does not answer. The page goes on when it is back; what you answered is kept." : `${awaited.replace(/\.$/, "")}. The page goes on by itself; what you answered is kept.`);
  if (trouble && !trouble.error.gone) parts.push(`${trouble.final ? "Not taken" : "Not stored yet"}: ${trouble.error.message}${trouble.error.hint ? ` (${trouble.error.hint})` : ""}.`);
  if (state.trouble) parts.push(`${state.trouble}.`);
  const text = parts.join(" ");
  if (byId("banner-text").textContent !== text) byId("banner-text").textContent = text;
  banner.hidden = text === "";
  byId("banner-drop").hidden = !trouble || trouble.final || trouble.error.gone;
}

observeQueue((n, what, confirmed = false) => {
  trouble = what ?? (trouble?.final ? trouble : null);
  const note = byId("unsent");
  note.dataset.count = n;
  note.textContent = n > 0 ? `${n} unsent` : "";
  // One that is just under way is no news.
  note.hidden = n < 2 && !what;
  if (what?.error.gone) setConnected(false, what.error.status === 0 ? "" : what.error.message);
  if (confirmed) connected = true;
  if (what?.final) {
    // An answer that was refused is not given any more.
    done("Not taken.");
    if (what.action.kind === "answer" && state.screen === "ask") {
      change({ given: null, question: null });
      next();
    } else if (what.action.kind === "answer") change({ given: null });
  } else if (what === null) {
    trouble = null;
    if (n === 0 && state.screen === "ask" && state.question === null) next();
  }
  drawTrouble();
});
byId("banner-drop").addEventListener("click", () => {
  dropFirst();
  change({ given: null });
});

export const isConnected = () => connected;

/** Takes note that the server is there, or gone; `what` is awaited then, in words, where that is known. */
export function setConnected(isThere, what = "") {
  const came = isThere && !connected;
  connected = isThere;
  awaited = what;
  drawTrouble();
  if (!came) return;
  say("The program is back");
  run();
  if (state.screen === "ask" && state.question === null) next();
}

byId("budget-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post("/api/budget", { questions: Number(byId("budget").value) });
    done(`The budget is ${count(Number(byId("budget").value), "question")}.`);
    if (state.screen === "ask") next();
  } catch (error) {
    change({ trouble: error.message });
  }
});

let phaseBefore = null;
watch(["server", "session"], () => {
  drawPhase();
  drawEmpty();
  drawTrouble();
  const phase = state.server?.phase ?? null;
  const isAsking = phase === "asking";
  if (state.screen === "ask" && state.question === null && (isAsking || phase === "learning")) next();
  if (isAsking && phaseBefore !== null && phaseBefore !== "asking" && state.screen !== "ask") say("New questions are ready: enter");
  phaseBefore = phase;
});
watch(["trouble"], drawTrouble);

// Questions that other experts gave back come without a change of state.
setInterval(() => {
  if (connected && state.screen === "ask" && state.question === null && state.server?.phase === "asking") next();
}, TRICKLE_MS);
