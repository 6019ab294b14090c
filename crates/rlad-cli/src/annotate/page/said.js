// What a key means as an answer. The terminal twin gives the same spans for the same keys.

import { painted } from "./paint.js";

/** The answer that `button` gives to a question, with the range that was painted. */
export function saidBy(button, question, paint) {
  if (button === "unsure" || button === "skip") return { kind: button };
  const { point, shown } = question;
  const isRange = question.kind === "range";
  const range = isRange ? painted(paint, point) : null;
  const whole = isRange && button === "normal" ? shown : { first: point, last: point };
  const { first, last } = range ?? whole;
  if (button === "expected") return { kind: "expected", spans: [{ first, last }] };
  const spans = [{ first, last, label: button }];
  if (isRange && button === "anomaly") {
    if (shown.first < first) spans.unshift({ first: shown.first, last: first - 1, label: "normal" });
    if (last < shown.last) spans.push({ first: last + 1, last: shown.last, label: "normal" });
  }
  return { kind: "spans", spans };
}

/** The button that an answer was given with. */
export function buttonOf(said) {
  if (said.kind !== "spans") return said.kind;
  return said.spans.some((span) => span.label === "anomaly") ? "anomaly" : said.spans.every((span) => span.label === "unknown") ? "erase" : "normal";
}

/** The range that an answer was about, to paint it again; null where the judged point or all was meant. */
export function rangeOf(said, question) {
  const spans = said.kind === "expected" ? said.spans : said.kind === "spans" ? said.spans.filter((span) => span.label === buttonOf(said)) : [];
  if (spans.length === 0) return null;
  const first = Math.min(...spans.map((span) => span.first));
  const last = Math.max(...spans.map((span) => span.last));
  const isPoint = first === question.point && last === question.point;
  const isAll = first === question.shown.first && last === question.shown.last;
  return isPoint || isAll ? null : { first, last };
}

/** What an answer says, in words. */
export function inWords(said) {
  const button = buttonOf(said);
  const name = { anomaly: "anomaly", normal: "normal", expected: "expected event", unsure: "unsure", skip: "skipped", erase: "label taken away" }[button] ?? button;
  const spans = (said.spans ?? []).filter((span) => button === "expected" || span.label === button);
  const points = spans.reduce((sum, span) => sum + span.last - span.first + 1, 0);
  return points > 1 ? `${name}, ${points.toLocaleString("en")} points` : name;
}
