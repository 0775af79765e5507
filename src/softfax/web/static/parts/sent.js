// SPDX-License-Identifier: GPL-2.0-or-later
// The fax is the station's now: what it is, where it goes, what can still be done.

import { remove } from "../lib/api.js";
import { ended, firstPage, noPage, pathOf, put, useFax } from "../lib/faxes.js";
import { destination, dotted, duration, moment } from "../lib/format.js";
import { html, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { Act } from "./controls.js";
import { Failure } from "./notice.js";
import { PagePicture } from "./page.js";
import { StateWord } from "./state.js";

export function SentCard({ done, box, again }) {
  const [first] = done.faxes;
  const { fax } = useFax(first.id);
  const [error, setError] = useState(null);
  const shown = fax || first;
  const many = done.faxes.length > 1;
  const cancel = async () => {
    setError(null);
    for (const one of done.faxes) {
      try {
        put(await remove(pathOf(one.id)));
      } catch (failure) {
        if (failure.status !== 409) {
          setError(failure);
          return;
        }
      }
    }
  };
  return html`
    <section class="sent card" tabindex="-1" ref=${box} aria-labelledby="sent-title">
      <div class="sent-picture">
        <${PagePicture} src=${firstPage(shown, 320)} none=${noPage(shown)} eager=${true} stamp=${shown.updated} />
      </div>
      <div class="sent-word">
        <p class="row"><${StateWord} fax=${shown} /></p>
        <h1 id="sent-title">
          ${
            many
              ? t("sent.many", { n: done.faxes.length })
              : shown.state === "delivered"
                ? t("sent.there")
                : shown.state === "cancelled"
                  ? t("sent.cancelled")
                  : t("sent.taken")
          }
        </h1>
        ${!many && html`<p class="large"><bdi>${destination(shown.to)}</bdi></p>`}
        <p class="quiet">
          ${dotted(
            t("pages", { n: done.pages || shown.pages_total || 0 }),
            done.seconds > 0 && t("send.about", { time: duration(done.seconds) }),
            shown.not_before && t("when.word", { when: moment(shown.not_before) }),
          )}
        </p>
        <p class="quiet">${t("sent.calm")}</p>
        ${error && html`<${Failure} error=${error} small=${true} />`}
        <div class="row">
          <${Act}
            icon=${many ? "outbox" : "live"}
            word=${t(many ? "sent.list" : ended(shown) ? "sent.look" : "sent.watch")}
            href=${many ? `#/outbox?broadcast=${done.broadcast}` : ended(shown) ? `#/fax/${first.id}` : "#/live"}
            kind="main"
          />
          <${Act} icon="plus" word=${t("sent.another")} act=${again} />
          ${
            !ended(shown) &&
            html`<button class="btn bare" onClick=${cancel}>${t(many ? "sent.cancel_all" : "cancel_fax")}</button>`
          }
        </div>
      </div>
    </section>
  `;
}
