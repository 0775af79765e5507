// SPDX-License-Identifier: GPL-2.0-or-later
// The field that a list is searched by: "/" leads there, Escape empties and leaves it.
import { html, useEffect, useRef } from "../lib/h.js";
import { Icon } from "./icons.js";
import { keys } from "./shortcuts.js";

export function Search({ label, text, set }) {
  const field = useRef();
  useEffect(() => keys({ "/": () => field.current.focus() }), []);
  const leave = (event) => {
    if (event.key !== "Escape") return;
    set("");
    field.current.blur();
  };
  return html`
    <label class="search">
      <${Icon} name="search" />
      <span class="visually-hidden">${label}</span>
      <input
        ref=${field}
        type="search"
        value=${text}
        dir=${text ? "auto" : undefined}
        placeholder=${label}
        onInput=${(e) => set(e.target.value)}
        onKeyDown=${leave}
      />
    </label>
  `;
}
