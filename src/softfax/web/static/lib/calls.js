// SPDX-License-Identifier: GPL-2.0-or-later
// The running calls: what the station says of them, brought up to date by each event.

import { get } from "./api.js";
import { store } from "./store.js";
import { subscribe } from "./stream.js";

const RECENT_MAX = 4;
export const calls = store({ state: "loading", error: null, list: [], recent: [] });
const blank = (id) => ({ fax_id: id, stage: "preparing", pages: {}, progress: null });
const edit = (id, values, add = false) =>
  calls.set((s) => {
    const had = s.list.some((c) => c.fax_id === id);
    if (!had && !add) return s;
    const list = had ? s.list : [...s.list, blank(id)];
    return {
      ...s,
      list: list.map((c) => (c.fax_id === id ? { ...c, ...(typeof values === "function" ? values(c) : values) } : c)),
    };
  });

const fact = (value, had) => (value === "" ? had : (value ?? had));

// "8031x7700" dots a metre are "204x196" an inch.
const inches = (resolution) => resolution?.replace(/\d+/g, (dots) => Math.round(dots * 0.0254));

// A session of GET /v1/sessions, or the event of that name, as a call of this page. Until both sides have agreed, what it
// says of mode and rate is what might become of it.
export function merge(had, given) {
  const agreed = given.state === "Active" || given.progress;
  return {
    ...had,
    direction: given.operation,
    station: fact(given.station, had.station),
    account: fact(given.account, had.account),
    caller: fact(given.caller, had.caller),
    called: fact(given.called, had.called),
    mode: agreed ? fact(given.mode, had.mode) : had.mode,
    rate: agreed ? fact(given.data_rate || null, had.rate) : had.rate,
    ecm: agreed ? fact(given.error_correction_mode, had.ecm) : had.ecm,
    resolution: agreed ? fact(inches(given.image_resolution), had.resolution) : had.resolution,
    remote: fact(given.remote_station_id, had.remote),
    bad_lines: fact(given.total_bad_lines, had.bad_lines),
    progress: given.progress || had.progress,
    stage: agreed && had.stage !== "ending" ? "pages" : given.call_state || had.stage,
    started: fact(given.started, had.started),
  };
}

let loading = null;
export function loadCalls() {
  loading ??= (async () => {
    try {
      const { sessions } = await get("/v1/sessions");
      calls.set((s) => ({
        ...s,
        state: "ready",
        error: null,
        list: sessions.map((one) => merge(s.list.find((c) => c.fax_id === one.fax_id) || blank(one.fax_id), one)),
      }));
    } catch (error) {
      calls.set((s) => ({ ...s, state: s.state === "ready" ? "ready" : "failed", error }));
    } finally {
      loading = null;
    }
  })();
  return loading;
}

let due = 0;
const soon = () => {
  clearTimeout(due);
  due = setTimeout(loadCalls, 500);
};

const hear = {
  opened: () => loadCalls(),
  call(event) {
    if (event.state === "ended") edit(event.fax_id, { stage: "ending" });
    else edit(event.fax_id, { stage: event.state }, true);
    soon();
  },
  session: (event) => edit(event.fax_id, (had) => merge(had, event)),
  negotiated: (event) =>
    edit(
      event.fax_id,
      (had) => ({
        mode: event.mode,
        rate: event.bitrate,
        ecm: event.ecm,
        resolution: event.resolution,
        remote: fact(event.remote_station_id, had.remote),
        stage: "pages",
      }),
      true,
    ),
  job: soon,
  page: (event) =>
    edit(event.fax_id, (had) => ({ direction: event.direction, pages: { ...had.pages, [event.number]: event } })),
  progress: (event) =>
    edit(
      event.fax_id,
      (had) => ({ direction: event.direction, progress: event, stage: "pages", rate: event.rate_bps || had.rate }),
      true,
    ),
  result(event) {
    calls.set((s) => {
      const ended = s.list.find((c) => c.fax_id === event.fax_id);
      const recent =
        ended || event.success
          ? [event.fax_id, ...s.recent.filter((id) => id !== event.fax_id)].slice(0, RECENT_MAX)
          : s.recent;
      return { ...s, list: s.list.filter((c) => c.fax_id !== event.fax_id), recent };
    });
    soon();
  },
};
subscribe(({ type, data }) => {
  if (type === "opened" || data?.fax_id) hear[type]?.(data);
});
