// SPDX-License-Identifier: GPL-2.0-or-later
// Language, theme, who is logged in. Kept by the browser, for this browser.

import { useAnswer } from "../lib/answer.js";
import { get, logout, session } from "../lib/api.js";
import { html, useEffect, useState } from "../lib/h.js";
import { LANGUAGES, language, setLanguage, t } from "../lib/i18n.js";
import { browser, useStore } from "../lib/store.js";
import { Choice } from "../parts/controls.js";
import { Failure, say } from "../parts/notice.js";

const root = document.documentElement;

function setTheme(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  browser.set("theme", theme || null);
}

// A login made here can be ended here; for one by a proxy, or at the machine itself, only its name is shown.
function Login({ who, failed }) {
  if (!["login", "proxy"].includes(who?.kind)) return null;
  const here = who.kind === "login";
  return html`
    <section class="card stack">
      <h2>${t("settings.session")}</h2>
      <p>${t("settings.as", { name: who.name })}</p>
      <p class="quiet small">${t(here ? "settings.session_text" : "settings.proxy")}</p>
      ${
        here &&
        html`
          <div class="row">
            <button class="btn" onClick=${() => logout().catch(failed)}>${t("settings.logout")}</button>
          </div>
        `
      }
    </section>
  `;
}

export default function Settings() {
  const current = useStore(language);
  const { needed } = useStore(session);
  const [theme, pickTheme] = useState(root.dataset.theme || "");
  const [error, setError] = useState(null);
  const version = useAnswer("/v1/status").answer?.version || "";
  const [who, setWho] = useState(null);
  useEffect(() => {
    get("/v1/login").then(setWho, () => setWho(null));
  }, [needed]);
  const speak = (code) =>
    setLanguage(code).then(
      () => {
        setError(null);
        say(t("settings.changed"));
      },
      () => setError({ status: 0 }),
    );
  return html`
    <div class="view narrow">
      <div class="head"><h1>${t("nav.settings")}</h1></div>
      <div class="stack loose">
        <section class="card stack">
          <h2>${t("settings.look")}</h2>
          <${Choice}
            name="lang"
            label=${t("settings.language")}
            value=${current}
            pick=${speak}
            options=${Object.entries(LANGUAGES).map(([code, word]) => [code, word, code])}
          />
          <${Choice}
            name="theme"
            label=${t("settings.theme")}
            value=${theme}
            pick=${(key) => {
              pickTheme(key);
              setTheme(key);
            }}
            options=${[["", t("theme.system")], ["light", t("theme.light")], ["dark", t("theme.dark")]]}
          />
          <p class="quiet small">${t("settings.here")}</p>
          ${error && html`<${Failure} error=${error} small=${true} />`}
        </section>
        <${Login} who=${who} failed=${setError} />
        <section class="card stack">
          <h2>${t("settings.about")}</h2>
          <p class="quiet"><bdi dir="ltr" class="num">softfax ${version}</bdi></p>
          <p class="quiet small">${t("settings.licence")}</p>
          <div class="row"><a href="openapi.json">OpenAPI</a><a href="metrics">${t("settings.metrics")}</a></div>
        </section>
      </div>
    </div>
  `;
}
