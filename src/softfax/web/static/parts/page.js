// SPDX-License-Identifier: GPL-2.0-or-later
// The picture of a page, on paper: bones while it comes, another try if it does not, a word if it never does.
import { html, useEffect, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";

export function PagePicture({ src, alt = "", ratio = 1.414, eager = false, none = t("page.none"), children }) {
  const [state, setState] = useState({ src, turn: 0, ready: false, failed: false });
  useEffect(() => setState((s) => (s.src === src ? s : { src, turn: 0, ready: false, failed: false })), [src]);
  const failed = () => {
    setState((s) => ({ ...s, ready: false }));
    if (state.turn < 2) setTimeout(() => setState((s) => ({ ...s, turn: s.turn + 1 })), 1200 * (state.turn + 1));
    else setState((s) => ({ ...s, failed: true }));
  };
  const full = state.turn ? `${src}#${state.turn}` : src;
  return html`
    <span
      class=${`paper${state.ready ? " ready" : ""}${state.failed ? " failed" : ""}`}
      style=${{ aspectRatio: `1 / ${ratio}` }}
    >
      ${
        !state.failed && src
          ? html`
              <img
                src=${full}
                alt=${alt}
                loading=${eager ? "eager" : "lazy"}
                decoding="async"
                draggable=${false}
                onLoad=${() => setState((s) => ({ ...s, ready: true }))}
                onError=${failed}
              />
            `
          : html`<span class="paper-word">${none}</span>`
      }
      ${children}
    </span>
  `;
}
