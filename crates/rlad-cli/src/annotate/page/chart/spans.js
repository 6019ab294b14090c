// What lies under and over the curves: labels, alarms, ranges, and the lines of points.

import { FONT, haloText, line } from "./strokes.js";

const NAMES = { anomaly: "anomaly", normal: "normal", expected: "expected" };
const ALARM_HEIGHT = 5;
const LEAST_ALARM_PX = 4;

/** The left and the right edge of a span in a box, or null where it is beside it. */
function edgesIn(scale, box) {
  // Within half a point, so that an edge beside a gap stays with its point.
  const x = (point) => scale.x(point);
  return (span) => {
    const left = Math.max(box.left, x(span.first - 0.499)), right = Math.min(box.right, x(span.last + 0.499));
    return right < box.left || left > box.right ? null : [left, Math.max(right, left + 2)];
  };
}

function drawLabel(context, span, [left, right], box, lane, color) {
  const top = box.bottom + 2, height = lane - 4;
  if (span.label !== "normal" || lane === 0) {
    context.fillStyle = color[span.label];
    context.globalAlpha = 0.14;
    context.fillRect(left, box.top, right - left, box.bottom - box.top);
    context.globalAlpha = 1;
  }
  if (lane === 0) return;
  context.fillStyle = context.strokeStyle = color[span.label];
  context.lineWidth = 1;
  if (span.label === "anomaly") context.fillRect(left, top, right - left, height);
  else if (span.label === "expected") for (let at = left; at < right; at += 4) context.fillRect(at, top, Math.min(2, right - at), height);
  else context.strokeRect(left + 0.5, top + 0.5, Math.max(right - left - 1, 1), height - 1);
  if (right - left <= 58) return;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `10px ${FONT}`;
  const middle = [(left + right) / 2, top + height / 2 + 0.5];
  if (span.label === "anomaly") {
    context.fillStyle = color.panel;
    context.fillText(NAMES.anomaly, ...middle);
  } else haloText(context, NAMES[span.label], ...middle, color.text, color.panel);
  context.font = `11px ${FONT}`;
}

function drawPainted(context, [left, right], box, color) {
  context.fillStyle = color.paint;
  context.globalAlpha = 0.22;
  context.fillRect(left, box.top, right - left, box.bottom - box.top);
  context.globalAlpha = 1;
  context.fillRect(left - 1.5, box.top, 3, box.bottom - box.top);
  context.fillRect(right - 1.5, box.top, 3, box.bottom - box.top);
  const middle = (box.top + box.bottom) / 2;
  for (const edge of [left, right]) {
    context.beginPath();
    context.roundRect(edge - 5, middle - 14, 10, 28, 4);
    context.fill();
    context.fillStyle = color.panel;
    context.fillRect(edge - 1.5, middle - 6, 1, 12);
    context.fillRect(edge + 0.5, middle - 6, 1, 12);
    context.fillStyle = color.paint;
  }
}

/** The spans under the curves: the points that the window shows, labels, alarms, the proposed and the painted range. */
export function drawSpans(context, spec, scale, box, lane, color) {
  const edges = edgesIn(scale, box);
  const focus = spec.focus ? edges(spec.focus) : null;
  if (focus) {
    const [left, right] = focus;
    context.fillStyle = context.strokeStyle = color.accent;
    context.globalAlpha = 0.14;
    context.fillRect(left, box.top, right - left, box.bottom - box.top);
    context.globalAlpha = 1;
    context.lineWidth = 1.5;
    context.strokeRect(left, box.top, right - left, box.bottom - box.top);
  }
  for (const span of spec.labels ?? []) {
    const found = edges(span);
    if (found) drawLabel(context, span, found, box, lane, color);
  }
  for (const event of spec.alarms ?? []) {
    const found = edges(event);
    if (!found) continue;
    const width = Math.max(found[1] - found[0], LEAST_ALARM_PX);
    context.fillStyle = color.alarm;
    context.fillRect((found[0] + found[1] - width) / 2, box.top - 1, width, ALARM_HEIGHT);
  }
  const proposed = spec.proposed ? edges(spec.proposed) : null;
  if (proposed) {
    const [left, right] = proposed;
    context.fillStyle = context.strokeStyle = color.paint;
    context.globalAlpha = 0.1;
    context.fillRect(left, box.top, right - left, box.bottom - box.top);
    context.globalAlpha = 1;
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.strokeRect(left + 0.5, box.top + 0.5, right - left - 1, box.bottom - box.top - 1);
    context.setLineDash([]);
  }
  const painted = spec.painted ? edges(spec.painted) : null;
  if (painted) drawPainted(context, painted, box, color);
}

/** The lines over the curves: of the judged point and of the pointer. */
export function drawPointLines(context, spec, scale, box, lane, color) {
  if (spec.hover !== null && spec.hover !== undefined) {
    context.strokeStyle = color.faint;
    context.lineWidth = 1;
    context.setLineDash([2, 2]);
    const at = Math.round(scale.x(spec.hover)) + 0.5;
    line(context, at, box.top, at, box.bottom);
    context.setLineDash([]);
  }
  if (spec.point === null || spec.point === undefined || spec.point < spec.from - 0.5 || spec.point > spec.to + 0.5) return;
  const at = Math.round(scale.x(spec.point)) + 0.5;
  context.strokeStyle = context.fillStyle = color.mark;
  context.lineWidth = 1.5;
  line(context, at, box.top, at, box.bottom + lane);
  const tip = box.bottom + lane + 1;
  context.beginPath();
  context.moveTo(at, tip - 7);
  context.lineTo(at - 6, tip + 2);
  context.lineTo(at + 6, tip + 2);
  context.fill();
}
