// A canvas that draws curves over the points of one series: lanes of channels, the score, labels, marks, axes.

import { drawAxis, drawGaps } from "./axis.js";
import { drawClips, drawCurve } from "./curve.js";
import { palette } from "./palette.js";
import { scaleOf } from "./scale.js";
import { drawPointLines, drawSpans } from "./spans.js";
import { FONT, haloText, line } from "./strokes.js";
import { valueTicks } from "./ticks.js";

const LABEL_LANE = 13;
const LEGEND_LINE = 16;
const SCORE_LANE = 46;
/** Lanes that are lower have no values at their side. */
const MIN_TICKED = 28;

/**
 * The specification of a drawing:
 * `from`, `to`: the points at its edges (fractions allowed); `clock`: a tile that tells times, or null for numbers of points;
 * `lanes`: `{title, curves, range}`, each curve `{from, step, low, high, times, color, dash, width, dots, band, clips}`;
 * `labels`: spans; `alarms`: events; `painted`, `proposed`, `focus`: a span or null; `point`, `hover`: a point or null;
 * `ringed`: whether the point has rings; `score`: `{from, scores, threshold}` or null;
 * `legend`: `{text, color, dash}` of curves that lie over each other, or null;
 * `gap`: the milliseconds between two points that make a break, or null; `compact`: without axes.
 */
export class Chart {
  #frame = 0;
  #spec = null;
  #box = { left: 0, right: 1, top: 0, bottom: 1 };
  #scale = null;

  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    new ResizeObserver(() => this.draw(this.#spec)).observe(canvas);
  }

  /** Draws in the next frame; of several calls the last one counts. `done` is called once it is on the canvas. */
  draw(spec, done = null) {
    this.#spec = spec;
    if (done) this.done = done;
    if (spec === null || this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#spec === null) return;
      this.#paint(this.#spec);
      const then = this.done;
      this.done = null;
      then?.();
    });
  }

  /** The point, with a fraction, at a horizontal place on the page. */
  pointAt(clientX) {
    return this.#scale?.pointAt(clientX - this.canvas.getBoundingClientRect().left) ?? 0;
  }

  /** The horizontal place of a point on the page; the inverse of `pointAt`. */
  placeOf(point) {
    return this.canvas.getBoundingClientRect().left + this.#scale.x(point);
  }

  /** The mean width of one point, in pixels. */
  get pointWidth() {
    return (this.#box.right - this.#box.left) / (this.#spec.to - this.#spec.from);
  }

  #paint(spec) {
    const { canvas, context } = this;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (width === 0 || height === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `11px ${FONT}`;
    context.lineJoin = "round";
    const color = palette();
    const compact = spec.compact ?? false;
    const gutter = compact ? 3 : width < 500 ? 40 : 52;
    const axis = compact ? 0 : 31;
    const lane = compact ? 0 : LABEL_LANE;
    const box = { left: gutter, right: width - (compact ? 3 : 10), top: compact ? 3 : 6, bottom: height - axis - lane - (compact ? 3 : 0) };
    this.#box = box;
    const scale = scaleOf(spec.clock, spec.from, spec.to, box.left, box.right);
    this.#scale = scale;
    canvas.dataset.gaps = scale.gaps.length;
    canvas.dataset.lanes = spec.lanes.length;

    if (!compact) drawAxis(context, spec, scale, box, lane, color);
    drawGaps(context, scale, box, color, !compact);
    drawSpans(context, spec, scale, box, lane, color);
    const whole = { ...box };
    if (spec.legend) box.top += this.#legend(spec.legend, box, color);
    if (spec.score) {
      box.bottom -= SCORE_LANE;
      this.#score(spec, scale.x, { ...box, top: box.bottom + 6, bottom: whole.bottom - 2 }, color);
    }
    const each = (box.bottom - box.top) / spec.lanes.length;
    spec.lanes.forEach((part, i) => {
      const top = box.top + i * each + (spec.lanes.length > 1 ? 3 : 0);
      this.#lane(spec, part, scale.x, { ...box, top, bottom: box.top + (i + 1) * each - 3 }, color);
    });
    drawPointLines(context, spec, scale, { ...whole, top: box.top }, lane, color);
  }

  /** The names of curves that lie over each other, each with its dashes. Returns the height that they take. */
  #legend(entries, box, color) {
    const { context } = this;
    let left = box.left + 4, top = box.top;
    context.textAlign = "left";
    context.textBaseline = "middle";
    for (const entry of entries) {
      const width = 26 + context.measureText(entry.text).width + 14;
      if (left + width > box.right && left > box.left + 4) [left, top] = [box.left + 4, top + LEGEND_LINE];
      context.strokeStyle = color[entry.color];
      context.lineWidth = 2;
      context.setLineDash(entry.dash);
      line(context, left, top + LEGEND_LINE / 2, left + 22, top + LEGEND_LINE / 2);
      context.setLineDash([]);
      context.fillStyle = color.text;
      context.fillText(entry.text, left + 27, top + LEGEND_LINE / 2);
      left += width;
    }
    return top + LEGEND_LINE - box.top + 4;
  }

  #lane(spec, part, x, box, color) {
    const { context } = this;
    const [low, high] = part.range ?? rangeOf(part.curves.filter((curve) => curve.counts !== false), spec.from, spec.to);
    const y = (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top);
    if (!(spec.compact ?? false)) {
      context.textAlign = "right";
      context.textBaseline = "middle";
      const n = Math.max(2, Math.min(5, Math.floor((box.bottom - box.top) / 30)));
      for (const tick of part.unscaled || box.bottom - box.top < MIN_TICKED ? [] : valueTicks(low, high, n)) {
        const at = Math.round(y(tick.at)) + 0.5;
        if (at < box.top - 1 || at > box.bottom + 1) continue;
        context.strokeStyle = color.grid;
        context.lineWidth = 1;
        line(context, box.left, at, box.right, at);
        context.fillStyle = color.faint;
        context.fillText(tick.text, box.left - 6, at);
      }
    }
    context.save();
    context.beginPath();
    context.rect(box.left, box.top - 9, box.right - box.left, box.bottom - box.top + 18);
    context.clip();
    for (const curve of part.curves) {
      const own = curve.scale ? (value) => y((value - curve.scale[0]) / (curve.scale[1] - curve.scale[0])) : y;
      drawCurve(context, spec, curve, x, own, color);
      if (curve.clips) drawClips(context, spec, curve, x, own, box, color);
    }
    if (spec.ringed && spec.point !== null) {
      for (const curve of part.curves.filter((curve) => curve.ringed)) {
        const value = curve.low[Math.floor((spec.point - curve.from) / curve.step)];
        if (value === null || value === undefined) continue;
        const own = part.unscaled ? (value - curve.scale[0]) / (curve.scale[1] - curve.scale[0]) : value;
        context.beginPath();
        context.arc(x(spec.point), y(own), 8, 0, 2 * Math.PI);
        context.strokeStyle = color.panel;
        context.lineWidth = 5;
        context.stroke();
        context.strokeStyle = color.mark;
        context.lineWidth = 2.5;
        context.stroke();
      }
    }
    context.restore();
    if (part.title) {
      context.textAlign = "left";
      context.textBaseline = "top";
      context.font = `600 11px ${FONT}`;
      haloText(context, part.title, box.left + 5, box.top, color.text, color.panel);
      context.font = `11px ${FONT}`;
    }
  }

  /** The detector's score with its threshold, in a lane of its own below the others. */
  #score(spec, x, box, color) {
    const { context } = this;
    const { from, scores, threshold } = spec.score;
    const curve = { from, step: 1, low: scores, high: scores, times: null, color: "alarm" };
    const [low, high] = rangeOf([curve, { from: spec.from, step: spec.to - spec.from, low: [threshold], high: [threshold] }], spec.from, spec.to);
    const y = (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top);
    context.strokeStyle = color.edge;
    context.lineWidth = 1;
    line(context, box.left, box.top - 4.5, box.right, box.top - 4.5);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top - 4, box.right - box.left, box.bottom - box.top + 8);
    context.clip();
    context.strokeStyle = color.faint;
    context.setLineDash([3, 3]);
    line(context, box.left, Math.round(y(threshold)) + 0.5, box.right, Math.round(y(threshold)) + 0.5);
    context.setLineDash([]);
    drawCurve(context, spec, curve, x, y, color);
    context.restore();
    context.textAlign = "left";
    context.textBaseline = "top";
    const text = "score; dashed: threshold";
    context.fillStyle = color.panel;
    context.fillRect(box.left + 2, box.top - 3, context.measureText(text).width + 6, 14);
    context.fillStyle = color.faint;
    context.fillText(text, box.left + 5, box.top - 2);
  }
}

/** The lowest and highest value of curves between two points, with a little room; never empty. */
export function rangeOf(curves, from, to) {
  let low = Infinity, high = -Infinity;
  for (const curve of curves) {
    const begin = Math.max(0, Math.floor((from - curve.from) / curve.step));
    const end = Math.min(curve.low.length, Math.ceil((to - curve.from) / curve.step) + 1);
    for (let i = begin; i < end; i++) {
      if (curve.low[i] === null || curve.low[i] === undefined) continue;
      if (curve.low[i] < low) low = curve.low[i];
      if (curve.high[i] > high) high = curve.high[i];
    }
  }
  if (low > high) return [0, 1];
  if (low === high) return [low - Math.max(Math.abs(low) * 0.1, 1e-9), high + Math.max(Math.abs(high) * 0.1, 1e-9)];
  const room = (high - low) * 0.08;
  return [low - room, high + room];
}
