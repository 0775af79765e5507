// SPDX-License-Identifier: GPL-2.0-or-later
// The frame of the page: navigation, the view that the address names, what lies over it.

import { learnWho, online, session } from "./lib/api.js";
import { calls } from "./lib/calls.js";
import { countUnread, unread } from "./lib/faxes.js";
import { sweep } from "./lib/files.js";
import { html, render, useEffect, useErrorBoundary, useLayoutEffect, useRef, useState } from "./lib/h.js";
import { language, number, setLanguage, t } from "./lib/i18n.js";
import { go, route } from "./lib/router.js";
import { useStore } from "./lib/store.js";
import { retryNow, start, stream } from "./lib/stream.js";
import { Act } from "./parts/controls.js";
import { Icon, Mark } from "./parts/icons.js";
import { Login } from "./parts/login.js";
import { Announcer, Failure, Pending, say } from "./parts/notice.js";
import { listen, Shortcuts } from "./parts/shortcuts.js";
import { fetched, fetchOthers, fetchView, viewNamed } from "./views.js";

const MAIN = ["send", "live", "inbox", "outbox"];
const ASIDE = ["contacts", "polled", "health", "settings"];

function Count({ view }) {
  const letters = useStore(unread);
  const running = useStore(calls);
  if (view === "inbox" && letters)
    return html`
      <span class="count">
        <span class="visually-hidden">${t("nav.unread")} </span>
        ${letters > 99 ? `${number(99)}+` : number(letters)}
      </span>
    `;
  if (view === "live" && running.list.length)
    return html`
      <span class="count soft">
        <span class="visually-hidden">${t("nav.running")} </span>
        ${number(running.list.length)}
      </span>
    `;
  return null;
}

const Item = ({ view, current }) => html`
  <li>
    <a class="item" href=${`#/${view}`} aria-current=${current === view ? "page" : undefined}>
      <${Icon} name=${view} />
      <span>${t(`nav.${view}`)}</span>
      <${Count} view=${view} />
    </a>
  </li>
`;

function Link() {
  const { state } = useStore(stream);
  const up = useStore(online);
  const { needed } = useStore(session);
  const word = needed ? "out" : state === "open" && up ? "open" : state === "connecting" ? "connecting" : "lost";
  return html`<span class="link"><span class=${`dot ${word}`}></span>${t(`link.${word}`)}</span>`;
}

function Rail({ current, help }) {
  return html`
    <header class="rail">
      <a class="brand" href="#/send"><${Mark} /><span>softfax</span></a>
      <nav aria-label=${t("nav.main")}>
        <ul>${MAIN.map((view) => html`<${Item} key=${view} view=${view} current=${current} />`)}</ul>
        <ul class="gap">${ASIDE.map((view) => html`<${Item} key=${view} view=${view} current=${current} />`)}</ul>
      </nav>
      <div class="foot">
        <${Act} icon="help" word=${t("keys.title")} act=${help} kind="bare small" />
        <${Link} />
      </div>
    </header>
  `;
}

function Tabs({ current }) {
  const [open, setOpen] = useState(false);
  const bar = useRef();
  useEffect(() => {
    if (!open) return;
    const away = (event) => {
      if (event.type === "keydown" ? event.key === "Escape" : !bar.current?.contains(event.target)) setOpen(false);
    };
    addEventListener("pointerdown", away);
    addEventListener("keydown", away);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("keydown", away);
    };
  }, [open]);
  useEffect(() => setOpen(false), [current]);
  return html`
    <nav class="tabs" aria-label=${t("nav.main")} ref=${bar}>
      ${MAIN.map(
        (view) => html`
          <a key=${view} href=${`#/${view}`} aria-current=${current === view ? "page" : undefined}>
            <${Icon} name=${view} />
            <span>${t(`nav.${view}`)}</span>
            <${Count} view=${view} />
          </a>
        `,
      )}
      <button aria-expanded=${open} onClick=${() => setOpen(!open)}>
        <${Icon} name="more" />
        <span>${t("nav.more")}</span>
      </button>
      ${
        open &&
        html`
          <ul class="menu">${ASIDE.map((view) => html`<${Item} key=${view} view=${view} current=${current} />`)}</ul>
        `
      }
    </nav>
  `;
}

function Strip() {
  const up = useStore(online);
  const { state } = useStore(stream);
  const { needed } = useStore(session);
  if (needed || (up && state !== "lost")) return null;
  return html`
    <div class="strip" role="status">
      <span>${t("strip.lost")}</span>
      <button class="btn small" onClick=${retryNow}>${t("again")}</button>
    </div>
  `;
}

// Each fax and each call is a view of its own; a box keeps its place while its search changes.
const viewKey = ({ view, rest }) => [view, ...rest].join("/");

function View({ place }) {
  const { view } = place;
  const [, came] = useState("");
  const [failed, setFailed] = useState(null);
  const [broken, reset] = useErrorBoundary((error) => console.error(error));
  const come = () => {
    setFailed(null);
    fetchView(view).then(
      () => came(view),
      () => setFailed({ status: 0 }),
    );
  };
  useEffect(() => {
    reset();
    if (!fetched(view)) come();
  }, [view]);
  const Content = fetched(view);
  if (broken) {
    const error = { status: -1, detail: String(broken.message || broken) };
    return html`<${Failure} error=${error} again=${() => location.reload()} />`;
  }
  if (Content) return html`<${Content} key=${viewKey(place)} place=${place} />`;
  return html`<${Pending} error=${failed} again=${come} />`;
}

function App() {
  const place = useStore(route);
  useStore(language);
  const { needed } = useStore(session);
  const [help, setHelp] = useState(false);
  const content = useRef();
  const first = useRef(true);
  const view = viewNamed(place.view);
  const where = viewKey({ ...place, view });
  useEffect(() => {
    document.title = `${t(`nav.${view}`)} · softfax`;
  }, [view, language.get()]);
  useLayoutEffect(() => {
    // After a change of view the focus is where its content begins; what it is, is said.
    if (first.current) {
      first.current = false;
      return;
    }
    content.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
    say(t(`nav.${view}`));
  }, [where]);
  useEffect(() => listen({ help: () => setHelp(true), go: (to) => go(`#/${to}`) }), []);
  return html`
    <a
      class="skip"
      href="#content"
      onClick=${(e) => {
        e.preventDefault();
        content.current.focus();
      }}
    >
      ${t("nav.skip")}
    </a>
    <div class="frame" inert=${needed ? true : undefined}>
      <${Rail} current=${view} help=${() => setHelp(true)} />
      <main id="content" class="content" tabindex="-1" ref=${content}>
        <${Strip} />
        <${View} place=${{ ...place, view }} />
      </main>
      <${Tabs} current=${view} />
    </div>
    ${help && html`<${Shortcuts} close=${() => setHelp(false)} />`}
    ${needed && html`<${Login} />`}
    <${Announcer} />
  `;
}

async function begin() {
  try {
    await setLanguage(language.get(), false);
  } catch {
    await setLanguage("en", false);
  }
  render(html`<${App} />`, document.getElementById("app"));
  start();
  countUnread();
  sweep();
  learnWho();
  fetchOthers();
}
begin();
