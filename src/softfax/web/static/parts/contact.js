// SPDX-License-Identifier: GPL-2.0-or-later
// An entry of the address book, written or changed. What is typed for a new one is kept until it is saved.
import { html, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { check } from "../lib/numbers.js";
import { tab } from "../lib/store.js";
import { Field } from "./controls.js";
import { FormDialog } from "./dialog.js";

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
  const set = (key) => (e) => {
    const next = { ...values, [key]: e.target.value };
    setValues(next);
    setLacks({ ...lacks, [key]: "" });
    if (!start.id) tab.set("contact", next);
  };
  const save = () => {
    const { number, problem } = check(values.number);
    const wrong = {
      name: values.name.trim() ? "" : t("contacts.no_name"),
      number: number ? "" : t(`to.problem.${problem}`),
      email: !values.email || /^[^\s@]+@[^\s@]+$/.test(values.email) ? "" : t("forward.no_mail"),
    };
    setLacks(wrong);
    const bad = Object.keys(wrong).find((key) => wrong[key]);
    if (bad) document.getElementById(`contact-${bad}`).focus();
    return bad ? undefined : saved({ ...values, number }).then(() => tab.drop("contact"));
  };
  return html`
    <${FormDialog}
      title=${t(start.id ? "contacts.edit" : "contacts.new")}
      close=${close}
      save=${save}
      drop=${start.id && { word: t("remove"), act: drop }}
    >
      ${FIELDS.map(
        ([key, type, needed]) => html`
          <${Field}
            key=${key}
            id=${`contact-${key}`}
            label=${t(`contacts.${key}`)}
            problem=${lacks[key] || ""}
            type=${type}
            dir=${type === "text" ? "auto" : "ltr"}
            value=${values[key] || ""}
            maxlength="200"
            required=${needed}
            onInput=${set(key)}
          />
        `,
      )}
      <label class="field">
        <span>${t("contacts.notes")}</span>
        <textarea rows="3" dir="auto" maxlength="2000" value=${values.notes || ""} onInput=${set("notes")}></textarea>
      </label>
    <//>
  `;
}
