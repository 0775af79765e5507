// SPDX-License-Identifier: GPL-2.0-or-later
// What is a fax number, and what is not: said while it is typed, before anything is sent.
export const LIST_MAX = 2000;

// An extension by its name, as a PBX has them beside numbers.
const WORD = /^[A-Za-z][\w.+-]{0,63}$/;

// As it is dialled: Persian and Arabic digits as Latin ones (their last four bits are the digit), no marks of direction.
export const latin = (text) =>
  text
    .trim()
    .replace(/[۰-۹٠-٩]/g, (digit) => String(digit.charCodeAt(0) & 15))
    .replace(/[\u2066-\u2069\u200e\u200f]/g, "");

/**
 * Digits that choose a document or open it in polling (SEP, PWD): at most 20 of a telephone's keys, as the station takes
 * them; undefined if it is something else.
 * @param {string} text
 */
export function pollDigits(text) {
  const plain = latin(text);
  return /^[0-9 +*#]{0,20}$/.test(plain) ? plain : undefined;
}

/**
 * The number as it is dialled, or the key of a sentence about it. A `word` is an extension, or a name that was not
 * chosen from the address book.
 * @param {string} text
 * @returns {{ number?: string, word?: boolean, problem?: string }}
 */
export function check(text) {
  const plain = latin(text);
  if (!plain) return { problem: "empty" };
  if (/^sips?:/i.test(plain))
    return /^sips?:[^\s@]*@?[\w.\-:[\]]+([;?]\S*)?$/i.test(plain) && plain.length > 5
      ? { number: plain }
      : { problem: "sip" };
  if (/^[^\s@]+@[\w.-]+(:\d+)?$/.test(plain)) return { number: `sip:${plain}` };
  if (WORD.test(plain)) return { number: plain, word: true };
  if (/[^\d+\s()./\-*#]/.test(plain)) return { problem: "letters" };
  if (/.\+/.test(plain.replace(/^\(/, ""))) return { problem: "plus" };
  const number = plain.replace(/\(0\)/, /^\+/.test(plain) ? "" : "0").replace(/[\s()./-]/g, "");
  if (!/\d/.test(number)) return { problem: "letters" };
  if (number.replace(/\D/g, "").length > 32) return { problem: "long" };
  return { number };
}

// Many at once, out of a spreadsheet or a list: one a line, or separated; a name may stand beside the number.
export function parseList(text) {
  const good = new Map();
  const bad = [];
  for (const line of text.split(/\r?\n/)) {
    const cells = line
      .split(/[\t;,]/)
      .map((c) => c.trim().replace(/^"|"$/g, ""))
      .filter(Boolean);
    if (!cells.length) continue;
    const checked = cells.map((cell) => ({ cell, ...check(cell) }));
    // Beside a number a word is a name; alone it is an extension.
    const alone = checked.length === 1;
    const numbers = checked.filter((c) => c.number && (alone || !c.word));
    const names = checked.filter((c) => !numbers.includes(c)).map((c) => c.cell);
    if (!numbers.length) bad.push(line.trim());
    else if (numbers.length === 1)
      good.set(numbers[0].number, { number: numbers[0].number, name: names[0] || "", company: names[1] || "" });
    else {
      for (const { number } of numbers) if (!good.has(number)) good.set(number, { number, name: "" });
      if (names.length) bad.push(...names);
    }
    if (good.size >= LIST_MAX) break;
  }
  return { good: [...good.values()], bad };
}

/**
 * What stands in the field of recipients: a list of them, or the problem with it.
 * @param {string} text
 * @returns {{ list?: { number: string, name: string }[], word?: boolean, problem?: string }}
 */
export function readTyped(text) {
  if (!text.trim()) return { list: [] };
  if (/[,;\n]/.test(text) && !/^sips?:/i.test(text.trim())) {
    const { good, bad } = parseList(text);
    if (good.length && !bad.length) return { list: good };
  }
  const { number, word, problem } = check(text);
  return problem ? { problem } : { list: [{ number, name: "" }], word };
}
