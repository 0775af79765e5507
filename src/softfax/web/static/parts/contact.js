// SPDX-License-Identifier: GPL-2.0-or-later
// An entry of the address book, written or changed. What is typed for a new one is kept until it is saved.
import { html, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { check } from "../lib/numbers.js";
import { tab } from "../lib/store.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { Failure } from "./notice.js";

const BLANK = { name: "", number: "", company: "", email: "", notes: "" };
/** @type {[string, string, boolean?][]} */
const FIELDS = [
  ["name", "text", true],
  ["number", "tel", true],
  ["company", "text"],
  ["email", "email"],
];

export function Editor({ start, close, saved, drop }) {
  const [values, setValues] = useState({ ...BLANK, ...tab.get("contact", {}), ...start });
  const [lacks, setLacks] = useState({});
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (key) => (e) => {
    const next = { ...values, [key]: e.target.value };
    setValues(next);
    setLacks({ ...lacks, [key]: "" });
    if (!start.id) tab.set("contact", next);
  };
  const save = async (event) => {
    event.preventDefault();
    const { number, problem } = check(values.number);
    const wrong = {
      name: values.name.trim() ? "" : t("contacts.no_name"),
      number: number ? "" : t(`to.problem.${problem}`),
      email: !values.email || /^[^\s@]+@[^\s@]+$/.test(values.email) ? "" : t("forward.no_mail"),
    };
    setLacks(wrong);
    const bad = Object.keys(wrong).find((key) => wrong[key]);
    if (bad) {
      document.getElementById(`contact-${bad}`).focus();
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await saved({ ...values, number });
      tab.drop("contact");
      close();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${t(start.id ? "contacts.edit" : "contacts.new")} close=${close}>
      <form class="stack" onSubmit=${save} novalidate>
        ${FIELDS.map(
          ([key, type, needed]) => html`
            <label class="field" key=${key}>
              <span>${t(`contacts.${key}`)}</span>
              <input
                id=${`contact-${key}`}
                type=${type}
                dir=${type === "text" ? "auto" : "ltr"}
                value=${values[key] || ""}
                maxlength="200"
                required=${needed}
                aria-invalid=${lacks[key] ? "true" : undefined}
                aria-describedby=${`contact-${key}-problem`}
                onInput=${set(key)}
              />
              <span class="problem" id=${`contact-${key}-problem`} role="alert">${lacks[key] || ""}</span>
            </label>
          `,
        )}
        <label class="field">
          <span>${t("contacts.notes")}</span>
          <textarea rows="3" dir="auto" maxlength="2000" value=${values.notes || ""} onInput=${set("notes")}></textarea>
        </label>
        ${error && html`<${Failure} error=${error} small=${true} />`}
        <div class="dialog-foot">
          ${
            start.id &&
            html`
              <button type="button" class="btn bare danger-word aside" onClick=${drop}>
                <${Icon} name="trash" size="18" />
                ${t("remove")}
              </button>
            `
          }
          <button type="button" class="btn" onClick=${close}>${t("cancel")}</button>
          <button class="btn main" disabled=${busy}>${t("save")}</button>
        </div>
      </form>
    <//>
  `;
}
