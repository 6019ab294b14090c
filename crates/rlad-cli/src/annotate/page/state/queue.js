// The actions of a person go to the server one by one, in order, and are kept in the browser until the server confirms them.
//
// Each action carries a random key of the page's own, so that the server takes an action that is sent twice only once:
// after a lost reply, a reload or a restart of the server.

import { post, ApiError } from "./api.js";

const STORE = "rlad.unsent.";
const MIN_WAIT_MS = 250;
const MAX_WAIT_MS = 4000;
const ROUTES = { answer: "/api/answer", label: "/api/labels", undo: "/api/undo", redo: "/api/redo", suggestion: (more) => `/api/suggestions/${encodeURIComponent(more.id)}` };

const routeOf = ({ kind, more }) => (typeof ROUTES[kind] === "function" ? ROUTES[kind](more) : ROUTES[kind]);

const tab = randomKey();
const waiting = adopt();
const handlers = {};
let observe = () => {};
let running = false;
let wake = null;

function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The actions that earlier pages of this browser left unconfirmed. */
function adopt() {
  const found = [];
  try {
    for (const name of Object.keys(localStorage).filter((name) => name.startsWith(STORE))) {
      found.push(...JSON.parse(localStorage.getItem(name)));
      localStorage.removeItem(name);
    }
  } catch {
    // Without storage there is nothing to adopt.
  }
  return found;
}

function keep() {
  try {
    if (waiting.length === 0) localStorage.removeItem(STORE + tab);
    else localStorage.setItem(STORE + tab, JSON.stringify(waiting));
  } catch {
    // Without storage the actions live as long as the page.
  }
}

/** Has `handle(reply, action)` called when an action of `kind` is confirmed. */
export function onConfirmed(kind, handle) {
  handlers[kind] = handle;
}

/** Calls `react(unsent, trouble, confirmed)` whenever the queue changes; `trouble` is the error in the way, or null. */
export function observeQueue(react) {
  observe = react;
}

export const unsent = () => waiting.length;

/** Appends an action and sends it as soon as those before it are through. `more` is kept with it for the handler. */
export function enqueue(kind, body, more = {}) {
  waiting.push({ kind, body: { ...body, key: randomKey() }, more });
  keep();
  observe(waiting.length, null);
  run();
}

/** Sends what waits, at once where it was waiting for the server to come back. */
export function run() {
  wake?.();
  if (running || waiting.length === 0) return;
  running = true;
  drain().finally(() => {
    running = false;
  });
}

/** Drops the first action, which the server does not take. */
export function dropFirst() {
  waiting.shift();
  keep();
  observe(waiting.length, null);
  wake?.();
}

async function drain() {
  let pause = MIN_WAIT_MS;
  while (waiting.length > 0) {
    const action = waiting[0];
    let reply;
    try {
      reply = await post(routeOf(action), action.body);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What is wrong with the request itself stays wrong; all else may pass.
      const final = error.status >= 400 && error.status < 500 && ![401, 403, 408, 412, 429].includes(error.status);
      if (final) {
        waiting.shift();
        keep();
      }
      observe(waiting.length, { error, final, action });
      if (!final) {
        await new Promise((resolve) => {
          wake = resolve;
          setTimeout(resolve, pause);
        });
        wake = null;
        pause = Math.min(pause * 2, MAX_WAIT_MS);
      }
      continue;
    }
    pause = MIN_WAIT_MS;
    // It may have been dropped while it was under way.
    if (waiting[0] === action) waiting.shift();
    keep();
    observe(waiting.length, null, true);
    handlers[action.kind]?.(reply, action);
  }
}
