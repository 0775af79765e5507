// SPDX-License-Identifier: GPL-2.0-or-later
// Words in the reader's language: one JSON file each, plurals by Intl, digits and calendar as the language has them.
import { browser, store } from "./store.js";

export const LANGUAGES = { en: "English", fa: "فارسی" };
const root = document.documentElement;
export const language = store(root.lang in LANGUAGES ? root.lang : "en");
let words = {};
let plural = new Intl.PluralRules("en");
const loaded = {};

export async function setLanguage(code, keep = true) {
  if (!loaded[code]) {
    const answer = await fetch(new URL(`../lang/${code}.json`, import.meta.url));
    if (!answer.ok) throw new Error(`lang/${code}.json: ${answer.status}`);
    loaded[code] = await answer.json();
  }
  words = loaded[code];
  plural = new Intl.PluralRules(code);
  root.lang = code;
  root.dir = code === "fa" ? "rtl" : "ltr";
  if (keep) browser.set("lang", code);
  language.set(code);
}

export const locale = () =>
  language.get() === "fa" ? "fa-IR" : navigator.languages?.find((l) => l.startsWith("en-")) || "en-GB";

const formats = new Map();
export function number(value, options = {}) {
  const key = locale() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(locale(), options));
  return formats.get(key).format(value);
}

// The language of what the station writes itself, where it is not the reader's.
export const english = () => (language.get() === "en" ? undefined : "en");
export const has = (key) => key in words;

// t("pages", {n: 3}): the words of a key; {name} is filled in, numbers in the language's digits.
export function t(key, values = {}) {
  let text = words[key];
  if (text === undefined) return key;
  if (typeof text === "object") text = text[plural.select(Number(values.n ?? 0))] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (typeof value === "number") return number(value);
    // What was typed or is called otherwise may run the other way: it does not turn the sentence round.
    return root.dir === "rtl" ? `\u2068${value}\u2069` : String(value);
  });
}
