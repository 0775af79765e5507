// SPDX-License-Identifier: GPL-2.0-or-later
// Two orders about polling: documents are put out for callers, or those of another machine are fetched.
import { post, randomKey, request } from "../lib/api.js";
import { html, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { check, pollDigits } from "../lib/numbers.js";
import { Dialog } from "./dialog.js";
import { Failure } from "./notice.js";

// A name for lists and tags, of the first file's: none that is taken.
export function nameFor(file, taken) {
  const stem = file.replace(/\.[^.]+$/, "").replace(/[^A-Za-z0-9_.-]+/g, "-");
  const base = stem.replace(/^-+|-+$/g, "").slice(0, 34) || "document";
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!taken.includes(name)) return name;
  }
}

const Field = ({ id, label, hint = "", problem = "", ...input }) => html`
  <label class="field">
    <span>${label}</span>
    <input
      id=${`polled-${id}`}
      dir="ltr"
      aria-invalid=${problem ? "true" : undefined}
      aria-describedby=${`polled-${id}-problem`}
      ...${input}
    />
    ${hint && html`<span class="quiet small">${hint}</span>`}
    <span class="problem" id=${`polled-${id}-problem`} role="alert">${problem}</span>
  </label>
`;

// A form in a dialog: `problems` finds what is wrong by field, `act` gives the order.
function Order({ title, about, word, close, problems, act, fields }) {
  const [values, setValues] = useState({});
  const [wrong, setWrong] = useState({});
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const key = useRef(randomKey());
  const set = (name) => (e) => {
    setValues({ ...values, [name]: e.target.value });
    setWrong({ ...wrong, [name]: "" });
  };
  const bind = (id, label, more = {}) =>
    html`<${Field}
      id=${id}
      label=${t(label)}
      value=${values[id] || ""}
      problem=${wrong[id]}
      onInput=${set(id)}
      ...${more}
    />`;
  const save = async (event) => {
    event.preventDefault();
    const digits = ["document", "secret"].filter((id) => pollDigits(values[id] || "") === undefined);
    const found = { ...Object.fromEntries(digits.map((id) => [id, t("polled.no_digits")])), ...problems(values) };
    setWrong(found);
    const bad = Object.keys(found).find((id) => found[id]);
    if (bad) {
      document.getElementById(`polled-${bad}`).focus();
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await act(values, key.current);
      close();
    } catch (failure) {
      key.current = randomKey();
      setError(failure);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${title} close=${close}>
      <form class="stack" onSubmit=${save} novalidate>
        <p class="quiet">${about}</p>
        ${fields(bind)}
        ${error && html`<${Failure} error=${error} small=${true} />`}
        <div class="dialog-foot">
          <button type="button" class="btn" onClick=${close}>${t("cancel")}</button>
          <button class="btn main" disabled=${busy}>${word}</button>
        </div>
      </form>
    <//>
  `;
}

const secrets = (bind) => html`
  ${bind("document", "polled.digits", { inputmode: "tel", maxlength: "20", hint: t("polled.digits_hint") })}
  ${bind("secret", "polled.secret", { inputmode: "tel", maxlength: "20", autocomplete: "off" })}
`;

// `done` is told the name of what is out.
export function PutOut({ taken, close, done }) {
  const [files, setFiles] = useState([]);
  const problems = ({ number = "", until = "" }) => ({
    files: files.length ? "" : t("polled.no_file"),
    number: number.trim() ? "" : t("polled.no_number"),
    until: until && new Date(until) <= new Date() ? t("polled.past") : "",
  });
  const act = async ({ number, document = "", secret = "", until = "" }, key) => {
    const name = nameFor(files[0].name, taken);
    const order = { name, numbers: [number.trim()], poll_document: document, poll_password: secret };
    const body = new FormData();
    body.append("request", JSON.stringify({ ...order, until: until ? new Date(until).toISOString() : null }));
    for (const file of files) body.append("file", file, file.name);
    await request("/v1/polled", { method: "POST", body, key });
    done(name);
  };
  const pick = (e) => setFiles([...e.target.files]);
  return html`
    <${Order}
      title=${t("polled.put")}
      about=${t("polled.about")}
      word=${t("polled.put_word")}
      close=${close}
      problems=${problems}
      act=${act}
      fields=${(bind) => html`
        ${bind("files", "polled.files", { type: "file", multiple: true, value: undefined, onInput: pick })}
        ${bind("number", "polled.number", { type: "tel", maxlength: "40" })} ${secrets(bind)}
        ${bind("until", "polled.ends", { type: "datetime-local" })}
      `}
    />
  `;
}

// `done` is told the order.
export const Fetch = ({ close, done }) => html`
  <${Order}
    title=${t("polled.fetch")}
    about=${t("polled.fetch_about")}
    word=${t("polled.fetch_word")}
    close=${close}
    problems=${({ number = "" }) => {
      const { problem } = check(number);
      return { number: problem ? t(`to.problem.${problem}`) : "" };
    }}
    act=${async ({ number, document = "", secret = "" }, key) => {
      const order = { to: check(number).number, poll: true, poll_document: document, poll_password: secret };
      done(await post("/v1/faxes", order, key));
    }}
    fields=${(bind) => html`${bind("number", "polled.whom", { type: "tel", maxlength: "200" })} ${secrets(bind)}`}
  />
`;
