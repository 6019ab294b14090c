// Which question is on the screen. Its curves are fetched before it takes the place of the one before it.

import { get, post, startNow } from "../state/api.js";
import { contextAround } from "./context.js";
import { byId, count, setName } from "../state/element.js";
import { between } from "../state/paint.js";
import { buttonOf, inWords, rangeOf } from "../state/annotation.js";
import { draw, prepare } from "../chart/stage.js";
import { change, state, watch } from "../state/state.js";
import { isClock, timeText, zoneName } from "../state/time.js";
import { say } from "./toast.js";
import { unsent } from "../state/queue.js";

const REASONS = {
  highest: "among the highest scores",
  lowest: "among the lowest scores",
  middle: "among the middle scores",
  strategy: "the detector was least sure of it",
  random: "drawn at random",
  alarm: "an alarm of the detector in use",
  review: "the detector speaks against its first answer",
};
const RETRY_MS = 800;
let turn = 0;
let asking = false;
/** When the key was pressed that the next question answers to, for `data-key-ms`. */
let pressedAt = null;

/** Notes the moment of a key press, so that the page can tell how long the next question took. */
export function notePress(at) {
  pressedAt = at;
}

/** Leaves off what is under way to be shown: its numbers are of another start of the server. */
export function letGo() {
  turn++;
}

/** Puts a question on the screen; null means that there is none at present. `more` are fields of the state that go with it. */
export async function show(question, more = {}) {
  const mine = ++turn;
  if (question === null) {
    change({ question: null, given: null, drawnAt: null, paint: null, point: null, comment: null });
    return;
  }
  // A question of another start of the server has other numbers than the page.
  if (question.start !== startNow()) {
    change({ question: null, given: null, drawnAt: null });
    return next();
  }
  const series = { ...question.series, clock: isClock(question.time), step: question.step_ns === null ? null : question.step_ns / 1e6 };
  const context = contextAround(series, question.shown);
  for (;;) {
    try {
      await prepare(series, question.shown, context);
      break;
    } catch (error) {
      if (mine !== turn) return;
      if (!error.gone) change({ trouble: `Cannot show question ${question.number}: ${error.message}` });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    if (mine !== turn) return;
  }
  if (mine !== turn || question.start !== startNow()) return;
  const range = question.answer ? rangeOf(question.answer, question) : question.alarm;
  change({
    screen: "ask", question, given: null, drawnAt: null, series, shown: question.shown, context, point: question.point, hover: null, suggestion: null,
    paint: range ? between(range.first, range.last) : null, comment: question.comment ?? null, trouble: null, ...more,
  });
  draw(() => {
    if (mine === turn && state.question === question) change({ drawnAt: performance.now() });
  });
}

/** Asks the server for the next question, once what was answered has reached it. */
export async function next() {
  if (asking || unsent() > 0 || state.who === null || state.session?.mode === "browse") return;
  asking = true;
  const mine = turn;
  try {
    const { question } = await post("/api/next", { who: state.who }, { numbers: true });
    // Who has begun something else meanwhile is not torn away from it.
    if (mine === turn && state.screen === "ask") await show(question);
  } catch (error) {
    if (!error.gone) change({ trouble: error.message });
  } finally {
    asking = false;
  }
}

/** Jumps to a question that was asked before. */
export async function jump(id) {
  try {
    const { question } = await get(`/api/question/${id}`, { who: state.who });
    await show(question);
  } catch (error) {
    say(error.message);
  }
}

// Questions are assigned by name.
watch(["who"], () => {
  if (state.session === null || state.screen !== "ask") return;
  change({ question: null, given: null, drawnAt: null, paint: null });
  turn++;
  next();
});

watch(["question", "screen", "drawnAt"], () => {
  const { question, screen, drawnAt } = state;
  const box = byId("question");
  box.dataset.id = screen === "ask" && question ? question.id : "";
  box.dataset.series = state.series?.index ?? "";
  box.dataset.point = state.point ?? "";
  box.dataset.drawn = String(drawnAt !== null);
  box.dataset.answered = question?.answer ? buttonOf(question.answer) : "";
  if (drawnAt !== null && pressedAt !== null) {
    box.dataset.keyMs = (drawnAt - pressedAt).toFixed(1);
    pressedAt = null;
  }
  if (screen !== "ask" || !question) return;
  setName(byId("question-title"), question.series.name);
  byId("question-time").textContent = `${timeText(question.time)}${isClock(question.time) ? ` ${zoneName()}` : ""}`;
  // Why it was asked says something of the score, which is shown after the answer only.
  const answered = question.answer ? `, answered: ${inWords(question.answer)}; ${REASONS[question.reason] ?? question.reason}` : "";
  byId("question-facts").textContent = `question ${question.number.toLocaleString("en")} of ${question.budget.toLocaleString("en")}${question.again ? ", asked again" : ""}${question.alarm ? `, an alarm of ${count(question.alarm.last - question.alarm.first + 1, "point")}` : ""}${answered}`;
  if (drawnAt === null) byId("status").textContent = `Question ${question.number}, ${question.series.name}, ${timeText(question.time)}`;
});

/** Goes back to the question that is open, or on to the next. */
export function resume() {
  const { question, given } = state;
  if (question && !given && !question.answer) return show(question);
  if (given && state.screen === "ask") return say("The next question is on its way");
  change({ screen: "ask", question: null, given: null, drawnAt: null, paint: null, suggestion: null });
  return next();
}
