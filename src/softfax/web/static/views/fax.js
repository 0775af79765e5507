// SPDX-License-Identifier: GPL-2.0-or-later
// One fax: its pages, large; who, when, what became of it, what can be done.

import { may, patch, who } from "../lib/api.js";
import { address } from "../lib/draft.js";
import {
  documentNames,
  ended,
  otherSide,
  pageCount,
  pagesOf,
  pageUrl,
  pathOf,
  placed,
  put,
  sent,
  trouble,
  useFax,
} from "../lib/faxes.js";
import { destination, dotted, duration, moment, rate, sentences, transport, when } from "../lib/format.js";
import { html, useEffect, useMemo, useState } from "../lib/h.js";
import { english, number, t } from "../lib/i18n.js";
import { check } from "../lib/numbers.js";
import { go, goBack } from "../lib/router.js";
import { useStore } from "../lib/store.js";
import { cancelFax, eraseFax, Forward, markRead, printFax, retryFax } from "../parts/acts.js";
import { Act, Chip, Tool } from "../parts/controls.js";
import { Sure } from "../parts/dialog.js";
import { Empty, Notice, Pending, words } from "../parts/notice.js";
import { keys } from "../parts/shortcuts.js";
import { Stage, Thumbs } from "../parts/stage.js";
import { StateWord, Story } from "../parts/state.js";

const READ_MS = 900;

const Row = ({ name, children }) => (children ? html`<div><dt>${name}</dt><dd>${children}</dd></div>` : null);

// What the e-mail gateway keeps with a fax is not for people.
const isOurs = (key, value) => key.startsWith("mail_") || (key === "source" && value === "mail");

function Tags({ fax }) {
  const [adding, setAdding] = useState(null);
  const [error, setError] = useState("");
  const save = async (tags) => {
    setError("");
    try {
      put(await patch(pathOf(fax.id), { tags }));
      setAdding(null);
    } catch (failure) {
      setError(words(failure).what);
    }
  };
  const add = (event) => {
    event.preventDefault();
    const [key, ...value] = adding.split(/[=:]/);
    if (!/^[\w.-]{1,64}$/.test(key.trim())) {
      setError(t("tags.bad"));
      return;
    }
    save({ ...fax.tags, [key.trim()]: value.join(":").trim() || "yes" });
  };
  const without = (key) => {
    const { [key]: _, ...rest } = fax.tags;
    save(rest);
  };
  return html`
    <div class="tags">
      <h2>${t("tags.title")}</h2>
      <div class="row tight">
        ${Object.entries(fax.tags || {})
          .filter(([key, value]) => !isOurs(key, value))
          .map(
            ([key, value]) => html`
              <${Chip} key=${key} label=${t("tags.remove", { tag: key })} drop=${() => without(key)}>
                <bdi>${value === "yes" ? key : `${key}=${value}`}</bdi>
              <//>
            `,
          )}
        ${
          adding === null
            ? html`
                <${Act} icon="tag" word=${t("tags.add")} act=${() => setAdding("")} kind="bare small" />
              `
            : html`
                <form class="row tight" onSubmit=${add}>
                  <input
                    class="short"
                    aria-label=${t("tags.add")}
                    autofocus
                    placeholder=${t("tags.hint")}
                    value=${adding}
                    onInput=${(e) => setAdding(e.target.value)}
                    onKeyDown=${(e) => e.key === "Escape" && setAdding(null)}
                  />
                  <button class="btn small">${t("save")}</button>
                </form>
              `
        }
      </div>
      <p class="problem" role="alert">${error}</p>
    </div>
  `;
}

function Attempts({ fax }) {
  const list = fax.attempts || [];
  if (list.length < 2 && ended(fax) && !list[0]?.joined) return null;
  if (!list.length) return null;
  return html`
    <section>
      <h2>${t("fax.attempts")}</h2>
      <ol class="attempts">
        ${list.map(
          (one) => html`
            <li key=${one.number}>
              <span class="num">${when(one.started)}</span>
              <span>
                ${!one.ended ? t("fax.running") : one.cause ? t(`cause.${one.cause}.what`) : t("state.delivered")}
                ${one.pages ? html`<span class="quiet"> · ${t("pages", { n: one.pages })}</span>` : ""}
                ${one.joined ? html`<span class="quiet"> · ${t("fax.joined")}</span>` : ""}
              </span>
            </li>
          `,
        )}
      </ol>
    </section>
  `;
}

// How it went over the line: T.38 · 14,400 bit/s · error correction · 36 s.
function callWords({ mode, bitrate, pages, ecm, duration_s }) {
  const agreed = bitrate || pages;
  return dotted(
    agreed && transport(mode),
    bitrate && rate(bitrate),
    ecm && t("fact.ecm"),
    duration_s && duration(duration_s),
  );
}

function WarningWords({ fax }) {
  return fax.warnings.map((line) => html`<div class="warn-word" dir="auto" lang=${english()}>${line}</div>`);
}

function PagesWord({ fax }) {
  const { bad_pages: bad } = fax;
  if (!bad.length) return pagesOf(fax);
  const list = bad.map((n) => number(n)).join(t("comma"));
  return html`${pagesOf(fax)} <span class="warn-word">${t("fax.bad_pages", { n: bad.length, list })}</span>`;
}

function Details({ fax }) {
  const out = sent(fax);
  const name = !out && fax.caller_name && html` <span class="quiet" dir="auto">${fax.caller_name}</span>`;
  const remote = fax.remote_station_id;
  return html`
    <dl class="details">
      ${
        out
          ? html`<${Row} name=${t("fax.to")}><bdi>${destination(fax.to)}</bdi><//>`
          : html`
              <${Row} name=${t("fax.from")}><bdi>${destination(fax.poll ? fax.to : fax.caller)}</bdi>${name}<//>
              <${Row} name=${t("fax.called")}>${!fax.poll && fax.to && html`<bdi>${destination(fax.to)}</bdi>`}<//>
            `
      }
      <${Row} name=${t("fact.remote")}>${remote && html`<bdi dir="ltr">${remote}</bdi>`}<//>
      <${Row} name=${t("fax.mail")}>${fax.tags?.mail_from && html`<bdi dir="ltr">${fax.tags.mail_from}</bdi>`}<//>
      <${Row} name=${t("fax.document")}>${out && html`<bdi>${documentNames(fax)}</bdi>`}<//>
      <${Row} name=${t("fax.mailbox")}>${!out && fax.mailbox}<//>
      <${Row} name=${t("fax.pages")}>${pagesOf(fax) && html`<${PagesWord} fax=${fax} />`}<//>
      <${Row} name=${t("fax.warnings")}>${fax.warnings?.length > 0 && html`<${WarningWords} fax=${fax} />`}<//>
      <${Row} name=${t(out ? "fax.created" : "fax.came")}>${moment(fax.created)}<//>
      <${Row} name=${t("fax.not_before")}>${!ended(fax) && fax.not_before && moment(fax.not_before)}<//>
      <${Row} name=${t("fax.deadline")}>${!ended(fax) && fax.deadline && moment(fax.deadline)}<//>
      <${Row} name=${t("fax.ended")}>${fax.ended && out && moment(fax.ended)}<//>
      <${Row} name=${t("fax.reason")}>${
        trouble(fax) && fax.reason && html`<span dir="auto" lang=${english()}>${sentences(fax.reason)[0]}</span>`
      }<//>
      <${Row} name=${t("fax.call")}>${callWords(fax.result || fax.attempts?.at(-1)?.result || {})}<//>
    </dl>
  `;
}

// What a download is called: who, and when.
const fileName = (fax) =>
  `fax-${(otherSide(fax) || "").replace(/[^\w+]+/g, "-") || fax.id}-${fax.created.slice(0, 10)}`;

const Download = ({ fax, kind }) => html`
  <${Act}
    icon="download"
    word=${kind === "tif" ? "TIFF" : "PDF"}
    href=${pathOf(fax.id, `/document.${kind}`)}
    download=${`${fileName(fax)}.${kind}`}
  />
`;

// A name that a caller gives itself is no number to call back.
const canCall = (text) => {
  const { number, word } = check(text || "");
  return number && !word;
};

// To be sent once more: it has ended, and not as it should.
const again = (fax) => placed(fax) && ended(fax) && !["delivered", "received"].includes(fax.state);

function Acts({ fax, forward }) {
  const one = useStore(who);
  const answer = () => {
    address([{ number: otherSide(fax), name: fax.caller_name || "" }]);
    go("#/send");
  };
  const pages = pageCount(fax) > 0;
  return html`
    <div class="acts">
      ${
        again(fax) &&
        may(one, "send") &&
        html`
          <${Act}
            icon="retry"
            word=${t(fax.pages ? "acts.go_on" : "acts.retry")}
            act=${() => retryFax(fax)}
            kind="main"
          />
        `
      }
      ${!ended(fax) && may(one, "cancel") && html`<${Act} icon="stop" word=${t("cancel_fax")} act=${() => cancelFax(fax)} />`}
      ${
        !sent(fax) &&
        may(one, "send") &&
        canCall(otherSide(fax)) &&
        html`<${Act} icon="send" word=${t("acts.answer")} act=${answer} />`
      }
      ${pages && ended(fax) && may(one, "send") && html`<${Act} icon="forward" word=${t("forward.title")} act=${forward} />`}
      ${
        pages &&
        html`<span class="row tight"><${Download} fax=${fax} kind="pdf" /><${Download} fax=${fax} kind="tif" /></span>`
      }
    </div>
  `;
}

// Pages that came damaged, and those that the other side has confirmed of a fax that is under way.
function marksOf(fax) {
  const marks = {};
  if (sent(fax) && !ended(fax)) for (let i = 0; i < fax.pages; i += 1) marks[i] = { kind: "ok", word: "✓" };
  for (const n of fax.bad_pages) marks[n - 1] = { kind: "warn", word: t("fax.bad") };
  return marks;
}

function Pages({ fax }) {
  const [index, setIndex] = useState(0);
  const total = pageCount(fax);
  const pages = useMemo(
    () =>
      Array.from({ length: total }, (_, i) => ({
        src: (width) => pageUrl(fax.id, i + 1, width),
        caption: t("page.number", { n: i + 1, total }),
      })),
    [fax.id, total, fax.updated],
  );
  if (!total) {
    const key = ended(fax) ? "fax.no_pages" : "fax.not_yet";
    return html`<${Empty} title=${t(key)}><p class="quiet">${t(`${key}_text`)}</p><//>`;
  }
  const at = Math.min(index, total - 1);
  const print = () => printFax(fax);
  const download = { href: pathOf(fax.id, "/document.pdf"), download: `${fileName(fax)}.pdf` };
  const tools = html`
    <${Tool} icon="print" label=${t("keys.print")} act=${print} />
    <${Tool} icon="download" label=${t("keys.download")} ...${download} />
  `;
  const actions = {
    p: print,
    d: () => /** @type {HTMLElement} */ (document.querySelector(".toolbar a[download]")).click(),
  };
  return html`
    <${Stage} pages=${pages} index=${at} setIndex=${setIndex} tools=${tools} actions=${actions} />
    ${total > 1 && html`<${Thumbs} pages=${pages} index=${at} setIndex=${setIndex} marks=${marksOf(fax)} />`}
  `;
}

const Missing = () => html`
  <div class="view">
    <${Empty} title=${t("fax.missing")}>
      <p class="quiet">${t("fax.missing_text")}</p>
      <a class="btn" href="#/inbox">${t("nav.inbox")}</a>
    <//>
  </div>
`;

// Who looks at a fax for a moment has read it, if they may say so.
function useRead(fax, one) {
  const unread = fax?.unread && fax.state !== "receiving" && may(one, "send");
  useEffect(() => {
    if (!unread) return undefined;
    const timer = setTimeout(() => markRead(fax, false), READ_MS);
    return () => clearTimeout(timer);
  }, [fax?.id, unread]);
}

export default function FaxView({ place }) {
  const id = place.rest[0] || "";
  const { fax, error, load } = useFax(id);
  const [dialog, setDialog] = useState("");
  const one = useStore(who);
  useRead(fax, one);
  const back = () => goBack(fax && sent(fax) ? "outbox" : "inbox");
  useEffect(() => keys({ Escape: back }), [fax?.direction]);
  if (error?.status === 404) return html`<${Missing} />`;
  if (!fax)
    return html`
      <div class="view"><${Pending} error=${error} again=${load} /></div>
    `;
  const close = () => setDialog("");
  const keepUnread = () => {
    markRead(fax, true);
    back();
  };
  const erase = async () => {
    if (await eraseFax(fax)) back();
  };
  return html`
    <div class="view fax-view">
      <div class="head">
        <${Tool} icon="left" label=${t("keys.back")} act=${back} />
        <h1><bdi>${destination(otherSide(fax))}</bdi></h1>
        <${StateWord} fax=${fax} />
      </div>
      <div class="fax-grid">
        <div class="fax-story"><${Story} fax=${fax} /></div>
        <section class="fax-pages" aria-label=${t("page.all")}><${Pages} fax=${fax} /></section>
        <aside class="fax-side stack" aria-label=${t("fax.about")}>
          ${
            ["sending", "receiving"].includes(fax.state) &&
            html`
              <${Notice} kind="info" icon="live" title=${t(`stage.${fax.state}`)}>
                <p><a href="#/live">${t("sent.watch")}</a></p>
              <//>
            `
          }
          <${Acts} fax=${fax} forward=${() => setDialog("forward")} />
          <${Details} fax=${fax} />
          <${Attempts} fax=${fax} />
          ${may(one, "send") && html`<${Tags} fax=${fax} />`}
          <div class="acts quietly">
            <${Act} icon="ladder" word=${t("call.link")} href=${`#/call/${id}`} kind="bare small" />
            ${
              !sent(fax) &&
              ended(fax) &&
              may(one, "send") &&
              html`<${Act} icon="mail" word=${t("keys.unread")} act=${keepUnread} kind="bare small" />`
            }
            ${
              ended(fax) &&
              may(one, "admin") &&
              html`
                <${Act}
                  icon="trash"
                  word=${t("acts.erase")}
                  act=${() => setDialog("erase")}
                  kind="bare small danger-word"
                />
              `
            }
          </div>
          <p class="small quiet"><span class="mono" dir="ltr">${id}</span></p>
        </aside>
      </div>
      ${dialog === "forward" && html`<${Forward} fax=${fax} close=${close} />`}
      ${
        dialog === "erase" &&
        html`
          <${Sure}
            title=${t("acts.erase_title")}
            text=${t("acts.erase_text")}
            yes=${t("acts.erase")}
            close=${close}
            act=${erase}
          />
        `
      }
    </div>
  `;
}
