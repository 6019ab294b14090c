// The panel at the side, with one of its parts in it; on a narrow screen it lies over the page.

import { byId } from "../state/element.js";
import { choose, setting } from "../state/settings.js";

const TITLES = { progress: "Progress", history: "History", series: "Series", suggestions: "Suggestions" };
const WIDE = window.matchMedia("(min-width: 1100px)");
const openers = [];

/** Calls `react` when the part `name` is opened. */
export function onOpen(name, react) {
  openers.push({ name, react });
}

export const isOpen = (name) => byId("side").dataset.tab === name;

/** Opens a part, or closes the panel with null. */
export function openSide(name, { focus = false } = {}) {
  const side = byId("side");
  side.dataset.tab = name ?? "";
  side.hidden = name === null;
  for (const part of Object.keys(TITLES)) {
    byId(part).hidden = part !== name;
    byId(`tab-${part}`).setAttribute("aria-expanded", String(part === name));
  }
  document.body.classList.toggle("with-side", name !== null);
  if (name === null) return;
  byId("side-title").textContent = TITLES[name];
  for (const opener of openers.filter((opener) => opener.name === name)) opener.react();
  if (focus) (name === "series" ? byId("series-search") : byId("side-title")).focus();
}

/** Opens a part, or closes it where it is open. */
export function toggleSide(name, options = {}) {
  const opened = isOpen(name) ? null : name;
  if (WIDE.matches && !["series", "suggestions"].includes(name)) choose("side", opened ?? "");
  openSide(opened, options);
}

/** Closes the panel where it lies over the page. */
export function closeOverlay() {
  if (!WIDE.matches) openSide(null);
}

for (const part of Object.keys(TITLES)) byId(`tab-${part}`).addEventListener("click", () => toggleSide(part, { focus: true }));
byId("side-close").addEventListener("click", () => {
  const part = byId("side").dataset.tab;
  toggleSide(part);
  byId(`tab-${part}`).focus();
});

/** Opens what was open last, where there is room for it. */
export function restoreSide() {
  openSide(WIDE.matches && setting("side") in TITLES ? setting("side") : null);
}
