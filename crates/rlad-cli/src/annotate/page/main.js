// The labelling page of the expert's desk. Reading order: state, question, answer, queue, stage, chart.
//
// `view.js` comes first: it lays out what the others draw.

import "./view.js";
import "./stage.js";
import "./context.js";
import "./window.js";
import "./comment.js";
import "./progress.js";
import "./history.js";
import "./series.js";
import "./keys.js";
import "./help.js";

import { follow, get } from "./api.js";
import { isConnected, setConnected } from "./phase.js";
import { next } from "./question.js";
import { run, unsent } from "./queue.js";
import { openSide, restoreSide } from "./side.js";
import { change, state } from "./state.js";
import { askWho } from "./who.js";
import { byId } from "./element.js";

const RETRY_MS = 1000;

/** Reads the session and the state, again and again until there is a server that tells them. */
async function readSession() {
  for (;;) {
    try {
      const [session, server] = await Promise.all([get("/api/session"), get("/api/state")]);
      return { session, server };
    } catch (refused) {
      if (refused.gone) setConnected(false);
      else change({ trouble: `${refused.message}${refused.hint ? ` (${refused.hint})` : ""}` });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

restoreSide();
await askWho();
const read = await readSession();
setConnected(true);
change({ ...read, trouble: null, view: "ask", question: null });
follow((server) => change({ server }), () => setConnected(false), () => setConnected(true));
// What an earlier page left unsent goes first; the next question is asked for once it is through.
run();
if (unsent() === 0) next();
if (state.session.mode === "browse") openSide("series", { focus: true });
byId("similar-open").hidden = state.session.mode === "browse";

window.addEventListener("beforeunload", (event) => {
  if (unsent() > 0 && !isConnected()) event.preventDefault();
});
