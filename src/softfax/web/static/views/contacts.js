// SPDX-License-Identifier: GPL-2.0-or-later
// The address book.

import { get, post, remove } from "../lib/api.js";
import { address } from "../lib/draft.js";
import { destination, dotted } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { check } from "../lib/numbers.js";
import { go } from "../lib/router.js";
import { Editor } from "../parts/contact.js";
import { Act, Tool } from "../parts/controls.js";
import { Sure } from "../parts/dialog.js";
import { complain, Empty, Pending, toast } from "../parts/notice.js";
import { Search } from "../parts/search.js";

const PAUSE_MS = 200;
const CHUNK = 200;

const initials = (name) =>
  name
    .trim()
    .split(/\s+/)
    .filter((w) => /\p{L}/u.test(w[0]))
    .slice(0, 2)
    .map((w) => w[0])
    .join("\u200c")
    .toUpperCase() || "#";

// What the station finds, as much as has been asked for.
function useContacts(text) {
  const [state, setState] = useState({ list: null, cursor: "", error: null });
  const turn = useRef(0);
  const load = async (cursor = "") => {
    const mine = (turn.current += 1);
    const query = new URLSearchParams({ limit: String(CHUNK), q: text.trim(), ...(cursor && { cursor }) });
    try {
      const answer = await get(`/v1/contacts?${query}`);
      if (mine !== turn.current) return;
      setState((s) => ({
        list: cursor ? [...s.list, ...answer.contacts] : answer.contacts,
        cursor: answer.cursor,
        error: null,
      }));
    } catch (error) {
      if (mine === turn.current) setState((s) => ({ ...s, error }));
    }
  };
  useEffect(() => {
    const timer = setTimeout(load, text ? PAUSE_MS : 0);
    return () => clearTimeout(timer);
  }, [text]);
  return { ...state, again: () => load(), more: state.cursor ? () => load(state.cursor) : null };
}

function Contact({ contact, chosen, toggle, write, edit, drop }) {
  const { name, company, notes, number } = contact;
  return html`
    <li class="contact">
      <label class="pick">
        <input type="checkbox" checked=${chosen} aria-label=${t("contacts.pick", { name })} onChange=${toggle} />
        <span class="face" aria-hidden="true">${initials(name)}</span>
      </label>
      <div class="contact-word">
        <strong><bdi>${name}</bdi></strong>
        <span class="quiet small ellipsis" dir="auto">${dotted(company, notes)}</span>
      </div>
      <bdi class="contact-number num">${destination(number)}</bdi>
      <span class="row tight end">
        <${Tool} icon="send" label=${t("contacts.write", { name })} title=${t("contacts.write_word")} act=${write} />
        <${Tool} icon="edit" label=${t("contacts.edit_name", { name })} title=${t("contacts.edit")} act=${edit} />
        <${Tool} icon="trash" label=${t("contacts.drop", { name })} title=${t("remove")} act=${drop} />
      </span>
    </li>
  `;
}

const Nobody = ({ text, edit }) =>
  text
    ? html`
        <${Empty} picture="people" title=${t("contacts.nothing")}>
          <button class="btn" onClick=${() => edit(check(text).number ? { number: text } : { name: text })}>
            ${t("contacts.add_this", { what: text })}
          </button>
        <//>
      `
    : html`<${Empty} picture="people" title=${t("contacts.none")}><p class="quiet">${t("contacts.none_text")}</p><//>`;

export default function Contacts() {
  const [text, setText] = useState("");
  const [editing, setEditing] = useState(null);
  const [dropping, setDropping] = useState(null);
  const [chosen, setChosen] = useState([]);
  const { list, error, again, more } = useContacts(text);
  const saved = async (values) => {
    await post("/v1/contacts", values);
    toast(t("contacts.saved", { name: values.name }));
    await again();
  };
  const drop = async (contact) => {
    const { id, ...values } = contact;
    try {
      await remove(`/v1/contacts/${encodeURIComponent(id)}`);
      setChosen(chosen.filter((one) => one.id !== id));
      toast(t("contacts.gone", { name: contact.name }), { label: t("undo"), act: () => saved(values) });
      await again();
    } catch (failure) {
      complain(failure);
    }
  };
  const isChosen = (contact) => chosen.some((one) => one.id === contact.id);
  const toggle = (contact) =>
    setChosen(isChosen(contact) ? chosen.filter((one) => one.id !== contact.id) : [...chosen, contact]);
  const write = (some) => {
    address(some.map(({ number, name, company }) => ({ number, name, company })));
    go("#/send");
  };
  return html`
    <div class="view">
      <div class="head">
        <h1>${t("nav.contacts")}</h1>
        <div class="row">
          <a class="btn" href="#/numbers">${t("nav.numbers")}</a>
          <${Act} icon="plus" word=${t("contacts.new")} act=${() => setEditing({})} kind="main" />
        </div>
      </div>
      <search class="searchbar">
        <${Search} label=${t("contacts.search")} text=${text} set=${setText} />
      </search>
      <${Pending} had=${list} error=${error} again=${again} lines=${5} />
      ${list?.length === 0 && html`<${Nobody} text=${text} edit=${setEditing} />`}
      ${
        list?.length > 0 &&
        html`
          <ul class="contacts card">
            ${list.map(
              (contact) => html`
                <${Contact}
                  key=${contact.id}
                  contact=${contact}
                  chosen=${isChosen(contact)}
                  toggle=${() => toggle(contact)}
                  write=${() => write([contact])}
                  edit=${() => setEditing(contact)}
                  drop=${() => setDropping(contact)}
                />
              `,
            )}
          </ul>
        `
      }
      ${more && html`<p class="row centred"><button class="btn" onClick=${more}>${t("contacts.more")}</button></p>`}
      ${
        chosen.length > 0 &&
        html`
          <div class="picked card" role="region" aria-label=${t("contacts.picked")}>
            <span role="status">${t("contacts.chosen", { n: chosen.length })}</span>
            <button class="btn bare" onClick=${() => setChosen([])}>${t("contacts.none_chosen")}</button>
            <${Act} icon="send" word=${t("contacts.write_word")} act=${() => write(chosen)} kind="main" />
          </div>
        `
      }
      ${
        editing &&
        html`
          <${Editor}
            start=${editing}
            close=${() => setEditing(null)}
            saved=${saved}
            drop=${() => {
              setEditing(null);
              setDropping(editing);
            }}
          />
        `
      }
      ${
        dropping &&
        html`
          <${Sure}
            title=${t("contacts.drop_title")}
            text=${t("contacts.drop_text", { name: dropping.name })}
            yes=${t("remove")}
            close=${() => setDropping(null)}
            act=${() => drop(dropping)}
          />
        `
      }
    </div>
  `;
}
