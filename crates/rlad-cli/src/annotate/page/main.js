// The labelling page. Reading order: state, question, answer, queue, stage, chart. A script imports only from its own folder and
// from folders before it: `state/`, `chart/`, `panels/`, and this file last.
//
// `screen.js` comes first: it lays out what the others draw.

import "./panels/screen.js";
import "./chart/stage.js";
import "./panels/context.js";
import "./panels/window.js";
import "./panels/teaches.js";
import "./panels/channels.js";
import "./panels/effect.js";
import "./panels/comment.js";
import "./panels/progress.js";
import "./panels/history.js";
import "./panels/series.js";
import "./panels/keys.js";
import "./panels/help.js";

import { follow, get, setStart } from "./state/api.js";
import { readSession, takeState } from "./panels/exchange.js";
import { hasLink } from "./panels/link.js";
import { isConnected, setConnected } from "./panels/phase.js";
import { openSeries } from "./panels/label.js";
import { next } from "./panels/question.js";
import { run, unsent } from "./state/queue.js";
import { openSide, restoreSide } from "./panels/side.js";
import { change, state } from "./state/state.js";
import { askWho } from "./panels/who.js";
import { byId } from "./state/element.js";

restoreSide();
await askWho();
const read = await readSession();
setStart(read.session.start);
setConnected(true);
const isLinked = hasLink();
change({ ...read, trouble: null, screen: "ask", question: null });
follow(takeState, (what) => setConnected(false, what), () => setConnected(true));
// What an earlier page left unsent goes first; the next question is asked for once it is through.
run();
if (unsent() === 0 && !isLinked) next();
if (state.session.mode === "browse" && !isLinked) {
  // Of one series there is nothing to choose.
  if (state.session.n_series === 1) openSeries((await get("/api/series", { limit: 1 })).series[0]);
  else openSide("series", { focus: true });
}
byId("similar-open").hidden = state.session.mode === "browse";

window.addEventListener("beforeunload", (event) => {
  if (unsent() > 0 && !isConnected()) event.preventDefault();
});
