// SPDX-License-Identifier: GPL-2.0-or-later
// What the figures of a station mean.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./browser.js";

const { isFull, steps, usable, usedOf, worries } = await import("../../../src/softfax/web/static/lib/health.js");

// Five in a hundred are kept for the system, as ext4 does.
const DISK = { total_bytes: 100e9, used_bytes: 57e9, free_bytes: 38e9 };
const WELL = {
  registrations: [{ account: "office", state: "registered", problem: "" }],
  disk: DISK,
  workers: [{ number: 1, state: "running", last_end: "" }],
  lines: { used: 1, max: 8 },
  queue: { oldest_s: 3 },
};

test("used and free make up the whole that is shown", () => {
  assert.equal(usable(DISK), DISK.used_bytes + DISK.free_bytes);
  assert.equal(usedOf(DISK), 0.6);
  assert.ok(!isFull(DISK));
  assert.ok(isFull({ ...DISK, used_bytes: 94e9, free_bytes: 1e9 }));
});

test("an axis ends at a round number, and its middle is a whole one", () => {
  const ends = { 0: 4, 1: 4, 4: 4, 5: 6, 9: 10, 94: 100, 100: 100, 130: 150, 1234: 1500 };
  for (const [most, end] of Object.entries(ends)) {
    const [half, whole] = steps(Number(most));
    assert.equal(whole, end, most);
    assert.equal(half * 2, whole);
    assert.ok(Number.isInteger(half));
  }
});

test("all is well, or what is not comes first", () => {
  assert.deepEqual(worries(WELL), []);
  const bad = {
    ...WELL,
    registrations: [{ account: "trunk", state: "failed", problem: "403" }],
    workers: [{ number: 2, state: "dead", last_end: "signal 9" }],
    lines: { used: 8, max: 8 },
    queue: { oldest_s: 1000 },
  };
  assert.deepEqual(
    worries(bad).map((one) => one.title),
    [
      "trunk is not registered.",
      "Process 2 has ended.",
      "All channel slots are in use.",
      "A fax has been waiting for 16\u00a0min 40\u00a0s.",
    ],
  );
});
