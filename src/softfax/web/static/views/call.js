// SPDX-License-Identifier: GPL-2.0-or-later
// The engineer's view: who said what when, SIP and T.30 side by side, with every field decoded; the media in numbers.

import { useAnswer } from "../lib/answer.js";
import { otherSide, pathOf, useFax } from "../lib/faxes.js";
import { destination, exact } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { has, number, t } from "../lib/i18n.js";
import { subscribe } from "../lib/stream.js";
import { useWidth } from "../lib/width.js";
import { Act, Select, Tool } from "../parts/controls.js";
import { joined, Ladder, lane, source, stamp } from "../parts/ladder.js";
import { Empty, Pending } from "../parts/notice.js";
import { StateWord, Story } from "../parts/state.js";

const AGAIN_MS = 1500;
const NARROW_PX = 560;
const LONG = 60;

// The trace of a call, followed while the call is up.
function useTrace(id, attempt) {
  const { answer: trace, error, load } = useAnswer(pathOf(id, `/trace${attempt && `?attempt=${attempt}`}`));
  const latest = useRef();
  latest.current = load;
  useEffect(() => {
    let due = 0;
    const stop = subscribe(({ type, data }) => {
      if (data?.fax_id === id && type !== "progress") {
        due ||= setTimeout(() => {
          due = 0;
          latest.current();
        }, AGAIN_MS);
      }
    });
    return () => {
      stop();
      clearTimeout(due);
    };
  }, [id]);
  return { trace, error, load };
}

// A decoded field in a line: lists with commas, groups with their names.
function plain(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (Array.isArray(value)) return value.map(plain).join(", ");
  if (typeof value !== "object") return String(value);
  return Object.entries(value)
    .map(([key, part]) => `${key}: ${plain(part)}`)
    .join("; ");
}

const Field = ({ name, text }) => html`
  <div>
    <dt>${name.replaceAll("_", " ")}</dt>
    <dd class=${text.length > LONG || text.includes("\n") ? "long" : ""}>${text || "–"}</dd>
  </div>
`;

const Fields = ({ values }) => html`
  <dl class="fields" dir="ltr">
    ${Object.entries(values).map(([name, value]) => html`<${Field} key=${name} name=${name} text=${plain(value)} />`)}
  </dl>
`;

function Message({ entry, close }) {
  const fields = entry.fields || {};
  const raw = entry.detail?.includes("\n");
  return html`
    <div class="row between">
      <span class="kind-word">${source(entry)}</span>
      <span class="row tight">
        <span class="num quiet small">${stamp(entry)}</span>
        <${Tool} small icon="close" label=${t("close")} kind="only-narrow" act=${close} />
      </span>
    </div>
    <h3 dir="ltr">${entry.title}</h3>
    ${!raw && entry.detail && html`<p dir="auto">${entry.detail}</p>`}
    ${Object.keys(fields).length > 0 && html`<${Fields} values=${fields} />`}
    ${raw && html`<pre class="raw" dir="ltr">${entry.detail}</pre>`}
  `;
}

const Chosen = ({ entry, close }) => html`
  <aside class="chosen card" aria-label=${t("call.fields")} aria-live="polite">
    ${entry ? html`<${Message} entry=${entry} close=${close} />` : html`<p class="quiet">${t("call.choose")}</p>`}
  </aside>
`;

const counted = (key) => (has(`stat.${key}`) ? t(`stat.${key}`) : key.replaceAll("_", " "));

function Statistics({ values }) {
  const all = Object.entries(values || {});
  if (!all.length) return null;
  return html`
    <section class="after">
      <h2>${t("call.statistics")}</h2>
      <dl class="card fields stats">
        ${all.map(
          ([key, value]) => html`
            <div key=${key}>
              <dt>${counted(key)}</dt>
              <dd class="num">${typeof value === "number" ? number(value) : plain(value)}</dd>
            </div>
          `,
        )}
      </dl>
    </section>
  `;
}

const Downloads = ({ base, tail, id }) => html`
  <div class="row">
    <${Act} icon="download" word=${t("call.text")} href=${`${base}.txt${tail}`} download=${`trace-${id}.txt`} />
    <${Act} icon="download" word="pcap" href=${`${base}.pcap${tail}`} download=${`trace-${id}.pcap`} />
  </div>
`;

const About = ({ fax }) => html`
  <div class="row call-facts">
    <${StateWord} fax=${fax} />
    <span class="quiet small">${exact(fax.created)}</span>
    ${
      fax.remote_station_id &&
      html`<span class="quiet small">${t("fact.remote")}: <bdi dir="ltr">${fax.remote_station_id}</bdi></span>`
    }
  </div>
  <${Story} fax=${fax} />
`;

const Lanes = ({ names, shown, pick }) => html`
  <div class="segments" role="group" aria-label=${t("call.which")}>
    ${names.map(
      (name) => html`
        <button key=${name} class="segment" aria-pressed=${shown === name} onClick=${() => pick(name)}>
          ${{ both: t("call.both"), sip: "SIP", t30: "T.30" }[name]}
        </button>
      `,
    )}
  </div>
`;

const Attempts = ({ list, attempt, pick }) => html`
  <${Select}
    label=${t("call.attempt")}
    kind="inline"
    value=${attempt}
    set=${pick}
    options=${[["", t("call.last")], ...list.map((one) => [String(one.number), number(one.number)])]}
  />
`;

const Nothing = () => html`
  <${Empty} picture="line" title=${t("call.none")}><p class="quiet">${t("call.none_text")}</p><//>
`;

const short = (far) => (far || "").replace(/^sips?:/, "").split(/[@;]/)[0] || t("call.far");

// The two sides, or the three of a gateway's call, as short as they fit over a line.
function sides(fax, entries) {
  if (joined(entries)) return [short(fax?.caller), "softfax", short(fax?.to)];
  return ["softfax", short(fax && otherSide(fax))];
}

function Room({ state: { trace, error, load }, entries, width, ...ladder }) {
  if (trace ? !entries.length : error?.status === 404) return html`<${Nothing} />`;
  if (!trace) return html`<${Pending} error=${error} again=${load} lines=${4} />`;
  return width > 0 && html`<${Ladder} entries=${entries} width=${width} ...${ladder} />`;
}

export default function CallView({ place }) {
  const id = place.rest[0] || "";
  const { fax } = useFax(id);
  const [attempt, setAttempt] = useState("");
  const state = useTrace(id, attempt);
  const [chosen, choose] = useState(null);
  const [which, setWhich] = useState("both");
  const [room, width] = useWidth();
  const narrow = width > 0 && width < NARROW_PX;
  const shown = narrow && which === "both" ? "t30" : which;
  const lanes = shown === "both" ? ["sip", "t30"] : [shown];
  const entries = (state.trace?.entries || []).filter((entry) => ["note", ...lanes].includes(lane(entry)));
  const afresh = (set) => (value) => {
    set(value);
    choose(null);
  };
  return html`
    <div class="view call-view">
      <div class="head">
        <${Tool} icon="left" label=${t("call.back")} href=${`#/fax/${id}`} />
        <h1>${t("nav.call")}${fax && html` <bdi class="quiet">${destination(otherSide(fax))}</bdi>`}</h1>
        <${Downloads} base=${pathOf(id, "/trace")} tail=${attempt && `?attempt=${attempt}`} id=${id} />
      </div>
      ${fax && html`<${About} fax=${fax} />`}
      <div class="row call-tools">
        <${Lanes} names=${narrow ? ["sip", "t30"] : ["both", "sip", "t30"]} shown=${shown} pick=${afresh(setWhich)} />
        ${
          fax?.attempts?.length > 1 &&
          html`<${Attempts} list=${fax.attempts} attempt=${attempt} pick=${afresh(setAttempt)} />`
        }
      </div>
      <div class="call-grid">
        <div class="ladder-room card" ref=${room} dir="ltr">
          <${Room}
            state=${state}
            entries=${entries}
            width=${width}
            lanes=${lanes}
            chosen=${entries.indexOf(chosen)}
            choose=${(i) => choose(entries[i])}
            sides=${sides(fax, state.trace?.entries || [])}
          />
        </div>
        <${Chosen} entry=${chosen} close=${() => choose(null)} />
      </div>
      <${Statistics} values=${state.trace?.statistics} />
    </div>
  `;
}
