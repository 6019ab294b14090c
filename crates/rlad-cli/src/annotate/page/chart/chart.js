// A canvas that draws curves over the points of one series: lanes of channels, labels, marks, axes.
//
// The points stand evenly, whatever their times; a break of the clock is a gap in the curve. So each point is as wide as
// the next, and painting hits what it shows.

import { palette } from "./palette.js";
import { pointTicks, timeTicks, valueTicks } from "./ticks.js";
import { pointAt, timeAt } from "../state/tiles.js";

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif";
const LABEL_LANE = 13;
const LEGEND_LINE = 16;
/** Lanes that are lower have no values at their side. */
const MIN_TICKED = 28;
/** Breaks of the clock are looked for where no more points than these are in view. */
const MOST_POINTS_WITH_BREAKS = 1500;
const NAMES = { anomaly: "anomaly", normal: "normal", expected: "expected" };

/**
 * The specification of a drawing:
 * `from`, `to`: the points at its edges (fractions allowed); `clock`: a tile that tells times, or null for numbers of points;
 * `lanes`: `{title, curves, range}`, each curve `{from, step, low, high, times, color, dash, width, dots}`;
 * `labels`: spans; `painted`, `proposed`, `focus`: a span or null; `point`, `hover`: a point or null; `ringed`: whether the point has rings;
 * `legend`: `{text, color, dash}` of curves that lie over each other, or null;
 * `gap`: the milliseconds between two points that make a break, or null; `compact`: without axes.
 */
export class Chart {
  #frame = 0;
  #spec = null;
  #box = { left: 0, right: 1, top: 0, bottom: 1 };

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
    const { left, right } = this.#box;
    const { from, to } = this.#spec ?? { from: 0, to: 1 };
    return from + ((clientX - this.canvas.getBoundingClientRect().left - left) / (right - left)) * (to - from);
  }

  /** The width of one point, in pixels. */
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
    const x = (point) => box.left + ((point - spec.from) / (spec.to - spec.from)) * (box.right - box.left);

    if (!compact) this.#timeAxis(spec, x, box, lane, color);
    this.#spans(spec, x, box, lane, color);
    if (spec.legend) box.top += this.#legend(spec.legend, box, color);
    const each = (box.bottom - box.top) / spec.lanes.length;
    spec.lanes.forEach((part, i) => {
      const top = box.top + i * each + (spec.lanes.length > 1 ? 3 : 0);
      this.#lane(spec, part, x, { ...box, top, bottom: box.top + (i + 1) * each - 3 }, color);
    });
    this.#pointLines(spec, x, box, lane, color);
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
    context.rect(box.left, box.top - 4, box.right - box.left, box.bottom - box.top + 8);
    context.clip();
    for (const curve of part.curves) this.#curve(spec, curve, x, y, color);
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

  #curve(spec, curve, x, yOf, color) {
    const { context } = this;
    const { from, step, low, high, times } = curve;
    const y = curve.scale ? (value) => yOf((value - curve.scale[0]) / (curve.scale[1] - curve.scale[0])) : yOf;
    const begin = Math.max(0, Math.floor((spec.from - from) / step) - 1);
    const end = Math.min(low.length, Math.ceil((spec.to - from) / step) + 2);
    const middle = (step - 1) / 2;
    const at = (i) => x(from + i * step + middle);
    context.strokeStyle = context.fillStyle = color[curve.color];
    context.lineWidth = curve.width ?? 1.5;
    context.setLineDash(curve.dash ?? []);
    const gap = step === 1 && times && spec.gap && end - begin < MOST_POINTS_WITH_BREAKS ? spec.gap : Infinity;
    const breaks = [];
    // Runs of buckets with values, each one path there (the highs) and, where highs and lows differ, back (the lows).
    let i = begin;
    while (i < end) {
      while (i < end && low[i] === null) i++;
      const first = i;
      while (i < end && low[i] !== null && (i === first || gap === Infinity || times[i] - times[i - 1] <= gap)) i++;
      if (first === i) break;
      if (i < end && low[i] !== null) breaks.push(i);
      if (step === 1 && i - first === 1) {
        context.fillRect(at(first) - 1.5, y(low[first]) - 1.5, 3, 3);
        continue;
      }
      context.beginPath();
      context.moveTo(at(first), y(high[first]));
      for (let k = first + 1; k < i; k++) context.lineTo(at(k), y(high[k]));
      if (step > 1) {
        for (let k = i - 1; k >= first; k--) context.lineTo(at(k), y(low[k]));
        context.closePath();
        context.globalAlpha = 0.45;
        context.fill();
        context.globalAlpha = 1;
        context.lineWidth = 1;
      }
      context.stroke();
    }
    context.setLineDash([1, 4]);
    context.lineWidth = 1;
    for (const k of breaks) line(context, at(k - 1), y(low[k - 1]), at(k), y(low[k]));
    context.setLineDash([]);
    if (curve.dots && step === 1 && x(1) - x(0) >= 7) {
      for (let k = begin; k < end; k++) {
        if (low[k] === null) continue;
        context.beginPath();
        context.arc(at(k), y(low[k]), 2.4, 0, 2 * Math.PI);
        context.fill();
      }
    }
  }

  /** The spans under the curves: the points that the window shows, labels, the proposed and the painted range. */
  #spans(spec, x, box, lane, color) {
    const { context } = this;
    const edges = (span) => {
      const left = Math.max(box.left, x(span.first - 0.5)), right = Math.min(box.right, x(span.last + 0.5));
      return right < box.left || left > box.right ? null : [left, Math.max(right, left + 2)];
    };
    if (spec.focus) {
      const found = edges(spec.focus);
      if (found) {
        const [left, right] = found;
        context.fillStyle = color.accent;
        context.globalAlpha = 0.14;
        context.fillRect(left, box.top, right - left, box.bottom - box.top);
        context.globalAlpha = 1;
        context.strokeStyle = color.accent;
        context.lineWidth = 1.5;
        context.strokeRect(left, box.top, right - left, box.bottom - box.top);
      }
    }
    for (const span of spec.labels ?? []) {
      const found = edges(span);
      if (!found) continue;
      const [left, right] = found;
      const top = box.bottom + 2, height = lane - 4;
      if (span.label !== "normal" || lane === 0) {
        context.fillStyle = color[span.label];
        context.globalAlpha = 0.14;
        context.fillRect(left, box.top, right - left, box.bottom - box.top);
        context.globalAlpha = 1;
      }
      if (lane === 0) continue;
      context.fillStyle = context.strokeStyle = color[span.label];
      context.lineWidth = 1;
      if (span.label === "anomaly") context.fillRect(left, top, right - left, height);
      else if (span.label === "expected") for (let at = left; at < right; at += 4) context.fillRect(at, top, Math.min(2, right - at), height);
      else context.strokeRect(left + 0.5, top + 0.5, Math.max(right - left - 1, 1), height - 1);
      if (right - left > 58) {
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
    }
    if (spec.proposed) {
      const found = edges(spec.proposed);
      if (found) {
        const [left, right] = found;
        context.strokeStyle = color.paint;
        context.lineWidth = 1;
        context.setLineDash([4, 4]);
        context.strokeRect(left + 0.5, box.top + 0.5, right - left - 1, box.bottom - box.top - 1);
        context.setLineDash([]);
      }
    }
    if (spec.painted) {
      const found = edges(spec.painted);
      if (found) {
        const [left, right] = found;
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
    }
  }

  /** The lines over the curves: of the judged point and of the pointer. */
  #pointLines(spec, x, box, lane, color) {
    const { context } = this;
    if (spec.hover !== null && spec.hover !== undefined) {
      context.strokeStyle = color.faint;
      context.lineWidth = 1;
      context.setLineDash([2, 2]);
      line(context, Math.round(x(spec.hover)) + 0.5, box.top, Math.round(x(spec.hover)) + 0.5, box.bottom);
      context.setLineDash([]);
    }
    if (spec.point === null || spec.point === undefined || spec.point < spec.from - 0.5 || spec.point > spec.to + 0.5) return;
    const at = Math.round(x(spec.point)) + 0.5;
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

  #timeAxis(spec, x, box, lane, color) {
    const { context } = this;
    const tile = spec.clock;
    const width = box.right - box.left;
    const top = box.bottom + lane;
    context.strokeStyle = color.edge;
    context.lineWidth = 1;
    line(context, box.left, box.bottom + 0.5, box.right, box.bottom + 0.5);
    context.textBaseline = "top";
    const sparse = Math.max(2, Math.floor(width / 74));
    let ticks;
    if (tile === null) {
      ticks = pointTicks(Math.max(0, spec.from), spec.to, (spec.to - spec.from) / sparse).map((tick) => ({ ...tick, x: x(tick.at) }));
    } else {
      const from = timeAt(tile, spec.from), to = timeAt(tile, spec.to);
      if (!(to > from)) return;
      ticks = timeTicks(from, to, (to - from) / sparse).map((tick) => ({ ...tick, x: x(pointAt(tile, tick.at)) }));
    }
    let end = box.left - 20;
    let endBelow = box.left - 20;
    let owed = null;
    for (const tick of ticks) {
      if (tick.x < box.left || tick.x > box.right) continue;
      context.strokeStyle = color.grid;
      line(context, Math.round(tick.x) + 0.5, box.top, Math.round(tick.x) + 0.5, box.bottom);
      const half = context.measureText(tick.text).width / 2;
      const center = Math.max(half + 1, Math.min(this.canvas.clientWidth - half - 1, tick.x));
      owed = tick.below ?? owed;
      if (center - half < end + 8) continue;
      context.fillStyle = color.faint;
      context.textAlign = "center";
      context.fillText(tick.text, center, top + 4);
      end = center + half;
      if (owed) {
        const halfBelow = context.measureText(owed).width / 2;
        const at = Math.max(halfBelow + 1, Math.min(this.canvas.clientWidth - halfBelow - 1, tick.x));
        if (at - halfBelow >= endBelow + 8) {
          context.fillText(owed, at, top + 17);
          endBelow = at + halfBelow;
          owed = null;
        }
      }
    }
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

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function haloText(context, text, x, y, color, halo) {
  context.strokeStyle = halo;
  context.lineWidth = 3;
  context.strokeText(text, x, y);
  context.fillStyle = color;
  context.fillText(text, x, y);
}
