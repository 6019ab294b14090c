// The axis below a chart: times, or numbers of points; and the gaps of the clock.

import { line } from "./strokes.js";
import { pointTicks, timeTicks } from "./ticks.js";
import { timeAt } from "../state/tiles.js";
import { spanText } from "../state/time.js";

const TICK_PX = 74;
const HATCH_PX = 6;

/** Draws the axis of `spec` under `box`, below a lane of the height `lane`. */
export function drawAxis(context, spec, scale, box, lane, color) {
  const width = box.right - box.left, top = box.bottom + lane;
  const edge = context.canvas.clientWidth;
  context.strokeStyle = color.edge;
  context.lineWidth = 1;
  line(context, box.left, box.bottom + 0.5, box.right, box.bottom + 0.5);
  context.textBaseline = "top";
  const sparse = Math.max(2, Math.floor(width / TICK_PX));
  let end = box.left - 20, endBelow = box.left - 20, owed = null;
  for (const tick of ticksOf(spec, scale, sparse)) {
    if (tick.x < box.left || tick.x > box.right) continue;
    context.strokeStyle = color.grid;
    line(context, Math.round(tick.x) + 0.5, box.top, Math.round(tick.x) + 0.5, box.bottom);
    const half = context.measureText(tick.text).width / 2;
    const center = Math.max(half + 1, Math.min(edge - half - 1, tick.x));
    owed = tick.below ?? owed;
    if (center - half < end + 8) continue;
    context.fillStyle = color.faint;
    context.textAlign = "center";
    context.fillText(tick.text, center, top + 4);
    end = center + half;
    if (owed) {
      const halfBelow = context.measureText(owed).width / 2;
      const at = Math.max(halfBelow + 1, Math.min(edge - halfBelow - 1, tick.x));
      if (at - halfBelow >= endBelow + 8) {
        context.fillText(owed, at, top + 17);
        endBelow = at + halfBelow;
        owed = null;
      }
    }
  }
}

function ticksOf(spec, scale, sparse) {
  if (spec.clock === null || !scale.xOfTime) {
    return pointTicks(Math.max(0, spec.from), spec.to, (spec.to - spec.from) / sparse).map((tick) => ({ ...tick, x: scale.x(tick.at) }));
  }
  const from = timeAt(spec.clock, spec.from), to = timeAt(spec.clock, spec.to);
  // Gaps that are cut short take less than their time, so that ticks may stand closer.
  const cut = scale.gaps.reduce((sum, gap) => sum + gap.to - gap.from - gap.width, 0);
  return to > from ? timeTicks(from, to, (to - from - cut) / sparse).map((tick) => ({ ...tick, x: scale.xOfTime(tick.at) })) : [];
}

/** Hatches the gaps of the clock, each with how long nothing was measured where there is room for it. */
export function drawGaps(context, scale, box, color, isTold) {
  for (const { left, right, from, to } of scale.gaps) {
    if (right - left < 2) continue;
    context.save();
    context.beginPath();
    context.rect(left, box.top, right - left, box.bottom - box.top);
    context.clip();
    context.strokeStyle = color.edge;
    context.lineWidth = 1;
    for (let at = left - (box.bottom - box.top); at < right; at += HATCH_PX) line(context, at, box.bottom, at + box.bottom - box.top, box.top);
    context.restore();
    const text = `no data, ${spanText(to - from)}`;
    const isWide = context.measureText(text).width + 8 < right - left;
    const isHigh = right - left >= 16 && context.measureText(text).width + 8 < box.bottom - box.top;
    if (!isTold || !(isWide || isHigh)) continue;
    context.save();
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.translate((left + right) / 2, (box.top + box.bottom) / 2);
    if (!isWide) context.rotate(-Math.PI / 2);
    context.strokeStyle = color.panel;
    context.lineWidth = 4;
    context.strokeText(text, 0, 0);
    context.fillStyle = color.faint;
    context.fillText(text, 0, 0);
    context.restore();
  }
}
