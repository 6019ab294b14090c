// The annotation that a key stands for: what the person said. The server works out what it teaches.

import { count } from "./element.js";
import { painted } from "./paint.js";

/**
 * The annotation that `button` gives to a question: a mark on the range that was painted, or on the judged point. An expected event
 * is no mark: what it teaches is a setting.
 */
export function annotationOf(button, question, paint) {
  if (button === "unsure" || button === "skip") return { kind: button };
  const { point } = question;
  const range = question.kind === "range" ? painted(paint, point) : null;
  const spans = [{ ...(range ?? { first: point, last: point }), label: button }];
  if (button === "late") return { kind: "late", spans: [{ ...spans[0], label: "anomaly" }] };
  return { kind: button === "expected" ? "spans" : range ? "painted" : "marked", spans };
}

/** The button that an annotation was made with. */
export function buttonOf(annotation) {
  if (!annotation.spans || annotation.kind === "late") return annotation.kind;
  const has = (label) => annotation.spans.some((span) => span.label === label);
  return has("anomaly") ? "anomaly" : has("expected") ? "expected" : has("normal") ? "normal" : "erase";
}

/** The range that an annotation was about, to paint it again; null where the judged point or all was meant. */
export function rangeOf(annotation, question) {
  const label = annotation.kind === "late" ? "anomaly" : buttonOf(annotation);
  const spans = (annotation.spans ?? []).filter((span) => span.label === label);
  if (spans.length === 0 || annotation.kind === "marked") return null;
  const first = Math.min(...spans.map((span) => span.first));
  const last = Math.max(...spans.map((span) => span.last));
  const isPoint = first === question.point && last === question.point;
  const isAll = first === question.shown.first && last === question.shown.last;
  return !["painted", "late"].includes(annotation.kind) && (isPoint || isAll) ? null : { first, last };
}

/** An annotation in words. */
export function inWords(annotation) {
  const button = buttonOf(annotation);
  const name = { anomaly: "anomaly", normal: "normal", expected: "expected event", unsure: "unsure", skip: "skipped", erase: "label taken away", late: "anomaly, late" }[button] ?? button;
  const label = { erase: "unknown", late: "anomaly" }[button] ?? button;
  const spans = (annotation.spans ?? []).filter((span) => span.label === label);
  const points = spans.reduce((sum, span) => sum + span.last - span.first + 1, 0);
  return points > 1 ? `${name}, ${points.toLocaleString("en")} points` : name;
}

/**
 * The labels that an answer gives, in words: `{ anomaly, normal, expected, open }` are numbers of points. Of the label `own`, which stands
 * on the button itself, only the number is told.
 */
export function taughtInWords({ anomaly, normal, expected = 0, open }, own = null) {
  const parts = [];
  for (const [name, n] of [["expected", expected], ["anomaly", anomaly], ["normal", normal]]) {
    if (n === 0) continue;
    if (parts.length > 0) parts.push(`${n.toLocaleString("en")} ${name}`);
    else parts.push(name === own ? count(n, "point") : `${name === "expected" ? "expected event" : name}, ${count(n, "point")}`);
  }
  if (open > 0) parts.push(`${open.toLocaleString("en")} left open`);
  return parts.join("; ");
}
