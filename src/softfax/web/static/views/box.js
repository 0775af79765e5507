// SPDX-License-Identifier: GPL-2.0-or-later
// Inbox and outbox: pages to look at, by day; searched, filtered, as pictures or as lines. Ten thousand of them scroll like ten.
import { html, useEffect, useMemo, useRef, useState } from "../lib/h.js";
import { t, number, language } from "../lib/i18n.js";
import { browser, useStore } from "../lib/store.js";
import { get } from "../lib/api.js";
import { requery, go } from "../lib/router.js";
import { put, peek, watchFaxes, otherSide, documentName, pagesOf, pageUrl, trouble, story, sent } from "../lib/faxes.js";
import { subscribe } from "../lib/stream.js";
import { day, clock, destination } from "../lib/format.js";
import { Icon } from "../parts/icons.js";
import { Loading, Failure, Empty } from "../parts/notice.js";
import { PagePicture } from "../parts/page.js";
import { StateWord } from "../parts/state.js";
import { Virtual } from "../parts/virtual.js";
import { keys } from "../parts/shortcuts.js";
import { markRead } from "../parts/acts.js";

const CHUNK = 100;
const FILTERS = { receive: ["", "unread", "received", "failed"], send: ["", "active", "delivered", "failed", "cancelled"] };
const STATES = { active: "queued,preparing,sending,waiting", failed: "failed,expired,uncertain", received: "received", delivered: "delivered", cancelled: "cancelled" };
const HEAD_PX = 52, LINE_PX = 76, GAP_PX = 20, WORD_PX = 84;
const kept = {};

// What is typed in the search field as the API asks for it: since:…, tag=value, the rest is text.
function asked(direction, query) {
  const out = new URLSearchParams({ direction, limit: String(CHUNK) });
  const filter = query.get("show") || "";
  if (filter === "unread") out.set("unread", "true");
  else if (STATES[filter]) out.set("state", STATES[filter]);
  const text = [];
  for (const word of (query.get("q") || "").split(/\s+/).filter(Boolean)) {
    const tag = /^([\w.-]+)[=:]([^/].*)$/.exec(word);
    if (tag && !/^sips?$/i.test(tag[1])) out.append(`tag.${tag[1]}`, tag[2]); else text.push(word);
  }
  if (text.length) out.set("q", text.join(" "));
  const edge = (value, days) => { const when = new Date(`${value}T00:00`); when.setDate(when.getDate() + days); return when.toISOString(); };
  if (query.get("since")) out.set("since", edge(query.get("since"), 0));
  if (query.get("until")) out.set("until", edge(query.get("until"), 1));
  if (query.get("broadcast")) out.set("broadcast_id", query.get("broadcast"));
  return out.toString();
}

function fits(fax, direction, query) {
  return fax.direction === direction && !query.get("show") && !query.get("q") && !query.get("since") && !query.get("until") && (!query.get("broadcast") || fax.broadcast_id === query.get("broadcast"));
}

function useList(direction, query) {
  const ask = asked(direction, query);
  const [list, setList] = useState(kept[ask] || { ids: [], cursor: null, state: "loading", error: null, total: null });
  const current = useRef(list);
  const busy = useRef("");
  current.current = list;
  const set = (next) => { kept[ask] = next; setList(next); };
  const load = async (fresh) => {
    const cursor = fresh ? "" : current.current.cursor;
    if (busy.current === ask + cursor || (!fresh && !cursor)) return;
    busy.current = ask + cursor;
    try {
      const answer = await get(`/v1/faxes?${ask}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      if (!busy.current.startsWith(ask)) return;
      answer.faxes.forEach(put);
      const had = fresh ? [] : current.current.ids;
      const seen = new Set(had);
      set({ ids: [...had, ...answer.faxes.map((f) => f.id).filter((id) => !seen.has(id))], cursor: answer.cursor || "", state: "ready", error: null, total: answer.total ?? current.current.total });
    } catch (error) {
      setList((s) => ({ ...s, state: s.ids.length ? "ready" : "failed", error }));
    } finally { if (busy.current === ask + cursor) busy.current = ""; }
  };
  useEffect(() => {
    if (kept[ask]) setList(kept[ask]); else setList({ ids: [], cursor: null, state: "loading", error: null, total: null });
    load(true);
    const stop = subscribe(({ type }) => { if (type === "opened" && scrollY < 200) load(true); });
    const end = watchFaxes((fax) => {
      if (fax.gone) setList((s) => ({ ...s, ids: s.ids.filter((id) => id !== fax.id) }));
      else setList((s) => (s.ids.includes(fax.id) || s.state !== "ready" || !fits(fax, direction, query) || (s.ids.length && peek(s.ids[0]).created > fax.created) ? { ...s } : { ...s, ids: [fax.id, ...s.ids] }));
    });
    return () => { stop(); end(); };
  }, [ask]);
  return { ...list, more: () => load(false), again: () => load(true) };
}

function subtitle(fax) {
  if (trouble(fax)) return story(fax)?.what || t(`state.${fax.state}`);
  return sent(fax) ? documentName(fax) : [fax.caller_name, fax.mailbox].filter(Boolean).join(" · ");
}

const label = (fax) => `${t(sent(fax) ? "live.to" : "live.from", { who: destination(otherSide(fax)) })}, ${t(`state.${fax.state}`)}, ${clock(fax.created)}${fax.unread ? `, ${t("state.new")}` : ""}`;

const thumb = (fax, width) => (fax.state === "receiving" && !fax.pages ? `v1/faxes/${fax.id}/live.png` : fax.pages || fax.pages_total || sent(fax) ? pageUrl(fax.id, 1, width) : "");

const Tile = ({ fax }) => html`<a class=${`tile${fax.unread ? " unread" : ""}`} href=${`#/fax/${fax.id}`} aria-label=${label(fax)} data-fax=${fax.id}>
  <span class="tile-picture"><${PagePicture} src=${thumb(fax, 320)} />${(fax.pages_total || fax.pages) > 1 && html`<span class="tile-count num">${number(fax.pages_total || fax.pages)}</span>`}</span>
  <span class="tile-word"><span class="row tight"><bdi class="who ellipsis">${destination(otherSide(fax))}</bdi><span class="quiet small num end">${clock(fax.created)}</span></span>
    <${StateWord} fax=${fax} unread=${true} /><span class="quiet small ellipsis" ><bdi>${subtitle(fax)}</bdi></span></span></a>`;

const Line = ({ fax }) => html`<a class=${`line${fax.unread ? " unread" : ""}`} href=${`#/fax/${fax.id}`} aria-label=${label(fax)} data-fax=${fax.id}>
  <span class="line-picture"><${PagePicture} src=${thumb(fax, 160)} /></span>
  <span class="line-who"><span class="who ellipsis"><bdi>${destination(otherSide(fax))}</bdi></span><span class="quiet small ellipsis"><bdi>${subtitle(fax)}</bdi></span></span>
  <span class="line-state"><${StateWord} fax=${fax} unread=${true} /></span><span class="line-pages quiet small num">${pagesOf(fax)}</span><span class="line-time quiet small num">${clock(fax.created)}</span></a>`;

// Days, and under each its faxes in rows.
function arrange(ids, shape, columns, tile) {
  const rows = [];
  let open = null, name = "";
  const flush = () => { if (open?.length) { const mine = open; rows.push({ key: mine[0].id, height: shape === "grid" ? tile : LINE_PX, node: () => (shape === "grid" ? mine.map((fax) => html`<${Tile} key=${fax.id} fax=${fax} />`) : html`<${Line} fax=${mine[0]} />`) }); } open = []; };
  for (const id of ids) {
    const fax = peek(id);
    if (!fax) continue;
    const today = fax.created.slice(0, 15);
    if (today !== open?.hour) {
      const word = day(fax.created);
      if (word !== name) { flush(); name = word; rows.push({ key: `day ${word} ${id}`, height: HEAD_PX, node: () => html`<h2 class="day">${word}</h2>` }); }
    }
    open ??= [];
    open.push(fax);
    open.hour = today;
    if (open.length >= (shape === "grid" ? columns : 1)) { flush(); open.hour = today; }
  }
  flush();
  return rows;
}

function Search({ direction, query, total }) {
  const [text, setText] = useState(query.get("q") || "");
  const [dates, setDates] = useState(Boolean(query.get("since") || query.get("until")));
  const field = useRef();
  useEffect(() => { const timer = setTimeout(() => { if (text !== (query.get("q") || "")) requery({ q: text }); }, 250); return () => clearTimeout(timer); }, [text]);
  useEffect(() => keys({ "/": () => field.current.focus() }), []);
  const show = query.get("show") || "";
  return html`<search class="searchbar"><label class="search"><${Icon} name="search" /><span class="visually-hidden">${t("box.search")}</span>
      <input ref=${field} type="search" value=${text} dir="auto" placeholder=${t("box.search")} onInput=${(e) => setText(e.target.value)} onKeyDown=${(e) => { if (e.key === "Escape") { setText(""); field.current.blur(); } }} /></label>
    <div class="filters" role="group" aria-label=${t("box.filter")}>${FILTERS[direction].map((key) => html`<button key=${key} class="filter" aria-pressed=${show === key} onClick=${() => requery({ show: key })}>${t(`filter.${key || "all"}`)}</button>`)}
      <button class="filter" aria-expanded=${dates} onClick=${() => { if (dates) requery({ since: "", until: "" }); setDates(!dates); }}><${Icon} name="clock" size="16" />${t("box.dates")}</button></div>
    ${dates && html`<div class="row dates"><label class="field inline"><span>${t("box.since")}</span><input type="date" value=${query.get("since") || ""} onChange=${(e) => requery({ since: e.target.value })} /></label>
      <label class="field inline"><span>${t("box.until")}</span><input type="date" value=${query.get("until") || ""} onChange=${(e) => requery({ until: e.target.value })} /></label></div>`}
    ${query.get("broadcast") && html`<p class="row small"><span class="chip">${t("box.broadcast")}<button aria-label=${t("remove")} onClick=${() => requery({ broadcast: "" })}><${Icon} name="close" size="14" /></button></span></p>`}
    <p class="visually-hidden" role="status">${total !== null ? t("box.found", { n: total }) : ""}</p></search>`;
}

export default function Box({ place }) {
  const direction = place.view === "inbox" ? "receive" : "send";
  const [shape, setShape] = useState(browser.get(`shape.${place.view}`) || (place.view === "inbox" ? "grid" : "list"));
  const list = useList(direction, place.query);
  const lang = useStore(language);
  const box = useRef();
  const [width, setWidth] = useState(0);
  useEffect(() => { const watch = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width)); watch.observe(box.current); return () => watch.disconnect(); }, []);
  const columns = Math.max(2, Math.floor((width + GAP_PX) / ((width < 600 ? 150 : 190) + GAP_PX)));
  const tile = Math.round(((width - (columns - 1) * GAP_PX) / columns) * 1.18) + WORD_PX + GAP_PX;
  const stamp = list.ids.map((id) => { const f = peek(id); return f ? f.updated + f.state + f.unread : ""; }).join("|");
  const rows = useMemo(() => (width ? arrange(list.ids, shape, columns, tile) : []), [stamp, list.ids, shape, columns, tile, lang]);
  const pick = (next) => { setShape(next); browser.set(`shape.${place.view}`, next); };
  useEffect(() => {
    const move = (by) => () => {
      const all = [...box.current.querySelectorAll("[data-fax]")];
      const at = all.indexOf(document.activeElement.closest?.("[data-fax]"));
      const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
      next?.focus();
      next?.scrollIntoView({ block: "nearest" });
    };
    const turned = document.documentElement.dir === "rtl" ? -1 : 1;
    const row = shape === "grid" ? columns : 1;
    const flip = () => { const id = document.activeElement.dataset?.fax; if (!id) return false; markRead(peek(id), !peek(id).unread); };
    return keys({ ArrowDown: move(row), ArrowUp: move(-row), ArrowRight: move(turned), ArrowLeft: move(-turned), j: move(1), k: move(-1), u: flip });
  }, [shape, columns]);
  const narrowed = [...place.query.keys()].length > 0;
  return html`<div class="view"><div class="head"><h1>${t(`nav.${place.view}`)}</h1>${list.total !== null && html`<span class="quiet num">${t("box.total", { n: list.total })}</span>`}
      <div class="segments icons" role="group" aria-label=${t("box.shape")}>${["grid", "list"].map((key) => html`<button key=${key} class="btn bare icon-only" aria-pressed=${shape === key} aria-label=${t(`box.${key}`)} title=${t(`box.${key}`)} onClick=${() => pick(key)}><${Icon} name=${key} /></button>`)}</div></div>
    <${Search} direction=${direction} query=${place.query} total=${list.total} />
    <div ref=${box} class=${`box ${shape}`} style=${{ "--columns": columns }}>
    ${list.state === "loading" ? html`<${Loading} lines=${5} />` : list.state === "failed" ? html`<${Failure} error=${list.error} again=${list.again} />`
      : !list.ids.length ? (narrowed ? html`<${Empty} title=${t("box.nothing")}><p class="quiet">${t("box.nothing_text")}</p><button class="btn" onClick=${() => go(`#/${place.view}`)}>${t("box.all")}</button><//>`
        : html`<${Empty} picture="done" title=${t(`${place.view}.none`)}><p class="quiet">${t(`${place.view}.none_text`)}</p>${direction === "send" && html`<a class="btn main" href="#/send">${t("keys.new")}</a>`}<//>`)
      : html`<${Virtual} rows=${rows} label=${t(`nav.${place.view}`)} end=${list.cursor ? list.more : null} />
        ${list.error && html`<${Failure} error=${list.error} small=${true} again=${list.more} />`}`}</div></div>`;
}
