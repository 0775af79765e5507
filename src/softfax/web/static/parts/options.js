// SPDX-License-Identifier: GPL-2.0-or-later
// When and how: what a clerk may leave alone.

import { get } from "../lib/api.js";
import { change, changeOptions, changePages } from "../lib/draft.js";
import { duration, moment, transport } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { pollDigits } from "../lib/numbers.js";
import { Choice, Field, Select } from "./controls.js";

// The transports that can be asked for.
export const MODES = ["auto", "t38", "audio"];

const local = (when) => new Date(when.getTime() - when.getTimezoneOffset() * 60e3).toISOString().slice(0, 16);

function evening() {
  const when = new Date();
  if (when.getHours() >= 20) when.setDate(when.getDate() + 1);
  when.setHours(20, 0, 0, 0);
  return local(when);
}

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
          <${Field}
            id="at"
            label=${t("when.at")}
            type="datetime-local"
            dir="ltr"
            value=${d.at}
            min=${local(new Date())}
            onInput=${(e) => change({ at: e.target.value })}
          />
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

// What the station does unasked; a resolution is also told by the documents it has made pages of.
const usualResolution = (d, usual) =>
  d.files.find((file) => file.state === "ready")?.result.resolution || usual?.resolution || "";
const scanWord = (scan) => t(scan === "auto" ? "options.scan_auto" : scan);
// The default, with what it is where that is known.
const byDefault = (word) => ["", word ? t("options.usual_is", { what: word }) : t("options.usual")];

// Which of the far end's documents is fetched, and what opens it.
const Fetched = ({ options, typed }) =>
  [
    ["poll_document", t("polled.digits"), t("polled.digits_hint")],
    ["poll_password", t("polled.secret")],
  ].map(
    ([key, label, hint]) => html`
      <${Field}
        key=${key}
        id=${key}
        label=${label}
        hint=${hint}
        problem=${pollDigits(options[key]) === undefined ? t("polled.no_digits") : ""}
        type="text"
        inputmode="tel"
        dir="ltr"
        maxlength="20"
        autocomplete="off"
        value=${options[key]}
        onInput=${typed(key)}
      />
    `,
  );

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
          options=${[byDefault(usual && transport(usual.mode)), ...MODES.map((mode) => [mode, transport(mode)])]}
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
          set=${(poll) => changeOptions({ poll, poll_document: "", poll_password: "" })}
          options=${[["", t("off")], ["on", t("on")]]}
        />
        ${options.poll && html`<${Fetched} options=${options} typed=${typed} />`}
        <${Field}
          label=${t("options.ident")}
          type="text"
          maxlength="20"
          placeholder=${usual?.ident || ""}
          value=${options.ident}
          dir="ltr"
          onInput=${typed("ident")}
        />
        <${Field}
          label=${t("options.header")}
          type="text"
          maxlength="80"
          placeholder=${usual?.header || ""}
          value=${options.header}
          dir="auto"
          onInput=${typed("header")}
        />
        <${Field}
          label=${t("options.deadline")}
          type="datetime-local"
          dir="ltr"
          value=${options.deadline}
          hint=${usual ? t("options.give_up", { time: duration(usual.give_up_s) }) : ""}
          onInput=${typed("deadline")}
        />
      </div>
    </details>
  `;
}
