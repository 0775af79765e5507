// SPDX-License-Identifier: GPL-2.0-or-later
// Small pictures of numbers: bars of days, a ring of a share. What they show stands in a table for those who do not see
// them.

import { shortDay, weekday } from "../lib/format.js";
import { html } from "../lib/h.js";
import { steps } from "../lib/health.js";
import { number, t } from "../lib/i18n.js";
import { useWidth } from "../lib/width.js";

const HEIGHT = 170;
const FOOT = 24;
const TOP = 10;
// Room for the figures of the axis.
const SCALE = 40;

export function Days({ days }) {
  const [box, room] = useWidth(560);
  const wide = Math.max(240, room);
  const ticks = steps(Math.max(...days.map((d) => d.sent + d.received + d.failed)));
  const [most] = ticks.slice(-1);
  // Time runs as the language does.
  const fromRight = document.documentElement.dir === "rtl";
  const edge = fromRight ? 0 : SCALE;
  const step = (wide - SCALE) / days.length;
  const bar = Math.min(34, step * 0.62);
  const tall = (n) => ((HEIGHT - FOOT - TOP) * n) / most;
  return html`
    <figure class="chart" ref=${box}>
      <p class="quiet small" aria-hidden="true">${t("health.axis")}</p>
      <svg width=${wide} height=${HEIGHT} viewBox=${`0 0 ${wide} ${HEIGHT}`} role="img" aria-label=${t("health.days")}>
        ${[0, ...ticks].map(
          (n) => html`
            <g key=${n}>
              <line
                x1=${edge}
                x2=${edge + wide - SCALE}
                y1=${HEIGHT - FOOT - tall(n)}
                y2=${HEIGHT - FOOT - tall(n)}
                class=${n ? "grid" : "base"}
              />
              <text x=${edge ? edge - 6 : wide - SCALE + 6} y=${HEIGHT - FOOT - tall(n) + 4} class=${edge ? "scale end" : "scale"}>
                ${number(n)}
              </text>
            </g>
          `,
        )}
        ${days.map((d, i) => {
          const x = edge + (fromRight ? days.length - 1 - i : i) * step + (step - bar) / 2;
          let y = HEIGHT - FOOT;
          const part = (n, kind) => {
            const h = tall(n);
            y -= h;
            return h > 0
              ? html`
                  <rect
                    key=${kind}
                    x=${x}
                    y=${y + (h > 3 ? 1 : 0)}
                    width=${bar}
                    height=${Math.max(1, h - (h > 3 ? 1 : 0))}
                    rx="2"
                    class=${`bar-${kind}`}
                  />
                `
              : null;
          };
          const stack = [part(d.received, "received"), part(d.sent, "sent"), part(d.failed, "failed")];
          return html`
            <g key=${d.date}>
              <title>
                ${`${shortDay(d.date)}: ${t("health.day_word", { sent: d.sent, received: d.received, failed: d.failed })}`}
              </title>
              <rect x=${x - (step - bar) / 2} y="0" width=${step} height=${HEIGHT} class="hit" />
              ${stack}
              <text x=${x + bar / 2} y=${HEIGHT - 6} class=${i === days.length - 1 ? "last" : ""}>
                ${weekday(`${d.date}T12:00`)}
              </text>
            </g>
          `;
        })}
      </svg>
      <figcaption class="legend">
        ${["received", "sent", "failed"].map(
          (key) => html`<span key=${key}><i class=${`bar-${key}`}></i>${t(`health.${key}`)}</span>`,
        )}
      </figcaption>
      <details class="small">
        <summary>${t("health.table")}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">${t("health.date")}</th>
              ${["received", "sent", "failed", "pages"].map(
                (key) => html`<th scope="col" key=${key}>${t(`health.${key}`)}</th>`,
              )}
            </tr>
          </thead>
          <tbody>
            ${days.map(
              (d) => html`
                <tr key=${d.date}>
                  <th scope="row">${shortDay(d.date)}</th>
                  <td>${number(d.received)}</td>
                  <td>${number(d.sent)}</td>
                  <td>${number(d.failed)}</td>
                  <td>${number(d.pages || 0)}</td>
                </tr>
              `,
            )}
          </tbody>
        </table>
      </details>
    </figure>
  `;
}

const ROUND = 2 * Math.PI * 34;
export const Ring = ({ share, word, kind = "ok", children }) => html`
  <div class="ring">
    <svg width="88" height="88" viewBox="0 0 88 88" aria-hidden="true">
      <circle cx="44" cy="44" r="34" class="ring-ground" />
      ${
        share !== null &&
        html`
          <circle
            cx="44"
            cy="44"
            r="34"
            class=${`ring-share ${kind}`}
            stroke-dasharray=${`${Math.max(0.001, share) * ROUND} ${ROUND}`}
            transform="rotate(-90 44 44)"
          />
        `
      }
      <text x="44" y="50">${word}</text>
    </svg>
    <div>${children}</div>
  </div>
`;

export const Meter = ({ share, label, kind = "" }) => html`
  <div
    class=${`meter ${kind}`}
    role="meter"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${Math.round(share * 100)}
  >
    <i style=${{ inlineSize: `${Math.min(1, share) * 100}%` }}></i>
  </div>
`;
