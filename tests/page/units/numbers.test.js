// SPDX-License-Identifier: GPL-2.0-or-later
// What is typed or pasted as recipients is read as the station reads it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { check, LIST_MAX, parseList, pollDigits, readTyped } from "../../../src/softfax/web/static/lib/numbers.js";

test("a number is dialled without what makes it readable", () => {
  for (const [typed, number] of [
    ["+49 (30) 123-45.67", "+49301234567"],
    ["+49 (0)30 1234567", "+49301234567"],
    ["030/1234567", "0301234567"],
    ["۰۲۱ ۸۸۷۷", "0218877"],
    ["\u2066+4930\u2069", "+4930"],
    ["*21#", "*21#"],
  ])
    assert.deepEqual(check(typed), { number }, typed);
});

test("an extension may have a name; a name with blanks is for the address book", () => {
  assert.deepEqual(check("recv"), { number: "recv", word: true });
  assert.deepEqual(check("fax-room.2"), { number: "fax-room.2", word: true });
  assert.equal(check("Praxis am See").problem, "letters");
  assert.deepEqual(readTyped("recv"), { list: [{ number: "recv", name: "" }], word: true });
  // Beside a number it is who has the number.
  assert.deepEqual(parseList("Stadtwerke; 0301\nrecv").good, [
    { number: "0301", name: "Stadtwerke", company: "" },
    { number: "recv", name: "", company: "" },
  ]);
});

test("a SIP address is taken whole, with or without its scheme", () => {
  assert.deepEqual(check("sip:fax@pbx.example;user=phone"), { number: "sip:fax@pbx.example;user=phone" });
  assert.deepEqual(check("fax@pbx.example:5070"), { number: "sip:fax@pbx.example:5070" });
  assert.deepEqual(check("sip:@"), { problem: "sip" });
});

test("what cannot be dialled is named by its problem", () => {
  assert.equal(check("").problem, "empty");
  assert.equal(check("Praxis am See").problem, "letters");
  assert.equal(check("030 1 +49").problem, "plus");
  assert.equal(check("1".repeat(33)).problem, "long");
});

test("a list out of a spreadsheet gives numbers with their names, once each", () => {
  const { good, bad } = parseList('Praxis am See\t+49 30 1\t"Dr. Müller"\n0301;0302\n\n0301\nnobody at all');
  assert.deepEqual(
    good.map((one) => one.number),
    ["+49301", "0301", "0302"],
  );
  assert.equal(good[0].name, "Praxis am See");
  assert.equal(good[0].company, "Dr. Müller");
  assert.deepEqual(bad, ["nobody at all"]);
});

test("a list has an end", () => {
  const { good } = parseList(Array.from({ length: LIST_MAX + 10 }, (_, n) => String(100000 + n)).join("\n"));
  assert.equal(good.length, LIST_MAX);
});

test("several numbers may be typed with commas between them", () => {
  assert.deepEqual(readTyped("  "), { list: [] });
  assert.deepEqual(
    readTyped("0301, 0302").list.map((one) => one.number),
    ["0301", "0302"],
  );
  assert.equal(readTyped("0301 x").problem, "letters");
});

test("what opens a document in polling is digits in any script, at most twenty", () => {
  assert.equal(pollDigits(" ۴۷۱۱ "), "4711");
  assert.equal(pollDigits("٤٧#"), "47#");
  assert.equal(pollDigits(""), "");
  assert.equal(pollDigits("letters"), undefined);
  assert.equal(pollDigits("1".repeat(21)), undefined);
});
