// SPDX-License-Identifier: GPL-2.0-or-later
// A cover page: a few fields, and the page they make, drawn by the station while one types.

import { post } from "../lib/api.js";
import { changeCover, coverFields } from "../lib/draft.js";
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { Field } from "./controls.js";

const PAUSE_MS = 500;
const FIELDS = [
  ["to", "text"],
  ["to_company", "text"],
  ["sender", "text"],
  ["sender_company", "text"],
  ["sender_number", "tel"],
  ["subject", "text"],
];

export function useCoverPreview(d) {
  const [state, setState] = useState({ page: null, error: null, busy: false });
  const turn = useRef(0);
  const fields = d.cover.on ? JSON.stringify(coverFields(d.cover, d.to)) : "";
  useEffect(() => {
    const mine = (turn.current += 1);
    if (!fields) {
      setState({ page: null, error: null, busy: false });
      return;
    }
    setState((s) => ({ ...s, busy: true }));
    const timer = setTimeout(async () => {
      try {
        const page = await post("/v1/covers", JSON.parse(fields));
        if (mine === turn.current) setState({ page, error: null, busy: false });
      } catch (error) {
        if (mine === turn.current) setState({ page: null, error, busy: false });
      }
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [fields]);
  return state;
}

export function Cover({ d }) {
  const { cover } = d;
  const set = (key) => (e) => changeCover({ [key]: e.target.value });
  return html`
    <fieldset class="plain">
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          checked=${cover.on}
          onChange=${(e) => changeCover({ on: e.target.checked })}
        />
        <span>${t("cover.on")}</span>
      </label>
      ${
        cover.on &&
        html`
          <div class="cover-fields">
            ${FIELDS.map(
              ([key, type]) => html`
                <${Field}
                  key=${key}
                  label=${t(`cover.${key}`)}
                  type=${type}
                  value=${cover[key]}
                  dir=${type === "tel" ? "ltr" : "auto"}
                  maxlength="200"
                  onInput=${set(key)}
                  placeholder=${key === "to" && d.to.length === 1 ? d.to[0].name : ""}
                />
              `,
            )}
            <label class="field whole">
              <span>${t("cover.note")}</span>
              <textarea rows="4" dir="auto" maxlength="4000" value=${cover.note} onInput=${set("note")}></textarea>
            </label>
          </div>
        `
      }
    </fieldset>
  `;
}
