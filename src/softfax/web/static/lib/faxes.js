// SPDX-License-Identifier: GPL-2.0-or-later
// The faxes the page knows: fetched when asked for, fetched anew when an event names them, told to the views that show them.

import { get } from "./api.js";
import { sentences } from "./format.js";
import { useEffect, useState } from "./h.js";
import { t } from "./i18n.js";
import { store } from "./store.js";
import { subscribe } from "./stream.js";

const FRESH_MS = 400;
const known = new Map();
const watchers = new Set();
const due = new Map();
const QUIET = new Set(["progress"]);
const ENDED = new Set(["delivered", "received", "failed", "cancelled", "expired", "uncertain"]);

export const ended = (fax) => ENDED.has(fax.state);
export const trouble = (fax) =>
  ["failed", "expired", "uncertain"].includes(fax.state) || (fax.state === "waiting" && fax.reason);
export const sent = (fax) => fax.direction === "send";
// By a call of ours: one that is fetched is received by one too.
export const placed = (fax) => sent(fax) || Boolean(fax.poll);

// Who is on the other side, as people say it.
// A far end without a number is better known by the identification on the fax.
export const isNumber = (text) => /^\+?[\d*#]{2,}$/.test(text || "");
export const otherSide = (fax) =>
  placed(fax) ? fax.to : isNumber(fax.caller) ? fax.caller : fax.remote_station_id || fax.caller;
export const documentNames = (fax) => fax?.documents?.join(", ") || "";

export function put(fax) {
  const had = known.get(fax.id);
  const fresh = !had;
  // Lists leave the attempts out.
  if (had?.attempts?.length && !fax.attempts?.length) fax = { ...fax, attempts: had.attempts };
  known.set(fax.id, fax);
  for (const watcher of [...watchers]) watcher(fax, fresh);
  return fax;
}

export const peek = (id) => known.get(id);
export const pathOf = (id, rest = "") => `v1/faxes/${encodeURIComponent(id)}${rest}`;
const fetchFax = async (id) => put(await get(pathOf(id)));

export function forget(id) {
  known.delete(id);
  for (const watcher of [...watchers]) watcher({ id, gone: true }, false);
}

export function watchFaxes(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

// A fax that an event named is fetched once, however many events name it in a moment.
function refresh(id) {
  if (due.has(id)) return;
  due.set(
    id,
    setTimeout(() => {
      due.delete(id);
      fetchFax(id).catch((error) => {
        if (error.status === 404) forget(id);
      });
    }, FRESH_MS),
  );
}

subscribe(({ type, data }) => {
  if (type === "opened")
    for (const fax of known.values()) {
      if (!ended(fax)) refresh(fax.id);
    }
  else if (data?.fax_id && !QUIET.has(type)) refresh(data.fax_id);
});

export function useFax(id) {
  const [state, set] = useState({ fax: known.get(id), error: null });
  const load = () => fetchFax(id).catch((error) => set((s) => ({ ...s, error })));
  useEffect(() => {
    set({ fax: known.get(id), error: null });
    load();
    return watchFaxes((fax) => {
      if (fax.id === id) set(fax.gone ? { fax: null, error: { status: 404 } } : { fax, error: null });
    });
  }, [id]);
  return { ...state, load };
}

// What is not read, for the mark in the navigation.
export const unread = store(0);
let counting = 0;
export async function countUnread() {
  try {
    const list = await get("/v1/faxes?direction=receive&unread=true&limit=100");
    unread.set(list.total ?? list.faxes.length);
  } catch {
    /* the views say what is wrong */
  }
}
watchFaxes((fax) => {
  if (!fax.direction || !sent(fax)) {
    clearTimeout(counting);
    counting = setTimeout(countUnread, 600);
  }
});

const VAGUE = new Set(["unknown", "document", "ours", "forbidden"]);
// SIP statuses that say that nobody has the number.
const NO_NUMBER = new Set([404, 410, 484, 485, 604]);
// The station cancelled it, for a reason: a fax that a person cancelled has none.
const withheld = (fax) => fax.state === "cancelled" && sent(fax) && fax.reason && fax.reason !== "cancelled";

// In plain words: what is the matter with a fax, and what to do.
export function story(fax) {
  const held = withheld(fax);
  if (!trouble(fax) && !held) return null;
  const over = ["expired", "uncertain"].includes(fax.state);
  const cause = over ? fax.state : held ? "forbidden" : fax.cause || (sent(fax) ? "unknown" : "broken");
  const cut = cause === "broken" && !sent(fax) && (fax.pages ? "broken-in" : "broken-none");
  const nobody = cause === "refused" && NO_NUMBER.has(fax.result?.sip_code) && "refused-number";
  const key = cut || nobody || cause;
  // The station's own words are said only where they tell more than these.
  const own = VAGUE.has(key) ? sentences(fax.reason, fax.remedy) : [];
  return { what: t(`cause.${key}.what`), todo: t(`cause.${key}.do`), own };
}

// The number of pages as it is known, and how far it has come.
export function pagesOf(fax) {
  const total = fax.pages_total ?? null;
  if (ended(fax) && (total === null || total === fax.pages)) return t("pages", { n: fax.pages });
  if (total) return t("pages.of", { n: fax.pages, total });
  return fax.pages ? t("pages", { n: fax.pages }) : "";
}

export const pageUrl = (id, n, width) => pathOf(id, `/pages/${n}.png${width ? `?width=${width}` : ""}`);
// The first page, as far as there is one to be shown; "" if not.
export const firstPage = (fax, width) => (pageCount(fax) || fax.state === "sending" ? pageUrl(fax.id, 1, width) : "");
// What stands on the paper where there is none.
export const noPage = (fax) =>
  t(ended(fax) ? (pageCount(fax) ? "page.none" : "fax.no_pages") : sent(fax) ? "state.preparing" : "state.receiving");
export const pageCount = (fax) => Math.max(fax.pages_total || 0, fax.pages || 0, 0);
