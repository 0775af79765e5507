// SPDX-License-Identifier: GPL-2.0-or-later
// The views and their style sheets: each is fetched when it is looked at first, the others when there is time, so that
// they are there when the station is not.
const VIEWS = {
  send: { file: "send", style: "send" },
  live: { file: "live", style: "live" },
  inbox: { file: "box", style: "box" },
  outbox: { file: "box", style: "box" },
  fax: { file: "fax", style: "fax" },
  call: { file: "call", style: "call" },
  contacts: { file: "contacts", style: "contacts" },
  numbers: { file: "numbers", style: "polled" },
  polled: { file: "polled", style: "polled" },
  health: { file: "health", style: "health" },
  settings: { file: "settings", style: "" },
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
  const count = failures[name] ?? 0;
  try {
    return await import(`./views/${VIEWS[name].file}.js${count ? `?again=${count}` : ""}`);
  } catch (error) {
    failures[name] = count + 1;
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
