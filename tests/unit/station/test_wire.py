# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages between a station and the processes of its calls: they arrive as they were, and rubbish is refused."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.engine.abi import Lacks
from softfax.fax.facts import PageMark
from softfax.fax.outcome import Outcome
from softfax.fax.settings import FaxSettings, Role, Timeouts
from softfax.model import CallEvent, CallState, Direction, Event, FaxContext, Mode, PageEvent, ProgressEvent
from softfax.options import ModePolicy
from softfax.station import making, wire

SETTINGS = FaxSettings(
    direction=Direction.SEND, role=Role.CALLER, document=Path("a.tif"), documents=("ü.pdf",), mode=ModePolicy.T38,
    lacks=Lacks(1), account="pbx", caller_name='"Ü" <x>', timeouts=Timeouts(stall_s=2.5), fax_id="0" * 24,
)  # fmt: skip
CONTEXT = FaxContext(
    fax_id="f", direction=Direction.SEND, outgoing=True, session_number=1, unique_id="1.1", channel="c"
)
PAGES = wire.Pages(documents=("a.pdf", "https://x/b"), header={"station": "x"}, raster=Path("r.tif"))
RESULT = making.failed(CONTEXT, Outcome(False, "BUSY", "busy", 1486), 1.5)
MESSAGES: list[wire.Message] = [
    wire.PlaceCall(uri="sip:1@x", settings=SETTINGS, pages=PAGES),
    wire.FaxEvent("f", PageEvent(direction=Direction.SEND, number=2, bytes=3, rows=4, bad_rows=0, seconds=1.5, quality="good"), Mode.T38),
    wire.FaxEvent("f", CallEvent(state=CallState.RINGING, sip_code=180)),
    wire.FaxEvent("f", ProgressEvent(direction=Direction.RECEIVE, page=1, bytes=5)),
    wire.Ended("f", RESULT, "sip:x", (PageMark(True, 3), PageMark(False, 0))),
    wire.Arrived(fax_id="f" * 24, account="", remote_uri="sip:x", caller="sip:x", called="sip:y", ident="me"),
    wire.NotDialled("f", "FILE_ERROR", "no file", 41),
    wire.Registered(()),
    wire.Stop(),
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_said_arrives_as_it_was(message: wire.Message) -> None:
    assert wire.decode(wire.encode(message)[4:]) == message


@pytest.mark.parametrize("fax_id", ["", "f", "/../../x", "F" * 24, "f" * 24 + "\n"])
def test_a_call_that_came_in_has_an_id_that_files_can_be_named_by(fax_id: str) -> None:
    arrived = wire.Arrived(fax_id=fax_id, account="", remote_uri="", caller="", called="", ident="")
    with pytest.raises(ValueError, match="fax_id"):
        wire.decode(wire.encode(arrived)[4:])


def test_every_event_can_be_said() -> None:
    assert {kind.__name__ for kind in Event.__subclasses__()} <= set(wire._EVENTS)


@given(st.binary(max_size=200) | st.sampled_from([wire.encode(m) for m in MESSAGES]).flatmap(
    lambda whole: st.integers(4, len(whole) - 1).map(lambda at: whole[4:at] + b"\0" + whole[at + 1 :])
))  # fmt: skip
def test_rubbish_is_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        wire.decode(data)


def test_a_message_that_claims_too_much_is_refused_and_the_end_is_the_end() -> None:
    async def run() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(wire.encode(wire.Stop()) + b"\xff\xff\xff\xff")
        assert await wire.read(reader) == wire.Stop()
        with pytest.raises(ValueError, match="too long"):
            await wire.read(reader)
        reader.feed_eof()
        assert await wire.read(reader) is None

    asyncio.run(run())


@pytest.mark.parametrize("data", [b'["Happened",{"what":"CallEvent"}]', b"[" * 100_000, b"1", b'["Stop"]'])
def test_what_is_no_message_is_told_as_such(data: bytes) -> None:
    """Whatever a process for calls says after it was taken over from outside."""
    with pytest.raises(ValueError):
        wire.decode(data)
