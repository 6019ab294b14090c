// The part in the middle of the page. It is loaded first: a chart must be laid out before it is drawn.

import { byId } from "../state/element.js";
import { state, watch } from "../state/state.js";

watch(["screen", "question", "series"], () => {
  const { screen, question, series } = state;
  const isCharted = (screen === "ask" && question !== null) || (screen === "label" && series !== null);
  document.body.dataset.screen = screen;
  byId("question").hidden = !isCharted;
  byId("similar").hidden = screen !== "similar";
  byId("empty").hidden = screen !== "ask" || isCharted;
  byId("go-ask").setAttribute("aria-pressed", String(screen !== "label"));
  document.body.classList.toggle("charted", isCharted);
  byId("beside").hidden = !isCharted;
});
watch(["series", "screen"], () => {
  byId("show-day").disabled = byId("show-week").disabled = !state.series?.clock;
});
