# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that a station refuses: a Warning for the caller, a line in the log, and a record where they came from an account."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from softfax.fax.causes import classify
from softfax.model import FaxResult, FaxUpdate
from softfax.station import Station
from tests.sip.far_end import AUDIO, HERE, FarEnd, Message

pytestmark = pytest.mark.sip


def config(folder: Path, **more: object) -> dict[str, object]:
    return {"sip": {"listen": f"{HERE}:0"}, "data": {"dir": folder}, **more}


async def refused(station: Station, body: str, status: str) -> tuple[Message, list[FaxResult]]:
    """A call that is refused with this status, and the results that were told of it."""
    results: list[FaxResult] = []
    told = asyncio.Event()

    def take(update: FaxUpdate) -> None:
        if isinstance(update.event, FaxResult):
            results.append(update.event)
            told.set()

    station.subscribe(take)
    far = FarEnd(port_of_agent=station.bound_address[1])
    try:
        response = await asyncio.to_thread(far.invite, body=body, status=status)
    finally:
        far.close()
    if station.config.account:
        await asyncio.wait_for(told.wait(), 10)
    else:
        # Another call comes to its end meanwhile, and what was to be told of the first would have been.
        await asyncio.sleep(0.5)
    return response, results


@pytest.mark.parametrize(
    ("tables", "body", "status", "why"),
    [
        ({"fax": {"receive": False}}, AUDIO, "480", "no faxes are received here"),
        ({}, AUDIO.replace(HERE, "224.0.0.1"), "488", "nothing is sent to 224.0.0.1"),
        ({"screening": {"blocked": ["far"]}}, AUDIO, "603", "the caller is blocked"),
    ],
)
def test_a_call_of_an_account_is_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tables: dict[str, object], body: str, status: str, why: str
) -> None:
    caplog.set_level(logging.WARNING)
    account = {"name": "trunk", "server": "sip:192.0.2.10", "trusted": [HERE]}

    async def run() -> None:
        async with Station(config(tmp_path, account=[account], **tables)) as station:
            response, (result,) = await refused(station, body, status)
            assert result.status_string == f"softfax refused the call ({status}: {why})"
            assert result.result_code == 1000 + int(status)
            assert classify(result.to_json()) is not None
            warning = response.header("Warning")
            assert warning
            assert "blocked" not in warning

    asyncio.run(run())
    assert any("trunk" in line and "far@" in line and why in line for line in caplog.messages), caplog.messages


def test_a_strangers_call_leaves_a_line_in_the_log_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def run() -> None:
        async with Station(config(tmp_path, fax={"receive": False})) as station:
            response, results = await refused(station, AUDIO, "480")
            assert response.header("Warning")
            assert results == []

    asyncio.run(run())
    assert any("no faxes are received here" in line for line in caplog.messages)
