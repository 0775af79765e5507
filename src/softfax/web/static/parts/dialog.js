// SPDX-License-Identifier: GPL-2.0-or-later
// A dialog over the page: the browser's own, which keeps the focus in and gives it back.
import { html, useLayoutEffect, useRef } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { Icon } from "./icons.js";

// One that stays cannot be closed: what it asks for is needed.
export function Dialog({ title, close, children, kind = "", stays = false, foot = null }) {
  const box = useRef();
  useLayoutEffect(() => {
    const dialog = box.current;
    dialog.showModal();
    // Closed before it is taken away, it gives the focus back.
    return () => dialog.close();
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    if (!stays) close();
  };
  return html`
    <dialog
      ref=${box}
      class=${`dialog ${kind}`}
      aria-label=${title}
      onCancel=${cancel}
      onPointerDown=${(e) => e.target === box.current && !stays && close()}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2>${title}</h2>
          ${
            !stays &&
            html`
              <button class="btn bare icon-only" aria-label=${t("close")} onClick=${close}>
                <${Icon} name="close" />
              </button>
            `
          }
        </div>
        ${children}
        ${foot && html`<div class="dialog-foot">${foot}</div>`}
      </div>
    </dialog>
  `;
}

export const Sure = ({ title, text, yes, act, close, danger = false }) => html`
  <${Dialog}
    title=${title}
    close=${close}
    foot=${html`
      <button class="btn" onClick=${close}>${t("no")}</button>
      <button
        class=${`btn ${danger ? "danger" : "main"}`}
        onClick=${() => {
          close();
          act();
        }}
      >
        ${yes}
      </button>
    `}
  >
    <p>${text}</p>
  <//>
`;
