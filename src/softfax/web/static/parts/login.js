// SPDX-License-Identifier: GPL-2.0-or-later
// The token, asked for over the page: what lies below stays as it is and goes on after it.

import { login, session } from "../lib/api.js";
import { html, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { useStore } from "../lib/store.js";
import { Field } from "./controls.js";
import { Dialog } from "./dialog.js";
import { words } from "./notice.js";

export function Login() {
  const { known, reason } = useStore(session);
  const [token, setToken] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const enter = async (event) => {
    event.preventDefault();
    if (!token.trim()) {
      setError({ empty: true });
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await login(token.trim());
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const said =
    error &&
    (error.empty
      ? t("login.empty")
      : error.status === 401 || error.status === 403
        ? t("login.wrong")
        : `${words(error).what} ${words(error).todo}`);
  return html`
    <${Dialog} title=${t("login.title")} stays=${true}>
      <form class="stack" onSubmit=${enter}>
        <p class="quiet">${t(reason === "out" ? "login.out" : known ? "login.again" : "login.why")}</p>
        <${Field}
          label=${t("login.token")}
          type="password"
          name="token"
          autocomplete="current-password"
          autofocus
          spellcheck="false"
          dir="ltr"
          value=${token}
          readonly=${busy}
          aria-invalid=${error ? "true" : undefined}
          aria-describedby="login-error"
          onInput=${(e) => setToken(e.target.value)}
        />
        <p id="login-error" class="problem" role="alert">${said}</p>
        <button class="btn main" disabled=${busy}>${t(busy ? "login.busy" : "login.enter")}</button>
        <details class="small quiet"><summary>${t("login.where")}</summary><p>${t("login.where_text")}</p></details>
      </form>
    <//>
  `;
}
