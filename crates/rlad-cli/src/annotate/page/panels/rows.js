// The rows of the window: point, time, values, label.

import { get } from "../state/api.js";
import { byId, element } from "../state/element.js";
import { state, watch } from "../state/state.js";
import { say } from "./toast.js";
import { figuresText, valueText, zoneName } from "../state/time.js";

const MOST_ROWS = 500;
let isOn = false;
let turn = 0;

export function toggleRows() {
  isOn = !isOn;
  byId("show-rows").setAttribute("aria-pressed", String(isOn));
  byId("rows").hidden = !isOn;
  if (isOn) list().then(() => byId("rows").scrollIntoView({ block: "nearest" }));
}

async function list() {
  const { series, shown, point } = state;
  if (!isOn || !series) return;
  const mine = ++turn;
  try {
    const { channels, rows } = await get("/api/rows", { series: series.index, from: shown.first, to: Math.min(shown.last + 1, shown.first + MOST_ROWS) });
    if (mine !== turn) return;
    const head = ["point", series.clock ? `time (${zoneName()})` : "index", ...channels, "label"];
    const body = rows.map((row) => element("tr", { class: row.point === point ? "judged" : null },
      element("th", { scope: "row" }, `${row.point === point ? "▸ " : ""}${row.point.toLocaleString("en")}`), element("td", {}, figuresText(row.time)),
      ...row.values.map((value) => element("td", {}, valueText(value, 8))), element("td", {}, row.label ?? "")));
    byId("rows").replaceChildren(element("h3", {}, "Raw rows"), element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the raw rows" }, element("table", {},
      element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))), element("tbody", {}, ...body))));
    const judged = byId("rows").querySelector(".judged");
    if (judged) byId("rows").querySelector(".scroll").scrollTop = judged.offsetTop - 100;
  } catch (error) {
    if (!error.gone) say(error.message);
  }
}

byId("show-rows").addEventListener("click", toggleRows);
watch(["series", "shown", "changedAt"], () => list());
