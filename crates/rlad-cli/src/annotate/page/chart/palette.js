// The colours of the canvases, taken from the style sheet, so that light and dark stand in one place.

const NAMES = ["text", "faint", "edge", "grid", "panel", "page", "accent", "line", "before", "anomaly", "normal", "expected", "mark", "paint", "alarm",
  "channel-0", "channel-1", "channel-2", "channel-3", "channel-4", "channel-5"];
/** Dashes of the channels that are drawn over each other, so that colour is not needed to tell them apart. */
export const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [1, 2]];
let colors = null;

/** The colours of the theme in force. */
export function palette() {
  if (colors === null) {
    const style = getComputedStyle(document.documentElement);
    colors = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  return colors;
}

/** Forgets the colours, after the theme changed. */
export function forgetPalette() {
  colors = null;
}
