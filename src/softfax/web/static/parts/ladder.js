// SPDX-License-Identifier: GPL-2.0-or-later
// What was said in a call, by both sides, down the page: SIP in one pair of lines, T.30 in another, in the order of time.
// Of a gateway's call there are three sides: the caller, softfax, whom it called.

import { seconds } from "../lib/format.js";
import { html, useRef } from "../lib/h.js";
import { number, t } from "../lib/i18n.js";

const ROW_PX = 44;
const NOTE_PX = 30;
const HEAD_PX = 50;
const TIME_PX = 84;
const PAUSE_PX = 34;
const PAUSE_S = 2;
const INSET_PX = 56;
// How wide a letter is about, large and small: text of SVG is not cut by itself.
const LETTER_PX = 6.8;
const SMALL_PX = 5.9;

const comes = (entry) => entry.direction === "received";
export const joined = (entries) => entries.some((entry) => entry.leg);
export const lane = (entry) => (entry.kind === "sip" ? "sip" : entry.kind === "note" ? "note" : "t30");
const laneName = (name) => (name === "sip" ? "SIP" : "T.30");
export const stamp = (entry) => seconds(entry.t_s, 3);

const clock = (entry) => number(entry.t_s, { minimumFractionDigits: 3, maximumFractionDigits: 3 });

function cut(text, room, letter = LETTER_PX) {
  const most = Math.max(6, Math.floor(room / letter));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

// Of a SIP request the method alone; under each message what tells most about it.
const title = (entry) => (entry.kind === "sip" ? entry.title.replace(/^([A-Z]+) \S.*SIP\/2\.0$/, "$1") : entry.title);
const UNDER = {
  DCS: ["rate", "resolution", "codes", "code", "ECM"],
  DIS: ["modems", "codes"],
  CSI: ["says"],
  TSI: ["says"],
  CIG: ["says"],
  TCF: ["rate"],
  NSF: ["maker"],
  NSS: ["maker"],
};

function under(entry) {
  const fields = entry.fields || {};
  if (entry.kind === "sip") return (fields.media || "").replaceAll(/ (RTP\/\w+|udptl)/g, " · $1") || fields.CSeq || "";
  const said = (UNDER[entry.title] || [])
    .filter((name) => fields[name])
    .map((name) => (name === "ECM" ? `ECM ${fields[name].split(",")[0]}` : fields[name]));
  return said.join(" · ") || entry.detail || "";
}

const said = (entry) => (comes(entry) ? (entry.leg ? `call.${entry.leg}` : "call.them") : "call.us");

// Who said it, and how; of what happened here nobody said anything.
export const source = (entry) =>
  lane(entry) === "note" ? t("call.note") : `${laneName(lane(entry))} · ${t(said(entry))}`;

const spoken = (entry) =>
  `${[stamp(entry), source(entry).replace(" · ", t("comma"))].join(t("comma"))}: ${entry.title}. ${entry.detail || ""}`;

// Where the two lines of each lane stand, or the three.
function columns(lanes, width, three) {
  const each = (width - TIME_PX) / lanes.length;
  const inset = Math.min(INSET_PX, each * 0.12);
  const place = (i) => {
    const [near, far] = [TIME_PX + i * each + inset, TIME_PX + (i + 1) * each - inset];
    return three ? { near, middle: (near + far) / 2, far } : { near, far };
  };
  return Object.fromEntries(lanes.map((name, i) => [name, place(i)]));
}

// From where to where an entry goes. T.30 goes through a gateway, SIP does not.
function way(entry, { near, middle, far }) {
  if (!middle) return comes(entry) ? [far, near] : [near, far];
  const [one, other] = entry.leg === "callee" ? [far, near] : [near, far];
  if (lane(entry) !== "sip") return [one, other];
  return comes(entry) ? [one, middle] : [middle, one];
}

// Positions of the entries; a long silence between two is marked.
function layout(entries, lines) {
  const rows = [];
  const pauses = [];
  let y = 26;
  entries.forEach((entry, index) => {
    const silence = index ? entry.t_s - entries[index - 1].t_s : 0;
    if (silence > PAUSE_S) {
      pauses.push({ y: y - 4, seconds: silence });
      y += PAUSE_PX;
    }
    const tall = lines[lane(entry)] ? ROW_PX : NOTE_PX;
    rows.push({ entry, y: y + (tall - ROW_PX) / 2, tall });
    y += tall;
  });
  return { rows, pauses, height: y + 6 };
}

// The names of both sides stay in sight.
const Head = ({ lines, width, sides }) => html`
  <svg
    class="ladder ladder-head"
    width=${width}
    height=${HEAD_PX}
    viewBox=${`0 0 ${width} ${HEAD_PX}`}
    aria-hidden="true"
  >
    ${Object.entries(lines).map(
      ([name, { near, middle, far }]) => html`
        <g key=${name}>
          <text x=${(near + far) / 2} y=${middle ? 16 : 20} class="lane-name">${laneName(name)}</text>
          <text x=${near} y="40" class="lane-side near">${cut(sides[0], (far - near) / sides.length)}</text>
          ${middle && html`<text x=${middle} y="40" class="lane-side">${cut(sides[1], (far - near) / 3)}</text>`}
          <text x=${far} y="40" class="lane-side far">${cut(sides.at(-1), (far - near) / sides.length)}</text>
        </g>
      `,
    )}
  </svg>
`;

// What was decided stands on the lines, so that they do not run through it.
function Aside({ x, y, text }) {
  const wide = text.length * (SMALL_PX + 0.3) + 22;
  return html`
    <rect x=${x - wide / 2} y=${y - 13} width=${wide} height="22" rx="11" class="aside-box" />
    <text x=${x} y=${y + 2} class="aside">${text}</text>
  `;
}

function Media({ entry, y, line }) {
  const { near, far } = line;
  const [from, to] = way(entry, line);
  const text = cut(entry.title, far - near - 30);
  return html`
    <rect x=${near} y=${y - 15} width=${far - near} height="26" rx="5" class="block" />
    <text x=${(near + far) / 2} y=${y + 3} class="word">${to < from ? `◂ ${text}` : `${text} ▸`}</text>
  `;
}

function Message({ entry, y, line }) {
  const [from, to] = way(entry, line);
  const middle = (from + to) / 2;
  const room = Math.abs(to - from) - 12;
  const dots = entry.kind === "signal" ? "2 5" : undefined;
  return html`
    <text x=${middle} y=${y - 7} class="word">${cut(title(entry), room)}</text>
    <line x1=${from} x2=${to} y1=${y} y2=${y} class="arrow" marker-end="url(#tip)" stroke-dasharray=${dots} />
    <text x=${middle} y=${y + 13} class="detail">${cut(under(entry), room, SMALL_PX)}</text>
  `;
}

function Row({ row: { entry, y, tall }, line, width, ...rest }) {
  const Drawn = entry.kind === "media" ? Media : Message;
  return html`
    <g role="button" aria-label=${spoken(entry)} class=${`row-${lane(entry)}`} ...${rest}>
      <rect x="0" y=${y - 2 - tall / 2} width=${width} height=${tall} class="hit" />
      <text x=${TIME_PX - 8} y=${y + 4} class="time">${clock(entry)}</text>
      ${
        line
          ? html`<${Drawn} entry=${entry} y=${y} line=${line} />`
          : html`
              <${Aside} x=${(TIME_PX + width) / 2} y=${y} text=${cut(entry.title, width - TIME_PX - 40, SMALL_PX)} />
            `
      }
    </g>
  `;
}

// entries in order; lanes: which of sip and t30 are shown; width in pixels; chosen: the index of an entry, or -1; sides: the
// names of both, or of all three.
export function Ladder({ entries, lanes, width, chosen, choose, sides }) {
  const box = useRef();
  const lines = columns(lanes, width, sides.length > 2);
  const { rows, pauses, height } = layout(entries, lines);
  const key = (event, at) => {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, Enter: at, " ": at }[event.key];
    if (!rows[to]) return;
    event.preventDefault();
    choose(to);
    box.current.querySelectorAll("[data-row]")[to].focus();
  };
  return html`
    <${Head} lines=${lines} width=${width} sides=${sides} />
    <svg
      class="ladder"
      width=${width}
      height=${height}
      viewBox=${`0 0 ${width} ${height}`}
      role="group"
      aria-label=${t("call.ladder")}
      ref=${box}
      direction="ltr"
    >
      <defs>
        <marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M0 1 9 5 0 9z" class="tip" />
        </marker>
      </defs>
      ${Object.values(lines)
        .flatMap(({ near, middle, far }) => (middle ? [near, middle, far] : [near, far]))
        .map((x) => html`<line key=${x} x1=${x} x2=${x} y1="0" y2=${height} class="life" />`)}
      ${pauses.map(
        (p) => html`
          <g key=${p.y} class="pause">
            <line x1=${TIME_PX} x2=${width} y1=${p.y} y2=${p.y} />
            <text x=${TIME_PX - 8} y=${p.y + 4}>${seconds(p.seconds)}</text>
          </g>
        `,
      )}
      ${rows.map(
        (row, i) => html`
          <${Row}
            key=${i}
            row=${row}
            line=${lines[lane(row.entry)]}
            width=${width}
            data-row=${i}
            tabindex=${chosen === i || (chosen < 0 && i === 0) ? 0 : -1}
            aria-pressed=${chosen === i}
            onClick=${() => choose(i)}
            onKeyDown=${(e) => key(e, i)}
          />
        `,
      )}
    </svg>
  `;
}
