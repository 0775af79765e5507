// SPDX-License-Identifier: GPL-2.0-or-later
// What can be done with a fax, wherever it is shown.

import { patch, post, randomKey, remove, url } from "../lib/api.js";
import { forget, pageCount, pageUrl, put } from "../lib/faxes.js";
import { destination } from "../lib/format.js";
import { html, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { readTyped } from "../lib/numbers.js";
import { tab } from "../lib/store.js";
import { Dialog } from "./dialog.js";
import { Failure, toast, words } from "./notice.js";
import { Recipients } from "./recipients.js";

const failed = (error) => {
  const said = words(error);
  toast([said.what, ...said.own, said.todo].join(" "), null, "bad");
};
const at = (fax, rest = "") => `/v1/faxes/${encodeURIComponent(fax.id)}${rest}`;

export async function markRead(fax, unread) {
  put({ ...fax, unread });
  try {
    const answer = await patch(at(fax), { unread });
    if (answer?.id) put(answer);
  } catch (error) {
    put(fax);
    failed(error);
  }
}

export async function cancelFax(fax) {
  try {
    const answer = await remove(at(fax));
    put(answer?.id ? answer : { ...fax, state: "cancelled" });
    toast(t("acts.cancelled"));
  } catch (error) {
    failed(error);
  }
}

export async function retryFax(fax) {
  try {
    const answer = await post(at(fax, "/retry"), {});
    if (answer?.id) put(answer);
    toast(t("acts.retried"));
  } catch (error) {
    failed(error);
  }
}

export async function eraseFax(fax) {
  try {
    await remove(at(fax, "?erase=true"));
    forget(fax.id);
    toast(t("acts.erased"));
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

// All pages on the printer: each picture of every dot on a sheet of its own.
export async function printFax(fax) {
  const sheets = document.getElementById("print");
  sheets.replaceChildren();
  const waits = [];
  for (let n = 1; n <= pageCount(fax); n += 1) {
    const picture = new Image();
    picture.alt = "";
    waits.push(
      new Promise((resolve) => {
        picture.onload = picture.onerror = resolve;
      }),
    );
    picture.src = url(pageUrl(fax.id, n));
    sheets.append(picture);
  }
  await Promise.all(waits);
  // What is printed next by the browser's own menu is the page that is seen then.
  addEventListener("afterprint", () => sheets.replaceChildren(), { once: true });
  print();
}

export function Forward({ fax, close }) {
  const kept = tab.get(`forward.${fax.id}`, {});
  const [how, setHow] = useState(kept.how || "fax");
  const [state, setState] = useState({ to: kept.to || [], typing: kept.typing || "" });
  const [email, setEmail] = useState(kept.email || "");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [lack, setLack] = useState("");
  const key = useRef(randomKey());
  const keep = (values) => tab.set(`forward.${fax.id}`, { how, ...state, email, ...values });
  const send = async (event) => {
    event.preventDefault();
    const { list = [], problem } = readTyped(state.typing);
    const numbers = [...new Set([...state.to, ...list].map((one) => one.number))];
    if (how === "fax" && (problem || !numbers.length)) {
      setLack(t(problem ? "send.lacks.number" : "send.lacks.to"));
      return;
    }
    if (how === "email" && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email.trim())) {
      setLack(t("forward.no_mail"));
      return;
    }
    setLack("");
    setBusy(true);
    setError(null);
    try {
      const answer = await post(
        at(fax, "/forward"),
        how === "fax" ? { to: numbers.length === 1 ? numbers[0] : numbers } : { email: email.trim() },
        key.current,
      );
      for (const one of answer?.faxes || (answer?.id ? [answer] : [])) put(one);
      tab.drop(`forward.${fax.id}`);
      toast(
        t(how === "fax" ? "forward.done" : "forward.mailed", {
          who: how === "fax" ? numbers.map(destination).join(", ") : email,
        }),
      );
      close();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${t("forward.title")} close=${close}>
      <form class="stack" onSubmit=${send} novalidate>
        <div class="segments">
          ${["fax", "email"].map(
            (key) => html`
              <label key=${key}>
                <input
                  type="radio"
                  name="how"
                  checked=${how === key}
                  onChange=${() => {
                    setHow(key);
                    keep({ how: key });
                    setLack("");
                  }}
                />
                <span>${t(`forward.${key}`)}</span>
              </label>
            `,
          )}
        </div>
        ${
          how === "fax"
            ? html`
                <${Recipients}
                  id="forward-to"
                  ...${state}
                  change=${(values) =>
                    setState((s) => {
                      key.current = randomKey();
                      const next = { ...s, ...values };
                      keep(next);
                      return next;
                    })}
                />
              `
            : html`
                <label class="field">
                  <span>${t("forward.address")}</span>
                  <input
                    type="email"
                    dir="ltr"
                    autocomplete="email"
                    value=${email}
                    onInput=${(e) => {
                      key.current = randomKey();
                      setEmail(e.target.value);
                      keep({ email: e.target.value });
                    }}
                  />
                </label>
              `
        }
        <p class="problem" role="alert">${lack}</p>
        ${error && html`<${Failure} error=${error} small=${true} />`}
        <div class="dialog-foot">
          <button type="button" class="btn" onClick=${close}>${t("cancel")}</button>
          <button class="btn main" disabled=${busy}>${t(busy ? "send.busy" : "forward.send")}</button>
        </div>
      </form>
    <//>
  `;
}
