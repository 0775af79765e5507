// SPDX-License-Identifier: GPL-2.0-or-later
// Sizes, times and numbers for people.
import { locale, number, t } from "./i18n.js";

const dates = new Map();
function date(value, options) {
  const key = locale() + JSON.stringify(options);
  if (!dates.has(key)) dates.set(key, new Intl.DateTimeFormat(locale(), options));
  return dates.get(key).format(value);
}

export function bytes(count) {
  if (count < 1000) return t("unit.B", { n: count });
  const steps = ["kB", "MB", "GB", "TB"];
  let step = -1;
  do {
    count /= 1000;
    step += 1;
  } while (count >= 999.5 && step < steps.length - 1);
  return t(`unit.${steps[step]}`, { n: number(count, { maximumFractionDigits: count < 10 ? 1 : 0 }) });
}

// In the two largest units, the second only where there is something of it.
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (size, part, large, small) => {
    const [n, rest] = [Math.floor(whole / size), Math.floor((whole % size) / part)];
    return rest
      ? t(`unit.${large}_${small}`, { [large]: number(n), [small]: number(rest) })
      : t(`unit.${large}`, { n: number(n) });
  };
  if (whole < 60) return t("unit.s", { n: number(whole) });
  if (whole < 3600) return two(60, 1, "min", "s");
  return whole < 86400 ? two(3600, 60, "h", "min") : two(86400, 3600, "d", "h");
}

export const seconds = (value, digits = 1) =>
  t("unit.s", { n: number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits }) });
export const percent = (share) =>
  number(share, { style: "percent", maximumFractionDigits: share < 1 && share > 0.995 ? 1 : 0 });
export const rate = (bps) => t("unit.bps", { n: number(bps) });
// How a fax goes, as it was reported (T38), or as it can be asked for (t38, audio, auto).
export const transport = (mode) => (mode === "auto" ? t("options.auto") : /^t38$/i.test(mode) ? "T.38" : "G.711");
// Facts in a line, as many as there are.
export const dotted = (...facts) => facts.filter(Boolean).join(" · ");

const midnight = (when) => new Date(when.getFullYear(), when.getMonth(), when.getDate()).getTime();

export function day(iso) {
  const when = new Date(iso);
  const apart = Math.round((midnight(new Date()) - midnight(when)) / 86400e3);
  if (apart === 0) return t("day.today");
  if (apart === 1) return t("day.yesterday");
  if (apart > 1 && apart < 7) return date(when, { weekday: "long" });
  const year = when.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date(when, { day: "numeric", month: "long", year });
}

// A time of day does not break between its hours and its "PM".
const halves = () => new Intl.DateTimeFormat(locale(), { hour: "numeric" }).resolvedOptions().hour12;
const whole = (text) => text.replace(/\s(?=\D+$)/, "\u00a0");
export const clock = (iso) => whole(date(new Date(iso), { hour: halves() ? "numeric" : "2-digit", minute: "2-digit" }));
export const shortDay = (iso) => date(new Date(iso), { day: "numeric", month: "numeric" });
export const weekday = (iso) => date(new Date(iso), { weekday: "narrow" });
export const moment = (iso) => whole(date(new Date(iso), { dateStyle: "medium", timeStyle: "short" }));
export const exact = (iso) => date(new Date(iso), { dateStyle: "medium", timeStyle: "medium" });

export function when(iso) {
  const apart = midnight(new Date()) - midnight(new Date(iso));
  return apart === 0 ? clock(iso) : [day(iso), clock(iso)].join(t("comma"));
}

// Numbers and addresses stay left to right, also in a right-to-left sentence.
const isolate = (text) => `\u2066${text}\u2069`;
const SIP = /^sips?:/i;
export function destination(text) {
  if (!text) return t("fax.unknown");
  if (!SIP.test(text)) return isolate(text);
  const user = text.replace(SIP, "").replace(/[;?].*$/, "");
  const [name, host] = user.includes("@") ? user.split("@") : ["", user];
  return isolate(/^\+?[\d\-.() ]+$/.test(name) ? name : name ? `${name}@${host}` : host);
}

// How far a fax's dots are apart: a page's height over its width on paper.
export function proportion(width, rows, resolution) {
  const [x, y] =
    /^(\d+)x(\d+)/
      .exec(resolution || "")
      ?.slice(1)
      .map(Number) || [];
  const ratio = x && y ? rows / y / (width / x) : rows / width;
  // Without a resolution, a page of half the rows was scanned with half the lines.
  return x && y ? ratio : ratio < 0.95 && width >= 1728 ? ratio * 2 : ratio;
}

// The lines of an A4 page, scanned so many to an inch.
const A4_INCHES = 297 / 25.4;
export const rowsOfA4 = (resolution) => A4_INCHES * (Number(/x(\d+)/.exec(resolution || "")?.[1]) || 196);

// The name of a file, an address: as it is written.
const NAME = /^\S*[.:/@]\S/;
// Lines of the station as sentences.
export const sentences = (...lines) =>
  lines
    .filter(Boolean)
    .map(
      (line) => (NAME.test(line) ? line[0] : line[0].toUpperCase()) + line.slice(1) + (/[.!?…]$/.test(line) ? "" : "."),
    );
