// SPDX-License-Identifier: GPL-2.0-or-later
// The station's HTTP API. When a login has expired, a dialog asks for it over the page, and the request then goes on.
import { store } from "./store.js";

export class ApiError extends Error {
  constructor(status, problem = {}) {
    super(problem.title || "");
    this.status = status;
    this.title = problem.title || "";
    this.detail = problem.detail || "";
    this.remedy = problem.remedy || "";
    this.problem = problem;
  }
}

export const session = store({ needed: false, reason: "", known: false });
export const online = store(true);
// Who is logged in, and what they may do; null until it is known.
export const who = store(null);
export const may = (one, scope) => Boolean(one) && (one.scopes.includes("admin") || one.scopes.includes(scope));
let waiting = [];

export const url = (path) => new URL(path.replace(/^\//, ""), document.baseURI).href;

function loggedIn() {
  session.set((s) => ({ ...s, needed: true }));
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

export async function login(token) {
  await request("/v1/login", { method: "POST", json: { token }, once: true });
  session.set({ needed: false, reason: "", known: true });
  learnWho();
  const all = waiting;
  waiting = [];
  for (const one of all) one.resolve();
}

export async function logout() {
  await request("/v1/logout", { method: "POST", once: true }).catch((error) => {
    if (error.status === 0) throw error;
  });
  who.set(null);
  session.set({ needed: true, reason: "out", known: false });
}

export const learnWho = () =>
  request("/v1/login").then(
    (one) => who.set(one?.scopes ? one : null),
    () => who.set(null),
  );

async function problemOf(answer) {
  try {
    const body = await answer.json();
    return body && typeof body === "object" ? body : {};
  } catch {
    return {};
  }
}

/**
 * One request; the JSON of the answer, or an ApiError. status 0: the station did not answer. With the same `key` an order
 * counts once, however often it is given; one that is asked `once` does not wait for a login.
 * @param {string} path
 * @param {{ method?: string, json?: unknown, body?: BodyInit, key?: string, once?: boolean, raw?: boolean }} asked
 * @returns {Promise<any>}
 */
export async function request(path, { method = "GET", json, body, key, once = false, raw = false } = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(url(path), {
        method,
        body: json === undefined ? body : JSON.stringify(json),
        headers: {
          "X-Softfax": "1",
          Accept: "application/json",
          ...(json !== undefined && { "Content-Type": "application/json" }),
          ...(key && { "Idempotency-Key": key }),
        },
        credentials: "same-origin",
        cache: "no-store",
      });
    } catch {
      online.set(false);
      throw new ApiError(0);
    }
    online.set(true);
    if (answer.status === 401 && !once) {
      await loggedIn();
      continue;
    }
    if (!answer.ok) throw new ApiError(answer.status, await problemOf(answer));
    if (raw) return answer;
    return answer.status === 204 ? null : answer.json().catch(() => null);
  }
}

export const get = (path) => request(path);
/** @type {(path: string, json: unknown, key?: string) => Promise<any>} */
export const post = (path, json, key) => request(path, { method: "POST", json, key });
export const patch = (path, json) => request(path, { method: "PATCH", json });
export const remove = (path) => request(path, { method: "DELETE" });

// A file on its way to the station, told how far it is. Gives {promise, abort}.
export function upload(path, file, name, progress) {
  let running = null;
  let stopped = false;
  const attempt = () =>
    new Promise((resolve, reject) => {
      const form = new FormData();
      form.append("file", file, name);
      const xhr = (running = new XMLHttpRequest());
      xhr.open("POST", url(path));
      xhr.setRequestHeader("X-Softfax", "1");
      xhr.responseType = "text";
      xhr.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
      xhr.onload = () => {
        let answer = {};
        try {
          answer = JSON.parse(xhr.responseText);
        } catch {
          /* no JSON: the status says it */
        }
        if (xhr.status >= 200 && xhr.status < 300) resolve(answer);
        else reject(new ApiError(xhr.status, answer));
      };
      xhr.onerror = () => {
        online.set(false);
        reject(new ApiError(0));
      };
      xhr.onabort = () => reject(new DOMException("aborted", "AbortError"));
      xhr.send(form);
    });
  const promise = (async () => {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (error.status !== 401 || stopped) throw error;
        await loggedIn();
      }
    }
  })();
  return {
    promise,
    abort() {
      stopped = true;
      running?.abort();
    },
  };
}

// A random key: the station sends a fax once, however often it is asked with the same one.
export const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
