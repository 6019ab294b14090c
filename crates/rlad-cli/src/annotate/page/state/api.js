// Talks to the server: one function to read, one to write, and the stream of states.

const RETRY_MS = 1000, FIRST_RETRY_MS = 250;
const EXCHANGED = 412, AWAITED = 503;
/** Routes that tell of any start of the server. */
const OF_ANY_START = ["/api/session", "/api/state"];
/** The start of the server that the page's numbers of series, points and questions are of. */
let start = null;
let onExchanged = () => {};
let token = document.querySelector('meta[name="rlad-token"]').content;

/** An error that the server replies, with its status; `gone` where the page waits for a server, or for one whose data it knows. */
export class ApiError extends Error {
  constructor(message, hint, status) {
    super(message);
    this.hint = hint;
    this.status = status;
    this.gone = [0, EXCHANGED, AWAITED].includes(status);
  }
}

export const startNow = () => start;

/** Takes over a start of the server; the numbers that the page has are of it from now on. */
export function setStart(now) {
  start = now;
}

/** Has `react` called where the server says that its numbers are others than the page's. */
export function watchStart(react) {
  onExchanged = react;
}

const headersOf = (path) => (start !== null && !OF_ANY_START.includes(path) ? { "X-Rlad-Start": start } : {});

async function call(path, options) {
  let reply;
  try {
    reply = await fetch(path, options);
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new ApiError("the server does not answer", null, 0);
  }
  let body;
  try {
    body = await reply.json();
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    if (reply.ok) throw new ApiError("the server's reply broke off", null, 0);
    body = {};
  }
  if (reply.status === EXCHANGED) onExchanged();
  if (!reply.ok) throw new ApiError(body.error ?? `the server replied ${reply.status}`, body.hint ?? null, reply.status);
  return body;
}

/** Reads from a route; parameters that are null are left out. */
export function get(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  const query = new URLSearchParams(given).toString();
  return call(query === "" ? path : `${path}?${query}`, { signal, cache: "no-store", headers: headersOf(path) });
}

/** Writes to a route; with `numbers` only where the server's numbers are those of the page. A token of an earlier run is renewed once. */
export async function post(path, body, { text = false, numbers = false } = {}) {
  const send = () =>
    call(path, {
      method: "POST",
      headers: { ...(numbers ? headersOf(path) : {}), "Content-Type": text ? "text/plain" : "application/json", "X-Rlad-Token": token },
      body: text ? body : JSON.stringify(body),
    });
  try {
    return await send();
  } catch (error) {
    if (error.status !== 403 || !(await renewToken())) throw error;
    return send();
  }
}

/** Takes the token of the run that serves the page at present. Returns whether it is another one. */
async function renewToken() {
  try {
    const page = new DOMParser().parseFromString(await (await fetch("/", { cache: "no-store" })).text(), "text/html");
    const found = page.querySelector('meta[name="rlad-token"]')?.content;
    if (!found || found === token) return false;
    token = found;
    return true;
  } catch {
    return false;
  }
}

/** Why there is no stream of states: what is awaited, in words; an empty text where nothing answers, and null where all is well. */
async function whyGone() {
  try {
    await get("/api/state");
    return null;
  } catch (error) {
    return error.status === AWAITED ? error.message : "";
  }
}

/**
 * Follows the server's states. `onState` gets each; `onGone(what)` and `onBack` tell when the stream stays away and comes again. One that
 * merely ends is opened anew before anybody is told.
 */
export function follow(onState, onGone, onBack) {
  let stream = null;
  let failures = 0;
  const open = () => {
    stream = new EventSource("/api/events");
    stream.addEventListener("state", (event) => {
      if (failures > 1) onBack();
      failures = 0;
      onState(JSON.parse(event.data));
    });
    stream.addEventListener("error", async () => {
      stream.close();
      failures += 1;
      setTimeout(open, failures === 1 ? FIRST_RETRY_MS : RETRY_MS);
      if (failures === 1) return;
      const what = await whyGone();
      if (what !== null && failures > 0) onGone(what);
    });
  };
  open();
  // A page that leaves for a moment and comes back (back-forward cache) needs its stream again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      stream.close();
      open();
    }
  });
}
