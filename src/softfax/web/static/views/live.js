// SPDX-License-Identifier: GPL-2.0-or-later
// Running calls: the page as it goes or comes, line by line, and how the line is.

import { may, remove, url, who } from "../lib/api.js";
import { calls, loadCalls } from "../lib/calls.js";
import { documentNames, firstPage, isNumber, noPage, otherSide, pageUrl, pathOf, put, useFax } from "../lib/faxes.js";
import { bytes, destination, duration, rate, rowsOfA4, transport } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { number, t } from "../lib/i18n.js";
import { useStore } from "../lib/store.js";
import { stream } from "../lib/stream.js";
import { Act } from "../parts/controls.js";
import { Icon } from "../parts/icons.js";
import { Empty, Failure, Pending, say } from "../parts/notice.js";
import { PagePicture } from "../parts/page.js";
import { StateWord, Story } from "../parts/state.js";

const POLL_MS = 1200;
const LOOK_MS = 4000;
const NEARLY = 0.97;
const PARTS_MAX = 60;

// The page that is arriving: asked for again while it is looked at; the next picture is loaded before it takes the
// place of the last.
function Arriving({ id, page, coming }) {
  const [shown, setShown] = useState("");
  const box = useRef();
  useEffect(() => {
    if (!coming && !shown) return undefined;
    let [stopped, visible] = [false, true];
    let [timer, turn, failures] = [0, 0, 0];
    const look = new IntersectionObserver(([entry]) => {
      visible = entry.isIntersecting;
    });
    look.observe(box.current);
    const next = () => {
      if (stopped) return;
      const again = () => {
        timer = setTimeout(next, POLL_MS * (1 + Math.min(failures, 4)));
      };
      if (document.hidden || !visible) {
        again();
        return;
      }
      const picture = new Image();
      picture.onload = () => {
        failures = 0;
        if (!stopped) {
          setShown(picture.src);
          again();
        }
      };
      picture.onerror = () => {
        failures += 1;
        again();
      };
      picture.src = url(pathOf(id, `/live.png?turn=${page}-${(turn += 1)}`));
    };
    next();
    return () => {
      stopped = true;
      clearTimeout(timer);
      look.disconnect();
    };
  }, [id, page, coming]);
  return html`
    <span class="paper arriving ready" ref=${box}>
      ${
        shown
          ? html`<img src=${shown} alt=${t("live.arriving", { n: page })} />`
          : html`<span class="paper-word">${t("live.coming")}</span>`
      }
    </span>
  `;
}

// Which page it is at, of how many (0: nobody knows), and how much of it is done (0 to 1). After a page, the next one has
// begun once something of it came.
function position(call, fax) {
  const { progress, pages } = call;
  const known = Math.max(...Object.keys(pages).map(Number), fax?.pages || 0, 0);
  const total = progress?.pages_total || fax?.pages_total || 0;
  const at = progress?.page || known + 1;
  if (total && at > total) return { page: total, total, part: 1 };
  if (at > 1 && pages[at - 1] && !progress?.bytes && !progress?.rows) return { page: at - 1, total, part: 1 };
  return { page: at, total, part: pages[at] ? 1 : share(progress, call.resolution) };
}

// Of a page that comes nobody knows the length; most are A4. It is not said to be done before it is.
function share(progress, resolution) {
  if (progress?.page_bytes) return Math.min(1, progress.bytes / progress.page_bytes);
  return Math.min(NEARLY, (progress?.rows || 0) / rowsOfA4(resolution));
}

function Going({ fax, page, total, part }) {
  return html`
    <${PagePicture}
      src=${fax && total ? pageUrl(fax.id, page, 480) : ""}
      none=${t("state.preparing")}
      stamp=${fax?.updated}
      eager=${true}
      alt=${t("live.going", { n: page })}
    >
      <span class="unsent" style=${{ insetBlockStart: `${part * 100}%` }}></span>
    <//>
  `;
}

// A bar with a part for each page.
function Pages({ call, fax }) {
  const { progress, pages } = call;
  const { page: now, total, part } = position(call, fax);
  const all = Math.max(total, now);
  const kind = (n) => {
    if (pages[n]) return pages[n].quality;
    if (n < now || n <= (fax?.pages || 0) || (n === now && part === 1)) return "good";
    return n === now ? "now" : "";
  };
  const parts = Array.from({ length: Math.min(all, PARTS_MAX) }, (_, i) => {
    const filled = kind(i + 1) === "now" && html`<b style=${{ inlineSize: `${part * 100}%` }}></b>`;
    return html`<i key=${i} class=${kind(i + 1)}>${filled}</i>`;
  });
  const word = total ? t("live.page_of", { n: now, total }) : t("live.page", { n: now });
  const done = progress?.bytes && part < 1 ? bytes(progress.bytes) : "";
  return html`
    <div class="pagebar">
      <div
        class="pagebar-parts"
        role="progressbar"
        aria-label=${t("live.progress")}
        aria-valuemin="0"
        aria-valuemax="100"
        aria-valuenow=${Math.round(((now - 1 + part) / all) * 100)}
        aria-valuetext=${word}
      >
        ${parts}
      </div>
      <p class="small quiet num">
        <span>${word}</span>
        <span>
          ${done && progress.page_bytes ? t("live.bytes_of", { done, all: bytes(progress.page_bytes) }) : done}
        </span>
      </p>
    </div>
  `;
}

const Fact = ({ name, children, kind }) =>
  children ? html`<div class=${kind || ""}><dt>${name}</dt><dd>${children}</dd></div>` : null;

function lossWord({ packets, lost, recovered }) {
  if (!packets) return "";
  if (lost) return t("live.loss", { lost, recovered, n: packets });
  return recovered ? t("live.recovered", { n: recovered }) : t("live.no_loss");
}

const PASSING = { gateway: "stage.gateway", "V.21": "stage.passing" };

function stageWord(call) {
  if (call.stage === "pages" && PASSING[call.direction]) return t(PASSING[call.direction]);
  if (call.stage === "pages" || call.progress)
    return t(call.direction === "receive" ? "stage.receiving" : "stage.sending");
  return t(
    `stage.${["preparing", "calling", "ringing", "answered", "ending"].includes(call.stage) ? call.stage : "calling"}`,
  );
}

function Elapsed({ since }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return since
    ? html`<span class="num quiet" aria-hidden="true">${duration(Math.max(0, now - new Date(since).getTime()) / 1000)}</span>`
    : null;
}

function Facts({ mode, rate: bps, ecm, remote, progress, bad_lines: bad }) {
  return html`
    <dl class="facts">
      <${Fact} name=${t("fact.mode")}>${mode && transport(mode)}<//>
      <${Fact} name=${t("fact.rate")}>${bps && rate(bps)}<//>
      <${Fact} name=${t("fact.ecm")}>${ecm === undefined ? "" : t(ecm ? "on" : "off")}<//>
      <${Fact} name=${t("fact.remote")}>${remote && html`<bdi dir="ltr">${remote}</bdi>`}<//>
      <${Fact} name=${t("fact.resends")} kind=${progress?.retries ? "warn" : ""}>
        ${progress && number(progress.retries || 0)}
      <//>
      <${Fact} name=${t("fact.loss")} kind=${progress?.lost ? "wide warn" : "wide"}>
        ${progress && lossWord(progress)}
      <//>
      <${Fact} name=${t("fact.bad_lines")} kind="warn">${bad ? number(bad) : ""}<//>
    </dl>
  `;
}

// Who is on the other side: a number if there is one, else the name of the machine.
function otherOf(call, fax) {
  if (call.direction === "send" || fax?.poll) return fax?.to || call.called;
  const from = call.caller || fax?.caller || "";
  return isNumber(from) ? from : call.remote || fax?.remote_station_id || from;
}

function Picture({ call, fax, at }) {
  // Rows are counted only once they have been looked at.
  const coming = Boolean(call.progress?.bytes || call.progress?.rows);
  return html`
    <a class="call-picture" href=${`#/fax/${call.fax_id}`} aria-label=${t("fax.open")}>
      ${
        call.direction === "receive" || call.direction === "gateway"
          ? html`<${Arriving} id=${call.fax_id} page=${at.page} coming=${coming} />`
          : html`<${Going} fax=${fax} ...${at} />`
      }
    </a>
  `;
}

function Subject({ call, fax }) {
  const attempt = fax?.attempts?.length;
  const forWhom = () => t("live.for", { who: fax?.mailbox || call.account || call.called || "softfax" });
  return html`
    <p class="quiet">
      <bdi>${call.direction === "receive" ? forWhom() : documentNames(fax)}</bdi>
      ${attempt > 1 && ` · ${t("live.attempt", { n: attempt })}`}
      ${call.station && ` · ${call.station}`}
    </p>
  `;
}

function Stop({ call, failed }) {
  const [stopping, setStopping] = useState(false);
  const one = useStore(who);
  const cancel = async () => {
    setStopping(true);
    failed(null);
    try {
      put(await remove(pathOf(call.fax_id)));
    } catch (error) {
      setStopping(false);
      failed(error);
    }
  };
  if (!may(one, "cancel")) return null;
  const word = stopping ? "live.stopping" : call.direction === "receive" ? "live.hangup" : "cancel_fax";
  return html`
    <${Act} icon="stop" word=${t(word)} act=${cancel} kind="small" disabled=${stopping} />
  `;
}

function Call({ call: given }) {
  const { fax } = useFax(given.fax_id);
  const call = { ...given, direction: given.direction || fax?.direction || "send" };
  const [error, setError] = useState(null);
  const receives = call.direction !== "send"; // a gateway is shown by who calls
  const who = destination(otherOf(call, fax));
  const stage = stageWord(call);
  useEffect(() => say(`${who}: ${stage}`), [stage]);
  return html`
    <article class="call card" aria-label=${t(receives ? "live.from" : "live.to", { who })}>
      <${Picture} call=${call} fax=${fax} at=${position(call, fax)} />
      <div class="call-word">
        <div class="row between">
          <span class="state go"><${Icon} name=${receives ? "inbox" : "outbox"} size="16" />${stage}</span>
          <${Elapsed} since=${fax?.attempts?.at(-1)?.started || call.started || fax?.created} />
        </div>
        <h2><bdi>${who}</bdi></h2>
        <${Subject} call=${call} fax=${fax} />
        <${Pages} call=${call} fax=${fax} />
        <${Facts} ...${call} />
        ${error && html`<${Failure} error=${error} small=${true} />`}
        <div class="row">
          <${Stop} call=${call} failed=${setError} />
          <${Act} icon="ladder" word=${t("call.link")} href=${`#/call/${call.fax_id}`} kind="bare small" />
        </div>
      </div>
    </article>
  `;
}

function Ended({ id }) {
  const { fax } = useFax(id);
  if (!fax?.id) return null;
  return html`
    <li class="ended card">
      <a href=${`#/fax/${fax.id}`} class="ended-picture" aria-label=${t("fax.open")}>
        <${PagePicture} src=${firstPage(fax, 160)} none=${noPage(fax)} stamp=${fax.updated} />
      </a>
      <div class="stack tight">
        <div class="row"><${StateWord} fax=${fax} /></div>
        <strong><bdi>${destination(otherSide(fax))}</bdi></strong>
        <${Story} fax=${fax} />
      </div>
    </li>
  `;
}

export default function Live() {
  const { state, list, recent, error } = useStore(calls);
  const { state: linked } = useStore(stream);
  useEffect(() => {
    loadCalls();
    // While events do not come, it is looked every now and then.
    const timer = linked === "open" ? 0 : setInterval(loadCalls, LOOK_MS);
    return () => clearInterval(timer);
  }, [linked]);
  return html`
    <div class="view">
      <div class="head">
        <h1>${t("live.title")}</h1>
        <span class="quiet" role="status">${list.length > 0 && t("live.count", { n: list.length })}</span>
      </div>
      ${
        state !== "ready"
          ? html`<${Pending} error=${error} again=${loadCalls} lines=${2} />`
          : list.length
            ? html`<div class="calls">${list.map((call) => html`<${Call} key=${call.fax_id} call=${call} />`)}</div>`
            : html`
                <${Empty} picture="line" title=${t("live.none")}>
                  <p class="quiet">${t("live.none_text")}</p>
                  <a class="btn main" href="#/send">${t("keys.new")}</a>
                <//>
              `
      }
      ${
        recent.length > 0 &&
        html`
          <section class="after">
            <h2>${t("live.recent")}</h2>
            <ul class="recent">${recent.map((id) => html`<${Ended} key=${id} id=${id} />`)}</ul>
          </section>
        `
      }
    </div>
  `;
}
