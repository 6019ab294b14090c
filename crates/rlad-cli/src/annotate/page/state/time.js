// Times and values as people read them, in UTC or in the local zone, which is always named.

import { setting } from "./settings.js";

const DAY_MS = 86_400_000;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const two = (n) => String(n).padStart(2, "0");

/** Whether a bound or a time of the server is one of a clock, and not the number of a point. */
export const isClock = (time) => typeof time === "string" && /^\d{4,}-/.test(time);

/** The name of the zone of the times. */
export const zoneName = () => (setting("zone") === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "local");

/** The milliseconds that the wall clock of the chosen zone is ahead of UTC at `ms`. */
export const offsetAt = (ms) => (setting("zone") === "utc" ? 0 : -new Date(ms).getTimezoneOffset() * 60_000);

/** The wall clock's reading at `ms`: a date whose UTC fields are those of the chosen zone. */
export const wall = (ms) => new Date(ms + offsetAt(ms));

export const clockText = (ms, seconds) => {
  const at = wall(ms);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}${seconds ? `:${two(at.getUTCSeconds())}` : ""}`;
};

export const dayText = (ms) => {
  const at = wall(ms);
  return `${DAYS[at.getUTCDay()]} ${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
};

export const monthText = (ms) => MONTHS[wall(ms).getUTCMonth()];
export const yearText = (ms) => String(wall(ms).getUTCFullYear());

/** A moment in full, or the number of a point where there is no clock. */
export function momentText(ms, clock) {
  if (ms === null || ms === undefined) return "";
  if (!clock) return `point ${ms.toLocaleString("en")}`;
  const at = wall(ms);
  const fraction = ms % 1000 === 0 ? "" : `.${String(Math.abs(Math.round(ms)) % 1000).padStart(3, "0")}`;
  return `${dayText(ms)} ${at.getUTCFullYear()}, ${clockText(ms, at.getUTCSeconds() !== 0 || fraction !== "")}${fraction}`;
}

/** A time as the server writes it (RFC 3339, or the number of a point), in full. */
export const timeText = (time) => (isClock(time) ? momentText(Date.parse(time), true) : momentText(Number(time), false));

/** A moment in figures only, for tables: its columns stay in line. */
export function figuresText(time) {
  if (!isClock(time)) return Number(time).toLocaleString("en");
  const at = wall(Date.parse(time));
  return `${at.toISOString().slice(0, 10)} ${at.toISOString().slice(11, 19)}`;
}

/** How long ago something was, roughly. */
export function agoText(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return "now";
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / (DAY_MS / 1000))} days ago`;
}

/** A length of time, in the unit that suits it. */
export function spanText(ms) {
  const units = [["s", 1000], ["min", 60_000], ["h", 3_600_000], ["days", DAY_MS], ["weeks", 7 * DAY_MS], ["years", 365.25 * DAY_MS]];
  const [unit, length] = units.findLast(([, length]) => ms >= 1.5 * length) ?? units[0];
  return `${Number((ms / length).toPrecision(2)).toLocaleString("en")} ${unit}`;
}

/** A measured value with as many digits as tell something. */
export function valueText(value, digits = 5) {
  if (value === null || value === undefined) return "none";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return value.toExponential(2).replace("e+", "e");
  return Number(value.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 8 });
}
