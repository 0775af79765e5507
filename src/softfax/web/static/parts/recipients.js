// SPDX-License-Identifier: GPL-2.0-or-later
// To whom: numbers as chips, completed from the address book and from where faxes went before; what is no number is said here.
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { get } from "../lib/api.js";
import { parseList, readTyped, LIST_MAX } from "../lib/numbers.js";
import { destination } from "../lib/format.js";
import { Icon } from "./icons.js";
import { Dialog } from "./dialog.js";
import { say } from "./notice.js";

const SHOWN_MAX = 40;
const LEFT_MS = 250;

async function complete(text) {
  const q = encodeURIComponent(text);
  const [book, before] = await Promise.allSettled([
    get(`/v1/contacts?q=${q}&limit=6`),
    get(`/v1/faxes?direction=send&q=${q}&limit=12`),
  ]);
  const out = [];
  const add = (one) => {
    if (one.number && !out.some((had) => had.number === one.number)) out.push(one);
  };
  for (const c of book.value?.contacts || []) add({ number: c.number, name: c.name, company: c.company });
  for (const f of before.value?.faxes || []) add({ number: f.to, name: "", before: true });
  return out.slice(0, 8);
}

export function Recipients({ to, typing, change, id = "to" }) {
  const [options, setOptions] = useState([]);
  const [at, setAt] = useState(-1);
  const [problem, setProblem] = useState("");
  const [pasting, setPasting] = useState(false);
  const field = useRef();
  const asked = useRef(0);
  useEffect(() => {
    const text = typing.trim();
    const turn = (asked.current += 1);
    if (text.length < 2) {
      setOptions([]);
      return;
    }
    const timer = setTimeout(
      () =>
        complete(text).then((found) => {
          if (turn === asked.current) {
            setOptions(found.filter((o) => !to.some((had) => had.number === o.number)));
            setAt(-1);
          }
        }),
      160,
    );
    return () => clearTimeout(timer);
  }, [typing]);
  const add = (list) => {
    const fresh = list
      .filter(
        (one, i) =>
          !to.some((had) => had.number === one.number) && list.findIndex((o) => o.number === one.number) === i,
      )
      .slice(0, LIST_MAX);
    change({ to: [...to, ...fresh], typing: "" });
    setOptions([]);
    setProblem("");
    if (fresh.length) say(t("to.added", { n: fresh.length }));
  };
  const commit = () => {
    const { list, problem: key } = readTyped(typing);
    if (list?.length) add(list);
    else if (key) setProblem(t(`to.problem.${key}`));
  };
  // What was typed becomes a chip a moment after the field is left: nothing moves under a click that leaves it.
  const latest = useRef();
  latest.current = { commit, options };
  const leaving = useRef(0);
  const left = () => {
    leaving.current = setTimeout(() => {
      setOptions([]);
      if (document.activeElement !== field.current && !latest.current.options.length) latest.current.commit();
    }, LEFT_MS);
  };
  useEffect(() => () => clearTimeout(leaving.current), []);
  const key = (event) => {
    if (event.key === "ArrowDown" && options.length) {
      event.preventDefault();
      setAt((at + 1) % options.length);
    } else if (event.key === "ArrowUp" && options.length) {
      event.preventDefault();
      setAt((at - 1 + options.length) % options.length);
    } else if (event.key === "Escape" && options.length) {
      event.preventDefault();
      setOptions([]);
    } else if (event.key === "Enter" || ((event.key === "," || event.key === ";") && typing.trim())) {
      event.preventDefault();
      if (at >= 0 && options[at]) add([options[at]]);
      else commit();
    } else if (event.key === "Tab" && at >= 0 && options[at]) add([options[at]]);
    else if (event.key === "Backspace" && !typing && to.length) change({ to: to.slice(0, -1) });
  };
  const paste = (event) => {
    const text = event.clipboardData?.getData("text") || "";
    if (!/[\n,;\t]/.test(text.trim())) return;
    const { good, bad } = parseList(text);
    if (good.length < 2) return;
    event.preventDefault();
    add(good);
    if (bad.length) setProblem(t("to.skipped", { n: bad.length, what: bad.slice(0, 3).join(", ") }));
  };
  const drop = (number) => {
    change({ to: to.filter((one) => one.number !== number) });
    field.current.focus();
  };
  return html`
    <div class="field recipients">
      <label for=${id}>${t("to.label")}</label>
      <div class="chips" onClick=${(e) => e.target === e.currentTarget && field.current.focus()}>
        ${to
          .slice(0, SHOWN_MAX)
          .map(
            (one) => html`
              <span class="chip" key=${one.number}>
                <bdi class="ellipsis">${one.name || destination(one.number)}</bdi>
                ${one.name && html`<span class="chip-number num">${destination(one.number)}</span>`}
                <button
                  type="button"
                  aria-label=${t("to.remove", { who: one.name || one.number })}
                  onClick=${() => drop(one.number)}
                >
                  <${Icon} name="close" size="14" />
                </button>
              </span>
            `,
          )}
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
          onInput=${(e) => {
            change({ typing: e.target.value });
            setProblem("");
          }}
          onKeyDown=${key}
          onPaste=${paste}
          onBlur=${left}
        />
      </div>
      <ul id=${`${id}-list`} class="options" role="listbox" aria-label=${t("to.found")} hidden=${!options.length}>
        ${options.map(
          (o, i) => html`
            <li
              key=${o.number}
              id=${`${id}-${i}`}
              role="option"
              aria-selected=${i === at}
              onPointerDown=${(e) => {
                e.preventDefault();
                add([o]);
              }}
            >
              <span class="ellipsis">
                <bdi>${o.name || destination(o.number)}</bdi>
                ${o.company && html`<span class="quiet"> · ${o.company}</span>`}
              </span>
              <span class="quiet small num">${o.before ? t("to.before") : destination(o.number)}</span>
            </li>
          `,
        )}
      </ul>
      <p id=${`${id}-problem`} class="problem" role="alert">${problem}</p>
      <div class="row under">
        <button type="button" class="btn bare small" onClick=${() => setPasting(true)}>
          <${Icon} name="paste" size="18" />
          ${t("to.paste")}
        </button>
        ${
          to.length > 1 &&
          html`
            <button type="button" class="btn bare small" onClick=${() => change({ to: [] })}>
              ${t("to.clear", { n: to.length })}
            </button>
          `
        }
      </div>
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
        ${
          bad.length > 0 &&
          html`
            <br />
            <span class="problem">${t("to.skipped", { n: bad.length, what: bad.slice(0, 3).join(", ") })}</span>
          `
        }
      </p>
    <//>
  `;
}
