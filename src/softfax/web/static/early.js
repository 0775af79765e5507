// SPDX-License-Identifier: GPL-2.0-or-later
// Before the first paint: theme, language and direction, so that nothing flashes.
(() => {
  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const root = document.documentElement;
  const theme = read("softfax.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const wanted =
    read("softfax.lang") ||
    (navigator.languages || [navigator.language]).map((l) => l.slice(0, 2)).find((l) => l === "fa" || l === "en") ||
    "en";
  root.lang = wanted;
  root.dir = wanted === "fa" ? "rtl" : "ltr";
})();
