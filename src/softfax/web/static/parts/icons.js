// SPDX-License-Identifier: GPL-2.0-or-later
// Drawings of 20 by 20 units, in the colour of the words beside them.
import { html } from "../lib/h.js";

const D = {
  send: "M3 10.2 17 3.5l-4.2 13.2-3.3-5.3zM9.5 11.4 17 3.5",
  live: "M2.5 10h3l2-5.5 3.2 11 2.3-7.5 1.2 2h3.3",
  inbox: "M3 11.5 5 4.5h10l2 7v4H3zM3 11.5h4l1 2h4l1-2h4",
  outbox: "M3 11.5v4h14v-4M10 12.5V3.8M6.6 7 10 3.6 13.4 7",
  contacts:
    "M4.5 3h11v14h-11zM2.8 6.5h2.6M2.8 10h2.6M2.8 13.5h2.6M10.2 9.4a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM7.2 13.6c.3-1.8 1.5-2.6 3-2.6s2.7.8 3 2.6",
  polled: "M5 2.8h6.5L15 6.3v4M5 2.8v14.4h4M11.3 2.8v3.7H15M13.5 12v5M11 14.6l2.5 2.5 2.5-2.5",
  health: "M10 16.6S3 12.6 3 7.7A3.7 3.7 0 0 1 10 6a3.7 3.7 0 0 1 7 1.7c0 4.9-7 8.9-7 8.9z",
  settings: "M3 6h7M14 6h3M3 14h3M10 14h7M12 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  close: "M5 5l10 10M15 5 5 15",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  camera: "M3 6.5h3L7.3 4.5h5.4L14 6.5h3v9.5H3zM10 13.7a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4z",
  file: "M5 2.8h6.5L15 6.3v10.9H5zM11.3 2.8v3.7H15",
  search: "M8.8 14.6a5.8 5.8 0 1 0 0-11.6 5.8 5.8 0 0 0 0 11.6zM13 13l4 4",
  download: "M10 3v9.5M6.3 9 10 12.7 13.7 9M3.5 16.5h13",
  print: "M6 7V3h8v4M6 14H3.5V7.5h13V14H14M6 11.5h8V17H6z",
  rotate: "M15.7 8A6.2 6.2 0 1 0 16 11.5M16.2 4v4h-4",
  retry: "M4.3 8a6.2 6.2 0 1 1-.3 3.5M3.8 4v4h4",
  forward: "M11 4.5 16.5 10 11 15.5M16.3 10H8.5c-3 0-5 2-5 5.5",
  trash: "M3.5 5.5h13M8 5.3V3h4v2.3M5.5 5.5 6.3 17h7.4l.8-11.5M8.5 8.5v5.5M11.5 8.5v5.5",
  check: "M4 10.5 8.2 14.7 16 6",
  alert: "M10 3 18 16.5H2zM10 8v4M10 14.3h.01",
  clock: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4.3l2.8 1.7",
  left: "M12.5 4.5 7 10l5.5 5.5",
  up: "M4.5 12.5 10 7l5.5 5.5",
  down: "M4.5 7.5 10 13l5.5-5.5",
  grid: "M3.5 3.5h5.2v5.2H3.5zM11.3 3.5h5.2v5.2h-5.2zM3.5 11.3h5.2v5.2H3.5zM11.3 11.3h5.2v5.2h-5.2z",
  list: "M3.5 5h13M3.5 10h13M3.5 15h13",
  ladder: "M5 3v14M15 3v14M5 6.5h9M12 5l2 1.5L12 8M15 12.5H6M8 11l-2 1.5L8 14",
  mail: "M3 5h14v10.5H3zM3.2 5.5 10 11l6.8-5.5",
  tag: "M3 3h6.5l7.5 7.5-6.5 6.5L3 9.5zM6.5 6.5h.01",
  fit: "M3.5 7V3.5H7M13 3.5h3.5V7M16.5 13v3.5H13M7 16.5H3.5V13",
  stop: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.5 7.5l5 5M12.5 7.5l-5 5",
  help: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.9 8a2.1 2.1 0 1 1 3 1.9c-.6.3-.9.7-.9 1.4M10 13.7h.01",
  paste: "M7 4H4.5v13h11V4H13M7 2.8h6v2.7H7zM7.5 9.5h5M7.5 13h5",
  edit: "M4 16l.7-3.3L13.5 4 16 6.5l-8.7 8.7z",
};

// Arrows along the line of reading turn round where it runs right to left.
const TURNS = new Set(["left", "send", "forward"]);

export const Icon = ({ name, size = 20 }) => html`
  <svg
    class=${`icon${TURNS.has(name) ? " turns" : ""}`}
    width=${size}
    height=${size}
    viewBox="0 0 20 20"
    fill="none"
    stroke="currentColor"
    stroke-width=${name === "more" ? 2.4 : 1.5}
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    <path d=${D[name]} />
  </svg>
`;

export const Mark = ({ size = 28 }) => html`
  <svg width=${size} height=${size} viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" class="mark-ground" />
    <path d="M9 14V6h10l4 4v4" class="mark-line" />
    <path d="M5 18h22" class="mark-slot" />
    <path d="M9 22h14M9 26h9" class="mark-line" />
  </svg>
`;
