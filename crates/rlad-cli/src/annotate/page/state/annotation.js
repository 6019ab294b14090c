// The annotation that a key stands for. The terminal client gives the same spans for the same keys.

import { painted } from "./paint.js";

/** The annotation that `button` gives to a question, with the range that was painted. */
export function annotationOf(button, question, paint) {
  if (button === "unsure" || button === "skip") return { kind: button };
  const { point, shown } = question;
  const isRange = question.kind === "range";
  const range = isRange ? painted(paint, point) : null;
  const whole = isRange && button === "normal" ? shown : { first: point, last: point };
  const { first, last } = range ?? whole;
  const spans = [{ first, last, label: button }];
  if (isRange && button === "anomaly") {
    if (shown.first < first) spans.unshift({ first: shown.first, last: first - 1, label: "normal" });
    if (last < shown.last) spans.push({ first: last + 1, last: shown.last, label: "normal" });
  }
  return { kind: "spans", spans };
}

/** The button that an annotation was made with. */
export function buttonOf(annotation) {
  if (annotation.kind !== "spans") return annotation.kind;
  const has = (label) => annotation.spans.some((span) => span.label === label);
  return has("anomaly") ? "anomaly" : has("expected") ? "expected" : has("normal") ? "normal" : "erase";
}

/** The range that an annotation was about, to paint it again; null where the judged point or all was meant. */
export function rangeOf(annotation, question) {
  const spans = (annotation.spans ?? []).filter((span) => span.label === buttonOf(annotation));
  if (spans.length === 0) return null;
  const first = Math.min(...spans.map((span) => span.first));
  const last = Math.max(...spans.map((span) => span.last));
  const isPoint = first === question.point && last === question.point;
  const isAll = first === question.shown.first && last === question.shown.last;
  return isPoint || isAll ? null : { first, last };
}

/** An annotation in words. */
export function inWords(annotation) {
  const button = buttonOf(annotation);
  const name = { anomaly: "anomaly", normal: "normal", expected: "expected event", unsure: "unsure", skip: "skipped", erase: "label taken away" }[button] ?? button;
  const label = button === "erase" ? "unknown" : button;
  const spans = (annotation.spans ?? []).filter((span) => span.label === label);
  const points = spans.reduce((sum, span) => sum + span.last - span.first + 1, 0);
  return points > 1 ? `${name}, ${points.toLocaleString("en")} points` : name;
}
