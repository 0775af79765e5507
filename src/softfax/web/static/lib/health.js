// SPDX-License-Identifier: GPL-2.0-or-later
// What the figures of a station mean: how full its disk is, and what needs attention.
import { bytes, duration } from "./format.js";
import { t } from "./i18n.js";

const FULL = 0.9;
const LONG_S = 900;

// What the station may use is less than the whole disk: a part is kept for the system.
export const usable = (disk) => disk.used_bytes + disk.free_bytes;
export const usedOf = (disk) => disk.used_bytes / usable(disk);
export const isFull = (disk) => usedOf(disk) > FULL;

// Steps of an axis from 0 to at least `most`: two of a round size.
export function steps(most) {
  const half = Math.max(2, most / 2);
  const power = 10 ** Math.floor(Math.log10(half));
  const step = [1, 2, 2.5, 3, 4, 5, 7.5, 10].map((n) => n * power).find((n) => n >= half && Number.isInteger(n));
  return [step, 2 * step];
}

const account = (kind, word, { account: name, problem }) => ({
  kind,
  key: name,
  title: t(`worry.${word}`, { account: name }),
  text: problem,
  todo: t(`worry.${word}_do`),
});

// What needs attention, the worst first; empty if all is well.
export function worries(s) {
  const out = [];
  for (const r of s.registrations) {
    if (r.state === "failed") out.push(account("bad", "registration", r));
    else if (r.state === "unreachable") out.push(account("warn", "unreachable", r));
  }
  const add = (kind, word, values, text) =>
    out.push({
      kind,
      key: word + (values.n ?? ""),
      title: t(`worry.${word}`, values),
      text,
      todo: t(`worry.${word}_do`),
    });
  if (isFull(s.disk)) add("bad", "disk", { free: bytes(s.disk.free_bytes) });
  const aside = s.set_aside ?? [];
  if (aside.length) {
    const some = aside.slice(0, 3).map((one) => `${one.table} ${one.key}`);
    add("warn", "aside", { count: aside.length }, some.join(", "));
  }
  for (const w of s.workers) if (w.state === "dead") add("warn", "worker", { n: w.number }, w.last_end);
  if (s.lines.max && s.lines.used >= s.lines.max) add("warn", "lines", {});
  if (s.queue.oldest_s > LONG_S) add("warn", "queue", { age: duration(s.queue.oldest_s) });
  return out;
}
