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

import { follow, get } from "./state/api.js";
import { isConnected, setConnected } from "./panels/phase.js";
import { openSeries } from "./panels/label.js";
import { next } from "./panels/question.js";
import { run, unsent } from "./state/queue.js";
import { openSide, restoreSide } from "./panels/side.js";
import { change, state } from "./state/state.js";
import { askWho } from "./panels/who.js";
import { byId } from "./state/element.js";

const RETRY_MS = 1000;

/** Reads the session and the state, again and again until there is a server that tells them. */
async function readSession() {
  for (;;) {
    try {
      const [session, server] = await Promise.all([get("/api/session"), get("/api/state")]);
      return { session, server };
    } catch (error) {
      if (error.gone) setConnected(false);
      else change({ trouble: `${error.message}${error.hint ? ` (${error.hint})` : ""}` });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

restoreSide();
await askWho();
const read = await readSession();
setConnected(true);
change({ ...read, trouble: null, screen: "ask", question: null });
follow((server) => change({ server }), () => setConnected(false), () => setConnected(true));
// What an earlier page left unsent goes first; the next question is asked for once it is through.
run();
if (unsent() === 0) next();
if (state.session.mode === "browse") {
  // Of one series there is nothing to choose.
  if (state.session.n_series === 1) openSeries((await get("/api/series", { limit: 1 })).series[0]);
  else openSide("series", { focus: true });
}
byId("similar-open").hidden = state.session.mode === "browse";

window.addEventListener("beforeunload", (event) => {
  if (unsent() > 0 && !isConnected()) event.preventDefault();
});
