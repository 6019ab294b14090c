// The channels of what is shown: which, and in which order.

import { change, state } from "./state.js";

/** All channels, those first that deviate most at the judged point; in the order of the data where there is none. */
export function channelsByDeviation(n) {
  const size = (channel) => Math.abs(state.question?.deviations?.[channel] ?? 0);
  const all = Array.from({ length: n }, (_, channel) => channel);
  return state.screen === "ask" ? all.sort((a, b) => size(b) - size(a) || a - b) : all;
}

/** The channels that are shown, in their order: all but those that were hidden. */
export const channelsShown = (n) => channelsByDeviation(n).filter((channel) => !state.hidden.includes(channel));

/** Hides a channel, or shows it again; the last one stays. */
export function toggleChannel(channel, n) {
  const hidden = state.hidden.includes(channel) ? state.hidden.filter((other) => other !== channel) : [...state.hidden, channel];
  if (hidden.length < n) change({ hidden });
}
