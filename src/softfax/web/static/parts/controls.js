// SPDX-License-Identifier: GPL-2.0-or-later
// Controls that several views have: buttons with an icon, a field with its name, choices of few and of many, a chip.
import { html } from "../lib/h.js";
import { Icon } from "./icons.js";

// A button, or a link, that is an icon alone: its label says what it does, its title may say it shorter.
export function Tool({ icon, label, title = label, act = null, small = false, kind = "", ...rest }) {
  const look = { class: `btn bare icon-only ${small ? "small " : ""}${kind}`, "aria-label": label, title, ...rest };
  const drawn = html`<${Icon} name=${icon} size=${small ? 18 : 20} />`;
  return rest.href
    ? html`<a ...${look}>${drawn}</a>`
    : html`<button type="button" onClick=${act} ...${look}>${drawn}</button>`;
}

// A button, or a link, that says beside an icon what it does.
export function Act({ icon, word, act = null, kind = "", size = kind.includes("small") ? 18 : 20, ...rest }) {
  const look = { class: `btn ${kind}`, ...rest };
  const drawn = html`<${Icon} name=${icon} size=${size} />${word}`;
  return rest.href
    ? html`<a ...${look}>${drawn}</a>`
    : html`<button type="button" onClick=${act} ...${look}>${drawn}</button>`;
}

// `problem` says what is wrong with what is typed, "" where nothing is; without it nothing is ever said here.
export const Field = ({ id, label, hint = "", problem, ...input }) => html`
  <label class="field">
    <span>${label}</span>
    <input
      id=${id}
      aria-invalid=${problem ? "true" : undefined}
      aria-describedby=${problem === undefined ? undefined : `${id}-problem`}
      ...${input}
    />
    ${hint && html`<span class="small quiet">${hint}</span>`}
    ${problem !== undefined && html`<span class="problem" id=${`${id}-problem`} role="alert">${problem}</span>`}
  </label>
`;

// options: [key, word, language of the word].
export const Segments = ({ name, value, options, pick }) => html`
  <div class="segments">
    ${options.map(
      ([key, word, lang]) => html`
        <label key=${key}>
          <input type="radio" name=${name} value=${key} checked=${value === key} onChange=${() => pick(key)} />
          <span lang=${lang}>${word}</span>
        </label>
      `,
    )}
  </div>
`;

export const Choice = ({ label, ...rest }) => html`
  <fieldset class="plain"><legend>${label}</legend><${Segments} ...${rest} /></fieldset>
`;

export const Select = ({ label, value, options, set, kind = "" }) => html`
  <label class=${`field ${kind}`}>
    <span>${label}</span>
    <select value=${value} onChange=${(e) => set(e.target.value)}>
      ${options.map(([key, word]) => html`<option key=${key} value=${key}>${word}</option>`)}
    </select>
  </label>
`;

// `label` says what is taken away.
export const Chip = ({ label, drop, children }) => html`
  <span class="chip">
    ${children}
    <button type="button" aria-label=${label} onClick=${drop}><${Icon} name="close" size="14" /></button>
  </span>
`;
