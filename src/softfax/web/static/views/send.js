// SPDX-License-Identifier: GPL-2.0-or-later
// A new fax: its pages on one side as they will arrive, to whom and how on the other.

import { post } from "../lib/api.js";
import {
  addFiles,
  change,
  changeCover,
  clear,
  draft,
  forgetKey,
  keyOf,
  order,
  resume,
  setAside,
} from "../lib/draft.js";
import { put } from "../lib/faxes.js";
import { duration } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { pollDigits, readTyped } from "../lib/numbers.js";
import { useStore } from "../lib/store.js";
import { useMedia } from "../lib/width.js";
import { Act } from "../parts/controls.js";
import { Cover, useCoverPreview } from "../parts/cover.js";
import { Documents, DropZone } from "../parts/documents.js";
import { Icon } from "../parts/icons.js";
import { Failure, say, toast } from "../parts/notice.js";
import { Options, When } from "../parts/options.js";
import { meansName, Recipients } from "../parts/recipients.js";
import { SentCard } from "../parts/sent.js";

// On a wide screen the form stands beside the documents, and the keyboard comes to it first.
const NARROW = "(max-width: 52rem)";

let resumed = false;

// Pages and seconds of the whole fax as far as they are known.
function extent(d, cover) {
  const ready = d.files.filter((f) => f.state === "ready");
  const call = ready[0]?.result.call_s || cover?.call_s || 0;
  let pages = ready.reduce((sum, f) => sum + f.result.pages.length, 0);
  let time = ready.reduce((sum, f) => sum + f.result.seconds, 0);
  if (d.cover.on) {
    pages += 1;
    time += cover?.seconds || 0;
  }
  return { pages, seconds: time && time + call };
}

function useDrop() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const files = (e) => [...(e.dataTransfer?.types || [])].includes("Files");
    const on = {
      dragenter: (e) => {
        if (files(e)) {
          e.preventDefault();
          depth += 1;
          setOver(true);
        }
      },
      dragover: (e) => {
        if (files(e)) {
          e.preventDefault();
          e.dataTransfer.dropEffect = "copy";
        }
      },
      dragleave: (e) => {
        if (files(e)) {
          depth -= 1;
          if (depth <= 0) {
            depth = 0;
            setOver(false);
          }
        }
      },
      drop: (e) => {
        if (files(e)) {
          e.preventDefault();
          depth = 0;
          setOver(false);
          addFiles([...e.dataTransfer.files]);
        }
      },
      paste: (e) => {
        const list = [...(e.clipboardData?.files || [])];
        if (list.length) {
          e.preventDefault();
          addFiles(list);
        }
      },
    };
    for (const [name, act] of Object.entries(on)) addEventListener(name, act);
    return () => {
      for (const [name, act] of Object.entries(on)) removeEventListener(name, act);
    };
  }, []);
  return over;
}

// To whom it goes: who was added, and what still stands in the field.
function recipients(d) {
  const { list = [] } = readTyped(d.typing);
  return [...d.to, ...list.filter((one) => !d.to.some((had) => had.number === one.number))];
}

// What is missing before it can be sent: a key of a sentence and where to go.
function missing(d) {
  if (readTyped(d.typing).problem) return { key: "number", field: "to" };
  if (!recipients(d).length) return { key: "to", field: "to" };
  if (d.files.some((f) => ["failed", "refused", "lost"].includes(f.state))) return { key: "bad_file" };
  if (d.files.some((f) => f.state !== "ready")) return { key: "wait" };
  if (!d.files.length && !d.cover.on) return { key: "document", field: "pick" };
  const digits = ["poll_document", "poll_password"].find((key) => pollDigits(d.options[key]) === undefined);
  if (digits) return { key: "digits", field: digits };
  if (d.when === "later" && !d.at) return { key: "at", field: "at" };
  return null;
}

export default function Send() {
  const d = useStore(draft);
  const over = useDrop();
  const narrow = useMedia(NARROW);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [asked, setAsked] = useState("");
  const [done, setDone] = useState(null);
  const cover = useCoverPreview(d);
  const result = useRef();
  useEffect(() => {
    if (!resumed) {
      resumed = true;
      resume();
    }
  }, []);
  // What was said to be missing is said until it is there.
  const still = asked === "choose" ? readTyped(d.typing).word : missing(d)?.key === asked;
  const lack = asked && still ? t(`send.lacks.${asked}`) : "";
  useEffect(() => {
    if (asked && !lack) setAsked("");
  }, [asked, lack]);
  const { pages, seconds } = extent(d, cover.page);

  const send = async (event) => {
    event.preventDefault();
    const less = missing(d);
    if (less) {
      setAsked(less.key);
      if (less.field) document.getElementById(less.field)?.focus();
      return;
    }
    setBusy(true);
    if (await meansName(d.typing)) {
      setBusy(false);
      setAsked("choose");
      document.getElementById("to").focus();
      return;
    }
    const body = order(d, recipients(d));
    setError(null);
    say(t("send.busy"));
    try {
      const answer = await post("/v1/faxes", body, keyOf(body));
      const faxes = answer.faxes || [answer];
      faxes.forEach(put);
      forgetKey();
      setDone({ faxes, broadcast: answer.broadcast_id || "", pages, seconds });
      const { sender, sender_company, sender_number } = d.cover;
      clear();
      changeCover({ sender, sender_company, sender_number });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    if (done) result.current?.focus();
  }, [done]);

  if (done)
    return html`<div class="view"><${SentCard} done=${done} box=${result} again=${() => setDone(null)} /></div>`;
  const anything = d.files.length > 0 || d.cover.on;
  const discard = () => toast(t("send.cleared"), { label: t("undo"), act: setAside() });
  const count = recipients(d).length;
  const documents = html`
        <section class="send-pages" key="documents" aria-label=${t("send.pages")}>
          ${anything ? html`<${Documents} d=${d} cover=${cover} />` : html`<${DropZone} over=${over} />`}
          ${
            over &&
            anything &&
            html`
              <div class="drop-over" aria-hidden="true"><${Icon} name="plus" size="32" />${t("send.drop_more")}</div>
            `
          }
        </section>
  `;
  const form = html`
        <section class="send-form card" key="form" aria-label=${t("send.form")}>
          <${Recipients} to=${d.to} typing=${d.typing} change=${change} />
          <${Cover} d=${d} />
          <${When} d=${d} />
          <${Options} d=${d} />
          <div class="send-foot">
            ${
              pages > 0 &&
              html`
                <p class="summary">
                  <strong>${t("pages", { n: pages })}</strong>
                  ${seconds > 0 && html` <span class="quiet">${t("send.about", { time: duration(seconds) })}</span>`}
                </p>
              `
            }
            <button class="btn main large" disabled=${busy}>
              <${Icon} name=${d.when === "later" ? "clock" : "send"} />
              ${
                busy
                  ? t("send.busy")
                  : d.when === "later"
                    ? t("send.later")
                    : count > 1
                      ? t("send.many", { n: count })
                      : t("send.now")
              }
            </button>
            <p class="problem" role="alert">${lack}</p>
            ${error && html`<${Failure} error=${error} small=${true} />`}
          </div>
        </section>
  `;
  return html`
    <div class="view send">
      <div class="head">
        <h1>${t("send.title")}</h1>
        ${
          (anything || d.to.length > 0) &&
          html`
            <${Act} icon="trash" word=${t("send.clear")} act=${discard} kind="bare" size=${18} />
          `
        }
      </div>
      <form class="send-grid" onSubmit=${send} novalidate>
        ${narrow ? [documents, form] : [form, documents]}
      </form>
    </div>
  `;
}
