// Answers: a key or a button becomes an entry in the log, and the next question.

import { enqueue, onConfirmed } from "../state/queue.js";
import { byId } from "../state/element.js";
import { labelRange } from "./label.js";
import { placeOf } from "../state/place.js";
import { next, notePress, show } from "./question.js";
import { annotationOf, buttonOf, inWords, taughtInWords } from "../state/annotation.js";
import { addLabels, forgetLabels } from "../chart/stage.js";
import { decideBy } from "./suggestions.js";
import { change, state, watch } from "../state/state.js";
import { done, say } from "./toast.js";
import { valueText } from "../state/time.js";

/**
 * Answers count from this many milliseconds after a question came to the screen. A double press, or a press that was meant
 * for the question before, falls into this time and answers nothing: nobody judges a chart as fast as that.
 */
const GUARD_MS = 120;
const BUTTONS = ["anomaly", "normal", "expected", "late", "unsure", "skip"];
/** What the first buttons say of a question, and of an alarm. */
const WORDS = { anomaly: ["Anomaly", "Right"], normal: ["Normal", "False alarm"], expected: ["Expected", "Expected"] };

/** Answers what is shown with one of the buttons; where any series is labelled, labels the range. */
export function answer(button, at = performance.now()) {
  if (state.isMoving) return say("The data are being exchanged; this key was not taken");
  if (state.suggestion) return decideBy(button, at);
  if (state.screen === "label") return labelRange(button);
  const { question, drawnAt, given } = state;
  if (state.screen !== "ask" || !question) return say("There is no question to answer");
  if (given) return say("The next question is on its way; this key was not taken");
  if (drawnAt === null || at - drawnAt < GUARD_MS) return say("That was too soon after the question came; this key was not taken");
  if (button === "late" && !question.alarm) return say("Only an alarm can be late: this question is not about one");
  if (button === "erase") return say("A question is answered, not erased: z takes an answer back");
  const annotation = annotationOf(button, question, state.paint);
  notePress(at);
  change({ given: button });
  enqueue("answer", {
    who: state.who, question: question.id, annotation, comment: state.comment || null, seconds: Math.round(at - drawnAt) / 1000, again: question.again,
    place: placeOf(question.series, annotation.spans ?? [], question.time),
  }, { question });
  const spans = state.teaches?.[button]?.spans ?? annotation.spans;
  change({ preview: null });
  if (spans) addLabels(question.series.index, spans);
}

/** Takes the last action back, or brings it back. */
export function undo(kind) {
  done(kind === "undo" ? "Taking back…" : "Bringing it back…");
  enqueue(kind, { who: state.who });
}

function scoreText({ score, threshold }) {
  if (score === null || score === undefined) return "No score yet.";
  if (threshold === null || threshold === undefined) return `Score before any answer: ${valueText(score, 3)}.`;
  return `Detector: ${score > threshold ? "anomaly" : "normal"} (${valueText(score, 3)}, threshold ${valueText(threshold, 3)}).`;
}

onConfirmed("answer", (reply, { body, more }) => {
  // Another page of this browser may have left it, by another name: its next question is not ours.
  if (body.who !== state.who) return;
  done(`Saved: ${reply.taught ? taughtInWords(reply.taught) : inWords(body.annotation)}.`, reply.entry, scoreText(reply));
  change({ last: { question: more.question, annotation: body.annotation, entry: reply.entry }, changedAt: reply.entry });
  const isShown = state.screen === "ask" && (state.question === null || state.question.id === body.question);
  if (isShown) show(reply.next);
  else if (state.given !== null && state.question?.id === body.question) change({ given: null, question: null });
  forgetLabels(isShown && reply.next !== null);
});

for (const kind of ["undo", "redo"]) {
  onConfirmed(kind, (reply, { body }) => {
    if (body.who !== state.who) return;
    if (reply.entry === null) return done(kind === "undo" ? "There is nothing to take back." : "There is nothing to bring back.");
    const what = reply.what === "label" ? "label" : "answer";
    done(kind === "undo" ? `Took the ${what} back.` : `Brought the ${what} back.`, reply.entry);
    change({ changedAt: reply.entry });
    const isShown = reply.question && state.screen === "ask";
    if (isShown) show(reply.question);
    forgetLabels(isShown);
    if (!isShown && state.screen === "ask" && !state.question) next();
  });
}

for (const button of [...BUTTONS, "erase"]) byId(`answer-${button}`).addEventListener("click", (event) => answer(button, event.timeStamp));
byId("undo").addEventListener("click", () => undo("undo"));
byId("redo").addEventListener("click", () => undo("redo"));

// The answer shows in the frame of its key press: the button is pressed in, the window is stamped.
watch(["given", "question", "screen", "suggestion"], () => {
  const { given, question, screen } = state;
  const present = screen === "ask" && question?.answer ? buttonOf(question.answer) : null;
  for (const button of BUTTONS) {
    const isGiven = given === button;
    byId(`answer-${button}`).classList.toggle("given", isGiven);
    byId(`answer-${button}`).setAttribute("aria-pressed", String(isGiven || (given === null && present === button)));
  }
  const isAlarm = screen === "ask" && Boolean(question?.alarm);
  for (const [button, words] of Object.entries(WORDS)) byId(`answer-${button}`).querySelector(".word").textContent = words[Number(isAlarm)];
  const suggested = state.suggestion?.kind ?? null;
  if (suggested) byId(`answer-${suggested}`).querySelector(".word").textContent = `Accept as ${suggested}`;
  for (const button of Object.keys(WORDS)) byId(`answer-${button}`).hidden = suggested !== null && (button !== suggested || state.suggestion.obstacle !== null);
  byId("answer-erase").querySelector(".word").textContent = suggested ? "Dismiss" : "Erase";
  byId("answer-late").hidden = !isAlarm;
  byId("answers").dataset.alarm = String(isAlarm);
  byId("stamp").hidden = given === null;
  byId("stamp").textContent = given ?? "";
  byId("stamp").className = given ?? "";
});
