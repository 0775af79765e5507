// SPDX-License-Identifier: GPL-2.0-or-later
// The documents of a draft: dropped, picked or photographed, then page by page as the far end will see them.
import { html, useRef, useState } from "../lib/h.js";
import { t, number } from "../lib/i18n.js";
import { bytes, duration, proportion } from "../lib/format.js";
import { addFiles, again, dropFile, moveFile, BYTES_MAX } from "../lib/draft.js";
import { Icon } from "./icons.js";
import { PagePicture } from "./page.js";
import { Stage, Thumbs } from "./stage.js";
import { Dialog } from "./dialog.js";
import { words } from "./notice.js";

const ACCEPT = ".pdf,.tif,.tiff,.png,.jpg,.jpeg,.webp,.gif,.bmp,.txt,.md,.docx,.doc,.odt,.rtf,.xlsx,.xls,.ods,image/*,application/pdf";
const touch = () => matchMedia("(pointer: coarse)").matches;

function Pickers({ small = false }) {
  const files = useRef(), camera = useRef();
  const take = (event) => { addFiles([...event.target.files]); event.target.value = ""; };
  return html`<div class="row pickers"><button type="button" id="pick" class=${`btn${small ? "" : " main"}`} onClick=${() => files.current.click()}><${Icon} name=${small ? "plus" : "file"} />${t(small ? "send.add" : "send.pick")}</button>
    ${touch() && html`<button type="button" class="btn" onClick=${() => camera.current.click()}><${Icon} name="camera" />${t("send.photo")}</button>`}
    <input ref=${files} type="file" multiple accept=${ACCEPT} hidden aria-label=${t("send.pick")} data-input="files" onChange=${take} />
    <input ref=${camera} type="file" accept="image/*" capture="environment" hidden aria-label=${t("send.photo")} data-input="camera" onChange=${take} /></div>`;
}

export const DropZone = ({ over }) => html`<div class=${`drop${over ? " over" : ""}`}>
  <svg class="drawing" width="168" height="128" viewBox="0 0 168 128" fill="none" aria-hidden="true"><g class="feed"><rect x="52" y="14" width="64" height="82" rx="3" class="sheet" /><path d="M62 30h28M62 40h44M62 50h44M62 60h30M62 70h40" class="ink" /></g>
    <rect x="26" y="84" width="116" height="32" rx="10" class="machine" /><path d="M42 88h84" class="slot" /><circle cx="126" cy="103" r="3" class="lamp" /></svg>
  <h2>${t("send.drop")}</h2><p class="quiet">${t("send.drop_more_text")}</p><${Pickers} /><p class="quiet small">${t("send.kinds", { size: bytes(BYTES_MAX) })}</p></div>`;

function fileProblem(file) {
  if (file.state === "refused") return { what: t(`file.${file.refused}.what`, { size: bytes(file.bytes), max: bytes(BYTES_MAX) }), todo: t(`file.${file.refused}.do`), own: [] };
  if (file.state === "lost") return { what: t("file.lost.what"), todo: t("file.lost.do"), own: [] };
  const said = words(file.error);
  if (file.error.status === 413) return { what: t("file.large.what", { size: bytes(file.bytes), max: bytes(BYTES_MAX) }), todo: t("file.large.do"), own: said.own };
  if ([400, 415, 422].includes(file.error.status)) return { what: t("file.bad.what"), todo: file.error.remedy || t("file.bad.do"), own: [file.error.detail || file.error.title].filter(Boolean) };
  return said;
}

function FileHead({ file, first, last }) {
  const pages = file.result?.pages.length;
  return html`<div class="file-head"><${Icon} name="file" size="18" /><bdi class="file-name ellipsis" title=${file.name}>${file.name}</bdi>
    <span class="quiet small nowrap">${file.state === "ready" ? t("pages", { n: pages }) : bytes(file.bytes)}</span>
    <span class="row tight end">${!first && html`<button type="button" class="btn bare icon-only small" aria-label=${t("file.up", { name: file.name })} title=${t("file.earlier")} onClick=${() => moveFile(file.key, -1)}><${Icon} name="up" size="18" /></button>`}
      ${!last && html`<button type="button" class="btn bare icon-only small" aria-label=${t("file.down", { name: file.name })} title=${t("file.later")} onClick=${() => moveFile(file.key, 1)}><${Icon} name="down" size="18" /></button>`}
      <button type="button" class="btn bare icon-only small" aria-label=${t("file.remove", { name: file.name })} title=${t("remove")} onClick=${() => dropFile(file.key)}><${Icon} name="close" size="18" /></button></span></div>`;
}

function FileProblem({ file }) {
  const { what, todo, own } = fileProblem(file);
  const retry = file.state === "failed" && ![400, 413, 415, 422].includes(file.error.status);
  return html`<div class="notice bad" role="alert"><${Icon} name="alert" /><div><strong>${what}</strong>${own.length > 0 && html`<p dir="auto">${own.join(" ")}</p>`}<p>${todo}</p>
    <div class="row">${retry && html`<button type="button" class="btn small" onClick=${() => again(file.key)}>${t("again")}</button>`}
    <button type="button" class="btn small" onClick=${() => dropFile(file.key)}>${t("file.without")}</button></div></div></div>`;
}

function FileProgress({ file }) {
  const part = file.progress || 0;
  const word = file.state === "converting" ? t("file.converting") : t("file.uploading", { part: number(part, { style: "percent" }) });
  return html`<div class="file-progress"><div class="bar" role="progressbar" aria-label=${file.name} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(part * 100)} aria-valuetext=${word}>
    <i class=${file.state === "converting" ? "busy" : ""} style=${{ inlineSize: `${part * 100}%` }}></i></div><span class="quiet small" role="status">${word}</span></div>`;
}

const pageSource = (id, n) => (width) => `v1/uploads/${encodeURIComponent(id)}/pages/${n}.png${width ? `?width=${width}` : ""}`;

export function Documents({ d, cover }) {
  const [open, setOpen] = useState(-1);
  const all = [];
  if (d.cover.on && cover.page) all.push({ ...cover.page.pages[0], src: pageSource(cover.page.id, 1), caption: t("cover.page"), resolution: "204x196" });
  const from = {};
  for (const file of d.files) {
    from[file.key] = all.length;
    if (file.state !== "ready") continue;
    for (const page of file.result.pages) all.push({ ...page, src: pageSource(file.result.id, page.number), caption: t("page.caption", { name: file.name, n: page.number }), resolution: page.resolution || file.result.resolution || DPI[file.resolution] });
  }
  return html`<div class="documents">
    ${d.cover.on && html`<article class="file"><div class="file-head"><${Icon} name="edit" size="18" /><span class="file-name">${t("cover.page")}</span></div>
      ${cover.error ? html`<p class="problem" role="alert">${words(cover.error).what} ${words(cover.error).own.join(" ")}</p>` : cover.page ? html`<ol class="leaves"><${Leaf} page=${all[0]} n=${1} open=${() => setOpen(0)} fresh=${cover.busy} /></ol>` : html`<p class="quiet small" role="status">${t("cover.making")}</p>`}</article>`}
    ${d.files.map((file, i) => html`<article class=${`file${file.state !== "ready" || file.result.pages.length > 1 ? " many" : ""}`} key=${file.key} aria-label=${file.name}><${FileHead} file=${file} first=${i === 0} last=${i === d.files.length - 1} />
      ${["failed", "refused", "lost"].includes(file.state) ? html`<${FileProblem} file=${file} />` : file.state !== "ready" ? html`<${FileProgress} file=${file} />` : html`
        ${(file.result.warnings || []).map((w) => html`<p class="notice warn small" key=${w}><${Icon} name="alert" size="18" /><span dir="auto">${w}</span></p>`)}
        <ol class="leaves">${file.result.pages.map((page, n) => html`<${Leaf} key=${page.number} page=${all[from[file.key] + n]} n=${from[file.key] + n + 1} open=${() => setOpen(from[file.key] + n)} />`)}</ol>`}</article>`)}
    <${Pickers} small=${true} />
    ${open >= 0 && all[open] && html`<${Dialog} title=${t("send.preview")} close=${() => setOpen(-1)} wide="full"><div class="viewing-body"><${Stage} pages=${all} index=${open} setIndex=${setOpen} />${all.length > 1 && html`<${Thumbs} pages=${all} index=${open} setIndex=${setOpen} />`}</div><//>`}</div>`;
}

export const DPI = { standard: "204x98", fine: "204x196", superfine: "204x391" };

const Leaf = ({ page, n, open, fresh = false }) => html`<li class=${`leaf${fresh ? " busy" : ""}`}><button type="button" class="leaf-open" aria-label=${t("page.open", { n })} onClick=${open}>
  <${PagePicture} src=${page.src(480)} ratio=${page.width ? proportion(page.width, page.rows, page.resolution) : 1.414} /></button>
  <span class="leaf-word"><span>${t("page.word", { n })}</span><span class="quiet num">${[page.bytes && bytes(page.bytes), page.seconds && duration(page.seconds)].filter(Boolean).join(" · ")}</span></span></li>`;
