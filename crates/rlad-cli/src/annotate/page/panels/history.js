// The answers so far: listed in the panel, walked through with keys, changed by answering again.

import { get } from "../state/api.js";
import { byId, count, element, setName } from "../state/element.js";
import { openNamed } from "./label.js";
import { jump, next } from "./question.js";
import { buttonOf, inWords, taughtInWords } from "../state/annotation.js";
import { closeOverlay, isOpen, onOpen } from "./side.js";
import { state, watch } from "../state/state.js";
import { say } from "./toast.js";
import { timeText } from "../state/time.js";

const PAGE = 50;
const GLYPHS = { anomaly: "A", normal: "N", expected: "E", unsure: "?", skip: "–", erase: "×" };
const SOURCES = { question: "answered", unprompted: "labelled without a question", similar: "labelled as a similar window", import: "imported" };
let turn = 0;
let oldest = null;

function item(answer) {
  const button = buttonOf(answer.annotation);
  const clock = new Date(answer.time).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const place = answer.from === answer.to ? timeText(answer.from) : `${count(answer.last - answer.first + 1, "point")} from ${timeText(answer.from)}`;
  const open = () => {
    closeOverlay();
    if (answer.question !== null) jump(answer.question);
    else openNamed(answer.series.name, { first: answer.first, last: answer.last, from: answer.from, what: inWords(answer.annotation) });
  };
  const who = byId("history-all").checked ? ` by ${answer.who}` : "";
  const said = `${SOURCES[answer.source] ?? answer.source}${who} at ${clock}`;
  const what = answer.taught ? taughtInWords(answer.taught) : inWords(answer.annotation);
  return element("li", { "data-entry": answer.entry, "data-question": answer.question, "data-current": String(answer.current) },
    element("button", { type: "button", class: "open", onclick: open },
      element("span", { class: `glyph ${button}`, "aria-hidden": "true" }, GLYPHS[button] ?? "·"),
      element("span", { class: "lines" },
        element("span", {}, what, answer.current ? "" : " (taken back or changed)"),
        setName(element("span", { class: "note" }), answer.series.name),
        element("span", { class: "note" }, `${place}; ${said}`),
        answer.comment ? element("q", {}, answer.comment) : null)));
}

async function list(more = false) {
  if (!isOpen("history") || !state.who) return;
  const mine = ++turn;
  try {
    const { answers } = await get("/api/answers", { who: byId("history-all").checked ? null : state.who, before: more ? oldest : null, limit: PAGE });
    if (mine !== turn) return;
    const items = answers.map(item);
    if (more) byId("history-list").append(...items);
    else byId("history-list").replaceChildren(...(items.length > 0 ? items : [element("li", { class: "note" }, "There is no answer yet.")]));
    oldest = answers.at(-1)?.entry ?? oldest;
    byId("history-more").hidden = answers.length < PAGE;
  } catch (error) {
    say(error.message);
  }
}

/** One's own present answers to questions, newest first, each question once; `until` is a question that they must reach beyond. */
async function ownQuestions(until) {
  const found = [];
  let before = null;
  for (;;) {
    const { answers } = await get("/api/answers", { who: state.who, before, limit: PAGE });
    for (const answer of answers) {
      if (answer.question !== null && answer.current && !found.includes(answer.question)) found.push(answer.question);
    }
    before = answers.at(-1)?.entry;
    const at = found.indexOf(until);
    if (answers.length < PAGE || (until === null ? found.length > 0 : at >= 0 && at < found.length - 1)) return found;
  }
}

/** Goes to the answer before the one that is shown (`by` 1), or to the one after it (-1). */
export async function walk(by) {
  try {
    const shown = state.screen === "ask" && state.question?.answer ? state.question.id : null;
    if (shown === null && by < 0) return next();
    const own = await ownQuestions(shown);
    const at = shown === null ? -1 : own.indexOf(shown);
    const to = at + by;
    if (to < 0) return next();
    if (to >= own.length) return say(own.length === 0 ? "There is no answer yet" : "This was the first answer");
    await jump(own[to]);
  } catch (error) {
    say(error.message);
  }
}

byId("history-more").addEventListener("click", () => list(true));
byId("history-all").addEventListener("change", () => list());
byId("back").addEventListener("click", () => walk(1));
onOpen("history", () => list());
watch(["changedAt", "who", "session"], () => list());
