// SPDX-License-Identifier: GPL-2.0-or-later
// What is known of numbers from calls to them, and how they are called.

import { get, may, post, remove, who } from "../lib/api.js";
import { destination, duration, rate, when } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { useStore } from "../lib/store.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";
import { Empty, Failure, Loading, toast } from "../parts/notice.js";
import { Select } from "../parts/options.js";

const LISTED = 500;
const RATES = [2400, 4800, 7200, 9600, 12000, 14400];
const MODES = { auto: "options.auto", t38: "T.38", audio: "G.711" };

const modeWord = (mode) => (mode === "auto" ? t(MODES.auto) : MODES[mode]);
const joined = (parts) => parts.filter(Boolean).join(" · ");

// T.38 · 14,400 bit/s · error correction · 25 s a page, as it went last.
const wentWords = (one) =>
  joined([
    one.transport && (one.transport === "T38" ? "T.38" : "G.711"),
    one.rate_bps > 0 && rate(one.rate_bps),
    one.ecm && t("fact.ecm"),
    one.seconds_per_page > 0 && t("numbers.a_page", { time: duration(one.seconds_per_page) }),
  ]);

const troubleWords = (one) =>
  joined([
    one.last_cause && t(`cause.${one.last_cause}.what`),
    one.t38_failed && t("numbers.t38_failed", { when: when(one.t38_failed) }),
    one.training_failed && t("numbers.training_failed", { when: when(one.training_failed) }),
    one.joined_failed && t("numbers.joined_failed", { when: when(one.joined_failed) }),
  ]);

const setWords = (one) =>
  joined([
    one.mode && modeWord(one.mode),
    one.max_rate && t("numbers.at_most", { rate: rate(one.max_rate) }),
    one.joined && t(`numbers.joined_${one.joined}`),
  ]);

const Known = ({ one, edit }) => html`
  <li class="polled">
    <span class=${`dot ${one.last_cause ? "lost" : "open"}`}></span>
    <div class="polled-word">
      <strong><bdi>${destination(one.number)}</bdi></strong>
      <span class="small">${t("numbers.calls", { n: one.calls, delivered: one.delivered })}</span>
      <span class="quiet small">${wentWords(one)}</span>
      <span class="quiet small">${troubleWords(one)}</span>
      <span class="small">${setWords(one)}</span>
    </div>
    <span class="small quiet end">${one.updated && when(one.updated)}</span>
    ${edit && html`<button class="btn small" onClick=${edit}>${t("numbers.edit")}</button>`}
  </li>
`;

function Editor({ one, close, done }) {
  const [values, setValues] = useState({
    mode: one.mode || "",
    max_rate: String(one.max_rate || ""),
    joined: one.joined || "",
  });
  const [error, setError] = useState(null);
  const set = (key) => (value) => setValues({ ...values, [key]: value });
  const save = async (event) => {
    event.preventDefault();
    try {
      const wanted = { number: one.number, mode: values.mode || null, joined: values.joined || null };
      await post("/v1/numbers", { ...wanted, max_rate: Number(values.max_rate) || null });
      close();
      done(t("numbers.saved", { number: destination(one.number) }));
    } catch (failure) {
      setError(failure);
    }
  };
  const forget = async () => {
    try {
      await remove(`/v1/numbers/${encodeURIComponent(one.number)}`);
      close();
      done(t("numbers.forgotten", { number: destination(one.number) }));
    } catch (failure) {
      setError(failure);
    }
  };
  const open = ["", t("numbers.open")];
  return html`
    <${Dialog} title=${destination(one.number)} close=${close}>
      <form class="stack" onSubmit=${save}>
        <p class="quiet">${t("numbers.edit_text")}</p>
        <${Select}
          label=${t("options.mode")}
          value=${values.mode}
          set=${set("mode")}
          options=${[open, ...Object.keys(MODES).map((mode) => [mode, modeWord(mode)])]}
        />
        <${Select}
          label=${t("numbers.max_rate")}
          value=${values.max_rate}
          set=${set("max_rate")}
          options=${[open, ...RATES.map((bps) => [String(bps), rate(bps)])]}
        />
        <${Select}
          label=${t("numbers.joined")}
          value=${values.joined}
          set=${set("joined")}
          options=${[open, ["on", t("numbers.joined_on")], ["off", t("numbers.joined_off")]]}
        />
        ${error && html`<${Failure} error=${error} small=${true} />`}
        <div class="dialog-foot">
          <button type="button" class="btn bare danger-word aside" onClick=${forget}>
            <${Icon} name="trash" size="18" />
            ${t("numbers.forget")}
          </button>
          <button type="button" class="btn" onClick=${close}>${t("cancel")}</button>
          <button class="btn main">${t("save")}</button>
        </div>
      </form>
    <//>
  `;
}

export default function Numbers() {
  const [{ list, error }, setState] = useState({ list: null, error: null });
  const [editing, setEditing] = useState(null);
  const me = useStore(who);
  const load = () =>
    get(`/v1/numbers?limit=${LISTED}`).then(
      ({ numbers }) => setState({ list: numbers, error: null }),
      (failure) => setState((s) => ({ ...s, error: failure })),
    );
  useEffect(() => {
    load();
  }, []);
  const done = (said) => {
    toast(said);
    load();
  };
  return html`
    <div class="view">
      <div class="head">
        <h1>${t("nav.numbers")}</h1>
        <a class="btn" href="#/contacts"><${Icon} name="contacts" />${t("nav.contacts")}</a>
      </div>
      <p class="quiet">${t("numbers.about")}</p>
      ${error && html`<${Failure} error=${error} small=${Boolean(list)} again=${load} />`}
      ${!list && !error && html`<${Loading} lines=${4} />`}
      ${list?.length === 0 && html`<${Empty} picture="people" title=${t("numbers.none")}><p></p><//>`}
      ${
        list?.length > 0 &&
        html`
          <ul class="polled-list card">
            ${list.map(
              (one) =>
                html`<${Known} key=${one.number} one=${one} edit=${may(me, "admin") && (() => setEditing(one))} />`,
            )}
          </ul>
        `
      }
      ${editing && html`<${Editor} one=${editing} close=${() => setEditing(null)} done=${done} />`}
    </div>
  `;
}
