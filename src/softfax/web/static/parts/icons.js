// SPDX-License-Identifier: GPL-2.0-or-later
// Drawings of 20 by 20 units, in the colour of the words beside them.
import { html } from "../lib/h.js";

const D = {
  send: "M3 10.2 17 3.5l-4.2 13.2-3.3-5.3zM9.5 11.4 17 3.5",
  live: "M2.5 10h3l2-5.5 3.2 11 2.3-7.5 1.2 2h3.3",
  inbox: "M3 11.5 5 4.5h10l2 7v4H3zM3 11.5h4l1 2h4l1-2h4",
  outbox: "M3 11.5v4h14v-4M10 12.5V3.8M6.6 7 10 3.6 13.4 7",
  contacts: "M4.5 3h11v14h-11zM2.8 6.5h2.6M2.8 10h2.6M2.8 13.5h2.6M10.2 9.4a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM7.2 13.6c.3-1.8 1.5-2.6 3-2.6s2.7.8 3 2.6",
  health: "M10 16.6S3 12.6 3 7.7A3.7 3.7 0 0 1 10 6a3.7 3.7 0 0 1 7 1.7c0 4.9-7 8.9-7 8.9z",
  settings: "M3 6h7M14 6h3M3 14h3M10 14h7M12 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  close: "M5 5l10 10M15 5 5 15",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  camera: "M3 6.5h3L7.3 4.500h5.4L14 6.500h3v9.5H3zM10 13.700a2.700 2.700 0 1 0 0-5.400 2.700 2.700 0 0 0 0 5.400z",
  file: "M5 2.800h6.500L15 6.300v10.900H5zM11.300 2.800v3.700H15",
  search: "M8.800 14.600a5.800 5.800 0 1 0 0-11.600 5.800 5.800 0 0 0 0 11.600zM13 13l4 4",
  download: "M10 3v9.500M6.300 9 10 12.700 13.700 9M3.500 16.500h13",
  print: "M6 7V3h8v4M6 14H3.500V7.500h13V14H14M6 11.500h8V17H6z",
  rotate: "M15.700 8A6.200 6.200 0 1 0 16 11.500M16.200 4v4h-4",
  retry: "M4.300 8a6.200 6.200 0 1 1-.3 3.500M3.800 4v4h4",
  forward: "M11 4.500 16.500 10 11 15.500M16.300 10H8.500c-3 0-5 2-5 5.500",
  trash: "M3.500 5.500h13M8 5.300V3h4v2.300M5.500 5.500 6.300 17h7.400l.8-11.500M8.500 8.500v5.500M11.500 8.500v5.500",
  check: "M4 10.500 8.200 14.700 16 6",
  alert: "M10 3 18 16.500H2zM10 8v4M10 14.300h.01",
  clock: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4.300l2.800 1.700",
  left: "M12.500 4.500 7 10l5.500 5.500",
  right: "M7.500 4.500 13 10l-5.500 5.500",
  up: "M4.500 12.500 10 7l5.500 5.500",
  down: "M4.500 7.500 10 13l5.500-5.500",
  grid: "M3.500 3.500h5.200v5.200H3.500zM11.300 3.500h5.200v5.200h-5.200zM3.500 11.300h5.200v5.200H3.500zM11.300 11.300h5.200v5.200h-5.200z",
  list: "M3.500 5h13M3.500 10h13M3.500 15h13",
  ladder: "M5 3v14M15 3v14M5 6.500h9M12 5l2 1.500L12 8M15 12.500H6M8 11l-2 1.500L8 14",
  mail: "M3 5h14v10.500H3zM3.200 5.500 10 11l6.800-5.500",
  tag: "M3 3h6.500l7.500 7.500-6.500 6.500L3 9.500zM6.500 6.500h.01",
  fit: "M3.500 7V3.500H7M13 3.500h3.500V7M16.500 13v3.500H13M7 16.500H3.500V13",
  stop: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.500 7.500l5 5M12.500 7.500l-5 5",
  help: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.900 8a2.100 2.100 0 1 1 3 1.900c-.6.3-.9.7-.9 1.400M10 13.700h.01",
  people: "M7.500 9.500a2.700 2.700 0 1 0 0-5.400 2.700 2.700 0 0 0 0 5.400zM2.500 16c.3-3 2.200-4.500 5-4.500s4.700 1.500 5 4.500M13 4.400a2.600 2.600 0 0 1 0 4.900M14 11.700c2 .3 3.200 1.700 3.500 4.300",
  paste: "M7 4H4.500v13h11V4H13M7 2.800h6v2.700H7zM7.500 9.500h5M7.500 13h5",
  edit: "M4 16l.7-3.300L13.500 4 16 6.500l-8.700 8.700z",
};

// Arrows along the line of reading turn round where it runs right to left.
const TURNS = new Set(["left", "right", "send", "forward"]);

export const Icon = ({ name, size = 20 }) => html`<svg class=${`icon${TURNS.has(name) ? " turns" : ""}`} width=${size} height=${size} viewBox="0 0 20 20" fill="none"
  stroke="currentColor" stroke-width=${name === "more" ? 2.4 : 1.5} stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${D[name]} /></svg>`;

export const Mark = ({ size = 28 }) => html`<svg width=${size} height=${size} viewBox="0 0 32 32" aria-hidden="true">
  <rect width="32" height="32" rx="8" class="mark-ground" /><path d="M9 14V6h10l4 4v4" class="mark-line" /><path d="M5 18h22" class="mark-slot" /><path d="M9 22h14M9 26h9" class="mark-line" /></svg>`;
