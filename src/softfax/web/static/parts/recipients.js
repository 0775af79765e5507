// SPDX-License-Identifier: GPL-2.0-or-later
// To whom: numbers as chips, completed from the address book and from where faxes went before; what is no number is said here.

import { get } from "../lib/api.js";
import { destination } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { LIST_MAX, parseList, readTyped } from "../lib/numbers.js";
import { Act, Chip } from "./controls.js";
import { Dialog } from "./dialog.js";
import { say } from "./notice.js";

const SHOWN_MAX = 40;
const LEFT_MS = 250;
const PAUSE_MS = 160;
const LEAST = 2;

const has = (list, number) => list.some((one) => one.number === number);

/**
 * What the address book and earlier faxes have for what is typed.
 * @param {string} text
 */
async function complete(text) {
  const q = encodeURIComponent(text);
  const [book, before] = await Promise.allSettled([
    get(`/v1/contacts?q=${q}&limit=6`),
    get(`/v1/faxes?direction=send&q=${q}&limit=12`),
  ]);
  const out = [];
  const given = (answer) => (answer.status === "fulfilled" ? answer.value : {});
  const add = (one) => {
    if (one.number && !has(out, one.number)) out.push(one);
  };
  for (const c of given(book).contacts || []) add({ number: c.number, name: c.name, company: c.company });
  for (const f of given(before).faxes || []) add({ number: f.to, name: "", before: true });
  return out.slice(0, 8);
}

// What fits what is typed, a moment after it is: {options, at, setAt, clear, look}; `look` asks at once.
function useCompletion(typing, to) {
  const [options, setOptions] = useState([]);
  const [at, setAt] = useState(-1);
  const asked = useRef(0);
  const look = async () => {
    const text = typing.trim();
    const turn = (asked.current += 1);
    const found = text.length < LEAST ? [] : await complete(text);
    if (turn !== asked.current) return;
    setOptions(found.filter((one) => !has(to, one.number)));
    setAt(-1);
  };
  useEffect(() => {
    asked.current += 1;
    if (typing.trim().length < LEAST) {
      setOptions([]);
      return undefined;
    }
    const timer = setTimeout(look, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typing]);
  return { options, at, setAt, clear: () => setOptions([]), look };
}

// A word that was found is a name, and which one is asked; else it is an extension, as a PBX may have it.
const isName = (text, found) => found.length > 0 && !has(found, text.trim());
export const meansName = async (text) => Boolean(readTyped(text).word) && isName(text, await complete(text.trim()));

const Recipient = ({ one, drop }) => html`
  <${Chip} label=${t("to.remove", { who: one.name || one.number })} drop=${drop}>
    <bdi>${one.name || destination(one.number)}</bdi>
    ${one.name && html`<span class="chip-number num">${destination(one.number)}</span>`}
  <//>
`;

function Found({ id, options, at, add }) {
  const pick = (one) => (event) => {
    event.preventDefault();
    add([one]);
  };
  return html`
    <ul id=${`${id}-list`} class="options" role="listbox" aria-label=${t("to.found")} hidden=${!options.length}>
      ${options.map(
        (one, i) => html`
          <li key=${one.number} id=${`${id}-${i}`} role="option" aria-selected=${i === at} onPointerDown=${pick(one)}>
            <span class="ellipsis">
              <bdi>${one.name || destination(one.number)}</bdi>
              ${one.company && html`<span class="quiet"> · ${one.company}</span>`}
            </span>
            <span class="quiet small num">${one.before ? t("to.before") : destination(one.number)}</span>
          </li>
        `,
      )}
    </ul>
  `;
}

const More = ({ to, paste, clear }) => html`
  <div class="row under">
    <${Act} icon="paste" word=${t("to.paste")} act=${paste} kind="bare small" />
    ${
      to.length > 1 &&
      html`<button type="button" class="btn bare small" onClick=${clear}>${t("to.clear", { n: to.length })}</button>`
    }
  </div>
`;

const skipped = (bad) => t("to.skipped", { n: bad.length, what: bad.slice(0, 3).join(", ") });

// to: [{number, name, company}], typing: what stands in the field; change({to, typing}) gets both.
export function Recipients({ to, typing, change, id = "to" }) {
  const { options, at, setAt, clear, look } = useCompletion(typing, to);
  const [problem, setProblem] = useState("");
  const [pasting, setPasting] = useState(false);
  const field = useRef();
  const add = (list) => {
    const fresh = list.filter((one, i) => !has(to, one.number) && !has(list.slice(0, i), one.number));
    change({ to: [...to, ...fresh].slice(0, LIST_MAX), typing: "" });
    clear();
    setProblem("");
    if (fresh.length) say(t("to.added", { n: fresh.length }));
  };
  const commit = () => {
    const { list, word, problem: key } = readTyped(typing);
    if (word && isName(typing, options)) setProblem(t("to.problem.choose"));
    else if (list?.length) add(list);
    else if (key) setProblem(t(`to.problem.${key}`));
  };
  // What was typed becomes a chip a moment after the field is left: nothing moves under a click that leaves it.
  const latest = useRef();
  latest.current = { commit, options };
  const leaving = useRef(0);
  const left = () => {
    leaving.current = setTimeout(() => {
      clear();
      if (document.activeElement !== field.current && !latest.current.options.length) latest.current.commit();
    }, LEFT_MS);
  };
  // Who comes back, or is sent back to choose, finds the list open.
  const entered = () => {
    clearTimeout(leaving.current);
    if (typing && !options.length) look();
  };
  useEffect(() => () => clearTimeout(leaving.current), []);
  const key = (event) => {
    const chosen = options[at];
    const ends = event.key === "Enter" || (",;".includes(event.key) && typing.trim());
    if (event.key === "ArrowDown" && options.length) setAt((at + 1) % options.length);
    else if (event.key === "ArrowUp" && options.length) setAt((at - 1 + options.length) % options.length);
    else if (event.key === "Escape" && options.length) clear();
    else if (ends) chosen ? add([chosen]) : commit();
    else {
      if (event.key === "Tab" && chosen) add([chosen]);
      if (event.key === "Backspace" && !typing && to.length) change({ to: to.slice(0, -1) });
      return;
    }
    event.preventDefault();
  };
  const paste = (event) => {
    const text = event.clipboardData?.getData("text") || "";
    if (!/[\n,;\t]/.test(text.trim())) return;
    const { good, bad } = parseList(text);
    if (good.length < 2) return;
    event.preventDefault();
    add(good);
    if (bad.length) setProblem(skipped(bad));
  };
  const input = (event) => {
    change({ typing: event.target.value });
    setProblem("");
  };
  const drop = ({ number }) => {
    change({ to: to.filter((one) => one.number !== number) });
    field.current.focus();
  };
  return html`
    <div class="field recipients">
      <label for=${id}>${t("to.label")}</label>
      <div class="chips" onClick=${(e) => e.target === e.currentTarget && field.current.focus()}>
        ${to.slice(0, SHOWN_MAX).map((one) => html`<${Recipient} key=${one.number} one=${one} drop=${() => drop(one)} />`)}
        ${to.length > SHOWN_MAX && html`<span class="chip soft">${t("to.more", { n: to.length - SHOWN_MAX })}</span>`}
        <input
          id=${id}
          ref=${field}
          type="text"
          inputmode="tel"
          autocomplete="off"
          spellcheck="false"
          role="combobox"
          aria-autocomplete="list"
          aria-expanded=${options.length > 0}
          aria-controls=${`${id}-list`}
          aria-activedescendant=${at >= 0 ? `${id}-${at}` : undefined}
          aria-invalid=${problem ? "true" : undefined}
          aria-describedby=${`${id}-problem`}
          placeholder=${to.length ? "" : t("to.hint")}
          value=${typing}
          onInput=${input}
          onKeyDown=${key}
          onPaste=${paste}
          onFocus=${entered}
          onBlur=${left}
        />
      </div>
      <${Found} id=${id} options=${options} at=${at} add=${add} />
      <p id=${`${id}-problem`} class="problem" role="alert">${problem}</p>
      <${More} to=${to} paste=${() => setPasting(true)} clear=${() => change({ to: [] })} />
      ${pasting && html`<${Paste} close=${() => setPasting(false)} add=${add} />`}
    </div>
  `;
}

function Paste({ close, add }) {
  const [text, setText] = useState("");
  const { good, bad } = parseList(text);
  return html`
    <${Dialog}
      title=${t("to.paste")}
      close=${close}
      foot=${html`
        <button type="button" class="btn" onClick=${close}>${t("cancel")}</button>
        <button
          type="button"
          class="btn main"
          disabled=${!good.length}
          onClick=${() => {
            add(good);
            close();
          }}
        >
          ${t("to.add", { n: good.length })}
        </button>
      `}
    >
      <label class="field">
        <span>${t("to.paste_label")}</span>
        <textarea
          rows="8"
          dir="ltr"
          spellcheck="false"
          value=${text}
          placeholder=${"+49 30 1234567\nPraxis am See; 030 7654321"}
          onInput=${(e) => setText(e.target.value)}
          autofocus
        ></textarea>
      </label>
      <p role="status" class="small">
        ${text.trim() && t("to.read", { n: good.length })}
        ${bad.length > 0 && html`<br /><span class="problem">${skipped(bad)}</span>`}
      </p>
    <//>
  `;
}
