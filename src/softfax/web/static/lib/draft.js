// SPDX-License-Identifier: GPL-2.0-or-later
// The fax being written: kept in the tab's storage at each change, its documents uploaded at once.

import { randomKey, remove, request, upload } from "./api.js";
import { discard, fetchKept, keep } from "./files.js";
import { pollDigits } from "./numbers.js";
import { store, tab } from "./store.js";

export const BYTES_MAX = 100e6;
const ASIDE_MS = 15e3;
const EMPTY = {
  to: [],
  typing: "",
  files: [],
  when: "now",
  at: "",
  cover: {
    on: false,
    to: "",
    to_company: "",
    sender: "",
    sender_company: "",
    sender_number: "",
    subject: "",
    note: "",
  },
  options: {
    resolution: "",
    scan: "",
    mode: "",
    ecm: "",
    priority: "",
    account: "",
    ident: "",
    header: "",
    attempts: "",
    deadline: "",
    on_uncertain: "",
    poll: "",
    poll_document: "",
    poll_password: "",
  },
};
const blank = () => structuredClone(EMPTY);

function restored() {
  const kept = tab.get("draft");
  if (!kept || typeof kept !== "object") return blank();
  const base = blank();
  return { ...base, ...kept, cover: { ...base.cover, ...kept.cover }, options: { ...base.options, ...kept.options } };
}

export const draft = store(restored());
draft.watch((value) => tab.set("draft", { ...value, files: value.files.map(({ progress, ...rest }) => rest) }));
export const change = (values) => draft.set((d) => ({ ...d, ...values }));
export const changeCover = (values) => draft.set((d) => ({ ...d, cover: { ...d.cover, ...values } }));
export const changeOptions = (values) => draft.set((d) => ({ ...d, options: { ...d.options, ...values } }));

const running = new Map();
const edit = (key, values) =>
  draft.set((d) => ({ ...d, files: d.files.map((f) => (f.key === key ? { ...f, ...values } : f)) }));
const plain = (error) => ({
  status: error.status ?? 0,
  title: error.title || "",
  detail: error.detail || "",
  remedy: error.remedy || "",
});

export async function convert(key) {
  const file = draft.get().files.find((f) => f.key === key);
  const kept = await fetchKept(key);
  if (!file || !kept) {
    if (file) edit(key, { state: "lost", progress: 0 });
    return;
  }
  running.get(key)?.abort();
  edit(key, { state: "uploading", progress: 0, error: null });
  const { resolution, scan } = draft.get().options;
  const asked = new URLSearchParams(Object.entries({ resolution, scan }).filter(([, value]) => value)).toString();
  const job = upload(`/v1/uploads${asked && `?${asked}`}`, kept.file, kept.name, (part) =>
    edit(key, { progress: part, state: part < 1 ? "uploading" : "converting" }),
  );
  running.set(key, job);
  try {
    const result = await job.promise;
    edit(key, { state: "ready", result, resolution, progress: 1 });
  } catch (error) {
    if (error.name !== "AbortError") edit(key, { state: "failed", error: plain(error) });
  } finally {
    if (running.get(key) === job) running.delete(key);
  }
}

export async function addFiles(list) {
  for (const file of list) {
    const key = randomKey();
    const name = file.name || "photo.jpg";
    const entry = { key, name, bytes: file.size, state: "uploading", progress: 0, result: null, error: null };
    const refused = file.size === 0 ? "empty" : file.size > BYTES_MAX ? "large" : "";
    draft.set((d) => ({ ...d, files: [...d.files, refused ? { ...entry, state: "refused", refused } : entry] }));
    if (!refused) {
      await keep(key, file, name);
      convert(key);
    }
  }
}

export function dropFile(key) {
  running.get(key)?.abort();
  const file = draft.get().files.find((f) => f.key === key);
  draft.set((d) => ({ ...d, files: d.files.filter((f) => f.key !== key) }));
  discard(key);
  if (file?.result?.id) remove(`/v1/uploads/${file.result.id}`).catch(() => {});
}

export function moveFile(key, step) {
  draft.set((d) => {
    const files = [...d.files];
    const from = files.findIndex((f) => f.key === key);
    const to = from + step;
    if (from < 0 || to < 0 || to >= files.length) return d;
    files.splice(to, 0, ...files.splice(from, 1));
    return { ...d, files };
  });
}

// Options that make other pages of the same documents.
export function changePages(options) {
  changeOptions(options);
  for (const file of draft.get().files)
    if (["ready", "converting", "uploading"].includes(file.state)) convert(file.key);
}

// After a reload: what was on its way goes on; what is ready is asked for, since a station keeps uploads for a day.
export async function resume() {
  for (const file of draft.get().files) {
    if (file.state === "uploading" || file.state === "converting") convert(file.key);
    else if (file.state === "ready") {
      try {
        await request(`/v1/uploads/${file.result.id}/pages/1.png?width=32`, { raw: true });
      } catch (error) {
        if (error.status === 404) convert(file.key);
      }
    }
  }
}

export function clear() {
  for (const file of draft.get().files) {
    running.get(file.key)?.abort();
    discard(file.key);
  }
  draft.set(blank());
}

// Clears it for now: gives what brings it back, with its documents, for as long as they are kept.
export function setAside() {
  const before = draft.get();
  for (const file of before.files) running.get(file.key)?.abort();
  draft.set(blank());
  const timer = setTimeout(() => {
    for (const file of before.files) discard(file.key);
  }, ASIDE_MS);
  return () => {
    clearTimeout(timer);
    draft.set((d) => ({ ...before, files: [...before.files, ...d.files], to: [...before.to, ...d.to] }));
    resume();
  };
}

// A fax to start from, with numbers given elsewhere.
export function address(contacts) {
  draft.set((d) => ({ ...d, to: [...d.to, ...contacts.filter((c) => !d.to.some((had) => had.number === c.number))] }));
}

const iso = (local) => (local ? new Date(local).toISOString() : undefined);

// The JSON of POST /v1/faxes.
export function order(d, recipients = d.to) {
  const numbers = recipients.map((r) => r.number);
  const out = {
    to: numbers.length === 1 ? numbers[0] : numbers,
    documents: d.files.filter((f) => f.state === "ready").map((f) => ({ upload: f.result.id })),
  };
  const { options, cover } = d;
  if (cover.on) out.cover = coverFields(cover, recipients);
  for (const key of ["resolution", "scan", "mode", "account", "ident", "header"])
    if (options[key]) out[key] = options[key];
  if (options.ecm) out.ecm = options.ecm === "on";
  if (options.poll) {
    out.poll = true;
    for (const key of ["poll_document", "poll_password"]) if (options[key]) out[key] = pollDigits(options[key]);
  }
  if (options.priority) out.priority = Number(options.priority);
  if (d.when === "later" && d.at) out.not_before = iso(d.at);
  if (options.deadline) out.deadline = iso(options.deadline);
  const retry = {};
  if (options.attempts) retry.attempts = Number(options.attempts);
  if (options.on_uncertain) retry.on_uncertain = options.on_uncertain;
  if (Object.keys(retry).length) out.retry = retry;
  return out;
}

export function coverFields(cover, recipients = []) {
  const out = {};
  for (const [key, value] of Object.entries(cover)) if (key !== "on" && value) out[key] = value;
  const [one] = recipients;
  if (recipients.length === 1) {
    out.to_number ??= one.number;
    if (one.name) out.to ??= one.name;
    if (one.company) out.to_company ??= one.company;
  }
  return out;
}

// The same order twice is one fax: its key changes with what it says.
let keyed = tab.get("key", { text: "", key: "" });
export function keyOf(body) {
  const text = JSON.stringify(body);
  if (keyed.text !== text) {
    keyed = { text, key: randomKey() };
    tab.set("key", keyed);
  }
  return keyed.key;
}
export const forgetKey = () => {
  keyed = { text: "", key: "" };
  tab.drop("key");
};
