// SPDX-License-Identifier: GPL-2.0-or-later
// What can be done with a fax, wherever it is shown.

import { patch, post, randomKey, remove, url } from "../lib/api.js";
import { forget, pageCount, pageUrl, pathOf, put } from "../lib/faxes.js";
import { destination } from "../lib/format.js";
import { html, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { readTyped } from "../lib/numbers.js";
import { tab } from "../lib/store.js";
import { Field, Segments } from "./controls.js";
import { FormDialog } from "./dialog.js";
import { complain, toast } from "./notice.js";
import { Recipients } from "./recipients.js";

// Whether it went well; what went wrong is told.
async function attempt(job, said = "") {
  try {
    await job();
    if (said) toast(t(said));
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

export async function markRead(fax, unread) {
  put({ ...fax, unread });
  if (!(await attempt(async () => put(await patch(pathOf(fax.id), { unread }))))) put(fax);
}

export const cancelFax = (fax) => attempt(async () => put(await remove(pathOf(fax.id))), "acts.cancelled");

export const retryFax = (fax) => attempt(async () => put(await post(pathOf(fax.id, "/retry"), {})), "acts.retried");

export const eraseFax = (fax) =>
  attempt(async () => {
    await remove(pathOf(fax.id, "?erase=true"));
    forget(fax.id);
  }, "acts.erased");

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
  const [state, setState] = useState({
    how: "fax",
    to: [],
    typing: "",
    email: "",
    ...tab.get(`forward.${fax.id}`, {}),
  });
  const [lack, setLack] = useState("");
  // The same order given again counts once; another is another.
  const key = useRef(randomKey());
  const change = (values) =>
    setState((s) => {
      key.current = randomKey();
      const next = { ...s, ...values };
      tab.set(`forward.${fax.id}`, next);
      return next;
    });
  const byFax = state.how === "fax";
  const email = state.email.trim();
  const send = () => {
    const { list = [], problem } = readTyped(state.typing);
    const numbers = [...new Set([...state.to, ...list].map((one) => one.number))];
    const lacks = byFax
      ? (problem || !numbers.length) && (problem ? "send.lacks.number" : "send.lacks.to")
      : !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email) && "forward.no_mail";
    setLack(lacks ? t(lacks) : "");
    if (lacks) return undefined;
    const order = byFax ? { to: numbers.length === 1 ? numbers[0] : numbers } : { email };
    return post(pathOf(fax.id, "/forward"), order, key.current).then((answer) => {
      for (const one of answer.faxes || (answer.id ? [answer] : [])) put(one);
      tab.drop(`forward.${fax.id}`);
      toast(
        byFax ? t("forward.done", { who: numbers.map(destination).join(", ") }) : t("forward.mailed", { who: email }),
      );
    });
  };
  return html`
    <${FormDialog} title=${t("forward.title")} close=${close} save=${send} word=${t("forward.send")} busy_word=${t("send.busy")}>
      <${Segments}
        name="how"
        value=${state.how}
        pick=${(how) => {
          change({ how });
          setLack("");
        }}
        options=${["fax", "email"].map((how) => [how, t(`forward.${how}`)])}
      />
      ${
        byFax
          ? html`<${Recipients} id="forward-to" to=${state.to} typing=${state.typing} change=${change} />`
          : html`
              <${Field}
                label=${t("forward.address")}
                type="email"
                dir="ltr"
                autocomplete="email"
                value=${state.email}
                onInput=${(e) => change({ email: e.target.value })}
              />
            `
      }
      <p class="problem" role="alert">${lack}</p>
    <//>
  `;
}
