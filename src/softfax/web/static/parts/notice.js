// SPDX-License-Identifier: GPL-2.0-or-later
// Notices in place: waiting, empty, errors with their remedy; and announcements for a screen reader.

import { online } from "../lib/api.js";
import { sentences } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/h.js";
import { has, t } from "../lib/i18n.js";
import { store, useStore } from "../lib/store.js";
import { Act } from "./controls.js";
import { Icon } from "./icons.js";

const spoken = store({ text: "", turn: 0 });
export const say = (text) => spoken.set((s) => ({ text, turn: s.turn + 1 }));

// A line that shows for a while, with something to do about it if wished: {label, act}.
const toasts = store([]);
let numbered = 0;
export function toast(text, action = null, kind = "ok") {
  const id = (numbered += 1);
  toasts.set((all) => [...all.slice(-2), { id, text, action, kind }]);
  say(text);
  setTimeout(() => toasts.set((all) => all.filter((one) => one.id !== id)), action ? 9000 : 5000);
}

// What went wrong, and what to do, where there is no place for it.
export const complain = (error) => {
  const { what, own, todo } = words(error);
  toast([what, ...own, todo].join(" "), null, "bad");
};

export function Announcer() {
  const { text, turn } = useStore(spoken);
  const shown = useStore(toasts);
  const gone = (id) => toasts.set((all) => all.filter((one) => one.id !== id));
  return html`
    <div class="visually-hidden" role="status" aria-live="polite">${text}${turn % 2 ? "\u00a0" : ""}</div>
    <div class="toasts" role="region" aria-label=${t("toast.label")}>
      ${shown.map(
        (one) => html`
          <div key=${one.id} class=${`toast ${one.kind}`}>
            <${Icon} name=${one.kind === "bad" ? "alert" : "check"} size="18" />
            <span>${one.text}</span>
            ${
              one.action &&
              html`
                <button
                  class="btn bare small"
                  onClick=${() => {
                    gone(one.id);
                    one.action.act();
                  }}
                >
                  ${one.action.label}
                </button>
              `
            }
          </div>
        `,
      )}
    </div>
  `;
}

export function Loading({ lines = 0 }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 250);
    return () => clearTimeout(timer);
  }, []);
  return html`
    <div class=${`loading${late ? " late" : ""}`} role="status">
      <span class="visually-hidden">${t("loading")}</span>
      ${
        lines
          ? Array.from({ length: lines }, (_, i) => html`<div key=${i} class="bone"></div>`)
          : html`<div class="feeding" aria-hidden="true"><i></i></div>`
      }
    </div>
  `;
}

export const Empty = ({ picture = "paper", title, children }) => html`
  <div class="empty"><${Drawing} name=${picture} /><h2>${title}</h2>${children}</div>
`;

// An error as title, what it is about, and what to do.
export function words(error) {
  const status = error.status ?? -1;
  const kind = String(error.problem?.type || "")
    .split(":")
    .pop();
  const key =
    kind && has(`error.${kind}.what`)
      ? kind
      : has(`error.${status}.what`)
        ? status
        : status >= 500
          ? 500
          : status >= 400
            ? 400
            : -1;
  // Where there are words of our own for it, they say what to do: the station's are for the person who runs it.
  const own = sentences(error.detail, key === kind ? "" : error.remedy);
  return {
    what: status >= 400 && status < 500 && error.title && key === 400 ? error.title : t(`error.${key}.what`),
    todo: t(`error.${key}.do`),
    own,
  };
}

export function Failure({ error, again, small = false }) {
  const up = useStore(online);
  useEffect(() => {
    if (again && up && error.status === 0) again();
  }, [up]);
  return html`
    <${Wrong} told=${words(error)} kind=${small ? "bad small" : "bad"}>
      ${again && html`<${Act} icon="retry" word=${t("again")} act=${again} kind="small" />`}
    <//>
  `;
}

// What there is so far of what a view asks for, `had`: waiting for it, or what is wrong.
export function Pending({ had = null, error, again, lines = 0 }) {
  if (error) return html`<${Failure} error=${error} small=${Boolean(had)} again=${again} />`;
  return had ? null : html`<${Loading} lines=${lines} />`;
}

export const Notice = ({ kind = "info", icon = "alert", title, role, children }) => html`
  <div class=${`notice ${kind}`} role=${role}>
    <${Icon} name=${icon} />
    <div><strong>${title}</strong>${children}</div>
  </div>
`;

// What is the matter, what the station says of it, what to do; and below it what can be done here.
export const Wrong = ({ told: { what, todo, own }, kind = "bad", children }) => html`
  <${Notice} kind=${kind} title=${what} role="alert">
    ${own.length > 0 && html`<p dir="auto">${own.join(" ")}</p>`}
    <p>${todo}</p>
    ${children}
  <//>
`;

// Sheets of paper, for places where there is nothing yet.
const Drawing = ({ name }) => html`
  <svg class="drawing" width="148" height="112" viewBox="0 0 148 112" fill="none" aria-hidden="true">
    <rect x="46" y="10" width="56" height="74" rx="3" class="sheet-back" transform="rotate(-7 74 47)" />
    <rect x="48" y="12" width="56" height="74" rx="3" class="sheet" />
    ${
      name === "people"
        ? html`<circle cx="76" cy="38" r="8" class="ink" /><path d="M60 62c2-10 8-14 16-14s14 4 16 14" class="ink" />`
        : name === "line"
          ? html`<path d="M56 48h8l5-16 8 30 6-20 4 6h8" class="mark" />`
          : html`
              <path d="M56 26h24M56 35h38M56 44h38M56 53h30" class="ink" />
              ${name === "done" && html`<path d="M62 64l8 8 18-20" class="mark" />`}
            `
    }
    <path d="M30 88h90" class="slot" />
    <path d="M40 98h70" class="slot thin" />
  </svg>
`;
