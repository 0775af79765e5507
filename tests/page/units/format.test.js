// SPDX-License-Identifier: GPL-2.0-or-later
// Sizes, times and numbers as people read them, in both languages.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setLanguage } from "./browser.js";

const { bytes, clock, destination, duration, percent, proportion, rowsOfA4, sentences } = await import(
  "../../../src/softfax/web/static/lib/format.js"
);
const { t } = await import("../../../src/softfax/web/static/lib/i18n.js");
// Between a number and its unit no line breaks.
const plain = (text) => text.replaceAll("\u00a0", " ");
afterEach(() => setLanguage("en", false));

test("bytes have the unit that keeps them short", () => {
  assert.deepEqual(
    [0, 999, 1000, 34012, 999_600, 381e9].map((n) => plain(bytes(n))),
    ["0 B", "999 B", "1 kB", "34 kB", "1 MB", "381 GB"],
  );
  assert.equal(bytes(9_940_000), "9.9\u00a0MB");
});

test("a duration has two units at most", () => {
  assert.deepEqual(
    [-1, 59.4, 60, 3599, 3600, 264031].map((n) => plain(duration(n))),
    ["0 s", "59 s", "1 min", "59 min 59 s", "1 h", "3 d 1 h"],
  );
});

test("nearly all is not all", () => {
  assert.equal(percent(0.9991), "99.9%");
  assert.equal(percent(1), "100%");
});

test("a SIP address is shown as people say it, from left to right", () => {
  assert.equal(destination("sip:+4930999@127.0.0.1:5060"), "\u2066+4930999\u2069");
  assert.equal(destination("sip:fax@pbx.example;user=phone"), "\u2066fax@pbx.example\u2069");
  assert.equal(destination("sip:pbx.example"), "\u2066pbx.example\u2069");
  assert.equal(destination(""), "Unknown number");
});

test("a page is as tall as on paper, whatever its resolution", () => {
  assert.ok(Math.abs(proportion(1728, 2287, "204x196") - proportion(1728, 1143, "204x98")) < 0.01);
  assert.ok(Math.abs(proportion(1728, 1143, "") - proportion(1728, 2287, "")) < 0.01);
  assert.equal(Math.round(rowsOfA4("204x98")), 1146);
});

test("a line of the station's becomes a sentence", () => {
  assert.deepEqual(sentences("the line is busy", "", undefined, "try again."), ["The line is busy.", "Try again."]);
  assert.deepEqual(sentences("memo.docx is empty", "https://fax.example/x is not there", "no, of course. not"), [
    "memo.docx is empty.",
    "https://fax.example/x is not there.",
    "No, of course. not.",
  ]);
});

test("Persian has its own digits, and keeps foreign words in their direction", async () => {
  await setLanguage("fa", false);
  assert.match(bytes(34012), /۳۴/);
  assert.match(t("to.remove", { who: "Dr. Elif" }), /\u2068Dr\. Elif\u2069/);
});

test("a plural follows the number", () => {
  assert.equal(t("pages", { n: 1 }), "1 page");
  assert.equal(t("pages", { n: 1200 }), "1,200 pages");
  assert.equal(t("no.such.key"), "no.such.key");
});

test("a time of day does not break before its PM", () => {
  navigator.languages = ["en-US"];
  assert.match(clock("2026-03-11T13:21:00"), /^1:21\u00a0PM$/);
  navigator.languages = ["en-GB"];
});
