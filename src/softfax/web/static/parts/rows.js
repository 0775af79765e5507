// SPDX-License-Identifier: GPL-2.0-or-later
// Faxes as pictures or as lines, in the rows of a long list, under their days.

import { documentNames, firstPage, noPage, otherSide, pagesOf, peek, sent, story, trouble } from "../lib/faxes.js";
import { clock, day, destination, dotted } from "../lib/format.js";
import { html } from "../lib/h.js";
import { number, t } from "../lib/i18n.js";
import { PagePicture } from "./page.js";
import { StateWord } from "./state.js";

const HEAD_PX = 52;
const LINE_PX = 76;
const WORD_PX = 84;
const TILE_MIN_PX = 190;
const TILE_MIN_NARROW_PX = 150;
const NARROW_PX = 600;
const TILE_RATIO = 1.18;
const GAP_PX = 20;

function subtitle(fax) {
  if (trouble(fax)) return story(fax)?.what || t(`state.${fax.state}`);
  return sent(fax) ? documentNames(fax) : dotted(fax.caller_name, fax.mailbox);
}

function label(fax) {
  const who = t(sent(fax) ? "live.to" : "live.from", { who: destination(otherSide(fax)) });
  return [who, t(`state.${fax.state}`), clock(fax.created), fax.unread && t("state.new"), subtitle(fax)]
    .filter(Boolean)
    .join(", ");
}

const Tile = ({ fax }) => html`
  <a
    class=${`tile${fax.unread ? " unread" : ""}`}
    href=${`#/fax/${fax.id}`}
    aria-label=${label(fax)}
    data-fax=${fax.id}
  >
    <span class="tile-picture">
      <${PagePicture} src=${firstPage(fax, 320)} none=${noPage(fax)} stamp=${fax.updated} />
      ${
        (fax.pages_total || fax.pages) > 1 &&
        html`<span class="tile-count num">${number(fax.pages_total || fax.pages)}</span>`
      }
    </span>
    <span class="tile-word">
      <span class="row tight">
        <bdi class="who ellipsis">${destination(otherSide(fax))}</bdi>
        <span class="quiet small num end">${clock(fax.created)}</span>
      </span>
      <${StateWord} fax=${fax} unread=${true} />
      <span class="quiet small ellipsis" dir="auto">${subtitle(fax)}</span>
    </span>
  </a>
`;

const Line = ({ fax }) => html`
  <a
    class=${`line${fax.unread ? " unread" : ""}`}
    href=${`#/fax/${fax.id}`}
    aria-label=${label(fax)}
    data-fax=${fax.id}
  >
    <span class="line-picture">
      <${PagePicture} src=${firstPage(fax, 160)} none=${noPage(fax)} stamp=${fax.updated} />
    </span>
    <span class="line-who">
      <span class="who"><bdi class="ellipsis" dir="ltr">${destination(otherSide(fax))}</bdi></span>
      <span class="quiet small ellipsis" dir="auto">${subtitle(fax)}</span>
    </span>
    <span class="line-state"><${StateWord} fax=${fax} unread=${true} /></span>
    <span class="line-pages quiet small num">${pagesOf(fax)}</span>
    <span class="line-time quiet small num">${clock(fax.created)}</span>
  </a>
`;

// How many pictures stand beside each other in a width, and how high a row of them is.
export function measure(width) {
  const least = width < NARROW_PX ? TILE_MIN_NARROW_PX : TILE_MIN_PX;
  const columns = Math.max(2, Math.floor((width + GAP_PX) / (least + GAP_PX)));
  const picture = ((width - (columns - 1) * GAP_PX) / columns) * TILE_RATIO;
  return { columns, height: Math.round(picture) + WORD_PX + GAP_PX };
}

// Days, and under each its faxes: `columns` in a row as pictures, one as lines (columns 0).
export function arrange(ids, columns, height) {
  const rows = [];
  let [row, written, name] = [[], "", ""];
  const draw = (faxes) => () =>
    columns ? faxes.map((fax) => html`<${Tile} key=${fax.id} fax=${fax} />`) : html`<${Line} fax=${faxes[0]} />`;
  const flush = () => {
    if (row.length) rows.push({ key: row[0].id, height: columns ? height : LINE_PX, node: draw(row) });
    row = [];
  };
  for (const fax of ids.map(peek)) {
    if (!fax) continue;
    // Within ten minutes it is the same day: its name is not asked for ten thousand times.
    if (fax.created.slice(0, 15) !== written) {
      written = fax.created.slice(0, 15);
      const word = day(fax.created);
      if (word !== name) {
        flush();
        name = word;
        rows.push({ key: `day ${word}`, height: HEAD_PX, node: () => html`<h2 class="day">${word}</h2>` });
      }
    }
    row.push(fax);
    if (row.length >= (columns || 1)) flush();
  }
  flush();
  return rows;
}
