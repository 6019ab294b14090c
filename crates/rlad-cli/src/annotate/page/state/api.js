// Talks to the server: one function to read, one to write, and the stream of states.

const RETRY_MS = 1000;
let token = document.querySelector('meta[name="rlad-token"]').content;

/** An error that the server replies, with its status; `gone` where there was no server to reply. */
export class ApiError extends Error {
  constructor(message, hint, status) {
    super(message);
    this.hint = hint;
    this.status = status;
    this.gone = status === 0;
  }
}

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
  if (!reply.ok) throw new ApiError(body.error ?? `the server replied ${reply.status}`, body.hint ?? null, reply.status);
  return body;
}

/** Reads from a route; parameters that are null are left out. */
export function get(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  const query = new URLSearchParams(given).toString();
  return call(query === "" ? path : `${path}?${query}`, { signal, cache: "no-store" });
}

/** Writes to a route. A token of an earlier run of the program is renewed once. */
export async function post(path, body, text = false) {
  const send = () =>
    call(path, {
      method: "POST",
      headers: { "Content-Type": text ? "text/plain" : "application/json", "X-Rlad-Token": token },
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

/** Follows the server's states. `onState` gets each; `onGone` and `onBack` tell when the stream breaks and comes again. */
export function follow(onState, onGone, onBack) {
  let stream = null;
  let gone = false;
  const open = () => {
    stream = new EventSource("/api/events");
    stream.addEventListener("state", (event) => {
      if (gone) onBack();
      gone = false;
      onState(JSON.parse(event.data));
    });
    stream.addEventListener("error", () => {
      stream.close();
      if (!gone) onGone();
      gone = true;
      setTimeout(open, RETRY_MS);
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
