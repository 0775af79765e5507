// SPDX-License-Identifier: GPL-2.0-or-later
// Inbox and outbox: pages to look at, by day; searched, filtered, as pictures or as lines. Ten thousand of them scroll
// like ten.

import { useAnswer } from "../lib/answer.js";
import { peek } from "../lib/faxes.js";
import { html, useEffect, useLayoutEffect, useMemo, useState } from "../lib/h.js";
import { language, t } from "../lib/i18n.js";
import { useList } from "../lib/list.js";
import { go, requery, route } from "../lib/router.js";
import { browser, useStore } from "../lib/store.js";
import { useWidth } from "../lib/width.js";
import { markRead } from "../parts/acts.js";
import { Chip, Tool } from "../parts/controls.js";
import { Icon } from "../parts/icons.js";
import { Empty, Failure, Pending } from "../parts/notice.js";
import { arrange, measure } from "../parts/rows.js";
import { Search } from "../parts/search.js";
import { keys } from "../parts/shortcuts.js";
import { Virtual } from "../parts/virtual.js";

const FILTERS = {
  receive: ["", "unread", "received", "failed"],
  send: ["", "active", "delivered", "failed", "cancelled"],
};
// Scroll position of a list when a fax of it was opened.
const NOWHERE = { ask: "", top: 0, id: "" };
let left = NOWHERE;

const Dates = ({ query }) => html`
  <div class="row dates">
    ${["since", "until"].map(
      (key) => html`
        <label class="field inline" key=${key}>
          <span>${t(`box.${key}`)}</span>
          <input type="date" value=${query.get(key) || ""} onChange=${(e) => requery({ [key]: e.target.value })} />
        </label>
      `,
    )}
  </div>
`;

function Mailboxes({ query }) {
  const mailboxes = useAnswer("/v1/mailboxes").answer?.mailboxes || [];
  if (mailboxes.length < 2) return null;
  return html`
    <select
      class="filter"
      aria-label=${t("fax.mailbox")}
      value=${query.get("mailbox") || ""}
      onChange=${(e) => requery({ mailbox: e.target.value })}
    >
      <option value="">${t("box.mailboxes")}</option>
      ${mailboxes.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
    </select>
  `;
}

function Filters({ direction, query, dates, setDates }) {
  const show = query.get("show") || "";
  const flip = () => {
    if (dates) requery({ since: "", until: "" });
    setDates(!dates);
  };
  return html`
    <div class="filters" role="group" aria-label=${t("box.filter")}>
      ${FILTERS[direction].map(
        (key) => html`
          <button key=${key} class="filter" aria-pressed=${show === key} onClick=${() => requery({ show: key })}>
            ${t(`filter.${key || "all"}`)}
          </button>
        `,
      )}
      <button class="filter" aria-expanded=${dates} onClick=${flip}>
        <${Icon} name="clock" size="16" />
        ${t("box.dates")}
      </button>
      ${direction === "receive" && html`<${Mailboxes} query=${query} />`}
    </div>
  `;
}

function SearchBar({ direction, query, total }) {
  const asked = query.get("q") || "";
  const [text, setText] = useState(asked);
  const [dates, setDates] = useState(Boolean(query.get("since") || query.get("until")));
  // The address may change without what is typed here: "show all", or the browser's way back.
  useEffect(() => setText(asked), [asked]);
  useEffect(() => {
    const timer = setTimeout(() => {
      if (text !== asked) requery({ q: text });
    }, 250);
    return () => clearTimeout(timer);
  }, [text]);
  return html`
    <search class="searchbar">
      <${Search} label=${t("box.search")} text=${text} set=${setText} />
      <${Filters} direction=${direction} query=${query} dates=${dates} setDates=${setDates} />
      ${dates && html`<${Dates} query=${query} />`}
      ${
        query.get("broadcast") &&
        html`
          <p class="row small">
            <${Chip} label=${t("remove")} drop=${() => requery({ broadcast: "" })}>${t("box.broadcast")}<//>
          </p>
        `
      }
      <p class="visually-hidden" role="status">${total !== null ? t("box.found", { n: total }) : ""}</p>
    </search>
  `;
}

function Contents({ view, list, rows }) {
  if (list.state !== "ready") return html`<${Pending} error=${list.error} again=${list.again} lines=${5} />`;
  if (list.ids.length)
    return html`
      <${Virtual} rows=${rows} label=${t(`nav.${view}`)} end=${list.cursor ? list.more : null} />
      ${list.error && html`<${Failure} error=${list.error} small=${true} again=${list.more} />`}
    `;
  if (list.narrowed)
    return html`
      <${Empty} title=${t("box.nothing")}>
        <p class="quiet">${t("box.nothing_text")}</p>
        <button class="btn" onClick=${() => go(`#/${view}`)}>${t("box.all")}</button>
      <//>
    `;
  return html`
    <${Empty} picture="done" title=${t(`${view}.none`)}>
      <p class="quiet">${t(`${view}.none_text`)}</p>
      ${view === "outbox" && html`<a class="btn main" href="#/send">${t("keys.new")}</a>`}
    <//>
  `;
}

/** @type {() => HTMLElement} */
const focused = () => document.activeElement?.closest?.("[data-fax]");

// Arrows go from fax to fax, u marks one as read or not.
function useArrows(box, columns) {
  useEffect(() => {
    const move = (by) => () => {
      const all = [...box.current.querySelectorAll("[data-fax]")];
      const at = all.indexOf(focused());
      const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
      next?.focus();
      next?.scrollIntoView({ block: "nearest" });
    };
    const flip = () => {
      const fax = peek(focused()?.dataset.fax);
      if (!fax) return false;
      markRead(fax, !fax.unread);
      return true;
    };
    const onwards = document.documentElement.dir === "rtl" ? -1 : 1;
    const row = columns || 1;
    return keys({
      ArrowDown: move(row),
      ArrowUp: move(-row),
      ArrowRight: move(onwards),
      ArrowLeft: move(-onwards),
      j: move(1),
      k: move(-1),
      u: flip,
    });
  }, [columns]);
}

// The list is drawn where it was scrolled to a moment after, on a busy machine seconds, and perhaps once more; the focus may have gone on meanwhile.
function focusSoon(id, until = performance.now() + 10_000) {
  const at = /** @type {HTMLElement} */ (document.activeElement);
  if (at !== document.body && at?.id !== "content" && at?.dataset.fax !== id) return;
  const link = /** @type {HTMLElement} */ (document.querySelector(`[data-fax="${id}"]`));
  if (link && link !== at) link.focus({ preventScroll: true });
  if (performance.now() < until) requestAnimationFrame(() => focusSoon(id, until));
}

// Going back from a fax returns to the same place.
function useReturn(ask, drawn) {
  useLayoutEffect(
    () => () => {
      const id = focused()?.dataset.fax;
      if (id && route.get().view === "fax") left = { ask, top: scrollY, id };
    },
    [ask],
  );
  useEffect(() => {
    if (!drawn || left.ask !== ask) return;
    scrollTo(0, left.top);
    focusSoon(left.id);
    left = NOWHERE;
  }, [drawn, ask]);
}

export default function Box({ place }) {
  const { view, query } = place;
  const direction = view === "inbox" ? "receive" : "send";
  const [shape, setShape] = useState(browser.get(`shape.${view}`) || (view === "inbox" ? "grid" : "list"));
  const list = useList(direction, query);
  const lang = useStore(language);
  const [box, width] = useWidth();
  const { columns, height } = measure(width);
  const shown = shape === "grid" ? columns : 0;
  const stamp = list.ids
    .map(peek)
    .map((fax) => fax && fax.updated + fax.state + fax.unread)
    .join("|");
  const rows = useMemo(() => (width ? arrange(list.ids, shown, height) : []), [stamp, list.ids, shown, height, lang]);
  useArrows(box, shown);
  useReturn(list.ask, rows.length > 0);
  const pick = (next) => {
    setShape(next);
    browser.set(`shape.${view}`, next);
  };
  return html`
    <div class="view">
      <div class="head">
        <h1>${t(`nav.${view}`)}</h1>
        ${list.total !== null && html`<span class="quiet num">${t("box.total", { n: list.total })}</span>`}
        <div class="segments icons" role="group" aria-label=${t("box.shape")}>
          ${["grid", "list"].map(
            (key) => html`
              <${Tool} key=${key} icon=${key} label=${t(`box.${key}`)} aria-pressed=${shape === key} act=${() => pick(key)} />
            `,
          )}
        </div>
      </div>
      <${SearchBar} direction=${direction} query=${query} total=${list.total} />
      <div ref=${box} class=${`box ${shape}`} style=${{ "--columns": columns }}>
        <${Contents} view=${view} list=${list} rows=${rows} />
      </div>
    </div>
  `;
}
