// SPDX-License-Identifier: GPL-2.0-or-later
// When and how: what a clerk may leave alone.

import { get } from "../lib/api.js";
import { change, changeOptions, changeResolution } from "../lib/draft.js";
import { moment } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";

const local = (when) => new Date(when.getTime() - when.getTimezoneOffset() * 60e3).toISOString().slice(0, 16);

function evening() {
  const when = new Date();
  if (when.getHours() >= 20) when.setDate(when.getDate() + 1);
  when.setHours(20, 0, 0, 0);
  return local(when);
}

export const Choice = ({ label, name, value, options, pick }) => html`
  <fieldset class="plain">
    <legend class=${label ? "" : "visually-hidden"}>${label}</legend>
    <div class="segments">
      ${options.map(
        ([key, word]) => html`
          <label key=${key}>
            <input type="radio" name=${name} value=${key} checked=${value === key} onChange=${() => pick(key)} />
            <span>${word}</span>
          </label>
        `,
      )}
    </div>
  </fieldset>
`;

export function When({ d }) {
  const past = d.at && new Date(d.at) < new Date();
  return html`
    <div class="stack tight">
      <${Choice}
        label=${t("when.label")}
        name="when"
        value=${d.when}
        pick=${(when) => change({ when, at: d.at || (when === "later" ? evening() : "") })}
        options=${[["now", t("when.now")], ["later", t("when.later")]]}
      />
      ${
        d.when === "later" &&
        html`
          <label class="field">
            <span>${t("when.at")}</span>
            <input
              id="at"
              type="datetime-local"
              dir="ltr"
              value=${d.at}
              min=${local(new Date())}
              onInput=${(e) => change({ at: e.target.value })}
            />
          </label>
          ${
            d.at &&
            html`
              <p class="small quiet" role="status">${past ? t("when.past") : t("when.word", { when: moment(d.at) })}</p>
            `
          }
        `
      }
    </div>
  `;
}

const Select = ({ label, value, options, set }) => html`
  <label class="field">
    <span>${label}</span>
    <select value=${value} onChange=${(e) => set(e.target.value)}>
      ${options.map(([key, word]) => html`<option key=${key} value=${key}>${word}</option>`)}
    </select>
  </label>
`;

// What the station makes of documents unasked: told by those it has made pages of.
const RESOLUTIONS = { "204x98": "standard", "204x196": "fine", "204x391": "superfine" };
const usualResolution = (d) => RESOLUTIONS[d.files.find((file) => file.state === "ready")?.result.resolution] || "";

export function Options({ d }) {
  const { options } = d;
  const [open, setOpen] = useState(false);
  const [accounts, setAccounts] = useState([]);
  const set = (key) => (value) => changeOptions({ [key]: value });
  const typed = (key) => (e) => changeOptions({ [key]: e.target.value });
  useEffect(() => {
    if (open)
      get("/v1/accounts").then(
        ({ accounts: found }) => setAccounts(found.map((one) => one.name)),
        () => {},
      );
  }, [open]);
  const changed = Object.values(options).filter(Boolean).length;
  return html`
    <details class="more" onToggle=${(e) => setOpen(e.target.open)}>
      <summary>
        <span>${t("options.title")}</span>
        ${changed > 0 && html`<span class="count soft">${t("options.changed", { n: changed })}</span>`}
      </summary>
      <div class="option-fields">
        <${Choice}
          label=${t("options.resolution")}
          name="resolution"
          value=${options.resolution || usualResolution(d)}
          pick=${changeResolution}
          options=${["standard", "fine", "superfine"].map((key) => [key, t(`options.${key}`)])}
        />
        <${Select}
          label=${t("options.mode")}
          value=${options.mode}
          set=${set("mode")}
          options=${[["", t("options.auto")], ["t38", "T.38"], ["audio", "G.711"]]}
        />
        <${Select}
          label=${t("options.ecm")}
          value=${options.ecm}
          set=${set("ecm")}
          options=${[["", t("options.usual")], ["on", t("on")], ["off", t("off")]]}
        />
        ${
          accounts.length > 1 &&
          html`
            <${Select}
              label=${t("options.account")}
              value=${options.account}
              set=${set("account")}
              options=${[["", t("options.usual")], ...accounts.map((a) => [a, a])]}
            />
          `
        }
        <${Select}
          label=${t("options.priority")}
          value=${options.priority}
          set=${set("priority")}
          options=${[["", t("options.usual")], ["9", t("options.first")], ["1", t("options.last")]]}
        />
        <${Select}
          label=${t("options.attempts")}
          value=${options.attempts}
          set=${set("attempts")}
          options=${[["", t("options.usual")], ...[1, 2, 3, 5, 10].map((n) => [String(n), t("options.times", { n })])]}
        />
        <${Select}
          label=${t("options.uncertain")}
          value=${options.on_uncertain}
          set=${set("on_uncertain")}
          options=${[["", t("options.usual")], ["report", t("options.report")], ["resend", t("options.resend")]]}
        />
        <label class="field">
          <span>${t("options.ident")}</span>
          <input type="text" maxlength="20" value=${options.ident} dir="ltr" onInput=${typed("ident")} />
        </label>
        <label class="field">
          <span>${t("options.header")}</span>
          <input type="text" maxlength="80" value=${options.header} dir="auto" onInput=${typed("header")} />
        </label>
        <label class="field">
          <span>${t("options.deadline")}</span>
          <input type="datetime-local" dir="ltr" value=${options.deadline} onInput=${typed("deadline")} />
        </label>
      </div>
    </details>
  `;
}
