// SPDX-License-Identifier: GPL-2.0-or-later
// A box's faxes, as many as have been looked at: searched, filtered, gone on with at the end, brought up to date.

import { get } from "./api.js";
import { peek, put, watchFaxes } from "./faxes.js";
import { useEffect, useRef, useState } from "./h.js";
import { subscribe } from "./stream.js";

const CHUNK = 100;
const SOON_MS = 800;
const STATES = {
  active: "queued,preparing,sending,waiting",
  failed: "failed,expired,uncertain",
  received: "received",
  delivered: "delivered",
  cancelled: "cancelled",
};
const NOTHING = { ids: [], cursor: "", state: "loading", error: null, total: null };
// On return, the list fetched before is shown at once, and then fetched anew.
const kept = {};

function edge(day, days) {
  const when = new Date(`${day}T00:00`);
  when.setDate(when.getDate() + days);
  return when.toISOString();
}

// The search of the page's address as the API asks for it: tag=value is a tag, the rest of what is typed is text.
export function asked(direction, query) {
  const out = new URLSearchParams({ direction, limit: String(CHUNK) });
  const show = query.get("show");
  if (show === "unread") out.set("unread", "true");
  else if (STATES[show]) out.set("state", STATES[show]);
  const text = [];
  for (const word of (query.get("q") || "").split(/\s+/).filter(Boolean)) {
    const [, name, value] = /^([\w.-]+)[=:]([^/].*)$/.exec(word) || [];
    if (name && !/^sips?$/i.test(name)) out.append(`tag.${name}`, value);
    else text.push(word);
  }
  if (text.length) out.set("q", text.join(" "));
  if (query.get("since")) out.set("since", edge(query.get("since"), 0));
  if (query.get("until")) out.set("until", edge(query.get("until"), 1));
  if (query.get("mailbox")) out.set("mailbox", query.get("mailbox"));
  if (query.get("broadcast")) out.set("broadcast_id", query.get("broadcast"));
  return out.toString();
}

// The newest, fetched anew, in front of what had been fetched after them.
function joined(had, faxes) {
  const fresh = faxes.map((fax) => fax.id);
  const last = faxes.at(-1)?.created ?? "";
  const older = had.filter((id) => !fresh.includes(id) && peek(id)?.created < last);
  return { ids: [...fresh, ...older], grown: older.length > 0 };
}

export function useList(direction, query) {
  const ask = asked(direction, query);
  const narrowed = [...query.keys()].length > 0;
  const [list, setList] = useState(kept[ask] || NOTHING);
  const current = useRef();
  const busy = useRef("");
  current.current = list;

  const load = async (fresh) => {
    const cursor = fresh ? "" : current.current.cursor;
    const job = `${ask} ${cursor}`;
    if (busy.current === job || (!fresh && !cursor)) return;
    busy.current = job;
    try {
      const answer = await get(`/v1/faxes?${ask}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      if (busy.current !== job) return;
      answer.faxes.forEach(put);
      const had = current.current;
      const { ids, grown } = fresh
        ? joined(had.ids, answer.faxes)
        : { ids: [...new Set([...had.ids, ...answer.faxes.map((fax) => fax.id)])] };
      kept[ask] = {
        ids,
        cursor: grown && answer.cursor ? had.cursor : answer.cursor,
        state: "ready",
        error: null,
        total: answer.total ?? had.total,
      };
      setList(kept[ask]);
    } catch (error) {
      setList((s) => ({ ...s, state: s.ids.length ? "ready" : "failed", error }));
    } finally {
      if (busy.current === job) busy.current = "";
    }
  };

  useEffect(() => {
    let due = 0;
    const soon = () => {
      clearTimeout(due);
      due = setTimeout(load, SOON_MS, true);
    };
    setList(kept[ask] || NOTHING);
    current.current = kept[ask] || NOTHING;
    load(true);
    const stop = subscribe(({ type, data }) => {
      if (type === "opened" || (narrowed && data?.fax_id && type !== "progress")) soon();
    });
    const end = watchFaxes((fax, fresh) => {
      setList((s) => {
        if (fax.gone) return { ...s, ids: s.ids.filter((id) => id !== fax.id) };
        const newest = !s.ids.length || peek(s.ids[0]).created <= fax.created;
        if (fresh && !narrowed && s.state === "ready" && fax.direction === direction && newest)
          return {
            ...s,
            ids: [fax.id, ...s.ids.filter((id) => id !== fax.id)],
            total: s.total === null ? null : s.total + 1,
          };
        return { ...s };
      });
    });
    return () => {
      clearTimeout(due);
      stop();
      end();
    };
  }, [ask]);
  return { ...list, ask, narrowed, more: () => load(false), again: () => load(true) };
}
