// SPDX-License-Identifier: GPL-2.0-or-later
// Two orders about polling: documents are put out for callers, or those of another machine are fetched.
import { post, randomKey, request } from "../lib/api.js";
import { html, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { check, latin, pollDigits } from "../lib/numbers.js";
import { Field } from "./controls.js";
import { FormDialog } from "./dialog.js";

// A name for lists and tags, of the first file's: none that is taken.
export function nameFor(file, taken) {
  const stem = file.replace(/\.[^.]+$/, "").replace(/[^A-Za-z0-9_.-]+/g, "-");
  const base = stem.replace(/^-+|-+$/g, "").slice(0, 34) || "document";
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!taken.includes(name)) return name;
  }
}

// A form in a dialog: `problems` finds what is wrong by field, `act` gives the order. The same order given again, as after an
// answer that got lost, has the same key and counts once.
function Order({ title, about, word, close, problems, act, fields }) {
  const [values, setValues] = useState(/** @type {Record<string, string>} */ ({}));
  const [wrong, setWrong] = useState({});
  const key = useRef(randomKey());
  const bind = (id, label, { heard = null, ...more } = {}) => html`
    <${Field}
      id=${`polled-${id}`}
      label=${t(label)}
      dir="ltr"
      value=${values[id] || ""}
      problem=${wrong[id] || ""}
      onInput=${(e) => {
        key.current = randomKey();
        setValues({ ...values, [id]: e.target.value });
        setWrong({ ...wrong, [id]: "" });
        heard?.(e);
      }}
      ...${more}
    />
  `;
  const save = () => {
    const { document: which = "", secret = "" } = values;
    const digits = { poll_document: pollDigits(which), poll_password: pollDigits(secret) };
    const found = {
      document: digits.poll_document === undefined ? t("polled.no_digits") : "",
      secret: digits.poll_password === undefined ? t("polled.no_digits") : "",
      ...problems(values),
    };
    setWrong(found);
    const bad = Object.keys(found).find((id) => found[id]);
    if (bad) document.getElementById(`polled-${bad}`).focus();
    return bad ? undefined : act(values, digits, key.current);
  };
  return html`
    <${FormDialog} title=${title} close=${close} save=${save} word=${word}>
      <p class="quiet">${about}</p>
      ${fields(bind)}
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
  const act = async ({ number, until = "" }, digits, key) => {
    const name = nameFor(files[0].name, taken);
    const order = { name, numbers: [latin(number)], ...digits, until: until ? new Date(until).toISOString() : null };
    const body = new FormData();
    body.append("request", JSON.stringify(order));
    for (const file of files) body.append("file", file, file.name);
    await request("/v1/polled", { method: "POST", body, key });
    done(name);
  };
  const heard = (e) => setFiles([...e.target.files]);
  return html`
    <${Order}
      title=${t("polled.put")}
      about=${t("polled.about")}
      word=${t("polled.put_word")}
      close=${close}
      problems=${problems}
      act=${act}
      fields=${(bind) => html`
        ${bind("files", "polled.files", { type: "file", multiple: true, value: undefined, heard })}
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
    act=${async ({ number }, digits, key) =>
      done(await post("/v1/faxes", { to: check(number).number, poll: true, ...digits }, key))}
    fields=${(bind) => html`${bind("number", "polled.whom", { type: "tel", maxlength: "200" })} ${secrets(bind)}`}
  />
`;
