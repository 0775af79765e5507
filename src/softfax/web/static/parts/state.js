// SPDX-License-Identifier: GPL-2.0-or-later
// Where a fax is, in a word and a colour; and what went wrong, with what to do.

import { sent, story } from "../lib/faxes.js";
import { when } from "../lib/format.js";
import { html } from "../lib/h.js";
import { english, t } from "../lib/i18n.js";
import { Icon } from "./icons.js";
import { Notice } from "./notice.js";

const KINDS = {
  delivered: "ok",
  received: "ok",
  failed: "bad",
  expired: "bad",
  uncertain: "warn",
  waiting: "warn",
  cancelled: "soft",
  queued: "info",
  preparing: "info",
  sending: "go",
  receiving: "go",
};
const ICONS = { ok: "check", bad: "alert", warn: "clock", soft: "stop", info: "clock", go: "live" };

export function StateWord({ fax, unread = false }) {
  const kind = KINDS[fax.state] || "soft";
  const partly = fax.state === "failed" && !sent(fax) && fax.pages > 0;
  const fresh = unread && fax.unread && fax.state !== "receiving";
  return html`
    <span class=${`state ${partly ? "warn" : kind}`}>
      <${Icon} name=${fax.state === "uncertain" ? "help" : ICONS[kind]} size="16" />
      ${t(partly ? "state.partly" : fresh ? "state.new" : `state.${fax.state}`)}
    </span>
  `;
}

export function Story({ fax }) {
  const told = story(fax);
  if (!told) return null;
  return html`
    <${Notice} kind=${fax.state === "failed" || fax.state === "expired" ? "bad" : "warn"} title=${told.what}>
      <p>
        ${fax.state === "waiting" && fax.next_attempt ? t("fax.next", { when: when(fax.next_attempt) }) : told.todo}
      </p>
      ${told.own.length > 0 && html`<p class="small quiet" lang=${english()} dir="auto">${told.own.join(" ")}</p>`}
    <//>
  `;
}
