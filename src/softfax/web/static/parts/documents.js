// SPDX-License-Identifier: GPL-2.0-or-later
// The documents of a draft: dropped, picked or photographed, then page by page as the far end will see them.

import { addFiles, BYTES_MAX, convert, dropFile, moveFile } from "../lib/draft.js";
import { bytes, duration, proportion, sentences } from "../lib/format.js";
import { html, useRef, useState } from "../lib/h.js";
import { number, t } from "../lib/i18n.js";
import { Act, Tool } from "./controls.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icons.js";
import { Wrong, words } from "./notice.js";
import { PagePicture } from "./page.js";
import { Stage, Thumbs } from "./stage.js";

const ACCEPT =
  ".pdf,.tif,.tiff,.png,.jpg,.jpeg,.webp,.gif,.bmp,.txt,.md,.docx,.doc,.odt,.rtf,.xlsx,.xls,.ods,image/*,application/pdf";
const touch = () => matchMedia("(pointer: coarse)").matches;

function Pickers({ small = false }) {
  const files = useRef(),
    camera = useRef();
  const take = (event) => {
    addFiles([...event.target.files]);
    event.target.value = "";
  };
  return html`
    <div class="row pickers">
      <${Act}
        id="pick"
        icon=${small ? "plus" : "file"}
        word=${t(small ? "send.add" : "send.pick")}
        act=${() => files.current.click()}
        kind=${small ? "" : "main"}
      />
      ${touch() && html`<${Act} icon="camera" word=${t("send.photo")} act=${() => camera.current.click()} />`}
      <input
        ref=${files}
        type="file"
        multiple
        accept=${ACCEPT}
        hidden
        aria-label=${t("send.pick")}
        data-input="files"
        onChange=${take}
      />
      <input
        ref=${camera}
        type="file"
        accept="image/*"
        capture="environment"
        hidden
        aria-label=${t("send.photo")}
        data-input="camera"
        onChange=${take}
      />
    </div>
  `;
}

export const DropZone = ({ over }) => html`
  <div class=${`drop${over ? " over" : ""}`}>
    <svg class="drawing" width="168" height="128" viewBox="0 0 168 128" fill="none" aria-hidden="true">
      <g class="feed">
        <rect x="52" y="14" width="64" height="82" rx="3" class="sheet" />
        <path d="M62 30h28M62 40h44M62 50h44M62 60h30M62 70h40" class="ink" />
      </g>
      <rect x="26" y="84" width="116" height="32" rx="10" class="machine" />
      <path d="M42 88h84" class="slot" />
      <circle cx="126" cy="103" r="3" class="lamp" />
    </svg>
    <h2>${t(touch() ? "send.first" : "send.drop")}</h2>
    <p class="quiet">${t(touch() ? "send.first_text" : "send.drop_more_text")}</p>
    <${Pickers} />
    <p class="quiet small">${t("send.kinds", { size: bytes(BYTES_MAX) })}</p>
  </div>
`;

function fileProblem({ state, bytes: size, refused, error }) {
  const said = (key, own = []) => ({
    what: t(`file.${key}.what`, { size: bytes(size), max: bytes(BYTES_MAX) }),
    todo: t(`file.${key}.do`),
    own,
  });
  if (state === "refused") return said(refused);
  if (state === "lost") return said("lost");
  if ([400, 415, 422].includes(error.status)) return said("bad", sentences(error.detail || error.title));
  return words(error);
}

function FileHead({ file, first, last }) {
  const { key, name } = file;
  return html`
    <div class="file-head">
      <${Icon} name="file" size="18" />
      <bdi class="file-name ellipsis" title=${name}>${name}</bdi>
      <span class="quiet small nowrap">
        ${file.state === "ready" ? t("pages", { n: file.result.pages.length }) : bytes(file.bytes)}
      </span>
      <span class="row tight end">
        ${
          !first &&
          html`
            <${Tool} small icon="up" label=${t("file.up", { name })} title=${t("file.earlier")} act=${() => moveFile(key, -1)} />
          `
        }
        ${
          !last &&
          html`
            <${Tool} small icon="down" label=${t("file.down", { name })} title=${t("file.later")} act=${() => moveFile(key, 1)} />
          `
        }
        <${Tool} small icon="close" label=${t("file.remove", { name })} title=${t("remove")} act=${() => dropFile(key)} />
      </span>
    </div>
  `;
}

function FileProblem({ file }) {
  const retry = file.state === "failed" && ![400, 413, 415, 422].includes(file.error.status);
  return html`
    <${Wrong} told=${fileProblem(file)}>
      <div class="row">
        ${retry && html`<button type="button" class="btn small" onClick=${() => convert(file.key)}>${t("again")}</button>`}
        <button type="button" class="btn small" onClick=${() => dropFile(file.key)}>${t("file.without")}</button>
      </div>
    <//>
  `;
}

function FileProgress({ file }) {
  const part = file.progress || 0;
  const word =
    file.state === "converting"
      ? t("file.converting")
      : t("file.uploading", { part: number(part, { style: "percent" }) });
  return html`
    <div class="file-progress">
      <div
        class="bar"
        role="progressbar"
        aria-label=${file.name}
        aria-valuemin="0"
        aria-valuemax="100"
        aria-valuenow=${Math.round(part * 100)}
        aria-valuetext=${word}
      >
        <i class=${file.state === "converting" ? "busy" : ""} style=${{ inlineSize: `${part * 100}%` }}></i>
      </div>
      <span class="quiet small" role="status">${word}</span>
    </div>
  `;
}

const pageSource = (id, n) => (width) =>
  `v1/uploads/${encodeURIComponent(id)}/pages/${n}.png${width ? `?width=${width}` : ""}`;

const leafOf = (upload, page, caption) => ({ ...page, src: pageSource(upload.id, page.number), caption });
const PAPER = 1.414;

const Leaf = ({ page, n, open, fresh = false }) => html`
  <li class=${`leaf${fresh ? " busy" : ""}`}>
    <button type="button" class="leaf-open" aria-label=${t("page.open", { n })} onClick=${() => open(n - 1)}>
      <${PagePicture}
        src=${page.src(480)}
        ratio=${page.width ? proportion(page.width, page.rows, page.resolution) : PAPER}
      />
    </button>
    <span class="leaf-word">
      <span>${t("page.word", { n })}</span>
      <span class="quiet num">${bytes(page.bytes)} · ${duration(page.seconds)}</span>
    </span>
  </li>
`;

function CoverSheet({ cover: { page, error, busy }, leaf, open }) {
  if (error) {
    const { what, own } = words(error);
    return html`<p class="problem" role="alert">${[what, ...own].join(" ")}</p>`;
  }
  if (!page) return html`<p class="quiet small" role="status">${t("cover.making")}</p>`;
  return html`<ol class="leaves"><${Leaf} page=${leaf} n=${1} open=${open} fresh=${busy} /></ol>`;
}

const isBad = (file) => ["failed", "refused", "lost"].includes(file.state);

// The pages of a document, or how far it is to be pages. `leaves` are numbered from `from`.
function FileBody({ file, leaves, from, open }) {
  if (isBad(file)) return html`<${FileProblem} file=${file} />`;
  if (file.state !== "ready") return html`<${FileProgress} file=${file} />`;
  return html`
    ${file.result.warnings.map(
      (w) => html`
        <p class="notice warn small" key=${w}><${Icon} name="alert" size="18" /><span dir="auto">${w}</span></p>
      `,
    )}
    <ol class="leaves">
      ${leaves.map((page, i) => html`<${Leaf} key=${page.number} page=${page} n=${from + i + 1} open=${open} />`)}
    </ol>
  `;
}

export function Documents({ d, cover }) {
  const [shown, show] = useState(-1);
  const first = d.cover.on && cover.page ? [leafOf(cover.page, cover.page.pages[0], t("cover.page"))] : [];
  const leaves = d.files.map((file) =>
    file.state === "ready"
      ? file.result.pages.map((page) =>
          leafOf(file.result, page, t("page.caption", { name: file.name, n: page.number })),
        )
      : [],
  );
  const all = [...first, ...leaves.flat()];
  const before = (index) => first.length + leaves.slice(0, index).flat().length;
  return html`
    <div class="documents">
      ${
        d.cover.on &&
        html`
          <article class="file" aria-label=${t("cover.page")}>
            <div class="file-head">
              <${Icon} name="edit" size="18" />
              <span class="file-name">${t("cover.page")}</span>
            </div>
            <${CoverSheet} cover=${cover} leaf=${first[0]} open=${show} />
          </article>
        `
      }
      ${d.files.map(
        (file, i) => html`
          <article class=${`file${leaves[i].length === 1 ? "" : " many"}`} key=${file.key} aria-label=${file.name}>
            <${FileHead} file=${file} first=${i === 0} last=${i === d.files.length - 1} />
            <${FileBody} file=${file} leaves=${leaves[i]} from=${before(i)} open=${show} />
          </article>
        `,
      )}
      <${Pickers} small=${true} />
      ${
        all[shown] &&
        html`
          <${Dialog} title=${t("send.preview")} close=${() => show(-1)} kind="viewing">
            <div class="viewing-body">
              <${Stage} pages=${all} index=${shown} setIndex=${show} />
              ${all.length > 1 && html`<${Thumbs} pages=${all} index=${shown} setIndex=${show} />`}
            </div>
          <//>
        `
      }
    </div>
  `;
}
