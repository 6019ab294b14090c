// The list of all keys, and the meaning of the signs in the charts.

import { byId, element } from "../state/element.js";

const SHOWN = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Enter: "enter", Escape: "esc", Backspace: "backspace", Home: "home", End: "end", Delete: "del", " ": "space" };
const keyName = (key) => SHOWN[key] ?? (/^[A-Z]$/.test(key) ? `shift+${key.toLowerCase()}` : key);
const SIGNS = [
  ["ring", "the judged point: a line, a triangle below and a ring"],
  ["paint", "the painted range, with handles to drag"],
  ["proposed", "the proposed range, which anomaly labels where nothing is painted: a dashed frame"],
  ["anomaly", "labelled anomaly: a filled bar below, shaded above"],
  ["normal", "labelled normal: an empty bar below"],
  ["expected", "labelled expected event: a striped bar below, shaded above"],
  ["alarm", "an alarm of the detector: a bar at the top; the score stands below the curves"],
  ["usual", "the usual range, by the values before: a grey band"],
  ["before", "faint, dashed: the day before; dotted: the week before"],
  ["clip", "an arrow at the frame: the line before goes on beyond it"],
  ["gap", "hatched: no data; a long gap is drawn shorter than it is"],
];

function build(table) {
  const groups = grouped(table);
  const sections = [...groups].map(([group, rows]) => element("section", {}, element("h3", {}, group), element("dl", {},
    ...rows.map(([, keys, what]) => element("div", {}, element("dt", {}, ...keys.map((key) => element("kbd", {}, keyName(key)))), element("dd", {}, what))))));
  const signs = element("section", {}, element("h3", {}, "In the charts"), element("dl", {},
    ...SIGNS.map(([name, what]) => element("div", {}, element("dt", {}, element("span", { class: `sample ${name}` })), element("dd", {}, what)))));
  const mouse = element("section", {}, element("h3", {}, "Mouse and touch"), element("dl", {}, ...[
    ["drag in the window", "paint a range; at its edge: move the edge"],
    ["wheel, drag in the context", "zoom and move it; double click: whole series"],
    ["alt+drag without a question", "take labels away"],
    ["pointer on an answer", "its labels show in the window, before it is given"],
    ["channel names", "hide a channel, show it again; the oddest at the judged point stands first, with its deviation in standard deviations (σ)"],
    ["chart of a series, a change, an answer", "open it"],
  ].map(([how, what]) => element("div", {}, element("dt", {}, how), element("dd", {}, what)))));
  byId("help").replaceChildren(
    element("div", { class: "bar" }, element("h2", { id: "help-title" }, "Keys"), element("button", { type: "button", id: "help-close", onclick: () => byId("help").close() }, "Close")),
    element("div", { class: "columns" }, ...sections, signs, mouse));
}

function grouped(rows) {
  const groups = new Map();
  for (const row of rows) groups.set(row[0], [...(groups.get(row[0]) ?? []), row]);
  return groups;
}

/** Shows the keys of a table. */
export function openHelp(table) {
  if (byId("help").childElementCount === 0) build(table);
  byId("help").showModal();
}

byId("help").addEventListener("keydown", (event) => {
  if (event.key === "?") byId("help").close();
});
