// SPDX-License-Identifier: GPL-2.0-or-later
// The address book.
import { html, useEffect, useRef, useState } from "../lib/h.js";
import { t } from "../lib/i18n.js";
import { get, post, remove } from "../lib/api.js";
import { tab } from "../lib/store.js";
import { check } from "../lib/numbers.js";
import { destination } from "../lib/format.js";
import { address } from "../lib/draft.js";
import { go } from "../lib/router.js";
import { Icon } from "../parts/icons.js";
import { Dialog, Sure } from "../parts/dialog.js";
import { Empty, Failure, Loading, toast, words } from "../parts/notice.js";
import { keys } from "../parts/shortcuts.js";

const BLANK = { name: "", number: "", company: "", email: "", notes: "" };
const FIELDS = [["name", "text", true], ["number", "tel", true], ["company", "text"], ["email", "email"]];

function Editor({ start, close, saved }) {
  const [values, setValues] = useState({ ...BLANK, ...tab.get("contact", {}), ...start });
  const [lacks, setLacks] = useState({});
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (key) => (e) => { const next = { ...values, [key]: e.target.value }; setValues(next); setLacks({ ...lacks, [key]: "" }); if (!start.id) tab.set("contact", next); };
  const save = async (event) => {
    event.preventDefault();
    const { number, problem } = check(values.number);
    const wrong = { name: values.name.trim() ? "" : t("contacts.no_name"), number: number ? "" : t(`to.problem.${problem}`), email: !values.email || /^[^\s@]+@[^\s@]+$/.test(values.email) ? "" : t("forward.no_mail") };
    setLacks(wrong);
    const bad = Object.keys(wrong).find((key) => wrong[key]);
    if (bad) { document.getElementById(`contact-${bad}`).focus(); return; }
    setBusy(true);
    setError(null);
    try {
      await saved({ ...values, number });
      tab.drop("contact");
      close();
    } catch (failure) { setError(failure); setBusy(false); }
  };
  return html`<${Dialog} title=${t(start.id ? "contacts.edit" : "contacts.new")} close=${close}><form class="stack" onSubmit=${save} novalidate>
    ${FIELDS.map(([key, type, needed]) => html`<label class="field" key=${key}><span>${t(`contacts.${key}`)}</span><input id=${`contact-${key}`} type=${type} dir=${type === "text" ? "auto" : "ltr"} value=${values[key] || ""} maxlength="200" required=${needed} aria-invalid=${lacks[key] ? "true" : undefined} aria-describedby=${`contact-${key}-problem`} onInput=${set(key)} />
      <span class="problem" id=${`contact-${key}-problem`} role="alert">${lacks[key] || ""}</span></label>`)}
    <label class="field"><span>${t("contacts.notes")}</span><textarea rows="3" dir="auto" maxlength="2000" value=${values.notes || ""} onInput=${set("notes")}></textarea></label>
    ${error && html`<${Failure} error=${error} small=${true} />`}
    <div class="dialog-foot"><button type="button" class="btn" onClick=${close}>${t("cancel")}</button><button class="btn main" disabled=${busy}>${t("save")}</button></div></form><//>`;
}

const initials = (name) => name.trim().split(/\s+/).filter((w) => /\p{L}/u.test(w[0])).slice(0, 2).map((w) => w[0]).join("").toUpperCase() || "#";

export default function Contacts() {
  const [text, setText] = useState("");
  const [state, setState] = useState({ list: null, error: null });
  const [editing, setEditing] = useState(null);
  const [dropping, setDropping] = useState(null);
  const [chosen, setChosen] = useState([]);
  const turn = useRef(0);
  const field = useRef();
  const load = async () => {
    const mine = (turn.current += 1);
    try {
      const answer = await get(`/v1/contacts?limit=500${text.trim() ? `&q=${encodeURIComponent(text.trim())}` : ""}`);
      if (mine === turn.current) setState({ list: answer.contacts || [], error: null });
    } catch (error) { if (mine === turn.current) setState((s) => ({ ...s, error })); }
  };
  useEffect(() => { const timer = setTimeout(load, text ? 200 : 0); return () => clearTimeout(timer); }, [text]);
  useEffect(() => keys({ "/": () => field.current.focus() }), []);
  const saved = async (values) => {
    const { id, ...fields } = values;
    await post("/v1/contacts", id ? { id, ...fields } : fields);
    toast(t("contacts.saved", { name: values.name }));
    await load();
  };
  const drop = async (contact) => {
    try { await remove(`/v1/contacts/${encodeURIComponent(contact.id)}`); toast(t("contacts.gone", { name: contact.name }), { label: t("undo"), act: () => saved({ ...contact, id: undefined }) }); await load(); } catch (error) { toast(words(error).what, null, "bad"); }
  };
  const list = state.list || [];
  const toggle = (id) => setChosen(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  const write = (some) => { address(some.map(({ number, name, company }) => ({ number, name, company }))); go("#/send"); };
  const picked = list.filter((c) => chosen.includes(c.id));
  return html`<div class="view"><div class="head"><h1>${t("nav.contacts")}</h1><button class="btn main" onClick=${() => setEditing({})}><${Icon} name="plus" />${t("contacts.new")}</button></div>
    <search class="searchbar"><label class="search"><${Icon} name="search" /><span class="visually-hidden">${t("contacts.search")}</span><input ref=${field} type="search" dir="auto" placeholder=${t("contacts.search")} value=${text} onInput=${(e) => setText(e.target.value)} /></label></search>
    ${state.error && html`<${Failure} error=${state.error} small=${Boolean(state.list)} again=${load} />`}
    ${!state.list ? !state.error && html`<${Loading} lines=${5} />` : !list.length ? (text ? html`<${Empty} picture="people" title=${t("contacts.nothing")}><button class="btn" onClick=${() => setEditing(check(text).number ? { number: text } : { name: text })}>${t("contacts.add_this", { what: text })}</button><//>`
      : html`<${Empty} picture="people" title=${t("contacts.none")}><p class="quiet">${t("contacts.none_text")}</p><//>`)
      : html`<ul class="contacts card">${list.map((c) => html`<li key=${c.id} class="contact"><label class="pick"><input type="checkbox" checked=${chosen.includes(c.id)} aria-label=${t("contacts.pick", { name: c.name })} onChange=${() => toggle(c.id)} /><span class="face" aria-hidden="true">${initials(c.name)}</span></label>
        <div class="contact-word"><strong><bdi>${c.name}</bdi></strong><span class="quiet small ellipsis"><bdi>${[c.company, c.notes].filter(Boolean).join(" · ")}</bdi></span></div><bdi class="contact-number">${destination(c.number)}</bdi>
        <span class="row tight end"><button class="btn bare icon-only" aria-label=${t("contacts.write", { name: c.name })} title=${t("contacts.write_word")} onClick=${() => write([c])}><${Icon} name="send" /></button><button class="btn bare icon-only" aria-label=${t("contacts.edit_name", { name: c.name })} title=${t("contacts.edit")} onClick=${() => setEditing(c)}><${Icon} name="edit" /></button>
          <button class="btn bare icon-only" aria-label=${t("contacts.drop", { name: c.name })} title=${t("remove")} onClick=${() => setDropping(c)}><${Icon} name="trash" /></button></span></li>`)}</ul>`}
    ${picked.length > 0 && html`<div class="picked card" role="region" aria-label=${t("contacts.picked")}><span>${t("contacts.chosen", { n: picked.length })}</span><button class="btn bare" onClick=${() => setChosen([])}>${t("contacts.none_chosen")}</button><button class="btn main" onClick=${() => write(picked)}><${Icon} name="send" />${t("contacts.write_word")}</button></div>`}
    ${editing && html`<${Editor} start=${editing} close=${() => setEditing(null)} saved=${saved} />`}
    ${dropping && html`<${Sure} title=${t("contacts.drop_title")} text=${t("contacts.drop_text", { name: dropping.name })} yes=${t("remove")} danger=${true} close=${() => setDropping(null)} act=${() => drop(dropping)} />`}</div>`;
}
