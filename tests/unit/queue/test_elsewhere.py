# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of other stations, of which an event cannot be read: the others are shown, and this station starts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from softfax.model import CallEvent, CallState, Direction, Fax, FaxContext, FaxState, Mode, NegotiatedEvent
from softfax.queue.elsewhere import Elsewhere
from softfax.records.eventlog import LoggedEvent
from softfax.records.reading import StoredFax

FAX_ID = "4b0e7d5a9c1f2e3d4a5b6c7d"


def test_an_event_that_cannot_be_read_keeps_no_station_from_starting() -> None:
    now = datetime.now(UTC)
    fax = Fax(id=FAX_ID, direction=Direction.RECEIVE, state=FaxState.RECEIVING, created=now, updated=now, to="4930")
    context = FaxContext(
        fax_id=FAX_ID,
        direction=Direction.RECEIVE,
        outgoing=False,
        session_number=1,
        unique_id="1.1",
        channel="PJSIP/x-1",
    )
    kept = StoredFax(fax=fax, context=context, request=None, token=1, dialled=False, cancelled=False)
    answered = CallEvent(state=CallState.ANSWERED).to_json()
    terms = {"encoding": "T.6", "resolution": "204x196", "remote_station_id": ""}
    agreed = NegotiatedEvent(bitrate=14400, ecm=True, mode=Mode.T38, **terms).to_json()
    spoilt: list[dict[str, Any]] = [answered | {"time": "yesterday"}, {"event": "call"}, {"event": "result", "time": 1}]

    async def since(last_id: int, fax_id: str) -> list[LoggedEvent]:
        return [LoggedEvent(number, fax_id, body) for number, body in enumerate([*spoilt, answered, agreed], 1)]

    async def run() -> None:
        events = SimpleNamespace(subscribe=lambda sink: None, since=since)
        store = SimpleNamespace(elsewhere=lambda: [(kept, "fax-2", "https://fax-2.example")])
        elsewhere = Elsewhere(SimpleNamespace(events=events, store=store))  # type: ignore[arg-type]
        await elsewhere.start()
        (call,) = elsewhere.calls()
        assert (call.station, call.call_state) == ("fax-2", CallState.ANSWERED)
        assert call.mode is Mode.T38, "also where the event of the session that has it was missed"
        await elsewhere.stop()

    asyncio.run(run())
