// SPDX-License-Identifier: GPL-2.0-or-later
// The picture of a page, on paper: bones while it comes, another try if it does not, a word if it never does.
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";

const TRIES = 4;
const WAIT_MS = 1000;
const AT_FIRST = { turn: 0, tries: 0, ready: false, failed: false };

// `stamp` changes with what the page belongs to: a picture that could not be had is then asked for once more.
export function PagePicture({ src, alt = "", ratio = 1.414, eager = false, none = t("page.none"), stamp, children }) {
  const [kept, setKept] = useState({ src, ...AT_FIRST });
  // What is known is known of this picture: another one begins anew.
  const of = (s) => (s.src === src ? s : { src, ...AT_FIRST });
  const state = of(kept);
  const change = (values) => setKept((s) => ({ ...of(s), ...values(of(s)) }));
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), [src]);
  useEffect(() => {
    if (state.failed) change((s) => ({ turn: s.turn + 1, tries: 0, failed: false }));
  }, [stamp]);
  const failed = () => {
    if (state.tries >= TRIES) change(() => ({ failed: true }));
    else {
      const again = () => change((s) => ({ turn: s.turn + 1, tries: s.tries + 1 }));
      timer.current = setTimeout(again, WAIT_MS * 2 ** state.tries);
    }
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
                onLoad=${() => change(() => ({ ready: true }))}
                onError=${failed}
              />
            `
          : html`<span class="paper-word">${none}</span>`
      }
      ${children}
    </span>
  `;
}
