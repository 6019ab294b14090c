// The channels of what is shown, the oddest at the judged point first; a click hides one or shows it again.

import { channelsByDeviation, toggleChannel } from "../state/channels.js";
import { byId, element } from "../state/element.js";
import { state, watch } from "../state/state.js";

/** How far a channel deviates, in words. */
export const deviationText = (deviation) =>
  deviation === null || deviation === undefined ? "" : `${Math.abs(deviation).toFixed(1)} standard deviations ${deviation < 0 ? "below" : "above"}`;

watch(["question", "screen", "series", "hidden", "session"], () => {
  const names = state.session?.channels ?? [];
  const box = byId("channels");
  box.hidden = names.length < 2 || !state.series;
  if (box.hidden) return;
  const focused = document.activeElement?.dataset?.channel;
  box.replaceChildren(...channelsByDeviation(names.length).map((channel) => {
    const deviation = state.screen === "ask" ? state.question?.deviations?.[channel] : null;
    const isShown = !state.hidden.includes(channel);
    return element("button", {
      type: "button", "data-channel": channel, "aria-pressed": String(isShown), title: `${isShown ? "Hide" : "Show"} this channel${deviation ? `; at the judged point ${deviationText(deviation)} the usual` : ""}`,
      onclick: () => toggleChannel(channel, names.length),
    }, names[channel], deviation ? element("span", { class: "note" }, ` ${deviation < 0 ? "−" : "+"}${Math.abs(deviation).toFixed(1)}σ`) : null);
  }));
  if (focused !== undefined) box.querySelector(`[data-channel="${focused}"]`)?.focus();
});
