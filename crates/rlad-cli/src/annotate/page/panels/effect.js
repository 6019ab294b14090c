// What the last answers changed, in one line, and what is to be expected of the detector.

import { byId } from "../state/element.js";
import { state, watch } from "../state/state.js";

const MOST_NAMED = 4;
const number = (n) => n.toLocaleString("en");

/** The alarms that came and went in a series, in words. */
function inSeries({ name, appeared, gone }) {
  const parts = [appeared > 0 ? `${number(appeared)} more` : "", gone > 0 ? `${number(gone)} fewer` : ""].filter(Boolean);
  return `${parts.join(" and ")} in ${name}`;
}

/** What a round changed, in words; `changed` is as `/api/state` has it. */
export function changedInWords(changed) {
  const since = changed.answers === 1 ? "Since the last answer" : `Since the last ${number(changed.answers)} answers`;
  const series = changed.series ?? [];
  if (series.length === 0) return `${since}: the same alarms.`;
  const sum = (of) => of.appeared + of.gone;
  const sorted = [...series].sort((a, b) => sum(b) - sum(a));
  const named = sorted.slice(0, MOST_NAMED).map(inSeries);
  const rest = series.length - named.length;
  return `${since}, alarms: ${named.join(", ")}${rest > 0 ? `, and others in ${number(rest)} more series` : ""}.`;
}

/** The quality that is expected of the next data, or why none can be told yet. */
function expectedInWords(server) {
  const latest = server.rounds.findLast((round) => round.expected?.f1);
  if (latest) {
    const { expected, low, high } = latest.expected.f1;
    return `Expected F1 ${expected.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}).`;
  }
  const needed = server.random_needed;
  return needed > 0 ? `Expected F1: after ${number(needed)} more answers to random questions.` : "";
}

watch(["server", "session"], () => {
  const { server, session } = state;
  const line = byId("effect");
  const text = server?.changed && session?.mode !== "browse" ? [changedInWords(server.changed), expectedInWords(server)].filter(Boolean).join(" ") : "";
  if (line.textContent !== text) line.textContent = text;
  line.hidden = text === "";
});
