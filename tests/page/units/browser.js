// SPDX-License-Identifier: GPL-2.0-or-later
// As much of a browser as the page's modules ask for when they are loaded; imported before them.
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

// Node 18, as Debian 12 has it, knows this by that name alone.
globalThis.crypto ??= /** @type {Crypto} */ (webcrypto);

const nothing = () => {};
const root = { lang: "en", dir: "ltr", dataset: {} };
const shelf = () => {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, text) => kept.set(key, text),
    removeItem: (key) => kept.delete(key),
  };
};
const given = {
  document: { documentElement: root, baseURI: "http://station.example/", addEventListener: nothing },
  navigator: { languages: ["en-GB"] },
  location: { hash: "" },
  sessionStorage: shelf(),
  localStorage: shelf(),
  addEventListener: nothing,
  matchMedia: () => ({ matches: false }),
};
for (const [name, value] of Object.entries(given))
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

export const STATIC = new URL("../../../src/softfax/web/static/", import.meta.url);
globalThis.fetch = async (asked) => ({
  ok: true,
  status: 200,
  json: async () => JSON.parse(readFileSync(new URL(asked), "utf8")),
});
const { setLanguage } = await import(new URL("lib/i18n.js", STATIC).href);

export { setLanguage };

await setLanguage("en", false);
