// Other series at the same time, as small charts below the window.

import { get } from "../state/api.js";
import { deviationText } from "./channels.js";
import { Chart } from "../chart/chart.js";
import { byId, element, setName } from "../state/element.js";
import { openNamed } from "./label.js";
import { lanesOf } from "../chart/lanes.js";
import { state, watch } from "../state/state.js";
import { say } from "./toast.js";
import { momentText } from "../state/time.js";

const N = 8;
let isOn = false;
let turn = 0;

export function toggleSiblings() {
  isOn = !isOn;
  byId("show-siblings").setAttribute("aria-pressed", String(isOn));
  byId("siblings").hidden = !isOn;
  if (isOn) list().then(() => byId("siblings").scrollIntoView({ block: "nearest" }));
}

async function list() {
  const { series, shown } = state;
  if (!isOn || !series) return;
  const mine = ++turn;
  const box = byId("siblings");
  try {
    const { siblings } = series.clock ? await get("/api/siblings", { series: series.index, from: shown.first, to: shown.last + 1, point: state.point, limit: N }) : { siblings: [] };
    if (mine !== turn) return;
    const title = element("h3", {}, state.point === null ? "Other series at the same time" : "Other series at the same time, the oddest first");
    if (siblings.length === 0) {
      box.replaceChildren(title, element("p", { class: "note" }, series.clock ? "No other series has points at this time." : "This series has no clock."));
      return;
    }
    const drawings = [];
    const items = siblings.map((sibling) => {
      const canvas = element("canvas", { "aria-hidden": "true" });
      const n = sibling.times.length;
      const tile = { from: 0, step: 1, low: [sibling.low], high: [sibling.high], times: sibling.times };
      const visible = { from: -0.5, to: n - 0.5 };
      drawings.push(() => new Chart(canvas).draw({ ...visible, compact: true, clock: null, lanes: lanesOf(tile, [], { ...visible, stacked: false }), labels: [], painted: null, focus: null,
        point: placeOf(sibling.times), hover: null, gap: null }));
      const open = () => openNamed(sibling.name, null);
      return element("li", {}, element("button", { type: "button", onclick: open }, canvas, setName(element("span", { class: "name" }), sibling.name),
        element("span", { class: "note" }, noteOf(sibling))));
    });
    box.replaceChildren(title, element("ul", {}, ...items));
    for (const draw of drawings) draw();
  } catch (error) {
    if (!error.gone) say(error.message);
  }
}

/** The channel that is shown, and how odd it is at the judged point's time. */
function noteOf({ channel, deviation, times }) {
  const name = state.session.channels.length > 1 ? `${channel}: ` : "";
  return `${name}${deviationText(deviation) || momentText(times[0], true)}`;
}

/** Where the judged point's time falls among a sibling's times, or null. */
function placeOf(times) {
  const judged = state.question?.time;
  if (!judged || times.length === 0) return null;
  const at = Date.parse(judged);
  const i = times.findIndex((time) => time >= at);
  return i < 0 ? null : i;
}

byId("show-siblings").addEventListener("click", toggleSiblings);
watch(["series", "shown"], () => list());
