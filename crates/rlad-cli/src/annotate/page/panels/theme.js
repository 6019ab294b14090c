// Settings that change how the page looks and listens.

import { byId, element } from "../state/element.js";
import { forgetPalette } from "../chart/palette.js";
import { choose, setting, watchSettings } from "../state/settings.js";
import { draw } from "../chart/stage.js";
import { change, state, watch } from "../state/state.js";
import { openWho } from "./who.js";

function apply() {
  if (setting("theme") === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = setting("theme");
  forgetPalette();
  draw();
}

export function openSettings() {
  byId("theme").value = setting("theme");
  byId("zone").value = setting("zone");
  byId("keys-on").checked = setting("keys");
  byId("settings").showModal();
}

byId("settings-open").addEventListener("click", openSettings);
byId("who-change").addEventListener("click", () => {
  byId("settings").close();
  openWho();
});
byId("theme").addEventListener("change", () => choose("theme", byId("theme").value));
byId("zone").addEventListener("change", () => choose("zone", byId("zone").value));
byId("keys-on").addEventListener("change", () => choose("keys", byId("keys-on").checked));
for (const [id, name] of [["show-day", "day"], ["show-week", "week"], ["show-stack", "stack"], ["show-scale", "scale"], ["show-usual", "usual"], ["show-score", "score"]]) {
  const button = byId(id);
  button.setAttribute("aria-pressed", String(setting(name)));
  button.addEventListener("click", () => choose(name, !setting(name)));
}
watchSettings((name, value) => {
  if (name === "theme") apply();
  // All that shows times is drawn again.
  if (name === "zone" && state.series) change({ series: state.series, context: state.context, question: state.question, drawnAt: state.drawnAt });
  const button = byId(`show-${name}`);
  if (button) button.setAttribute("aria-pressed", String(value));
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
watch(["session"], () => {
  const { session } = state;
  document.title = `${session.name} · rlad labelling`;
  byId("name").textContent = session.name;
  byId("show-stack").hidden = session.channels.length < 2;
  const facts = [["session", session.name], ["preset", session.preset], ["strategy", session.strategy], ["asked again", `${Math.round(session.reask_fraction * 100)} % of the questions`],
    ["experts disagree", { latest: "the latest answer counts", majority: "the majority counts", unsure: "the point counts as unsure" }[session.conflict] ?? session.conflict],
    ["series", session.n_series.toLocaleString("en")], ["points", session.n_points.toLocaleString("en")], ["rlad", session.version]];
  byId("session-facts").replaceChildren(...facts.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
});
apply();
