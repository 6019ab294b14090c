// A link that opens a point: `/?series=NAME&at=TIME`, as it stands in an alert.

import { get } from "../state/api.js";
import { openPainted } from "./label.js";
import { jump, next } from "./question.js";
import { openSide } from "./side.js";
import { state, watch } from "../state/state.js";
import { done } from "./toast.js";

/** The link that the page was opened by; null where it was opened without one, or once it was followed. */
let link = linkIn(new URLSearchParams(location.search));

function linkIn(parameters) {
  const series = parameters.get("series"), at = parameters.get("at");
  return series === null || at === null ? null : { series, at };
}

/** Whether a link waits to be followed. */
export const hasLink = () => link !== null;

/** Opens the point: the question about its alarm, else its series with what one key labels painted. Where there is none, the queue goes on. */
async function follow({ series, at }) {
  let found;
  try {
    found = await get("/api/point", { series, at });
  } catch (error) {
    if (error.gone) return false;
    done(`The link leads nowhere: ${error.message}.`);
    if (state.session.mode === "browse") openSide("series");
    next();
    return true;
  }
  if (found.question !== null) await jump(found.question);
  else await openPainted(found.series, { first: found.first, last: found.last, from: found.time, what: "the point of the link; a, n or e labels what is painted" });
  return true;
}

let isUnderWay = false;
watch(["server", "session"], async () => {
  // Alarms are known once the first questions are.
  if (link === null || isUnderWay || !state.session || !state.server || state.server.phase === "preparing") return;
  isUnderWay = true;
  if (await follow(link)) link = null;
  isUnderWay = false;
});
