// SPDX-License-Identifier: GPL-2.0-or-later
// Where we are: #/view/rest?query. Views ask, links are plain anchors.
import { store } from "./store.js";

function parse() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", ...rest] = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { view: view || "send", rest, query: new URLSearchParams(query), hash: location.hash };
}

export const route = store(parse());
addEventListener("hashchange", () => route.set(parse()));

export const go = (to) => {
  location.hash = to;
};

// A view as it was looked at last, with its search.
const addresses = { [route.get().view]: location.hash };
route.watch(({ view, hash }) => {
  addresses[view] = hash;
});
export const goBack = (view) => go(addresses[view] || `#/${view}`);

// Changes the query without a step in the history.
export function requery(values) {
  const { view, rest, query } = route.get();
  for (const [key, value] of Object.entries(values)) value ? query.set(key, value) : query.delete(key);
  const text = query.toString();
  history.replaceState(null, "", `#/${[view, ...rest].map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`);
  route.set(parse());
}
