// The ticks of an axis and their texts.

import { clockText, dayText, monthText, offsetAt, wall, yearText } from "../state/time.js";

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30].map((n) => n * SECOND)
  .concat([1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), [1, 2, 3, 6, 12].map((n) => n * HOUR), [1, 2, 7, 14].map((n) => n * DAY));
const MONTH_STEPS = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200];

/** A round step of at least `least`: 1, 2 or 5 times a power of ten. */
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= least * (1 - 1e-9)) ?? 10 * power;
}

/** About `n` round values of `[low, high]`, with the digits that tell them apart. */
export function valueTicks(low, high, n) {
  const step = roundStep((high - low) / Math.max(n, 1));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const big = Math.max(Math.abs(low), Math.abs(high));
  const text = (value) => {
    if (big >= 1e15 || step < 1e-8) return value.toExponential(1);
    for (const [unit, size] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e4]]) {
      if (big >= size && step >= (unit === "k" ? 100 : size / 100)) return `${Number((value / (unit === "k" ? 1e3 : size)).toPrecision(6))}${value === 0 ? "" : unit}`;
    }
    return value.toLocaleString("en", { minimumFractionDigits: Math.min(digits, 8), maximumFractionDigits: Math.min(digits, 8) });
  };
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push({ at: k * step, text: text(k === 0 ? 0 : k * step) });
  return ticks;
}

/** Round numbers of points in `[from, to]`, at most one in each `least` points. */
export function pointTicks(from, to, least) {
  const step = Math.max(1, roundStep(least));
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push({ at, text: at.toLocaleString("en"), below: null });
  return ticks;
}

/** Round times of `[from, to]` in the chosen zone, at most one in each `least` milliseconds; `below` is the day or year, where it changes. */
export function timeTicks(from, to, least) {
  const step = STEPS.find((step) => step >= least);
  const ticks = [];
  let before = null;
  const push = (ms, text, below) => {
    ticks.push({ at: ms, text, below: below === before ? null : below });
    before = below;
  };
  if (step !== undefined) {
    // Weeks begin on a Monday; the first day of the clock was a Thursday.
    const shift = step >= 7 * DAY ? 4 * DAY : 0;
    const first = Math.floor((from + offsetAt(from) - shift) / step) * step + shift;
    for (let at = first; at - offsetAt(at - offsetAt(at)) <= to; at += step) {
      const ms = at - offsetAt(at - offsetAt(at));
      if (ms < from) continue;
      if (step < DAY) push(ms, clockText(ms, step < MINUTE), dayText(ms));
      else push(ms, dayText(ms), yearText(ms));
    }
    return ticks;
  }
  const months = MONTH_STEPS.find((months) => months * 30 * DAY >= least) ?? MONTH_STEPS.at(-1);
  const start = wall(from);
  let month = start.getUTCFullYear() * 12 + start.getUTCMonth();
  month -= month % months;
  for (; ; month += months) {
    const utc = Date.UTC(Math.floor(month / 12), month % 12, 1);
    const ms = utc - offsetAt(utc);
    if (ms > to) return ticks;
    if (ms < from) continue;
    if (months < 12) push(ms, monthText(ms), yearText(ms));
    else push(ms, yearText(ms), "");
  }
}
