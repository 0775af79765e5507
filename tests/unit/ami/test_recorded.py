# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions of gateways, detection and faxes as a real Asterisk 16 and 22 have shown them, in 55 calls: the same state is answered
here line for line, by actions and on the console. `recorded.json.gz` has what was answered at each moment in which nothing changed between two questions, without ActionID."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from softfax.ami import User
from softfax.model import CallState, Direction, Mode, Operation, SessionEvent, SessionState
from softfax.station import FaxStats
from tests.unit.ami.fakes import FakeStation, Octets, run, serving

RECORDED: list[dict[str, Any]] = json.loads(gzip.decompress((Path(__file__).parent / "recorded.json.gz").read_bytes()))
#: `fax show stats` begins with what FAXStats has; the tables by cause are of the whole recording machine.
OF_STATS = 11
COUNTERS = {
    "CurrentSessions": "current_sessions",
    "ReservedSessions": "reserved_sessions",
    "TransmitAttempts": "transmit_attempts",
    "ReceiveAttempts": "receive_attempts",
    "CompletedFAXes": "completed_faxes",
    "FailedFAXes": "failed_faxes",
}
_MODES = {"T.38": Mode.T38, "G.711": Mode.AUDIO, "none": None}
_DIRECTIONS = {"send": Direction.SEND, "receive": Direction.RECEIVE}


def fields(lines: list[str]) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def put(station: FakeStation, entry: dict[str, str], detail: dict[str, str]) -> None:
    """A call with such a session."""
    files = tuple(name for name in entry["Files"].split(",") if name)
    direction = _DIRECTIONS.get(entry["Operation"], Direction.GATEWAY)
    call = station.call(outgoing=False, direction=direction, documents=files)
    number = int(entry["SessionNumber"])
    object.__setattr__(call.context, "channel", entry["Channel"])
    object.__setattr__(call.context, "session_number", number)
    ecm, file_name = detail.get("ErrorCorrectionMode"), detail.get("FileName")
    call.session = SessionEvent(
        session_number=number,
        operation=Operation(entry["Operation"]),
        state=SessionState(entry["State"]),
        error_correction_mode=None if ecm is None else ecm.lower() == "yes",
        data_rate=_number(detail.get("DataRate")),
        image_resolution=detail.get("ImageResolution"),
        page_number=_number(detail.get("PageNumber")),
        file_name=file_name,
        pages_transmitted=_number(detail.get("PagesTransmitted")),
        pages_received=_number(detail.get("PagesReceived")),
        total_bad_lines=_number(detail.get("TotalBadLines")),
    )
    call.mode, call.call_state = _MODES[entry["SessionType"]], CallState.ANSWERED


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


async def answered(client: Octets, action: str, **headers: str) -> list[list[str]]:
    """The messages that answer an action but the response."""
    client.send(Action=action, **headers)
    client.send(Action="Ping")
    messages = await client.rest("Response: Success\nPing")
    return [message.split("\n") for message in messages[1:-1]]


@pytest.mark.parametrize("part", range(4))
def test_every_moment_of_every_recording(part: int) -> None:
    async def test() -> None:
        async with serving(User("fax", "secret")) as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            for moment in RECORDED[part::4]:
                station.under_way.clear()
                for entry in moment["entries"]:
                    number = fields(entry)["SessionNumber"]
                    put(station, fields(entry), fields(moment["sessions"].get(number, [])))
                counted = fields(moment["stats"])
                station.counted = FaxStats(**{name: int(counted[key]) for key, name in COUNTERS.items()})
                await compare(client, moment)

    run(test)


async def compare(client: Octets, moment: dict[str, Any]) -> None:
    at, listed = moment["at"], await answered(client, "FAXSessions")
    assert listed[:-1] == moment["entries"], at
    assert listed[-1][0] == "Event: FAXSessionsComplete"
    for number, lines in moment["sessions"].items():
        assert await answered(client, "FAXSession", SessionNumber=number) == [lines], at
    assert await answered(client, "FAXStats") == [moment["stats"]], at
    for command, lines in moment["shown"].items():
        client.send(Action="Command", Command=command)
        ours = [line.removeprefix("Output:").removeprefix(" ") for line in (await client.next()).split("\n")[2:]]
        if command == "fax show stats":
            assert ours[:OF_STATS] == lines[:OF_STATS], at
            assert [_name(line) for line in ours] == [_name(line) for line in lines], at
        else:
            assert ours == lines, (at, command)


def _name(line: str) -> str:
    return line.partition(" : ")[0]


def test_all_recordings_are_there() -> None:
    assert len({name for moment in RECORDED for name in moment["of"]}) >= 55
