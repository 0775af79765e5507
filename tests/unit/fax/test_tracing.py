# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP messages for traces while strangers call in crowds, and how many traces their calls leave."""

from __future__ import annotations

import asyncio
from pathlib import Path

from softfax.fax.trace import TraceSettings, trace_path
from softfax.fax.tracing import CALLS_MAX, RING_MAX, TEXT_MAX, Ring, SipMessages, Tracing


def message(call: str, more: str = "") -> str:
    return f"INVITE sip:fax@here SIP/2.0\r\nCall-ID: {call}\r\n{more}\r\n"


def test_a_crowd_of_calls_does_not_push_out_the_messages_of_a_fax() -> None:
    messages = SipMessages()
    messages.take(False, "far:5060", message("fax"))
    messages.claim("fax")
    messages.take(True, "far:5060", message("fax"))
    messages.take(False, "far:5060", message("early"))
    for n in range(CALLS_MAX):
        messages.take(False, "far:5060", message(f"stranger-{n}"))

    assert len(messages.of("fax")) == 2
    assert messages.of("fax") == [], "they are handed out once"
    assert messages.of("early") == []
    assert len(messages.of(f"stranger-{CALLS_MAX - 1}")) == 1


def test_long_messages_are_held_within_bounds() -> None:
    messages, long = SipMessages(), "x" * 65_000
    messages.claim("fax")
    for n in range(TEXT_MAX // len(long) + 50):
        messages.take(False, "far:5060", message("fax" if n % 2 else f"stranger-{n}", long))
    kept = messages.of("fax")
    assert 1 < len(kept) <= 60
    assert sum(len(m.text) for n in range(1200) for m in messages.of(f"stranger-{n}")) <= TEXT_MAX


def test_a_hundred_traces_of_strangers_are_kept_and_no_more(tmp_path: Path) -> None:
    settings = TraceSettings(tmp_path, "always", 0)

    async def calls() -> list[Path]:
        ring, paths = Ring(), []
        for n in range(RING_MAX + 20):
            tracing = Tracing(f"{n:024x}", 1, settings, SipMessages(), [("127.0.0.1", 5060)])
            paths.append(tracing.trace.write(tmp_path))
            ring.add(tracing)
        await asyncio.get_running_loop().shutdown_default_executor()
        return paths

    paths = asyncio.run(calls())
    assert [path.exists() for path in paths] == [False] * 20 + [True] * RING_MAX
    assert trace_path(tmp_path, f"{RING_MAX:024x}").exists()
