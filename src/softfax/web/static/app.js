// SPDX-License-Identifier: GPL-2.0-or-later
// The frame of the page: navigation, the view that the address names, what lies over it.
import { html, render, useEffect, useRef, useState, useErrorBoundary } from "./lib/h.js";
import { t, setLanguage, language, number } from "./lib/i18n.js";
import { useStore } from "./lib/store.js";
import { route, go } from "./lib/router.js";
import { session, online } from "./lib/api.js";
import { start, stream, retryNow } from "./lib/stream.js";
import { unread, countUnread } from "./lib/faxes.js";
import { calls } from "./lib/calls.js";
import { sweep } from "./lib/files.js";
import { Icon, Mark } from "./parts/icons.js";
import { Loading, Failure, Announcer, say } from "./parts/notice.js";
import { Login } from "./parts/login.js";
import { Shortcuts, listen } from "./parts/shortcuts.js";

const VIEWS = {
  send: () => import("./views/send.js"),
  live: () => import("./views/live.js"),
  inbox: () => import("./views/box.js"),
  outbox: () => import("./views/box.js"),
  fax: () => import("./views/fax.js"),
  call: () => import("./views/call.js"),
  contacts: () => import("./views/contacts.js"),
  health: () => import("./views/health.js"),
  settings: () => import("./views/settings.js"),
};
const MAIN = ["send", "live", "inbox", "outbox"];
const ASIDE = ["contacts", "health", "settings"];

function Count({ view }) {
  const letters = useStore(unread);
  const running = useStore(calls);
  if (view === "inbox" && letters) return html`<span class="count"><span class="visually-hidden">${t("nav.unread")} </span>${letters > 99 ? `${number(99)}+` : number(letters)}</span>`;
  if (view === "live" && running.list.length) return html`<span class="count soft"><span class="visually-hidden">${t("nav.running")} </span>${number(running.list.length)}</span>`;
  return null;
}

const Item = ({ view, current }) => html`<li><a class="item" href=${`#/${view}`} aria-current=${current === view ? "page" : undefined}>
  <${Icon} name=${view} /><span>${t(`nav.${view}`)}</span><${Count} view=${view} /></a></li>`;

function Link() {
  const { state } = useStore(stream);
  const up = useStore(online);
  const word = state === "open" && up ? "open" : state === "connecting" ? "connecting" : "lost";
  return html`<span class="link"><span class=${`dot ${word}`}></span>${t(`link.${word}`)}</span>`;
}

function Rail({ current, help }) {
  return html`<header class="rail"><a class="brand" href="#/send"><${Mark} /><span>softfax</span></a>
    <nav aria-label=${t("nav.main")}><ul>${MAIN.map((view) => html`<${Item} key=${view} view=${view} current=${current} />`)}</ul>
      <ul class="gap">${ASIDE.map((view) => html`<${Item} key=${view} view=${view} current=${current} />`)}</ul></nav>
    <div class="foot"><button class="btn bare small" onClick=${help}><${Icon} name="help" size="18" />${t("keys.title")}</button><${Link} /></div></header>`;
}

function Tabs({ current }) {
  const [open, setOpen] = useState(false);
  const bar = useRef();
  useEffect(() => {
    if (!open) return;
    const away = (event) => { if (event.type === "keydown" ? event.key === "Escape" : !bar.current?.contains(event.target)) setOpen(false); };
    addEventListener("pointerdown", away);
    addEventListener("keydown", away);
    return () => { removeEventListener("pointerdown", away); removeEventListener("keydown", away); };
  }, [open]);
  useEffect(() => setOpen(false), [current]);
  return html`<nav class="tabs" aria-label=${t("nav.main")} ref=${bar}>
    ${MAIN.map((view) => html`<a key=${view} href=${`#/${view}`} aria-current=${current === view ? "page" : undefined}><${Icon} name=${view} /><span>${t(`nav.${view}`)}</span><${Count} view=${view} /></a>`)}
    <button aria-expanded=${open} onClick=${() => setOpen(!open)}><${Icon} name="more" /><span>${t("nav.more")}</span></button>
    ${open && html`<ul class="menu">${ASIDE.map((view) => html`<${Item} key=${view} view=${view} current=${current} />`)}</ul>`}</nav>`;
}

function Strip() {
  const up = useStore(online);
  const { state } = useStore(stream);
  const { needed } = useStore(session);
  if (needed || (up && state !== "lost")) return null;
  return html`<div class="strip" role="status"><span>${t("strip.lost")}</span><button class="btn small" onClick=${retryNow}>${t("again")}</button></div>`;
}

function View({ place }) {
  const [module, setModule] = useState(null);
  const [failed, setFailed] = useState(null);
  const [broken, reset] = useErrorBoundary((error) => console.error(error));
  const fetchView = () => {
    setFailed(null);
    (VIEWS[place.view] || VIEWS.send)().then((m) => setModule(() => m.default), setFailed);
  };
  useEffect(() => { reset(); fetchView(); }, [place.view]);
  if (failed) return html`<${Failure} error=${{ status: 0 }} again=${() => location.reload()} />`;
  if (broken) return html`<${Failure} error=${{ status: -1, detail: String(broken.message || broken) }} again=${() => location.reload()} />`;
  if (!module) return html`<${Loading} />`;
  const Content = module;
  return html`<${Content} key=${["inbox", "outbox"].includes(place.view) ? place.view : place.view + place.rest.join("/")} place=${place} />`;
}

function App() {
  const place = useStore(route);
  useStore(language);
  const { needed } = useStore(session);
  const [help, setHelp] = useState(false);
  const content = useRef();
  const first = useRef(true);
  const view = place.view in VIEWS ? place.view : "send";
  const where = view + place.rest.join("/");
  useEffect(() => { document.title = `${t(`nav.${view}`)} · softfax`; }, [view, language.get()]);
  useEffect(() => {
    // After a change of view the focus is where its content begins; what it is, is said.
    if (first.current) { first.current = false; return; }
    content.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
    say(t(`nav.${view}`));
  }, [where]);
  useEffect(() => listen({ help: () => setHelp(true), go: (to) => go(`#/${to}`) }), []);
  return html`<a class="skip" href="#content" onClick=${(e) => { e.preventDefault(); content.current.focus(); }}>${t("nav.skip")}</a>
    <div class="frame" inert=${needed ? true : undefined}><${Rail} current=${view} help=${() => setHelp(true)} />
      <main id="content" class="content" tabindex="-1" ref=${content}><${Strip} /><${View} place=${{ ...place, view }} /></main>
      <${Tabs} current=${view} /></div>
    ${help && html`<${Shortcuts} close=${() => setHelp(false)} />`}
    ${needed && html`<${Login} />`}<${Announcer} />`;
}

async function begin() {
  try { await setLanguage(language.get(), false); } catch { await setLanguage("en", false); }
  render(html`<${App} />`, document.getElementById("app"));
  start();
  countUnread();
  sweep();
}
begin();
