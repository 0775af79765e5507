# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages of a process for calls about a fax are about that fax alone."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from softfax.fax import outcome
from softfax.fax.inbox import Inbox
from softfax.model import CallEvent, CallState, Direction, FaxContext, FaxUpdate
from softfax.station import StationConfig, making, wire
from softfax.station.call import FaxCall
from softfax.station.faxes import StationFax
from softfax.station.load import Load
from softfax.station.receiving import Destination
from softfax.station.workers import _Worker
from tests.support.pages import draw_page, write_fax_tiff

OWN, OTHER, JOINED = "a" * 24, "b" * 24, "c" * 24
CONTEXT = FaxContext(
    fax_id=OWN, direction=Direction.RECEIVE, outgoing=False, session_number=3, unique_id="1.1", channel="PJSIP/x-1"
)


def test_events_and_the_result_are_of_the_fax_itself_and_so_are_its_files(tmp_path: Path) -> None:
    told: list[FaxUpdate] = []
    station: Any = SimpleNamespace(
        config=StationConfig(), publish=told.append, on_document=[], before_result=[], over=lambda fax_id: None
    )
    inbox = Inbox(tmp_path)
    others = inbox.spool_path(OTHER)
    write_fax_tiff(others, [draw_page("1")])

    async def run() -> None:
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        call = FaxCall(context=CONTEXT, session=making.first_session(CONTEXT), result=result)
        fax = StationFax(station, call, Destination(inbox), "sip:1@host")
        fax.take(wire.FaxEvent(OWN, CallEvent(state=CallState.RINGING, fax_id=OTHER)))
        ended = dataclasses.replace(making.failed(CONTEXT, outcome.OK, 1.0), fax_id=OTHER)
        await fax._ended(wire.Ended(OWN, ended))
        assert result.result().fax_id == OWN

    asyncio.run(run())
    assert {update.event.to_json()["fax_id"] for update in told} == {OWN}
    assert [path.name for path in tmp_path.iterdir()] == [others.name]


def test_a_fax_that_was_not_dialled_gives_its_room_back() -> None:
    worker = _Worker(0, StationConfig(), lambda message: None, ())
    worker.state, worker.load, worker.faxes, worker.ordered = (
        "running",
        Load(room=2),
        {OWN, OTHER, JOINED},
        {OWN, OTHER},
    )
    assert not worker.room
    worker._take(wire.NotDialled(JOINED, "FILE_ERROR", "no document", 41))
    assert not worker.room, "it had none of its own"
    worker._take(wire.NotDialled(OWN, "FILE_ERROR", "no document", 41))
    assert worker.room == 1
