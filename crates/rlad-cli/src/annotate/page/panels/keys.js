// The keys: one table, which the help gets too.

import { answer, undo } from "./answer.js";
import { openComment } from "./comment.js";
import { pan, toggleWhole, zoom, moveWindow } from "./context.js";
import { byId } from "../state/element.js";
import { openFiles } from "./files.js";
import { walk } from "./history.js";
import { scoreObstacle } from "../chart/stage.js";
import { resume } from "./question.js";
import { toggleRows } from "./rows.js";
import { toggleSiblings } from "./siblings.js";
import { choose, setting } from "../state/settings.js";
import { openSide, toggleSide } from "./side.js";
import { leaveSuggestion, toggleSuggestions } from "./suggestions.js";
import { closeSimilar, markAll, markFocused, moveFocus, openSimilar, saveSimilar } from "./similar.js";
import { state } from "../state/state.js";
import { openSettings } from "./theme.js";
import { openHelp } from "./help.js";
import { say } from "./toast.js";
import { dropPaint, growRange, isPainting, paintKey, paintMove, shortenRange, zoomWindow } from "./window.js";

const PAN = 0.25;
const STRIDE = 10;

/** Moves what the arrows move: the end that is painted, the window of labelling without a question, or the context. */
function arrow(sign, shift) {
  if (!state.series) return;
  if (isPainting()) return paintMove(sign * (shift ? STRIDE : 1));
  if (shift && state.screen === "ask") return growRange(sign);
  if (state.screen !== "label") return pan(sign * PAN);
  const length = state.shown.last - state.shown.first + 1;
  moveWindow((state.shown.first + state.shown.last + 1) / 2 + sign * Math.max(1, length * (shift ? 1 : PAN)));
}

function edge(sign) {
  if (isPainting()) return paintMove(sign * Infinity);
  if (state.screen === "label") moveWindow(sign < 0 ? 0 : state.series.n_points);
}

/** Esc lets go of the nearest thing that is held. */
function escape() {
  if (state.suggestion) leaveSuggestion();
  else if (state.paint) dropPaint();
  else if (!byId("side").hidden && window.innerWidth < 1100) openSide(null);
  else if (document.activeElement !== document.body) document.activeElement.blur();
}

const toggle = (name) => choose(name, !setting(name));

function toggleScore() {
  toggle("score");
  const why = scoreObstacle();
  if (why) say(`No score: ${why}`);
}

const showHelp = () => openHelp([...KEYS, ...SIMILAR_KEYS]);

/** The keys of the charts: `[group, keys, what they do, run, repeats while held]`. */
const KEYS = [
  ["Answer", ["a", "1"], "anomaly: the proposed range, all else is left open; or the painted range, and the rest is normal, save near its ends and where it looks like it", (event) => answer("anomaly", event.timeStamp)],
  ["Answer", ["n", "0"], "normal: the judged point and what is no odder than it, or the painted range; all else is left open", (event) => answer("normal", event.timeStamp)],
  ["Answer", ["e"], "expected event: the judged point or the painted range is unusual, but wanted; the rest is normal", (event) => answer("expected", event.timeStamp)],
  ["Answer", ["2", "L"], "of an alarm: right, and late; the anomaly began before it", (event) => answer("late", event.timeStamp)],
  ["Answer", ["u"], "unsure: the point is not asked about again, and never learned from", (event) => answer("unsure", event.timeStamp)],
  ["Answer", ["s"], "skip: the same, where you do not want to say", (event) => answer("skip", event.timeStamp)],
  ["Answer", ["z"], "take the last step back, without limit", () => undo("undo")],
  ["Answer", ["y", "Z"], "bring back what was taken back", () => undo("redo")],
  ["Answer", ["c"], "comment, saved with the answer", openComment],
  ["Answer", ["b"], "back to the answer before, to look at it or change it", () => walk(1)],
  ["Answer", ["f"], "forward again", () => walk(-1)],
  ["Answer", ["Enter"], "next question", () => resume()],
  ["Answer", ["i"], "similar windows, to label many at once", openSimilar],
  ["Range", ["shift+←", "shift+→"], "make the range a point longer on that side", null],
  ["Range", ["<", ">"], "make it a point shorter on the left, on the right", (event) => shortenRange(event.key === "<" ? -1 : 1), true],
  ["Range", ["r"], "paint a range: begin it, end it, move its other end", paintKey],
  ["Range", ["ArrowLeft", "ArrowRight"], "while painting: move the end, with shift by 10 points", (event) => arrow(event.key === "ArrowLeft" ? -1 : 1, event.shiftKey), true],
  ["Range", ["Home", "End"], "while painting: the end to the edge of the window", (event) => edge(event.key === "Home" ? -1 : 1)],
  ["Range", ["Escape"], "drop the range", escape],
  ["Look", ["[", "]"], "zoom the context out, in (arrows move it while nothing is painted)", (event) => zoom(event.key === "[" ? 2 : 0.5), true],
  ["Look", ["w"], "whole series", toggleWhole],
  ["Look", ["d"], "the day before", () => toggle("day")],
  ["Look", ["k"], "the week before", () => toggle("week")],
  ["Look", ["j"], "the usual range, as a band", () => toggle("usual")],
  ["Look", ["g"], "the detector's score and alarms, before the answer too", toggleScore],
  ["Look", ["o"], "other series at the same time, the oddest first", toggleSiblings],
  ["Look", ["t"], "raw rows", toggleRows],
  ["Look", ["m"], "channels stacked or over each other", () => toggle("stack")],
  ["Look", ["v"], "the value axis of the context, or one fitted to the window", () => toggle("scale")],
  ["Label any series", ["l", "/"], "list of series, with search", () => openSide("series", { focus: true })],
  ["Label any series", ["x", "Delete"], "take the labels of the painted range away", (event) => answer("erase", event.timeStamp)],
  ["Suggestions", ["q"], "list of suggestions; arrows move in it, enter shows one", toggleSuggestions],
  ["Suggestions", ["a, n, e"], "what is suggested: accept it, of the painted range", null],
  ["Suggestions", ["x", "Backspace"], "dismiss it", (event) => (event.key === "Backspace" && !state.suggestion ? null : answer("erase", event.timeStamp))],
  ["Suggestions", ["Escape"], "leave it open, and label its range freely", null],
  ["Label any series", ["+", "-"], "zoom the window", (event) => zoomWindow(event.key === "+" ? 0.5 : 2), true],
  ["Page", ["p"], "progress", () => toggleSide("progress")],
  ["Page", ["h"], "history", () => toggleSide("history")],
  ["Page", ["."], "labels as files: export, import", openFiles],
  ["Page", [","], "settings: name, colours, zone of times", openSettings],
  ["Page", ["?"], "these keys", showHelp],
];

/** The keys among similar windows. */
const SIMILAR_KEYS = [
  ["Similar windows", ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], "move", (event) => moveFocus({ ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0, { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0), true],
  ["Similar windows", ["a", "1"], "mark as anomaly, go on", () => markFocused("anomaly")],
  ["Similar windows", ["n", "0"], "mark as normal, go on", () => markFocused("normal")],
  ["Similar windows", ["x", "u", "s"], "no mark, go on", () => markFocused("")],
  ["Similar windows", [" "], "change the mark", () => document.activeElement.click?.()],
  ["Similar windows", ["A"], "all anomaly", () => markAll("anomaly")],
  ["Similar windows", ["N"], "all normal", () => markAll("normal")],
  ["Similar windows", ["X"], "no mark at all", () => markAll("")],
  ["Similar windows", ["Enter"], "label those marked", saveSimilar],
  ["Similar windows", ["Escape", "i"], "back", closeSimilar],
  ["Similar windows", ["?"], "these keys", showHelp],
];

/** Whether the focus is where keys write text, or where they have a meaning of their own. */
function isTaken(event) {
  const at = event.target;
  if (at.matches?.("input:not([type=checkbox]), textarea, select")) return true;
  // A focused button takes Enter and Space itself, save among similar windows, where Enter labels.
  const isPress = event.key === "Enter" || event.key === " ";
  if (isPress && at.closest?.("button, a, summary, label")) return !(event.key === "Enter" && state.screen === "similar" && at.closest("#similar-list"));
  // A scrolled table takes the arrows.
  return event.key.startsWith("Arrow") && Boolean(at.closest?.("#rows"));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]") || isTaken(event)) return;
  if (!setting("keys") && event.key.length === 1) return;
  const table = state.screen === "similar" ? SIMILAR_KEYS : KEYS;
  // Capitals of a locked keyboard are meant as small letters, where shift is not held.
  const key = event.key.length === 1 && !event.shiftKey ? event.key.toLowerCase() : event.key;
  const found = table.find(([, keys, , run]) => run !== null && keys.includes(key));
  if (!found) {
    if (event.key.length === 1 && event.key !== " ") say("No such key: ? shows all keys");
    return;
  }
  event.preventDefault();
  if (event.repeat && !found[4]) return;
  found[3](event);
});

byId("help-open").addEventListener("click", showHelp);
byId("paint").addEventListener("click", paintKey);
byId("go-ask").addEventListener("click", () => resume());
byId("empty-label").addEventListener("click", () => openSide("series", { focus: true }));
