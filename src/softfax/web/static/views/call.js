// SPDX-License-Identifier: GPL-2.0-or-later
// The engineer's view: who said what when, SIP and T.30 side by side, with every field decoded; the media in numbers.
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { t, number } from "../lib/i18n.js";
import { get } from "../lib/api.js";
import { useFax, otherSide, sent } from "../lib/faxes.js";
import { subscribe } from "../lib/stream.js";
import { destination, exact } from "../lib/format.js";
import { Icon } from "../parts/icons.js";
import { Empty, Failure, Loading } from "../parts/notice.js";
import { StateWord, Story } from "../parts/state.js";
import { Ladder, comes, lane, laneName, stamp } from "../parts/ladder.js";

const AGAIN_MS = 1500;

function useTrace(id, attempt) {
  const [state, setState] = useState({ trace: null, error: null });
  const path = `/v1/faxes/${encodeURIComponent(id)}/trace${attempt ? `?attempt=${attempt}` : ""}`;
  const load = () =>
    get(path).then(
      (trace) => setState({ trace, error: null }),
      (error) => setState((s) => ({ ...s, error })),
    );
  useEffect(() => {
    setState({ trace: null, error: null });
    load();
    let due = 0;
    const stop = subscribe(({ type, data }) => {
      if (data?.fax_id === id && type !== "progress") {
        due ||= setTimeout(() => {
          due = 0;
          load();
        }, AGAIN_MS);
      }
    });
    return () => {
      stop();
      clearTimeout(due);
    };
  }, [path]);
  return { ...state, load };
}

const plain = (value) =>
  Array.isArray(value)
    ? value.map(plain).join(", ")
    : value === null || value === undefined
      ? ""
      : typeof value === "object"
        ? Object.entries(value)
            .map(([k, v]) => `${k}: ${plain(v)}`)
            .join("; ")
        : typeof value === "boolean"
          ? t(value ? "yes" : "no")
          : String(value);

const Fields = ({ values }) => html`
  <dl class="fields" dir="ltr">
    ${Object.entries(values).map(([key, value]) => {
      const text = plain(value);
      return html`
        <div key=${key}>
          <dt>${key.replaceAll("_", " ")}</dt>
          <dd class=${text.length > 60 || text.includes("\n") ? "long" : ""}>${text || "–"}</dd>
        </div>
      `;
    })}
  </dl>
`;

function Chosen({ entry, close }) {
  return html`
    <aside class="chosen card" aria-label=${t("call.fields")} aria-live="polite">
      ${
        entry
          ? html`
              <div class="row between">
                <span class="kind-word">${laneName(lane(entry))} · ${t(comes(entry) ? "call.them" : "call.us")}</span>
                <span class="row tight">
                  <span class="num quiet small" dir="ltr">${stamp(entry)}</span>
                  <button class="btn bare icon-only small only-narrow" aria-label=${t("close")} onClick=${close}>
                    <${Icon} name="close" size="18" />
                  </button>
                </span>
              </div>
              <h3 dir="ltr">${entry.title}</h3>
              ${entry.detail && html`<p dir="auto">${entry.detail}</p>`}
              ${entry.fields && Object.keys(entry.fields).length > 0 && html`<${Fields} values=${entry.fields} />`}
            `
          : html`<p class="quiet">${t("call.choose")}</p>`
      }
    </aside>
  `;
}

const counted = (key) => {
  const word = t(`stat.${key}`);
  return word.startsWith("stat.") ? key.replaceAll("_", " ") : word;
};

// Statistics come as they are counted; groups of them as boxes.
function Statistics({ values }) {
  const groups = [];
  const loose = {};
  for (const [key, value] of Object.entries(values || {})) {
    if (value && typeof value === "object" && !Array.isArray(value)) groups.push([key, value]);
    else loose[key] = value;
  }
  if (Object.keys(loose).length) groups.unshift(["", loose]);
  if (!groups.length) return null;
  const word = (value) => (typeof value === "number" ? number(value) : plain(value));
  return html`
    <section class="after">
      <h2>${t("call.statistics")}</h2>
      <div class="stats">
        ${groups.map(
          ([name, group]) => html`
            <div class="card stat" key=${name}>
              ${name && html`<h3>${name.replaceAll("_", " ")}</h3>`}
              <dl class="fields" dir="ltr">
                ${Object.entries(group).map(
                  ([key, value]) => html`
                    <div key=${key}><dt dir="auto">${counted(key)}</dt><dd class="num">${word(value)}</dd></div>
                  `,
                )}
              </dl>
            </div>
          `,
        )}
      </div>
    </section>
  `;
}

export default function CallView({ place }) {
  const id = place.rest[0] || "";
  const { fax } = useFax(id);
  const [attempt, setAttempt] = useState("");
  const { trace, error, load } = useTrace(id, attempt);
  const [chosen, setChosen] = useState(-1);
  const [which, setWhich] = useState("both");
  const [width, setWidth] = useState(0);
  const room = useRef();
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    watch.observe(room.current);
    return () => watch.disconnect();
  }, []);
  const narrow = width > 0 && width < 560;
  const show = narrow && which === "both" ? "t30" : which;
  const lanes = show === "both" ? ["sip", "t30"] : [show];
  const all = trace?.entries || [];
  const entries = all.filter((entry) => {
    const on = lane(entry);
    return on === "note" || lanes.includes(on);
  });
  const at = chosen >= 0 && chosen < all.length ? entries.indexOf(all[chosen]) : -1;
  const base = `v1/faxes/${encodeURIComponent(id)}/trace`;
  const tail = attempt ? `?attempt=${attempt}` : "";
  const attempts = fax?.attempts || [];
  return html`
    <div class="view call-view">
      <div class="head">
        <a class="btn bare icon-only" href=${`#/fax/${id}`} aria-label=${t("call.back")} title=${t("call.back")}>
          <${Icon} name="left" />
        </a>
        <h1>${t("nav.call")}${fax && html` <bdi class="quiet">${destination(otherSide(fax))}</bdi>`}</h1>
        <div class="row">
          <a class="btn" href=${`${base}.txt${tail}`} download=${`trace-${id}.txt`}>
            <${Icon} name="download" />
            ${t("call.text")}
          </a>
          <a class="btn" href=${`${base}.pcap${tail}`} download=${`trace-${id}.pcap`}>
            <${Icon} name="download" />pcap
          </a>
        </div>
      </div>
      ${
        fax &&
        html`
          <div class="row call-facts">
            <${StateWord} fax=${fax} />
            <span class="quiet small">${exact(fax.created)}</span>
            ${
              fax.remote_station_id &&
              html`<span class="quiet small">${t("fact.remote")}: <bdi dir="ltr">${fax.remote_station_id}</bdi></span>`
            }
          </div>
          <${Story} fax=${fax} />
        `
      }
      <div class="row call-tools">
        <div class="segments" role="group" aria-label=${t("call.which")}>
          ${(narrow ? ["sip", "t30"] : ["both", "sip", "t30"]).map(
            (key) => html`
              <button
                key=${key}
                class="segment"
                aria-pressed=${show === key}
                onClick=${() => {
                  setWhich(key);
                  setChosen(-1);
                }}
              >
                ${key === "both" ? t("call.both") : key === "sip" ? "SIP" : "T.30"}
              </button>
            `,
          )}
        </div>
        ${
          attempts.length > 1 &&
          html`
            <label class="field inline">
              <span>${t("call.attempt")}</span>
              <select
                value=${attempt}
                onChange=${(e) => {
                  setAttempt(e.target.value);
                  setChosen(-1);
                }}
              >
                <option value="">${t("call.last")}</option>
                ${attempts.map((a) => html`<option key=${a.number} value=${a.number}>${number(a.number)}</option>`)}
              </select>
            </label>
          `
        }
      </div>
      <div class="call-grid">
        <div class="ladder-room card" ref=${room} dir="ltr">
          ${
            error && !trace
              ? error.status === 404
                ? html`<${Empty} picture="line" title=${t("call.none")}><p class="quiet">${t("call.none_text")}</p><//>`
                : html`<${Failure} error=${error} again=${load} />`
              : !trace
                ? html`<${Loading} lines=${4} />`
                : !entries.length
                  ? html`
                      <${Empty} picture="line" title=${t("call.none")}><p class="quiet">${t("call.none_text")}</p><//>
                    `
                  : width > 0 &&
                    html`
                      <${Ladder}
                        entries=${entries}
                        lanes=${lanes}
                        width=${width}
                        chosen=${at}
                        choose=${(i) => setChosen(all.indexOf(entries[i]))}
                        ours="softfax"
                        theirs=${
                          fax
                            ? (sent(fax) ? fax.to : otherSide(fax) || "").replace(/^sips?:/, "").split(/[@;]/)[0] ||
                              t("call.far")
                            : t("call.far")
                        }
                      />
                    `
          }
        </div>
        <${Chosen} entry=${all[chosen]} close=${() => setChosen(-1)} />
      </div>
      <${Statistics} values=${trace?.statistics} />
    </div>
  `;
}
