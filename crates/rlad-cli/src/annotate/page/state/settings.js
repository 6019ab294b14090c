// Choices of one person in this browser: name, colours, zone of the times, what charts show.

const PREFIX = "rlad.";
const DEFAULTS = { theme: "auto", zone: "utc", keys: true, day: true, week: true, stack: true, scale: false, usual: true, score: false, side: "progress" };
const chosen = { ...DEFAULTS };
const watchers = [];

function read(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

/** The choice for `name`. */
export const setting = (name) => chosen[name];

/** Chooses, keeps it in this browser and tells those who watch. A browser that keeps nothing still obeys until reload. */
export function choose(name, value) {
  chosen[name] = value;
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Private windows may refuse storage.
  }
  for (const react of watchers) react(name, value);
}

/** Calls `react(name, value)` after each choice. */
export function watchSettings(react) {
  watchers.push(react);
}

/** The name of the expert that the address gives (`?who=`), else the one kept here, else null. */
export function nameKept() {
  const given = new URLSearchParams(location.search).get("who")?.trim();
  return given || read("who");
}

for (const name of Object.keys(DEFAULTS)) {
  const kept = read(name);
  if (typeof kept === typeof DEFAULTS[name]) chosen[name] = kept;
}
