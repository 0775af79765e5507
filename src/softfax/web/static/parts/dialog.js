// SPDX-License-Identifier: GPL-2.0-or-later
// A dialog over the page: the browser's own, which keeps the focus in and gives it back.
import { html, useLayoutEffect, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { Act, Tool } from "./controls.js";
import { Failure } from "./notice.js";

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
          ${!stays && html`<${Tool} icon="close" label=${t("close")} act=${close} />`}
        </div>
        ${children}
        ${foot && html`<div class="dialog-foot">${foot}</div>`}
      </div>
    </dialog>
  `;
}

export const Sure = ({ title, text, yes, act, close }) => html`
  <${Dialog}
    title=${title}
    close=${close}
    foot=${html`
      <button class="btn" onClick=${close}>${t("no")}</button>
      <button
        class="btn danger"
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

/**
 * A form in a dialog, closed once it is done. `save` gives the promise of what is ordered, or undefined where an entry is
 * wrong and said to be; `drop`, {word, act}, is what takes away instead. What the station refuses is told in the form.
 */
export function FormDialog({ title, close, save, word = t("save"), busy_word = word, drop = null, children }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const attempt = async (act) => {
    const job = act();
    if (!job) return;
    setBusy(true);
    setError(null);
    try {
      await job;
      close();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    attempt(save);
  };
  return html`
    <${Dialog} title=${title} close=${close}>
      <form class="stack" onSubmit=${submit} novalidate>
        ${children}
        ${error && html`<${Failure} error=${error} small=${true} />`}
        <div class="dialog-foot">
          ${
            drop &&
            html`
              <${Act}
                icon="trash"
                word=${drop.word}
                act=${() => attempt(drop.act)}
                kind="bare danger-word aside"
                size=${18}
              />
            `
          }
          <button type="button" class="btn" onClick=${close}>${t("cancel")}</button>
          <button class="btn main" disabled=${busy}>${busy ? busy_word : word}</button>
        </div>
      </form>
    <//>
  `;
}
