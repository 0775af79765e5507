// SPDX-License-Identifier: GPL-2.0-or-later
// The views and their style sheets: each is fetched when it is looked at first, the others when there is time, so that
// they are there when the station is not.
const VIEWS = {
  send: { file: "send", style: "send", module: () => import("./views/send.js") },
  live: { file: "live", style: "live", module: () => import("./views/live.js") },
  inbox: { file: "box", style: "box", module: () => import("./views/box.js") },
  outbox: { file: "box", style: "box", module: () => import("./views/box.js") },
  fax: { file: "fax", style: "fax", module: () => import("./views/fax.js") },
  call: { file: "call", style: "call", module: () => import("./views/call.js") },
  contacts: { file: "contacts", style: "contacts", module: () => import("./views/contacts.js") },
  health: { file: "health", style: "health", module: () => import("./views/health.js") },
  settings: { file: "settings", style: "", module: () => import("./views/settings.js") },
};
const LEISURE_MS = 3000;
// How often the module of a view could not be fetched.
const failures = {};
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

// A browser may keep it in mind that a module could not be fetched: it is asked for by another name then.
async function moduleOf(name) {
  const count = failures[name];
  try {
    return count ? await import(`./views/${VIEWS[name].file}.js?again=${count}`) : await VIEWS[name].module();
  } catch (error) {
    failures[name] = (count ?? 0) + 1;
    throw error;
  }
}

export async function fetchView(name) {
  const { style } = VIEWS[name];
  const [{ default: component }] = await Promise.all([moduleOf(name), style && dress(style)]);
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
