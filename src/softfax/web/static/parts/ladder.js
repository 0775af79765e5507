// SPDX-License-Identifier: GPL-2.0-or-later
// What was said in a call, by both sides, down the page: SIP in one pair of lines, T.30 in another, in the order of time.
import { html, useRef } from "../lib/h.js";
import { t, number } from "../lib/i18n.js";

const ROW_PX = 44, NOTE_PX = 30, HEAD_PX = 40, TIME_PX = 84, PAUSE_PX = 34, PAUSE_S = 2, LETTER_PX = 6.6;
const IN = new Set(["in", "receive", "received", "rx", "recv", "from"]);
export const comes = (entry) => IN.has(entry.direction);
export const lane = (entry) => (entry.kind === "sip" ? "sip" : entry.kind === "note" ? "note" : "t30");
export const stamp = (entry) => number(entry.t_s, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const cut = (text, room) => { const most = Math.max(6, Math.floor(room / LETTER_PX)); return text.length > most ? `${text.slice(0, most - 1)}…` : text; };

// Of a SIP request the method alone; under each message what tells most about it.
export const title = (entry) => (entry.kind === "sip" ? entry.title.replace(/^([A-Z]+) \S.*SIP\/2\.0$/, "$1") : entry.title);
const UNDER = { DCS: ["rate", "resolution", "codes", "code", "ECM"], DIS: ["modems", "codes"], CSI: ["says"], TSI: ["says"], CIG: ["says"], TCF: ["rate"] };
export function under(entry) {
  const fields = entry.fields || {};
  if (entry.kind === "sip") return (fields.media || "").replaceAll(/ (RTP\/\w+|udptl)/g, " · $1") || fields.CSeq || "";
  const said = (UNDER[entry.title] || []).filter((name) => fields[name]).map((name) => (name === "ECM" ? `ECM ${fields[name].split(",")[0]}` : fields[name]));
  return said.join(" · ") || entry.detail || "";
}

// entries in order; lanes: which of sip and t30 are shown; width in pixels.
export function Ladder({ entries, lanes, width, chosen, choose, ours, theirs }) {
  const box = useRef();
  const each = (width - TIME_PX) / lanes.length;
  const inset = Math.min(70, each * 0.14);
  const lines = Object.fromEntries(lanes.map((name, i) => [name, { near: TIME_PX + i * each + inset, far: TIME_PX + (i + 1) * each - inset }]));
  let y = HEAD_PX + 26, before = null;
  const rows = [];
  const pauses = [];
  entries.forEach((entry, index) => {
    if (before !== null && entry.t_s - before > PAUSE_S) { pauses.push({ y: y - 4, seconds: entry.t_s - before }); y += PAUSE_PX; }
    const tall = lines[lane(entry)] ? ROW_PX : NOTE_PX;
    rows.push({ entry, index, y: y + (tall - ROW_PX) / 2, tall });
    before = entry.t_s;
    y += tall;
  });
  const height = y + 6;
  const key = (event, at) => {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(rows[at].index); return; }
    if (to === undefined || !rows[to]) return;
    event.preventDefault();
    choose(rows[to].index);
    box.current.querySelectorAll("[data-row]")[to].focus();
  };
  const words = (entry) => `${stamp(entry)} s, ${lane(entry) === "sip" ? "SIP" : "T.30"}, ${t(comes(entry) ? "call.them" : "call.us")}: ${entry.title}. ${entry.detail || ""}`;
  return html`<svg class="ladder" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="group" aria-label=${t("call.ladder")} ref=${box} direction="ltr">
    <defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 1 9 5 0 9z" class="tip" /></marker></defs>
    ${lanes.map((name) => html`<g key=${name} class=${`lane ${name}`}><text x=${(lines[name].near + lines[name].far) / 2} y="14" class="lane-name">${name === "sip" ? "SIP" : "T.30"}</text>
      ${[["near", ours], ["far", theirs]].map(([side, who]) => html`<g key=${side}><text x=${lines[name][side]} y="32" class="lane-side">${cut(who, inset * 2 + 30)}</text><line x1=${lines[name][side]} x2=${lines[name][side]} y1=${HEAD_PX} y2=${height} class="life" /></g>`)}</g>`)}
    ${pauses.map((p) => html`<g key=${p.y} class="pause"><line x1=${TIME_PX} x2=${width} y1=${p.y} y2=${p.y} /><text x=${TIME_PX - 8} y=${p.y + 4}>${number(p.seconds, { maximumFractionDigits: 1 })} s</text></g>`)}
    ${rows.map(({ entry, index, y: at, tall }, i) => {
      const name = lane(entry);
      const on = lines[name] || null;
      const from = on && (comes(entry) ? on.far : on.near), to = on && (comes(entry) ? on.near : on.far);
      const middle = on ? (on.near + on.far) / 2 : (TIME_PX + width) / 2;
      const room = on ? on.far - on.near - 12 : width - TIME_PX;
      return html`<g key=${index} data-row=${index} role="button" tabindex=${chosen === index || (chosen < 0 && i === 0) ? 0 : -1} aria-pressed=${chosen === index} aria-label=${words(entry)} class=${`row-${name} kind-${entry.kind}`} onClick=${() => choose(index)} onKeyDown=${(e) => key(e, i)}>
        <rect x="0" y=${at - 2 - tall / 2} width=${width} height=${tall} class="hit" /><text x=${TIME_PX - 8} y=${at + 4} class="time">${stamp(entry)}</text>
        ${!on ? html`<${Aside} x=${middle} y=${at} text=${cut(entry.title, room - 24)} />`
          : entry.kind === "media" ? html`<rect x=${on.near} y=${at - 15} width=${on.far - on.near} height="26" rx="5" class="block" /><text x=${middle} y=${at + 3} class="word">${comes(entry) ? "◂ " : ""}${cut(entry.title, room)}${comes(entry) ? "" : " ▸"}</text>`
          : html`<text x=${middle} y=${at - 7} class="word">${cut(title(entry), room)}</text><line x1=${from} x2=${to} y1=${at} y2=${at} class="arrow" marker-end="url(#tip)" stroke-dasharray=${entry.kind === "signal" ? "2 5" : undefined} />
            <text x=${middle} y=${at + 13} class="detail">${cut(under(entry), room * 1.1)}</text>`}</g>`;
    })}</svg>`;
}

// What was decided stands on the lines, so that they do not run through it.
function Aside({ x, y, text }) {
  const wide = text.length * LETTER_PX * 0.94 + 22;
  return html`<rect x=${x - wide / 2} y=${y - 13} width=${wide} height="22" rx="11" class="aside-box" /><text x=${x} y=${y + 2} class="aside">${text}</text>`;
}
