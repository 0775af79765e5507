// SPDX-License-Identifier: GPL-2.0-or-later
// How the station is: what it says in one line first, then what it is made of.

import { useAnswer } from "../lib/answer.js";
import { bytes, clock, duration, percent, when } from "../lib/format.js";
import { html, useEffect, useMemo } from "../lib/h.js";
import { isFull, usable, usedOf, worries } from "../lib/health.js";
import { number, t } from "../lib/i18n.js";
import { useStore } from "../lib/store.js";
import { stream } from "../lib/stream.js";
import { Days, Meter, Ring } from "../parts/chart.js";
import { Notice, Pending } from "../parts/notice.js";

const AGAIN_MS = 10e3;
const GOOD = 0.9;
const FAIR = 0.7;

const UP = new Set(["registered", "reachable"]);
const DOTS = {
  registered: "open",
  reachable: "open",
  trying: "connecting",
  failed: "lost",
  unreachable: "lost",
  running: "open",
  starting: "connecting",
  dead: "lost",
};
const Dot = ({ state }) => html`<span class=${`dot ${DOTS[state] || "idle"}`}></span>`;

function Registration({ r }) {
  const up = UP.has(r.state);
  const since = up
    ? r.since && t("reg.since", { when: when(r.since) })
    : r.next_try && t("reg.next", { when: clock(r.next_try) });
  return html`
    <li class="reg">
      <${Dot} state=${r.state} />
      <div>
        <strong><bdi>${r.account}</bdi></strong> <bdi class="quiet small">${r.server}</bdi>
        ${r.problem && html`<p class="small problem" dir="auto">${r.problem}</p>`}
      </div>
      <span class="small quiet end">${t(`reg.${r.state}`)}${since && html`<br />${since}`}</span>
    </li>
  `;
}

const Registrations = ({ list }) => html`
  <section class="card stack wide">
    <h2>${t("health.registrations")}</h2>
    ${
      list.length
        ? html`<ul class="regs">${list.map((r) => html`<${Registration} key=${r.account} r=${r} />`)}</ul>`
        : html`<p class="quiet">${t("health.no_registrations")}</p>`
    }
  </section>
`;

const grade = (rate) => (rate === null || rate > GOOD ? "ok" : rate > FAIR ? "warn" : "bad");

const Share = ({ name, share: { rate, delivered, total } }) => html`
  <${Ring} share=${rate} word=${rate === null ? "–" : percent(rate)} kind=${grade(rate)}>
    <strong>${t(`health.${name}`)}</strong>
    <p class="quiet small">${total ? t("health.of", { good: delivered, n: total }) : t("health.no_faxes")}</p>
  <//>
`;

const Success = ({ success }) => html`
  <section class="card stack wide">
    <h2>${t("health.success")}</h2>
    <div class="rings"><${Share} name="day" share=${success.day} /><${Share} name="week" share=${success.week} /></div>
  </section>
`;

const Lines = ({ used, max, load }) => html`
  <section class="card stack">
    <h2>${t("health.lines")}</h2>
    <p class="big num">${number(used)} <span class="quiet">${max > 0 && t("health.lines_of", { max })}</span></p>
    ${max > 0 && html`<${Meter} share=${used / max} label=${t("health.lines")} />`}
    <p class="quiet small">${t("health.lines_text")}</p>
    ${load && html`<${Load} load=${load} />`}
  </section>
`;

function Queue({ queue: { due, oldest_s, by_state } }) {
  const later = (by_state.queued || 0) + (by_state.waiting || 0) - due;
  return html`
    <section class="card stack">
      <h2>${t("health.queue")}</h2>
      <p class="big num">${number(due)} <span class="quiet">${t("health.due")}</span></p>
      <p class="quiet small">
        ${due && oldest_s ? t("health.oldest", { age: duration(oldest_s) }) : t("health.none_due")}
        ${later > 0 && ` ${t("health.for_later", { n: later })}`}
      </p>
      ${due + later > 0 && html`<a class="small" href="#/outbox?show=active">${t("health.look")}</a>`}
    </section>
  `;
}

const Disk = ({ disk }) => html`
  <section class="card stack">
    <h2>${t("health.disk")}</h2>
    <p class="big num">${bytes(disk.free_bytes)} <span class="quiet">${t("health.free")}</span></p>
    <${Meter} share=${usedOf(disk)} label=${t("health.disk")} kind=${isFull(disk) ? "bad" : ""} />
    <p class="quiet small">${t("health.disk_of", { used: bytes(disk.used_bytes), all: bytes(usable(disk)) })}</p>
  </section>
`;

const refusedOf = (refused) => Object.values(refused).reduce((sum, n) => sum + n, 0);

// Calls that run later than a tick.
const LATE_MS = 20;

// How the machine keeps up, in small: it matters where it does not.
const Load = ({ load: { busy, late_ms, room, refused } }) => html`
  <p class="quiet small">${t("health.load_text", { busy: percent(busy), n: room })}</p>
  ${late_ms >= LATE_MS && html`<p class="small warn-word">${t("health.late", { late: Math.round(late_ms) })}</p>`}
  ${refusedOf(refused) > 0 && html`<p class="small warn-word">${t("health.refused", { n: refusedOf(refused) })}</p>`}
`;

const Worker = ({ w }) => html`
  <div>
    <dt>${t("health.worker", { n: w.number })}</dt>
    <dd>
      <${Dot} state=${w.state} /> ${[t(`worker.${w.state}`), t("health.calls", { n: w.calls })].join(t("comma"))}
      ${w.restarts > 0 && html`<br /><span class="warn-word">${t("health.restarts", { n: w.restarts })}</span>`}
    </dd>
  </div>
`;

const Station = ({ status: { version, uptime_s, workers } }) => html`
  <section class="card stack">
    <h2>${t("health.station")}</h2>
    <dl class="details">
      <div><dt>${t("health.version")}</dt><dd class="num" dir="ltr">softfax ${version}</dd></div>
      <div><dt>${t("health.up")}</dt><dd>${duration(uptime_s)}</dd></div>
      ${workers.map((w) => html`<${Worker} key=${w.number} w=${w} />`)}
    </dl>
  </section>
`;

const Worry = ({ kind, title, text, todo }) => html`
  <${Notice} kind=${kind} title=${title}>${text && html`<p dir="auto">${text}</p>`}<p>${todo}</p><//>
`;

const Verdict = ({ wrong }) =>
  wrong.length
    ? html`<div class="stack">${wrong.map((w) => html`<${Worry} ...${w} />`)}</div>`
    : html`<${Notice} kind="ok" icon="check" title=${t("health.well")}><p>${t("health.well_text")}</p><//>`;

export default function Health() {
  const { answer: status, error, load } = useAnswer("/v1/status", AGAIN_MS);
  const { state: linked } = useStore(stream);
  const known = useMemo(() => status && new Date().toISOString(), [status]);
  useEffect(() => {
    if (status) load();
  }, [linked]);
  return html`
    <div class="view health">
      <div class="head">
        <h1>${t("nav.health")}</h1>
        <span class="quiet small" aria-live="off">${known && t("health.at", { when: clock(known) })}</span>
      </div>
      <${Pending} had=${status} error=${error} again=${load} lines=${4} />
      ${
        status &&
        html`
          <${Verdict} wrong=${worries(status)} />
          <div class="tiles">
            <${Success} success=${status.success} />
            <${Lines} ...${status.lines} load=${status.load} />
            <${Queue} queue=${status.queue} />
            <section class="card stack whole">
              <h2>${t("health.fortnight")}</h2>
              <${Days} days=${status.daily} />
            </section>
            <${Registrations} list=${status.registrations} />
            <${Disk} disk=${status.disk} />
            <${Station} status=${status} />
          </div>
        `
      }
    </div>
  `;
}
