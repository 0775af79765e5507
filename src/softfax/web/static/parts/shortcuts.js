// SPDX-License-Identifier: GPL-2.0-or-later
// Keys: two in a row go somewhere (g i), one does something. Not while typing.
import { html } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { Dialog } from "./dialog.js";

const PLACES = {
  s: "send",
  l: "live",
  i: "inbox",
  o: "outbox",
  a: "contacts",
  p: "polled",
  h: "health",
  e: "settings",
};
const handlers = [];

// The view on top hears a key first: {key: function}; gives a function that ends it.
export function keys(map) {
  handlers.push(map);
  return () => handlers.splice(handlers.indexOf(map), 1);
}

const typing = (event) =>
  event.target.closest?.("input, textarea, select, [contenteditable]") &&
  !["checkbox", "radio", "range"].includes(event.target.type);

const SEQUENCE_MS = 1500;

export function listen({ help, go }) {
  let began = -Infinity;
  // A map that hears the key, of those that are there: the last one first.
  const told = (event) => {
    const map = handlers.findLast((one) => one[event.key]);
    if (map && map[event.key](event) !== false) event.preventDefault();
    return Boolean(map);
  };
  const everywhere = { g: () => (began = performance.now()), "?": help, n: () => go("send") };
  const hear = (event) => {
    // The browser's own key for printing prints the pages of a fax, where one is looked at.
    const prints = (event.ctrlKey || event.metaKey) && event.key === "p" && !event.shiftKey;
    const other = prints ? !handlers.some((one) => one.p) : event.ctrlKey || event.metaKey || typing(event);
    if (event.defaultPrevented || event.altKey || other) return;
    const over = document.querySelector("dialog[open]");
    if (over) {
      // Pages that are looked at over the view have their keys; other dialogs have none.
      if (over.matches(".viewing")) told(event);
      return;
    }
    const second = performance.now() - began < SEQUENCE_MS && PLACES[event.key];
    began = -Infinity;
    if (second) go(second);
    else if (told(event) || !everywhere[event.key]) return;
    else everywhere[event.key]();
    event.preventDefault();
  };
  addEventListener("keydown", hear);
  return () => removeEventListener("keydown", hear);
}

/** @type {[string, string[][]][]} */
const GROUPS = [
  [
    "keys.everywhere",
    [
      ["n", "keys.new"],
      ...Object.entries(PLACES).map(([key, view]) => [`g ${key}`, `nav.${view}`]),
      ["?", "keys.title"],
    ],
  ],
  [
    "keys.lists",
    [
      ["/", "keys.search"],
      ["↑ ↓ ← →", "keys.move"],
      ["Enter", "keys.open"],
      ["u", "keys.unread"],
    ],
  ],
  [
    "keys.pages",
    [
      ["PgDn  j", "keys.next"],
      ["PgUp  k", "keys.previous"],
      ["+  −", "keys.zoom"],
      ["0", "keys.fit"],
      ["1", "keys.dots"],
      ["r", "keys.rotate"],
      ["p", "keys.print"],
      ["d", "keys.download"],
      ["Esc", "keys.back"],
    ],
  ],
];

export const Shortcuts = ({ close }) => html`
  <${Dialog} title=${t("keys.title")} close=${close} kind="wide">
    <div class="keys">
      ${GROUPS.map(
        ([title, rows]) => html`
          <section key=${title}>
            <h3>${t(title)}</h3>
            <dl>
              ${rows.map(
                ([key, what]) => html`
                  <div key=${key}>
                    <dt>${key.split(/ +/).map((k) => html`<kbd key=${k}>${k}</kbd>`)}</dt>
                    <dd>${t(what)}</dd>
                  </div>
                `,
              )}
            </dl>
          </section>
        `,
      )}
    </div>
  <//>
`;
