// The server behind the page is exchanged: its data have grown. What is shown is found again by names and times.

import { get, setStart, startNow, watchStart } from "../state/api.js";
import { openSeries } from "./label.js";
import { setConnected } from "./phase.js";
import { letGo, next, show } from "./question.js";
import { forgetAll } from "../chart/stage.js";
import { timeOfPoint } from "../state/place.js";
import { unsent } from "../state/queue.js";
import { change, state } from "../state/state.js";
import { say } from "./toast.js";

const RETRY_MS = 1000;
let isUnderWay = false;

/** Reads the session and the state, again and again until there is a server that tells them. */
export async function readSession() {
  for (;;) {
    try {
      const [session, server] = await Promise.all([get("/api/session"), get("/api/state")]);
      if (session.start === server.start) return { session, server };
    } catch (error) {
      if (error.gone) setConnected(false, error.status === 0 ? "" : error.message);
      else change({ trouble: `${error.message}${error.hint ? ` (${error.hint})` : ""}` });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Takes a state of the server over; where it is of another start, the session is read anew. */
export function takeState(server) {
  change({ server });
  if (server.start !== startNow()) exchange();
}

/** A range moved by some points, where it still lies in the series. */
function shifted(paint, by, n_points) {
  if (paint === null) return null;
  const ends = paint.ends.map((end) => end + by);
  return ends.every((end) => end >= 0 && end < n_points) ? { ...paint, ends } : null;
}

/** What is on the screen, by names and times. */
function kept() {
  const { screen, question, series, shown, paint, comment, suggestion } = state;
  if (screen === "ask" && question) return { screen, question, paint, comment };
  if (screen !== "label" || !series) return { screen };
  const middle = Math.round((shown.first + shown.last) / 2);
  const time = timeOfPoint(series.index, middle);
  const at = time === null ? null : series.clock ? new Date(time).toISOString() : String(time);
  return { screen, series, shown, paint, comment, suggestion, middle, at };
}

async function restoreQuestion({ question, paint, comment }) {
  let found = null;
  try {
    const { asked } = await get("/api/point", { series: question.series.name, at: question.time });
    if (asked !== null) ({ question: found } = await get(`/api/question/${asked}`, { who: state.who }));
  } catch (error) {
    if (error.gone) throw error;
  }
  if (found === null || found.time !== question.time) {
    if (paint !== null || comment !== null) say("The data were exchanged, and the question is not asked any more");
    change({ question: null, given: null, drawnAt: null, paint: null, comment: null });
    return next();
  }
  return show(found, { paint: shifted(paint, found.point - question.point, found.series.n_points), comment });
}

async function restoreSeries({ series, shown, paint, comment, suggestion, middle, at }) {
  let found = null;
  try {
    if (at !== null) found = await get("/api/point", { series: series.name, at });
  } catch (error) {
    if (error.gone) throw error;
  }
  if (found === null) {
    say(`What was shown of ${series.name} is not in the data any more`);
    change({ screen: "ask", question: null, series: null, paint: null, comment: null, suggestion: null });
    return next();
  }
  const by = found.point - middle;
  const n = found.series.n_points;
  const window = { first: Math.max(0, Math.min(n - 1, shown.first + by)), last: Math.max(0, Math.min(n - 1, shown.last + by)) };
  return openSeries(found.series, { ...window, isWindow: true }, { paint: shifted(paint, by, n), comment, suggestion });
}

/** Reads the session anew and goes on where the page was. While the new server looks for its first questions, the old ones stay. */
async function exchange() {
  if (isUnderWay) return;
  isUnderWay = true;
  try {
    const read = await readSession();
    setConnected(true);
    if (read.session.start === startNow() || read.server.phase === "preparing") return change({ server: read.server });
    const before = kept();
    const isAnswered = state.given !== null;
    change({ isMoving: true });
    letGo();
    setStart(read.session.start);
    forgetAll();
    change(read);
    if (before.screen === "similar") change({ question: null, given: null });
    else if (before.series) await restoreSeries(before);
    else if (before.question && !isAnswered) await restoreQuestion(before);
    else if (isAnswered && unsent() > 0) change({ question: null });
    else {
      change({ question: null, given: null, drawnAt: null });
      await next();
    }
  } catch (error) {
    if (!error.gone) change({ trouble: error.message });
  } finally {
    isUnderWay = false;
    change({ isMoving: false });
  }
  // It was exchanged once more meanwhile.
  if (state.server.start !== startNow() && state.server.phase !== "preparing") exchange();
}

watchStart(exchange);
