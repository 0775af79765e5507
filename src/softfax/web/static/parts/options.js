// SPDX-License-Identifier: GPL-2.0-or-later
// When and how: what a clerk may leave alone.

import { get } from "../lib/api.js";
import { change, changeOptions, changePages } from "../lib/draft.js";
import { duration, moment } from "../lib/format.js";
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

export const Select = ({ label, value, options, set }) => html`
  <label class="field">
    <span>${label}</span>
    <select value=${value} onChange=${(e) => set(e.target.value)}>
      ${options.map(([key, word]) => html`<option key=${key} value=${key}>${word}</option>`)}
    </select>
  </label>
`;

// What the station does unasked; a resolution is also told by the documents it has made pages of.
const usualResolution = (d, usual) =>
  d.files.find((file) => file.state === "ready")?.result.resolution || usual?.resolution || "";
const MODES = { auto: "options.auto", t38: "T.38", audio: "G.711" };
const modeWord = (mode) => (mode === "auto" ? t(MODES.auto) : MODES[mode]);
const scanWord = (scan) => t(scan === "auto" ? "options.scan_auto" : scan);
// The default, with what it is where that is known.
const byDefault = (word) => ["", word ? t("options.usual_is", { what: word }) : t("options.usual")];

export function Options({ d }) {
  const { options } = d;
  const [open, setOpen] = useState(false);
  const [{ accounts, usual }, setKnown] = useState({ accounts: [], usual: null });
  const set = (key) => (value) => changeOptions({ [key]: value });
  const typed = (key) => (e) => changeOptions({ [key]: e.target.value });
  useEffect(() => {
    if (open)
      get("/v1/accounts").then(
        ({ accounts: found, defaults }) => setKnown({ accounts: found.map((one) => one.name), usual: defaults }),
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
          value=${options.resolution || usualResolution(d, usual)}
          pick=${(resolution) => changePages({ resolution })}
          options=${["standard", "fine", "superfine"].map((key) => [key, t(`options.${key}`)])}
        />
        <${Select}
          label=${t("options.scan")}
          value=${options.scan}
          set=${(scan) => changePages({ scan })}
          options=${[byDefault(usual?.scan && scanWord(usual.scan)), ...["auto", "on", "off"].map((scan) => [scan, scanWord(scan)])]}
        />
        <${Select}
          label=${t("options.mode")}
          value=${options.mode}
          set=${set("mode")}
          options=${[byDefault(usual && modeWord(usual.mode)), ...["auto", "t38", "audio"].map((mode) => [mode, modeWord(mode)])]}
        />
        <${Select}
          label=${t("options.ecm")}
          value=${options.ecm}
          set=${set("ecm")}
          options=${[byDefault(usual && t(usual.ecm ? "on" : "off")), ["on", t("on")], ["off", t("off")]]}
        />
        ${
          accounts.length > 1 &&
          html`
            <${Select}
              label=${t("options.account")}
              value=${options.account}
              set=${set("account")}
              options=${[["", t("options.by_number")], ...accounts.map((a) => [a, a])]}
            />
          `
        }
        <${Select}
          label=${t("options.priority")}
          value=${options.priority}
          set=${set("priority")}
          options=${[["", t("options.normal")], ["9", t("options.first")], ["1", t("options.last")]]}
        />
        <${Select}
          label=${t("options.attempts")}
          value=${options.attempts}
          set=${set("attempts")}
          options=${[byDefault(usual && t("options.times", { n: usual.attempts })), ...[1, 2, 3, 5, 10].map((n) => [String(n), t("options.times", { n })])]}
        />
        <${Select}
          label=${t("options.uncertain")}
          value=${options.on_uncertain}
          set=${set("on_uncertain")}
          options=${[byDefault(usual && t(`options.${usual.on_uncertain}`)), ["report", t("options.report")], ["resend", t("options.resend")]]}
        />
        <${Select}
          label=${t("options.poll")}
          value=${options.poll}
          set=${set("poll")}
          options=${[["", t("off")], ["on", t("on")]]}
        />
        <label class="field">
          <span>${t("options.ident")}</span>
          <input type="text" maxlength="20" placeholder=${usual?.ident || ""} value=${options.ident} dir="ltr" onInput=${typed("ident")} />
        </label>
        <label class="field">
          <span>${t("options.header")}</span>
          <input type="text" maxlength="80" placeholder=${usual?.header || ""} value=${options.header} dir="auto" onInput=${typed("header")} />
        </label>
        <label class="field">
          <span>${t("options.deadline")}</span>
          <input type="datetime-local" dir="ltr" value=${options.deadline} onInput=${typed("deadline")} />
          ${usual && html`<span class="small quiet">${t("options.give_up", { time: duration(usual.give_up_s) })}</span>`}
        </label>
      </div>
    </details>
  `;
}
