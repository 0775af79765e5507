// SPDX-License-Identifier: GPL-2.0-or-later
// How the station is: what it says in one line first, then what it is made of.
import { html, useEffect, useState } from "../lib/h.js";
import { t, number } from "../lib/i18n.js";
import { get } from "../lib/api.js";
import { useStore } from "../lib/store.js";
import { stream } from "../lib/stream.js";
import { bytes, duration, percent, when, clock } from "../lib/format.js";
import { Icon } from "../parts/icons.js";
import { Failure, Loading, Notice } from "../parts/notice.js";
import { Days, Meter, Ring } from "../parts/chart.js";

const AGAIN_MS = 10e3;
const FULL = 0.9;

const first = (object, ...names) => { for (const name of names) if (object?.[name] !== undefined && object[name] !== null) return object[name]; return null; };

function shareOf(part) {
  if (!part) return { share: null, good: 0, all: 0 };
  const good = first(part, "delivered", "succeeded", "success", "good") ?? 0;
  const bad = first(part, "failed", "bad") ?? 0;
  const all = first(part, "total", "ended") ?? good + bad;
  const share = first(part, "rate", "share") ?? (all ? good / all : null);
  return { share: all ? share : null, good, all };
}

function diskOf(disk) {
  const free = first(disk, "free_bytes", "free"), all = first(disk, "total_bytes", "total");
  const used = first(disk, "used_bytes", "used") ?? (all !== null && free !== null ? all - free : null);
  return { free, all, used, share: all ? 1 - free / all : 0 };
}

// What somebody should look at, the worst first; empty if all is well.
function worries(s) {
  const out = [];
  for (const r of s.registrations || []) if (r.state === "failed") out.push({ kind: "bad", key: r.account, title: t("worry.registration", { account: r.account }), text: r.problem, todo: t("worry.registration_do") });
    else if (r.state === "unreachable") out.push({ kind: "warn", key: r.account, title: t("worry.unreachable", { account: r.account }), text: r.problem, todo: t("worry.unreachable_do") });
  const disk = diskOf(s.disk);
  if (disk.all && disk.share > FULL) out.push({ kind: "bad", key: "disk", title: t("worry.disk", { free: bytes(disk.free) }), todo: t("worry.disk_do") });
  for (const w of s.workers || []) if (w.state === "dead") out.push({ kind: "warn", key: `w${w.number}`, title: t("worry.worker", { n: w.number }), text: w.last_end, todo: t("worry.worker_do") });
  const lines = s.lines || {};
  if (lines.max && lines.used >= lines.max) out.push({ kind: "warn", key: "lines", title: t("worry.lines"), todo: t("worry.lines_do") });
  const age = first(s.queue, "oldest_s");
  if (age > 900) out.push({ kind: "warn", key: "queue", title: t("worry.queue", { age: duration(age) }), todo: t("worry.queue_do") });
  return out;
}

const UP = new Set(["registered", "reachable"]);

const Line = ({ r }) => html`<li class="reg"><span class=${`dot ${{ registered: "open", reachable: "open", trying: "connecting", failed: "lost", unreachable: "lost" }[r.state] || "idle"}`}></span><div><strong><bdi>${r.account}</bdi></strong> <bdi class="quiet small">${r.server}</bdi>
  ${r.problem && html`<p class="small problem" dir="auto">${r.problem}</p>`}</div><span class="small quiet end">${t(`reg.${r.state}`)}${r.next_try && !UP.has(r.state) ? html`<br />${t("reg.next", { when: clock(r.next_try) })}` : r.since && UP.has(r.state) ? html`<br />${t("reg.since", { when: when(r.since) })}` : ""}</span></li>`;

export default function Health() {
  const [state, setState] = useState({ status: null, error: null, at: null });
  const { state: linked } = useStore(stream);
  const load = () => get("/v1/status").then((status) => setState({ status, error: null, at: new Date().toISOString() }), (error) => setState((s) => ({ ...s, error })));
  useEffect(() => { load(); const timer = setInterval(() => { if (!document.hidden) load(); }, AGAIN_MS); return () => clearInterval(timer); }, [linked]);
  const s = state.status;
  if (!s) return html`<div class="view"><div class="head"><h1>${t("nav.health")}</h1></div>${state.error ? html`<${Failure} error=${state.error} again=${load} />` : html`<${Loading} lines=${4} />`}</div>`;
  const wrong = worries(s);
  const disk = diskOf(s.disk);
  const lines = s.lines || {};
  const queue = s.queue || {};
  const waiting = first(queue, "due", "depth", "waiting") ?? Object.values(queue.by_state || {}).reduce((a, b) => a + b, 0);
  const later = (queue.by_state?.queued || 0) + (queue.by_state?.waiting || 0) - waiting;
  const ring = (key) => { const { share, good, all } = shareOf(s.success?.[key]); return html`<${Ring} share=${share} word=${share === null ? "–" : percent(share)} kind=${share === null || share > 0.9 ? "ok" : share > 0.7 ? "warn" : "bad"}><strong>${t(`health.${key}`)}</strong><p class="quiet small">${all ? t("health.of", { good, n: all }) : t("health.no_faxes")}</p><//>`; };
  return html`<div class="view health"><div class="head"><h1>${t("nav.health")}</h1><span class="quiet small" aria-live="off">${t("health.at", { when: clock(state.at) })}</span></div>
    ${state.error && html`<${Failure} error=${state.error} small=${true} again=${load} />`}
    ${wrong.length ? html`<div class="stack">${wrong.map((w) => html`<${Notice} key=${w.key} kind=${w.kind} title=${w.title}>${w.text && html`<p dir="auto">${w.text}</p>`}<p>${w.todo}</p><//>`)}</div>` : html`<${Notice} kind="ok" title=${t("health.well")}><p>${t("health.well_text")}</p><//>`}
    <div class="tiles">
      <section class="card stack"><h2>${t("health.success")}</h2><div class="rings">${ring("day")}${ring("week")}</div></section>
      <section class="card stack"><h2>${t("health.lines")}</h2><p class="big num">${number(lines.used ?? 0)}<span class="quiet"> ${lines.max ? t("health.lines_of", { max: lines.max }) : ""}</span></p>${lines.max ? html`<${Meter} share=${(lines.used || 0) / lines.max} label=${t("health.lines")} />` : ""}
        <p class="quiet small">${t("health.lines_text")}</p></section>
      <section class="card stack"><h2>${t("health.queue")}</h2><p class="big num">${number(waiting)}<span class="quiet"> ${t("health.due")}</span></p><p class="quiet small">${waiting && queue.oldest_s ? t("health.oldest", { age: duration(queue.oldest_s) }) : t("health.none_due")}${later > 0 ? ` ${t("health.for_later", { n: later })}` : ""}</p><a class="small" href="#/outbox?show=active">${t("health.look")}</a></section>
      <section class="card stack whole"><h2>${t("health.fortnight")}</h2>${s.daily?.length ? html`<${Days} days=${s.daily} />` : html`<p class="quiet">${t("health.no_faxes")}</p>`}</section>
      <section class="card stack"><h2>${t("health.registrations")}</h2>${s.registrations?.length ? html`<ul class="regs">${s.registrations.map((r) => html`<${Line} key=${r.account} r=${r} />`)}</ul>` : html`<p class="quiet">${t("health.no_registrations")}</p>`}</section>
      <section class="card stack"><h2>${t("health.disk")}</h2>${disk.all ? html`<p class="big num">${bytes(disk.free)}<span class="quiet"> ${t("health.free")}</span></p><${Meter} share=${disk.share} label=${t("health.disk")} kind=${disk.share > FULL ? "bad" : ""} /><p class="quiet small">${t("health.disk_of", { used: bytes(disk.used), all: bytes(disk.all) })}</p>` : html`<p class="quiet">–</p>`}</section>
      <section class="card stack"><h2>${t("health.station")}</h2><dl class="details"><div><dt>${t("health.version")}</dt><dd class="num" dir="ltr">softfax ${s.version}</dd></div><div><dt>${t("health.up")}</dt><dd>${duration(s.uptime_s || 0)}</dd></div>
        ${(s.workers || []).map((w) => html`<div key=${w.number}><dt>${t("health.worker", { n: w.number })}</dt><dd><span class=${`dot ${{ running: "open", starting: "connecting" }[w.state] || "lost"}`}></span> ${t(`worker.${w.state}`)}, ${t("health.calls", { n: w.calls || 0 })}${w.restarts ? html`, <span class="warn-word">${t("health.restarts", { n: w.restarts })}</span>` : ""}</dd></div>`)}</dl></section></div></div>`;
}
