// SPDX-License-Identifier: GPL-2.0-or-later
// A long list of which only what can be seen is drawn. rows: [{key, height, node()}]; the page itself scrolls.
import { html, useEffect, useMemo, useRef, useState } from "../lib/h.js";

const MARGIN_PX = 700;

export function Virtual({ rows, label, end }) {
  const box = useRef();
  const [window_, setWindow] = useState({ top: 0, height: innerHeight || 800 });
  const tops = useMemo(() => {
    const out = new Float64Array(rows.length + 1);
    rows.forEach((row, i) => {
      out[i + 1] = out[i] + row.height;
    });
    return out;
  }, [rows]);
  useEffect(() => {
    let frame = 0;
    const measure = () => {
      frame = 0;
      if (box.current) setWindow({ top: -box.current.getBoundingClientRect().top, height: innerHeight });
    };
    const soon = () => {
      frame ||= requestAnimationFrame(measure);
    };
    measure();
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
  }, [rows.length]);
  const find = (y) => {
    let low = 0,
      high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tops[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const first = find(window_.top - MARGIN_PX);
  const last = Math.min(rows.length, find(window_.top + window_.height + MARGIN_PX) + 1);
  useEffect(() => {
    if (end && last >= rows.length - 2) end();
  }, [last, rows.length, end]);
  const shown = [];
  for (let i = first; i < last; i += 1)
    shown.push(html`
      <div
        key=${rows[i].key}
        role="presentation"
        class="virtual-row"
        style=${{ transform: `translateY(${tops[i]}px)`, height: `${rows[i].height}px` }}
      >
        ${rows[i].node()}
      </div>
    `);
  return html`
    <div class="virtual" ref=${box} role="group" aria-label=${label} style=${{ height: `${tops[rows.length]}px` }}>
      ${shown}
    </div>
  `;
}
