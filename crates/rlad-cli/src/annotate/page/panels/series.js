// The list of series, searched on the server, to be labelled without a question.

import { get } from "../state/api.js";
import { byId, count, element, setName } from "../state/element.js";
import { openSeries } from "./label.js";
import { closeOverlay, isOpen, onOpen } from "./side.js";
import { state, watch } from "../state/state.js";
import { say } from "./toast.js";

const PAGE = 100;
const TYPING_MS = 120;
let turn = 0;
let total = 0;
let listed = 0;
let typing = 0;

function item(series) {
  const labelled = series.n_labelled > 0 ? `${series.n_labelled.toLocaleString("en")} labelled, ${series.n_anomalous.toLocaleString("en")} of them anomalies` : "no label";
  const button = element("button", { type: "button", onclick: () => {
    closeOverlay();
    openSeries(series);
  } }, setName(element("span"), series.name), element("span", { class: "note" }, `${count(series.n_points, "point")}; ${labelled}`));
  if (state.screen === "label" && state.series?.index === series.index) button.setAttribute("aria-current", "true");
  return element("li", { "data-series": series.index }, button);
}

/** Lists the series anew, or `more` of them; with `keep` as many as were listed, for their counts. */
async function list(more = false, keep = false) {
  if (!isOpen("series")) return;
  const mine = ++turn;
  try {
    const reply = await get("/api/series", {
      search: byId("series-search").value.trim(), offset: more ? listed : 0, limit: keep ? Math.max(PAGE, listed) : PAGE, order: byId("series-order").checked ? "labelled" : "name",
    });
    if (mine !== turn) return;
    total = reply.total;
    listed = (more ? listed : 0) + reply.series.length;
    const items = reply.series.map(item);
    if (more) byId("series-list").append(...items);
    else {
      const focused = document.activeElement?.closest?.("#series-list li")?.dataset.series;
      byId("series-list").replaceChildren(...items);
      if (focused !== undefined) byId("series-list").querySelector(`[data-series="${focused}"] button`)?.focus();
    }
    byId("series-count").textContent = byId("series-search").value.trim() === "" ? `${total.toLocaleString("en")} series` : `${total.toLocaleString("en")} found`;
  } catch (error) {
    say(error.message);
  }
}

/** Moves the focus in the list; from the field it goes to the first series. */
function moveInList(by) {
  const buttons = [...byId("series-list").querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  if (at + by < 0) byId("series-search").focus();
  else buttons[Math.min(buttons.length - 1, at + by)]?.focus();
}

byId("series-search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => list(), TYPING_MS);
});
byId("series-search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") byId("series-list").querySelector("button")?.click();
});
byId("series-order").addEventListener("change", () => list());
byId("series").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  event.stopPropagation();
  moveInList(event.key === "ArrowDown" ? 1 : -1);
});
byId("series-list").addEventListener("scroll", () => {
  const box = byId("series-list");
  if (listed < total && box.scrollTop + box.clientHeight > box.scrollHeight - 200) list(true);
});
onOpen("series", () => list());
watch(["session"], () => list(false, true));
let labelled = "";
watch(["server"], () => {
  // Labels of others, too, change the counts.
  const now = `${state.server.labelled_points}/${state.server.labelled_anomalies}`;
  if (now !== labelled) list(false, true);
  labelled = now;
});
watch(["series", "screen"], () => {
  for (const row of byId("series-list").children) {
    if (state.screen === "label" && Number(row.dataset.series) === state.series?.index) row.firstChild.setAttribute("aria-current", "true");
    else row.firstChild.removeAttribute("aria-current");
  }
});
