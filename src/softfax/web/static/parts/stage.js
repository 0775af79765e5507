// SPDX-License-Identifier: GPL-2.0-or-later
// One page at a time, large: to the edge of the window or to the single dot, turned, dragged, by mouse, touch and keyboard.

import { proportion } from "../lib/format.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib/h.js";
import { number, t } from "../lib/i18n.js";
import { Tool } from "./controls.js";
import { say } from "./notice.js";
import { PagePicture } from "./page.js";
import { keys } from "./shortcuts.js";

const LEVELS = [0.25, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8];
const PAD = 24;
const WIDTH_MIN_PX = 40;
// A page of which nothing is known yet: A4, fine.
const DOTS = 1728;
const ROWS = 2287;
// From this many dots of the screen to one of the fax it is drawn from every dot.
const FINE = 0.7;

// How large a page is at a zoom, and how finely it has to be drawn for that.
function geometry({ page, natural, room, turn, zoom }) {
  const dots = page.width || natural?.width || DOTS;
  const ratio = proportion(dots, page.rows || natural?.height || ROWS, page.resolution);
  const lying = turn % 180 !== 0;
  const across = (room.width - PAD) / (lying ? dots * ratio : dots);
  const down = (room.height - PAD) / (lying ? dots : dots * ratio);
  const scale = { fit: Math.min(across, down), width: across }[zoom] ?? zoom;
  const width = Math.max(WIDTH_MIN_PX, dots * scale);
  const height = width * ratio;
  const drawn = scale * (devicePixelRatio || 1);
  const fine = drawn > FINE;
  return {
    scale,
    width,
    fine,
    source: fine ? page.src() : page.src(drawn * dots > 620 ? 1200 : 640),
    space: { width: `${lying ? height : width}px`, height: `${lying ? width : height}px` },
    place: { width: `${width}px`, height: `${height}px`, transform: `translate(-50%, -50%) rotate(${turn}deg)` },
  };
}

// A mouse pulls the page; fingers do so by themselves.
function drag(event) {
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  const box = event.currentTarget;
  const from = { x: event.clientX + box.scrollLeft, y: event.clientY + box.scrollTop };
  const move = (e) => {
    box.scrollLeft = from.x - e.clientX;
    box.scrollTop = from.y - e.clientY;
  };
  const end = () => {
    box.classList.remove("dragging");
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
  };
  box.classList.add("dragging");
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
}

const Turning = ({ index, total, show }) => html`
  <span class="tool-group">
    <${Tool} icon="up" label=${t("keys.previous")} act=${() => show(index - 1)} disabled=${index === 0} />
    <span class="where num">${t("page.of", { n: index + 1, total })}</span>
    <${Tool} icon="down" label=${t("keys.next")} act=${() => show(index + 1)} disabled=${index >= total - 1} />
  </span>
`;

const Zooming = ({ zoom, scale, set, step, rotate }) => html`
  <span class="tool-group">
    <${Tool} icon="minus" label=${t("page.out")} act=${() => step(-1)} />
    <span class="where num zoom-word">${number(Math.round(scale * 100) / 100, { style: "percent" })}</span>
    <${Tool} icon="plus" label=${t("page.in")} act=${() => step(1)} />
    <${Tool} icon="fit" label=${t("keys.fit")} act=${() => set("fit")} aria-pressed=${zoom === "fit"} />
    <button
      type="button"
      class="btn bare dots"
      aria-pressed=${zoom === 1}
      title=${t("keys.dots")}
      aria-label=${t("keys.dots")}
      onClick=${() => set(1)}
    >
      <span dir="ltr">1:1</span>
    </button>
    <${Tool} icon="rotate" label=${t("keys.rotate")} act=${rotate} />
  </span>
`;

function useRoom(box) {
  const [room, setRoom] = useState({ width: 600, height: 700 });
  useLayoutEffect(() => {
    const watch = new ResizeObserver(
      ([
        {
          contentRect: { width, height },
        },
      ]) => setRoom({ width, height }),
    );
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return room;
}

// The point under the pointer (or the middle) stays where it is while the page grows: gives what holds it.
function useHold(box, width, turn) {
  const anchor = useRef(null);
  useLayoutEffect(() => {
    const at = anchor.current;
    if (!at) return;
    anchor.current = null;
    box.current.scrollLeft = at.x * box.current.scrollWidth - at.dx;
    box.current.scrollTop = at.y * box.current.scrollHeight - at.dy;
  }, [width, turn]);
  return (event) => {
    const { scrollLeft, scrollTop, scrollWidth, scrollHeight } = box.current;
    const frame = box.current.getBoundingClientRect();
    const dx = event?.clientX ? event.clientX - frame.left : frame.width / 2;
    const dy = event?.clientY ? event.clientY - frame.top : frame.height / 2;
    anchor.current = { dx, dy, x: (scrollLeft + dx) / scrollWidth, y: (scrollTop + dy) / scrollHeight };
  };
}

// pages: [{src(width), width, rows, resolution, caption}]; index is from 0.
export function Stage({ pages, index, setIndex, tools = null, actions = {} }) {
  const page = pages[index];
  const [zoom, setZoom] = useState("fit");
  const [turn, setTurn] = useState(0);
  const [natural, setNatural] = useState(null);
  const [ready, setReady] = useState("");
  const stage = useRef();
  const room = useRoom(stage);
  const { scale, width, fine, source, space, place } = geometry({ page, natural, room, turn, zoom });
  const hold = useHold(stage, width, turn);
  useEffect(() => {
    stage.current.scrollTop = 0;
    setNatural(null);
  }, [index]);
  const set = (level, event) => {
    hold(event);
    setZoom(level);
  };
  const step = (by, event) => {
    const next = by > 0 ? LEVELS.find((l) => l > scale * 1.01) : LEVELS.findLast((l) => l < scale * 0.99);
    if (next) set(next, event);
  };
  const show = (to) => {
    const next = Math.min(pages.length - 1, Math.max(0, to));
    if (next === index) return;
    setIndex(next);
    say(t("page.number", { n: next + 1, total: pages.length }));
  };
  const rotate = () => setTurn((turn + 90) % 360);
  useEffect(() =>
    keys({
      PageDown: () => show(index + 1),
      j: () => show(index + 1),
      PageUp: () => show(index - 1),
      k: () => show(index - 1),
      Home: () => show(0),
      End: () => show(pages.length - 1),
      "+": () => step(1),
      "=": () => step(1),
      "-": () => step(-1),
      0: () => set("fit"),
      1: () => set(1),
      w: () => set("width"),
      r: rotate,
      ...actions,
    }),
  );
  useEffect(() => {
    const wheel = (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      step(event.deltaY < 0 ? 1 : -1, event);
    };
    const box = stage.current;
    box.addEventListener("wheel", wheel, { passive: false });
    return () => box.removeEventListener("wheel", wheel);
  });
  const loaded = ({ target: { naturalWidth, naturalHeight } }) => {
    setReady(source);
    if (fine) setNatural({ width: naturalWidth, height: naturalHeight });
    else if (!page.width) setNatural((n) => n || { width: DOTS, height: (DOTS * naturalHeight) / naturalWidth });
  };
  return html`
    <div class="stage-frame">
      <div class="toolbar" role="toolbar" aria-label=${t("page.tools")}>
        <${Turning} index=${index} total=${pages.length} show=${show} />
        <${Zooming} zoom=${zoom} scale=${scale} set=${set} step=${step} rotate=${rotate} />
        <span class="tool-group end">${tools}</span>
      </div>
      <div
        class="stage"
        ref=${stage}
        tabindex="0"
        role="group"
        aria-label=${page.caption}
        onPointerDown=${drag}
        onDblClick=${(e) => set(zoom === "fit" ? 1 : "fit", e)}
      >
        <div class="stage-space" style=${space}>
          <img
            class=${`stage-page${scale >= 1 ? " crisp" : ""}${ready === source ? " ready" : ""}`}
            src=${source}
            alt=${page.caption}
            draggable=${false}
            style=${place}
            onLoad=${loaded}
            onError=${() => setReady("failed")}
          />
          ${ready === "failed" && html`<span class="paper-word" role="status">${t("page.none")}</span>`}
        </div>
      </div>
    </div>
  `;
}

export const Thumbs = ({ pages, index, setIndex, marks = {} }) => html`
  <ol class="thumbs" aria-label=${t("page.all")}>
    ${pages.map(
      (page, i) => html`
        <li key=${i}>
          <button
            type="button"
            class="thumb"
            aria-current=${i === index ? "true" : undefined}
            aria-label=${page.caption}
            onClick=${() => setIndex(i)}
          >
            <${PagePicture}
              src=${page.src(160)}
              ratio=${page.width ? proportion(page.width, page.rows, page.resolution) : 1.414}
            />
            <span class="num">
              ${number(i + 1)}
              ${marks[i] ? html` <span class=${`mark-${marks[i].kind}`}>${marks[i].word}</span>` : ""}
            </span>
          </button>
        </li>
      `,
    )}
  </ol>
`;
