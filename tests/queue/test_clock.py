# SPDX-License-Identifier: GPL-2.0-or-later
"""A clock that is set while a station runs: what waits goes on waiting as long as was meant, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from softfax.database.clock import STEP_S, SUSPECT_S, ClockWatch
from softfax.model import FaxState
from softfax.ops.retention import Retention
from softfax.records.model import Document, FaxRequest
from tests.web.rig import Running, running, until

DAY_S = 24 * 3600.0


class Clock:
    def __init__(self) -> None:
        self.wall, self.steady = 1.0e9, 100.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.mark.parametrize("step_s", [-DAY_S, -2 * STEP_S, 2 * STEP_S, 400 * DAY_S])
def test_a_step_is_told_once_and_slewing_never(step_s: float, caplog: pytest.LogCaptureFixture) -> None:
    clock, told = Clock(), list[float]()
    watch = ClockWatch(lambda: clock.wall, lambda: clock.steady)
    watch.subscribers += [lambda step: 1 / 0, told.append]  # type: ignore[arg-type, return-value]
    for _ in range(1000):
        clock.passes(5.0)
        clock.wall += 0.01 * STEP_S
        assert watch.look() == 0.0
    clock.wall += step_s
    watch.look()
    clock.passes(5.0)
    watch.look()

    assert told == [pytest.approx(step_s)]
    assert watch.suspect == (step_s > SUSPECT_S)
    assert "the clock was set" in caplog.text
    clock.passes(SUSPECT_S + 1)
    assert not watch.suspect


def _set(one: Running, step_s: float) -> None:
    assert one.station.database is not None
    for told in one.station.database.clock.subscribers:
        told(step_s)


def test_waits_and_deadlines_go_with_the_clock(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Hello\n")
    document = (Document(path=tmp_path / "letter.txt"),)

    async def run() -> None:
        async with running(tmp_path, queue={"retry_busy_s": [DAY_S], "attempts": 3}) as one:
            later = datetime.now(UTC) + timedelta(days=2)
            named = datetime.now(UTC) + timedelta(days=3)
            busy, waits = await one.queue.submit(
                [
                    FaxRequest(to="sip:busy+ok-1@127.0.0.1", documents=document),
                    FaxRequest(to="sip:ok-2@127.0.0.1", documents=document, not_before=later, deadline=named),
                ]
            )

            async def state(fax_id: str) -> FaxState:
                found = await one.queue.get(fax_id)
                assert found is not None
                return found.state

            async def is_waiting() -> bool:
                return await state(busy.id) is FaxState.WAITING

            await until(is_waiting)
            before = await one.queue.get(busy.id)
            assert before is not None

            await asyncio.to_thread(_set, one, 30 * DAY_S)
            after = await one.queue.get(busy.id)
            assert after is not None
            assert after.deadline == before.deadline + timedelta(days=30)  # type: ignore[operator]
            unmoved = await one.queue.get(waits.id)
            assert unmoved is not None
            assert unmoved.deadline == waits.deadline, "somebody named it"

            # A retry of a day is due at once where the clock goes back by two.
            await asyncio.to_thread(_set, one, -3 * DAY_S)

            async def is_delivered() -> bool:
                return await state(busy.id) is FaxState.DELIVERED

            await until(is_delivered)
            assert await state(waits.id) is FaxState.QUEUED, "it is not to be sent before its time"
            assert "ok-2" not in one.far_ends.calls

    asyncio.run(run())


def test_retention_erases_nothing_after_a_clock_that_was_set_far_forward(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "letter.txt").write_text("Hello\n")
    caplog.set_level(logging.ERROR)

    async def run() -> tuple[int, int]:
        async with running(tmp_path, retention={"faxes_days": 30}) as one:
            (fax,) = await one.queue.submit(
                [FaxRequest(to="sip:ok-1@127.0.0.1", documents=(Document(path=tmp_path / "letter.txt"),))]
            )

            async def is_delivered() -> bool:
                found = await one.queue.get(fax.id)
                return found is not None and found.terminal

            await until(is_delivered)
            in_a_year = datetime.now(UTC).timestamp() + 365 * DAY_S
            retention = Retention(one.station, one.queue, now=lambda: in_a_year)
            assert one.station.database is not None
            clock = one.station.database.clock
            clock._suspect_until = clock._steady() + 1000.0
            held = (await retention.sweep()).faxes
            clock._suspect_until = 0.0
            return held, (await retention.sweep()).faxes

    assert asyncio.run(run()) == (0, 1)
