// SPDX-License-Identifier: GPL-2.0-or-later
// The views and their style sheets: each is fetched when it is looked at first, the others when there is time, so that
// they are there when the station is not.
const VIEWS = {
  send: { style: "send", module: () => import("./views/send.js") },
  live: { style: "live", module: () => import("./views/live.js") },
  inbox: { style: "box", module: () => import("./views/box.js") },
  outbox: { style: "box", module: () => import("./views/box.js") },
  fax: { style: "fax", module: () => import("./views/fax.js") },
  call: { style: "call", module: () => import("./views/call.js") },
  contacts: { style: "contacts", module: () => import("./views/contacts.js") },
  health: { style: "health", module: () => import("./views/health.js") },
  settings: { style: "", module: () => import("./views/settings.js") },
};
const LEISURE_MS = 3000;
const ready = {};
const sheets = {};

export const viewNamed = (name) => (name in VIEWS ? name : "send");
// The component of a view that has been fetched.
export const fetched = (name) => ready[name];

function dress(name) {
  sheets[name] ??= new Promise((resolve, reject) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(`./css/${name}.css`, import.meta.url).href;
    link.onload = resolve;
    link.onerror = () => {
      link.remove();
      delete sheets[name];
      reject(new Error(link.href));
    };
    document.head.append(link);
  });
  return sheets[name];
}

export async function fetchView(name) {
  const { style, module } = VIEWS[name];
  const [{ default: component }] = await Promise.all([module(), style && dress(style)]);
  ready[name] = component;
}

export function fetchOthers() {
  const next = async (names) => {
    const [name, ...rest] = names;
    if (!name) return;
    await fetchView(name).catch(() => {});
    next(rest);
  };
  setTimeout(next, LEISURE_MS, Object.keys(VIEWS));
}
