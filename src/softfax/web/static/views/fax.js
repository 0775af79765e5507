// SPDX-License-Identifier: GPL-2.0-or-later
// One fax: its pages, large; who, when, what became of it, what can be done.
import { html, useEffect, useMemo, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { patch } from "../lib/api.js";
import { useFax, put, sent, otherSide, ended, pageCount, pageUrl, pagesOf } from "../lib/faxes.js";
import { destination, moment, when, duration, rate } from "../lib/format.js";
import { go } from "../lib/router.js";
import { address } from "../lib/draft.js";
import { check } from "../lib/numbers.js";
import { Icon } from "../parts/icons.js";
import { Loading, Failure, Empty, Notice, words } from "../parts/notice.js";
import { Stage, Thumbs, Tool } from "../parts/stage.js";
import { StateWord, Story } from "../parts/state.js";
import { Sure } from "../parts/dialog.js";
import { cancelFax, eraseFax, Forward, markRead, printFax, retryFax } from "../parts/acts.js";

const Row = ({ name, children }) => (children ? html`<div><dt>${name}</dt><dd>${children}</dd></div>` : null);

function Tags({ fax }) {
  const [adding, setAdding] = useState(null);
  const [error, setError] = useState("");
  const save = async (tags) => {
    setError("");
    try { const answer = await patch(`/v1/faxes/${fax.id}`, { tags }); put(answer?.id ? answer : { ...fax, tags }); setAdding(null); } catch (failure) { setError(words(failure).what); }
  };
  const add = (event) => {
    event.preventDefault();
    const [key, ...value] = adding.split(/[=:]/);
    if (!/^[\w.-]{1,64}$/.test(key.trim())) { setError(t("tags.bad")); return; }
    save({ ...fax.tags, [key.trim()]: value.join(":").trim() || "yes" });
  };
  const without = (key) => { const { [key]: _, ...rest } = fax.tags; save(rest); };
  return html`<div class="tags"><h2>${t("tags.title")}</h2><div class="row tight">${Object.entries(fax.tags || {}).map(([key, value]) => html`<span class="chip" key=${key}><bdi>${value === "yes" ? key : `${key}=${value}`}</bdi><button aria-label=${t("tags.remove", { tag: key })} onClick=${() => without(key)}><${Icon} name="close" size="14" /></button></span>`)}
    ${adding === null ? html`<button class="btn bare small" onClick=${() => setAdding("")}><${Icon} name="tag" size="18" />${t("tags.add")}</button>`
      : html`<form class="row tight" onSubmit=${add}><input class="short" aria-label=${t("tags.add")} autofocus placeholder=${t("tags.hint")} value=${adding} onInput=${(e) => setAdding(e.target.value)} onKeyDown=${(e) => e.key === "Escape" && setAdding(null)} /><button class="btn small">${t("save")}</button></form>`}</div>
    <p class="problem" role="alert">${error}</p></div>`;
}

function Attempts({ fax }) {
  const list = fax.attempts || [];
  if (list.length < 2 && ended(fax)) return null;
  if (!list.length) return null;
  return html`<section><h2>${t("fax.attempts")}</h2><ol class="attempts">${list.map((one) => html`<li key=${one.number}><span class="num">${when(one.started)}</span>
    <span>${!one.ended ? t("fax.running") : one.cause ? t(`cause.${one.cause}.what`) : t("state.delivered")}${one.pages ? html`<span class="quiet"> · ${t("pages", { n: one.pages })}</span>` : ""}</span></li>`)}</ol></section>`;
}

function Details({ fax }) {
  const result = fax.result || fax.attempts?.at(-1)?.result || {};
  return html`<dl class="details"><${Row} name=${t(sent(fax) ? "fax.to" : "fax.from")}><bdi>${destination(otherSide(fax))}</bdi>${fax.caller_name && !sent(fax) ? html` <span class="quiet" dir="auto">${fax.caller_name}</span>` : ""}<//>
    <${Row} name=${t("fact.remote")}>${fax.remote_station_id && html`<bdi dir="ltr">${fax.remote_station_id}</bdi>`}<//>
    <${Row} name=${t("fax.document")}>${sent(fax) && html`<bdi>${fax.documents?.join(", ")}</bdi>`}<//>
    <${Row} name=${t("fax.mailbox")}>${!sent(fax) && fax.mailbox}<//>
    <${Row} name=${t("fax.pages")}>${pagesOf(fax)}${fax.bad_pages?.length ? html` <span class="warn-word">${t("fax.bad_pages", { n: fax.bad_pages.length, list: fax.bad_pages.join(", ") })}</span>` : ""}<//>
    <${Row} name=${t(sent(fax) ? "fax.created" : "fax.came")}>${moment(fax.created)}<//>
    <${Row} name=${t("fax.not_before")}>${!ended(fax) && fax.not_before && moment(fax.not_before)}<//>
    <${Row} name=${t("fax.deadline")}>${!ended(fax) && fax.deadline && moment(fax.deadline)}<//>
    <${Row} name=${t("fax.ended")}>${fax.ended && sent(fax) && moment(fax.ended)}<//>
    <${Row} name=${t("fax.call")}>${result.mode && [result.bitrate || result.pages ? (result.mode === "T38" ? "T.38" : "G.711") : "", result.bitrate && rate(result.bitrate), result.ecm && t("fact.ecm"), result.duration_s && duration(result.duration_s)].filter(Boolean).join(" · ")}<//></dl>`;
}

export default function FaxView({ place }) {
  const id = place.rest[0] || "";
  const { fax, error, load } = useFax(id);
  const [index, setIndex] = useState(0);
  const [dialog, setDialog] = useState("");
  const unread = fax?.unread;
  const back = () => { if (fax) go(`#/${sent(fax) ? "outbox" : "inbox"}`); else history.back(); };
  useEffect(() => { if (unread && fax.state !== "receiving") { const timer = setTimeout(() => markRead(fax, false), 900); return () => clearTimeout(timer); } }, [id, unread, fax?.state]);
  const total = fax ? pageCount(fax) : 0;
  const pages = useMemo(() => Array.from({ length: total }, (_, i) => ({ src: (width) => pageUrl(id, i + 1, width), resolution: "", caption: t("page.number", { n: i + 1, total }) })), [id, total, fax?.updated]);
  if (error?.status === 404) return html`<div class="view"><${Empty} title=${t("fax.missing")}><p class="quiet">${t("fax.missing_text")}</p><a class="btn" href="#/inbox">${t("nav.inbox")}</a><//></div>`;
  if (!fax) return html`<div class="view">${error ? html`<${Failure} error=${error} again=${load} />` : html`<${Loading} />`}</div>`;
  const done = ended(fax);
  const name = `v1/faxes/${id}/document`;
  const again = sent(fax) && done && fax.state !== "delivered";
  const marks = Object.fromEntries((fax.bad_pages || []).map((n) => [n - 1, { kind: "warn", word: t("fax.bad") }]));
  if (sent(fax) && !again && fax.state !== "delivered") for (let i = 0; i < fax.pages; i += 1) marks[i] ??= { kind: "ok", word: "✓" };
  const answer = () => { address([{ number: otherSide(fax), name: fax.caller_name || "" }]); go("#/send"); };
  const tools = html`<${Tool} icon="print" label=${t("keys.print")} act=${() => printFax(fax)} />
    <${Tool} icon="download" label=${t("keys.download")} href=${`${name}.pdf`} download=${`fax-${id}.pdf`} />`;
  return html`<div class="view fax-view"><div class="head"><button class="btn bare icon-only" aria-label=${t("keys.back")} title=${t("keys.back")} onClick=${back}><${Icon} name="left" /></button>
      <h1><bdi>${destination(otherSide(fax))}</bdi></h1><${StateWord} fax=${fax} /></div>
    <div class="fax-grid"><div class="fax-story"><${Story} fax=${fax} /></div><section class="fax-pages" aria-label=${t("page.all")}>${total ? html`<${Stage} pages=${pages} index=${Math.min(index, total - 1)} setIndex=${setIndex} tools=${tools} actions=${{ p: () => printFax(fax), d: () => { document.querySelector(".toolbar a[download]")?.click(); }, Escape: back }} />
        ${total > 1 && html`<${Thumbs} pages=${pages} index=${index} setIndex=${setIndex} marks=${marks} />`}`
        : html`<${Empty} title=${t(done ? "fax.no_pages" : "fax.not_yet")}><p class="quiet">${t(done ? "fax.no_pages_text" : "fax.not_yet_text")}</p><//>`}</section>
      <aside class="fax-side stack" aria-label=${t("fax.about")}>
        ${fax.state === "sending" || fax.state === "receiving" ? html`<${Notice} kind="info" icon="live" title=${t(`stage.${fax.state}`)}><p><a href="#/live">${t("sent.watch")}</a></p><//>` : ""}
        <div class="acts">${again && html`<button class="btn main" onClick=${() => retryFax(fax)}><${Icon} name="retry" />${t(fax.pages ? "acts.go_on" : "acts.retry")}</button>`}
          ${!done && html`<button class="btn" onClick=${() => cancelFax(fax)}><${Icon} name="stop" />${t("cancel_fax")}</button>`}
          ${!sent(fax) && check(otherSide(fax) || "").number && html`<button class="btn" onClick=${answer}><${Icon} name="send" />${t("acts.answer")}</button>`}
          ${total > 0 && done && html`<button class="btn" onClick=${() => setDialog("forward")}><${Icon} name="forward" />${t("forward.title")}</button>`}
          ${total > 0 && html`<a class="btn" href=${`${name}.pdf`} download=${`fax-${id}.pdf`}><${Icon} name="download" />PDF</a><a class="btn" href=${`${name}.tif`} download=${`fax-${id}.tif`}><${Icon} name="download" />TIFF</a>`}</div>
        <${Details} fax=${fax} /><${Attempts} fax=${fax} /><${Tags} fax=${fax} />
        <div class="acts quietly"><a class="btn bare small" href=${`#/call/${id}`}><${Icon} name="ladder" size="18" />${t("call.link")}</a>
          ${!sent(fax) && html`<button class="btn bare small" onClick=${() => { markRead(fax, true); back(); }}><${Icon} name="mail" size="18" />${t("keys.unread")}</button>`}
          ${done && html`<button class="btn bare small danger-word" onClick=${() => setDialog("erase")}><${Icon} name="trash" size="18" />${t("acts.erase")}</button>`}</div>
        <p class="small quiet"><span class="mono" dir="ltr">${id}</span></p></aside></div>
    ${dialog === "forward" && html`<${Forward} fax=${fax} close=${() => setDialog("")} />`}
    ${dialog === "erase" && html`<${Sure} title=${t("acts.erase_title")} text=${t("acts.erase_text")} yes=${t("acts.erase")} danger=${true} close=${() => setDialog("")} act=${async () => { if (await eraseFax(fax)) back(); }} />`}</div>`;
}
