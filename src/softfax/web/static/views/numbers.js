// SPDX-License-Identifier: GPL-2.0-or-later
// What is known of numbers from calls to them, and how they are called.

import { useAnswer } from "../lib/answer.js";
import { may, post, remove, who } from "../lib/api.js";
import { destination, dotted, duration, rate, transport, when } from "../lib/format.js";
import { html, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { useStore } from "../lib/store.js";
import { Act, Select } from "../parts/controls.js";
import { FormDialog } from "../parts/dialog.js";
import { Empty, Pending, toast } from "../parts/notice.js";
import { MODES } from "../parts/options.js";

// As many as the station tells of at once, those called last.
const LISTED = 1000;
const RATES = [2400, 4800, 7200, 9600, 12000, 14400];

// T.38 · 14,400 bit/s · error correction · 25 s a page, as it went last.
const wentWords = (one) =>
  dotted(
    one.transport && transport(one.transport),
    one.rate_bps > 0 && rate(one.rate_bps),
    one.ecm && t("fact.ecm"),
    one.seconds_per_page > 0 && t("numbers.a_page", { time: duration(one.seconds_per_page) }),
  );

const troubleWords = (one) =>
  dotted(
    one.last_cause && t(`cause.${one.last_cause}.what`),
    one.t38_failed && t("numbers.t38_failed", { when: when(one.t38_failed) }),
    one.training_failed && t("numbers.training_failed", { when: when(one.training_failed) }),
    one.joined_failed && t("numbers.joined_failed", { when: when(one.joined_failed) }),
  );

const setWords = (one) =>
  dotted(
    one.mode && transport(one.mode),
    one.max_rate && t("numbers.at_most", { rate: rate(one.max_rate) }),
    one.joined && t(`numbers.joined_${one.joined}`),
  );

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
  const set = (key) => (value) => setValues({ ...values, [key]: value });
  const save = async () => {
    const wanted = { number: one.number, mode: values.mode || null, joined: values.joined || null };
    await post("/v1/numbers", { ...wanted, max_rate: Number(values.max_rate) || null });
    done(t("numbers.saved", { number: destination(one.number) }));
  };
  const forget = async () => {
    await remove(`/v1/numbers/${encodeURIComponent(one.number)}`);
    done(t("numbers.forgotten", { number: destination(one.number) }));
  };
  const open = ["", t("numbers.open")];
  return html`
    <${FormDialog}
      title=${destination(one.number)}
      close=${close}
      save=${save}
      drop=${{ word: t("numbers.forget"), act: forget }}
    >
      <p class="quiet">${t("numbers.edit_text")}</p>
      <${Select}
        label=${t("options.mode")}
        value=${values.mode}
        set=${set("mode")}
        options=${[open, ...MODES.map((mode) => [mode, transport(mode)])]}
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
    <//>
  `;
}

export default function Numbers() {
  const { answer, error, load } = useAnswer(`/v1/numbers?limit=${LISTED}`);
  const list = answer?.numbers;
  const [editing, setEditing] = useState(null);
  const me = useStore(who);
  const done = (said) => {
    toast(said);
    load();
  };
  return html`
    <div class="view">
      <div class="head">
        <h1>${t("nav.numbers")}</h1>
        <${Act} icon="contacts" word=${t("nav.contacts")} href="#/contacts" />
      </div>
      <p class="quiet">${t("numbers.about")}</p>
      <${Pending} had=${list} error=${error} again=${load} lines=${4} />
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
