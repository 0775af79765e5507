// SPDX-License-Identifier: GPL-2.0-or-later
// Polling: what callers can fetch here, and what is to be fetched elsewhere.

import { useAnswer } from "../lib/answer.js";
import { may, remove, who } from "../lib/api.js";
import { when } from "../lib/format.js";
import { html, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { go } from "../lib/router.js";
import { useStore } from "../lib/store.js";
import { Act } from "../parts/controls.js";
import { Sure } from "../parts/dialog.js";
import { complain, Empty, Pending, toast } from "../parts/notice.js";
import { Fetch, PutOut } from "../parts/polled.js";

const AGAIN_MS = 10e3;

// Whether it may be fetched, and until when.
const outWord = ({ out, until }) =>
  out ? (until ? t("polled.until", { when: when(until) }) : t("polled.out")) : t("polled.over");

const fetchedWord = ({ fetched, last_fetched: last }) =>
  fetched
    ? t("polled.fetched", { n: fetched }) + (last ? ` · ${t("polled.last", { when: when(last) })}` : "")
    : t("polled.never");

const Out = ({ one, back }) => html`
  <li class="polled">
    <span class=${`dot ${one.out ? "open" : "lost"}`}></span>
    <div class="polled-word">
      <strong><bdi>${one.documents.join(t("comma"))}</bdi></strong>
      <span class="quiet small">
        <bdi dir="ltr">${one.numbers.join(", ")}</bdi>
        ${one.poll_document && ` · ${t("polled.document", { digits: one.poll_document })}`}
        ${one.has_password && ` · ${t("polled.password")}`}
      </span>
      <a class="small" href=${`#/outbox?q=${encodeURIComponent(`polled=${one.name}`)}`}>${fetchedWord(one)}</a>
    </div>
    <span class="small quiet end">${outWord(one)}${!one.id && html`<br />${t("polled.configured")}`}</span>
    ${back && one.id && html`<button class="btn small" onClick=${back}>${t("polled.back")}</button>`}
  </li>
`;

export default function Polled() {
  const { answer, error, load } = useAnswer("/v1/polled", AGAIN_MS);
  const list = answer?.polled;
  const [dialog, setDialog] = useState("");
  const [leaving, setLeaving] = useState(null);
  const me = useStore(who);
  const close = () => setDialog("");
  const back = async (one) => {
    try {
      await remove(`/v1/polled/${one.id}`);
      toast(t("polled.back_done", { name: one.documents.join(t("comma")) }));
      await load();
    } catch (failure) {
      complain(failure);
    }
  };
  const open = (name, icon, scope, main = false) =>
    may(me, scope) &&
    html`
      <${Act} icon=${icon} word=${t(`polled.${name}`)} act=${() => setDialog(name)} kind=${main ? "main" : ""} />
    `;
  return html`
    <div class="view">
      <div class="head">
        <h1>${t("nav.polled")}</h1>
        <div class="row">${open("fetch", "download", "send")} ${open("put", "plus", "admin", true)}</div>
      </div>
      <h2>${t("polled.title")}</h2>
      <${Pending} had=${list} error=${error} again=${load} lines=${3} />
      ${
        list?.length === 0 &&
        html`<${Empty} picture="people" title=${t("polled.none")}><p class="quiet">${t("polled.about")}</p><//>`
      }
      ${
        list?.length > 0 &&
        html`
          <ul class="polled-list card">
            ${list.map(
              (one) =>
                html`<${Out} key=${one.id || one.name} one=${one} back=${may(me, "admin") && (() => setLeaving(one))} />`,
            )}
          </ul>
        `
      }
      ${
        dialog === "put" &&
        html`
          <${PutOut}
            taken=${(list || []).map((one) => one.name)}
            close=${close}
            done=${(name) => {
              toast(t("polled.put_done", { name }));
              load();
            }}
          />
        `
      }
      ${
        dialog === "fetch" &&
        html`
          <${Fetch}
            close=${close}
            done=${(fax) =>
              toast(t("polled.fetch_done", { number: fax.to }), {
                label: t("nav.inbox"),
                act: () => go("#/inbox"),
              })}
          />
        `
      }
      ${
        leaving &&
        html`
          <${Sure}
            title=${t("polled.back")}
            text=${t("polled.back_text", { name: leaving.documents.join(t("comma")) })}
            yes=${t("polled.back")}
            act=${() => back(leaving)}
            close=${() => setLeaving(null)}
          />
        `
      }
    </div>
  `;
}
