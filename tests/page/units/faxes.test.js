// SPDX-License-Identifier: GPL-2.0-or-later
// What a fax is called, what became of it, and what is ordered and searched.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./browser.js";

const { ended, otherSide, pagesOf, story } = await import("../../../src/softfax/web/static/lib/faxes.js");
const { asked } = await import("../../../src/softfax/web/static/lib/list.js");
const { merge } = await import("../../../src/softfax/web/static/lib/calls.js");
const { coverFields, draft, keyOf, order } = await import("../../../src/softfax/web/static/lib/draft.js");

const failed = { direction: "send", state: "failed", cause: "busy", reason: "the line is busy", remedy: "", pages: 0 };

test("an uncertain fax has ended", () => {
  assert.ok(ended({ state: "uncertain" }));
});

test("a caller is known by the number, else by the identification", () => {
  assert.equal(otherSide({ direction: "send", to: "0301" }), "0301");
  assert.equal(otherSide({ direction: "receive", caller: "0301", remote_station_id: "X" }), "0301");
  assert.equal(otherSide({ direction: "receive", caller: "", remote_station_id: "+49 30 1" }), "+49 30 1");
});

test("pages are told as far as they are known", () => {
  assert.equal(pagesOf({ state: "delivered", pages: 2, pages_total: 2 }), "2 pages");
  assert.equal(pagesOf({ state: "failed", pages: 1, pages_total: 3 }), "1 of 3 pages");
  assert.equal(pagesOf({ state: "receiving", pages: 0, pages_total: null }), "");
});

test("a failure has a cause and something to do; a success has neither", () => {
  assert.equal(story(failed).what, "The line was busy.");
  assert.ok(story(failed).todo);
  assert.equal(story({ direction: "send", state: "delivered" }), null);
});

test("a number that nobody has is not a call that was refused", () => {
  const refused = { ...failed, cause: "refused", result: { sip_code: 404 } };
  assert.equal(story(refused).what, "There is no such number.");
  assert.equal(story({ ...refused, result: { sip_code: 488 } }).what, "The call was refused.");
});

test("a fax that the station withheld says why; one that a person cancelled needs no words", () => {
  const withheld = {
    ...failed,
    state: "cancelled",
    cause: "cancelled",
    reason: "the number is on the do-not-fax list",
  };
  assert.deepEqual(story(withheld).own, ["The number is on the do-not-fax list."]);
  assert.equal(story({ ...withheld, reason: "cancelled" }), null);
});

test("a call that was cut off before a page does not speak of pages that are kept", () => {
  const cut = { direction: "receive", state: "failed", cause: "broken", reason: "lost", remedy: "", pages: 0 };
  assert.match(story(cut).what, /before the first page/);
  assert.match(story({ ...cut, pages: 1 }).todo, /pages received are kept/);
  assert.match(story({ ...cut, cause: null }).what, /before the first page/);
});

test("one thing is said once: the station's own words only where ours are vague", () => {
  assert.deepEqual(story(failed).own, []);
  assert.deepEqual(story({ ...failed, cause: "ours", reason: "the disk is full" }).own, ["The disk is full."]);
});

test("the search of the address becomes the API's", () => {
  const query = new URLSearchParams(
    asked("send", new URLSearchParams("q=matter=2026-17 sip:a@b&show=active&mailbox=sales")),
  );
  assert.equal(query.get("mailbox"), "sales");
  assert.equal(query.get("tag.matter"), "2026-17");
  assert.equal(query.get("q"), "sip:a@b");
  assert.equal(query.get("state"), "queued,preparing,sending,waiting");
});

test("until both sides have agreed, mode and rate are not told", () => {
  const had = { stage: "calling" };
  assert.equal(merge(had, { operation: "send", state: "Initialized", mode: "T38", data_rate: 14400 }).mode, undefined);
  const now = merge(had, {
    operation: "send",
    state: "Active",
    mode: "T38",
    data_rate: 14400,
    image_resolution: "8031x7700",
  });
  assert.equal(now.mode, "T38");
  assert.equal(now.resolution, "204x196");
  assert.equal(now.stage, "pages");
});

test("an order says what was chosen and nothing else", () => {
  const d = structuredClone(draft.get());
  d.files = [{ state: "ready", result: { id: "u1" } }, { state: "failed" }];
  assert.deepEqual(order(d, [{ number: "0301" }]), { to: "0301", documents: [{ upload: "u1" }] });
  d.options = { ...d.options, ecm: "off", attempts: "1", resolution: "fine" };
  assert.deepEqual(order(d, [{ number: "0301" }, { number: "0302" }]), {
    to: ["0301", "0302"],
    documents: [{ upload: "u1" }],
    resolution: "fine",
    ecm: false,
    retry: { attempts: 1 },
  });
});

test("what is fetched on the call of a fax is named in Latin digits, and only where something is fetched", () => {
  const d = structuredClone(draft.get());
  d.options = { ...d.options, poll: "on", poll_document: "۱۷", poll_password: "" };
  assert.deepEqual(order(d, [{ number: "0301" }]), { to: "0301", documents: [], poll: true, poll_document: "17" });
  d.options.poll = "";
  assert.deepEqual(order(d, [{ number: "0301" }]), { to: "0301", documents: [] });
});

test("a cover page knows its one recipient, not the first of many", () => {
  const one = { number: "0301", name: "Praxis", company: "" };
  assert.deepEqual(coverFields({ on: true, subject: "Hi", to: "" }, [one]), {
    subject: "Hi",
    to_number: "0301",
    to: "Praxis",
  });
  assert.deepEqual(coverFields({ on: true, subject: "Hi", to: "" }, [one, one]), { subject: "Hi" });
});

test("the same order keeps its key, another has another", () => {
  const key = keyOf({ to: "1" });
  assert.equal(keyOf({ to: "1" }), key);
  assert.notEqual(keyOf({ to: "2" }), key);
});
