// Which part stands in the middle of the page. It is loaded first: what is to be drawn must be laid out before.

import { byId } from "./element.js";
import { state, watch } from "./state.js";

watch(["view", "question", "series"], () => {
  const { view, question, series } = state;
  const isCharted = (view === "ask" && question !== null) || (view === "free" && series !== null);
  document.body.dataset.view = view;
  byId("question").hidden = !isCharted;
  byId("similar").hidden = view !== "similar";
  byId("empty").hidden = view !== "ask" || isCharted;
  byId("go-ask").setAttribute("aria-pressed", String(view !== "free"));
  document.body.classList.toggle("charted", isCharted);
  byId("beside").hidden = !isCharted;
});
watch(["series", "view"], () => {
  byId("show-day").disabled = byId("show-week").disabled = !state.series?.clock;
});
