// SPDX-License-Identifier: GPL-2.0-or-later
// A value that views watch.
import { useEffect, useState } from "./h.js";

export function store(value) {
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      value = typeof next === "function" ? next(value) : next;
      for (const watcher of [...watchers]) watcher(value);
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

export function useStore(source) {
  const [value, set] = useState(source.get());
  useEffect(() => {
    set(source.get());
    return source.watch((next) => set(next));
  }, [source]);
  return value;
}

// Kept for as long as the browser's tab (or the browser) lives; a browser without storage keeps nothing and says nothing.
const shelf = (area) => ({
  get(key, otherwise = null) {
    try {
      const text = area().getItem(`softfax.${key}`);
      return text === null ? otherwise : JSON.parse(text);
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      area().setItem(`softfax.${key}`, JSON.stringify(value));
    } catch {
      /* full or forbidden */
    }
  },
  drop(key) {
    try {
      area().removeItem(`softfax.${key}`);
    } catch {
      /* forbidden */
    }
  },
});
export const tab = shelf(() => sessionStorage);
export const browser = {
  get(key) {
    try {
      return localStorage.getItem(`softfax.${key}`);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      value === null ? localStorage.removeItem(`softfax.${key}`) : localStorage.setItem(`softfax.${key}`, value);
    } catch {
      /* forbidden */
    }
  },
};
