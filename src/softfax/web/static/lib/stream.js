// SPDX-License-Identifier: GPL-2.0-or-later
// The station's events as they happen. After a break it goes on where it was (Last-Event-ID); a tab that nobody looks at lets go
// of its connection, since a browser has only six, and fetches what it missed when it is looked at again.

import { online, session, url } from "./api.js";
import { store } from "./store.js";

const HIDDEN_MS = 20e3;
const SILENCE_MS = 60e3;
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15000];

export const stream = store({ state: "connecting" });
const sinks = new Set();
let last = "";
let failures = 0;
let running = null;
let wake = null;

export function subscribe(sink) {
  sinks.add(sink);
  return () => sinks.delete(sink);
}

function tell(event) {
  for (const sink of [...sinks]) {
    try {
      sink(event);
    } catch (error) {
      console.error(error);
    }
  }
}

// Server-sent events out of a stream of text: a pure parser.
export function parser(emit) {
  let rest = "";
  let event = { id: null, type: "message", data: [] };
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data.length) emit({ ...event, data: event.data.join("\n") });
        event = { id: null, type: "message", data: [] };
      } else if (!line.startsWith(":")) {
        const cut = line.indexOf(":");
        const field = cut < 0 ? line : line.slice(0, cut);
        const value = cut < 0 ? "" : line.slice(cut + 1).replace(/^ /, "");
        if (field === "data") event.data.push(value);
        else if (field === "event") event.type = value;
        else if (field === "id" && !value.includes("\0")) event.id = value;
      }
    }
  };
}

async function once(signal) {
  const headers = { Accept: "text/event-stream" };
  if (last) headers["Last-Event-ID"] = last;
  const answer = await fetch(url("/v1/events?progress=1"), {
    headers,
    signal,
    cache: "no-store",
    credentials: "same-origin",
  });
  if (answer.status === 401) {
    session.set((s) => ({ ...s, needed: true }));
    throw new Error("401");
  }
  const refused = answer.status === 403;
  if (!refused && (!answer.ok || !answer.body)) throw new Error(String(answer.status));
  // Who may read but not listen is shown what there is every now and then.
  failures = refused ? WAITS_MS.length : 0;
  online.set(true);
  stream.set({ state: "open" });
  tell({ type: "opened", data: null });
  if (refused) throw new Error("403");
  const feed = parser((event) => {
    if (event.id !== null) last = event.id;
    try {
      tell({ type: event.type, data: JSON.parse(event.data) });
    } catch (error) {
      console.error(error);
    }
  });
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let silence = 0;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => reader.cancel().catch(() => {}), SILENCE_MS);
  };
  heard();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard();
      feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    clearTimeout(silence);
  }
}

const pause = (ms) =>
  /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    })
  );

async function run(control) {
  while (!control.signal.aborted) {
    let refused = false;
    try {
      await once(control.signal);
    } catch (error) {
      refused = error.message === "403";
    }
    if (control.signal.aborted) return;
    if (!refused) stream.set({ state: "lost" });
    if (session.get().needed) {
      await /** @type {Promise<void>} */ (
        new Promise((resolve) => {
          const stop = session.watch((s) => {
            if (!s.needed) {
              stop();
              resolve();
            }
          });
        })
      );
      failures = 0;
    } else {
      await pause(WAITS_MS[Math.min(failures, WAITS_MS.length - 1)] * (0.75 + Math.random() / 2));
      failures += 1;
    }
  }
}

export function start() {
  if (running) return;
  running = new AbortController();
  run(running);
}

export const retryNow = () => {
  failures = 0;
  wake?.();
};

let hidden = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden)
    hidden = setTimeout(() => {
      running?.abort();
      running = null;
      stream.set({ state: "asleep" });
    }, HIDDEN_MS);
  else {
    start();
    retryNow();
  }
});
addEventListener("online", retryNow);
