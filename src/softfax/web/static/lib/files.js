// SPDX-License-Identifier: GPL-2.0-or-later
// The documents of a draft, kept by the browser (IndexedDB) until the fax is sent: a reload or a station that forgot
// them loses nothing.
const NAME = "softfax";
const SHELF = "files";
const KEPT_MS = 48 * 3600e3;
const memory = new Map();
let opening = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(SHELF);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

async function act(mode, step) {
  const base = await open();
  return new Promise((resolve, reject) => {
    const request = step(base.transaction(SHELF, mode).objectStore(SHELF));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export async function keep(key, file, name) {
  memory.set(key, { file, name });
  try {
    await act("readwrite", (shelf) => shelf.put({ file, name, time: Date.now() }, key));
  } catch {
    /* memory has it */
  }
}

export async function fetchKept(key) {
  if (memory.has(key)) return memory.get(key);
  try {
    return (await act("readonly", (shelf) => shelf.get(key))) || null;
  } catch {
    return null;
  }
}

export async function discard(key) {
  memory.delete(key);
  try {
    await act("readwrite", (shelf) => shelf.delete(key));
  } catch {
    /* not there */
  }
}

// What drafts of tabs long closed left behind.
export async function sweep() {
  try {
    const [keys, values] = await Promise.all([
      act("readonly", (s) => s.getAllKeys()),
      act("readonly", (s) => s.getAll()),
    ]);
    keys.forEach((key, index) => {
      if (Date.now() - (values[index]?.time ?? 0) > KEPT_MS) discard(key);
    });
  } catch {
    /* nothing kept */
  }
}
