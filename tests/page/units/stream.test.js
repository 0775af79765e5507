// SPDX-License-Identifier: GPL-2.0-or-later
// Server-sent events are read alike, however the network cuts them.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./browser.js";

const { parser } = await import("../../../src/softfax/web/static/lib/stream.js");
const TEXT = ': hello\n\nid: 7\nevent: page\ndata: {"a":\ndata: 1}\n\ndata:x\r\n\r\nevent: none\n\n';
const HEARD = [
  { id: "7", type: "page", data: '{"a":\n1}' },
  { id: null, type: "message", data: "x" },
];

test("whole, byte by byte, and in every two pieces", () => {
  const pieces = [[TEXT], [...TEXT]];
  for (let cut = 1; cut < TEXT.length; cut += 1) pieces.push([TEXT.slice(0, cut), TEXT.slice(cut)]);
  for (const some of pieces) {
    const heard = [];
    const feed = parser((event) => heard.push(event));
    for (const piece of some) feed(piece);
    assert.deepEqual(heard, HEARD, JSON.stringify(some));
  }
});
