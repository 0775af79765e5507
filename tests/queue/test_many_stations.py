# SPDX-License-Identifier: GPL-2.0-or-later
"""Three stations on one PostgreSQL database that are killed, stopped, cut off and restarted: no fax is lost, none is dialled twice
unsaid, limits hold over all of them, and each end is told once. The full run is `python -m bench.group`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from softfax.database.database import database_url
from softfax.database.schema import StationLock
from softfax.database.stations import StationId
from softfax.errors import DoNotFaxError, LocalError, UsageError
from softfax.model import FaxResult, FaxState
from softfax.queue.elsewhere import Group
from tests.queue.test_queue import LIMIT_S, QUICK, running
from tests.station.test_polled import put_out
from tests.support.group import chaos
from tests.support.postgresql import postgresql

pytestmark = pytest.mark.xdist_group("queue")

BREAKS = ["kill", "cut", "restart", "stop", "kill", "away", "cut", "kill", "stop", "restart"]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as url:
        yield url


def test_what_comes_over_three_stations(database: str, tmp_path: Path) -> None:
    outcome = chaos(tmp_path, database, 300, [[BREAKS]], lease_s=3.0, step_s=0.5, limit_s=300.0, outage_s=4.5)
    print(outcome)
    assert (outcome.lost, outcome.twice, outcome.over_limits, outcome.told_otherwise) == (0, [], [], {})
    assert outcome.tracebacks == []
    assert outcome.takeovers_s
    assert outcome.states["delivered"] > 200


def test_any_station_shows_and_cancels_the_faxes_of_all(database: str, tmp_path: Path) -> None:
    """Two stations: events of one are read at the other, in order; a cancel and the do-not-fax list reach both."""
    letter = tmp_path / "letter.txt"
    letter.write_text("One")
    with sa.create_engine(database_url(tmp_path, database), isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("CREATE DATABASE two"))
    url = database.replace("/postgres", "/two")

    def tables(name: str, calls: int) -> dict[str, Any]:
        data = {"dir": tmp_path / "data", "url": url, "stations": "many", "name": name}
        return {"data": data, "queue": {**QUICK, "calls": calls}}

    async def run() -> None:
        async with running(tmp_path, **tables("one", 5)) as one:
            fax = await one.send("held", letter)
            await one.until(fax.id, FaxState.SENDING)
            async with running(tmp_path, **tables("two", 5)) as two:
                assert two.station.database is not None
                assert (one.station.database.stations.number, two.station.database.stations.number) == (0, 1)  # type: ignore[union-attr]
                # A link that one has signed is good at the other.
                path, _, query = one.station.links.make(fax.id, 60)[0].partition("?")
                assert two.station.links.is_good(path, query)
                assert not (tmp_path / "data" / "links.key").exists()
                heard: list[Any] = []
                two.queue.events.subscribe(heard.append)
                # Its front ends show the call, by the same names.
                async with asyncio.timeout(LIMIT_S):
                    while not any(call.context.session_number for call in two.queue.elsewhere.calls()):
                        await asyncio.sleep(0.05)
                (there,), group = one.station.calls(), Group(two.station, two.queue.elsewhere)
                (seen,) = group.calls()
                assert (seen.context.channel, seen.context.unique_id) == (
                    there.context.channel,
                    there.context.unique_id,
                )
                assert (seen.session.session_number, seen.account) == (there.session.session_number, there.account)
                assert (two.queue.elsewhere.calls()[0].station, group.find(there.context.channel)) == ("one", seen)
                followed: list[Any] = []
                group.subscribe(followed.append)
                # The number has no channel slot at the other station either.
                late = await two.send("held", letter)
                await two.queue.cancel(fax.id)
                assert (await two.until(fax.id)).state is FaxState.CANCELLED
                two.far_ends.release.set()
                one.far_ends.release.set()
                ended = await two.until(late.id)
                assert ended.attempts[0].started > (await two.until(fax.id)).ended  # type: ignore[operator]
                async with asyncio.timeout(LIMIT_S):
                    while not {fax.id, late.id} <= {e.fax_id for e in heard if e.event["event"] == "result"}:
                        await asyncio.sleep(0.05)
                assert [event.id for event in heard] == sorted({event.id for event in heard})
                ends = [one for one in followed if isinstance(one.event, FaxResult)]
                assert [one.context.fax_id for one in ends].count(fax.id) == 1
                assert group.calls() == []
                await one.queue.forbid("sip:never@far.example")
                async with asyncio.timeout(LIMIT_S):
                    while "never" not in two.station.rules.do_not_fax:
                        await asyncio.sleep(0.05)
                with pytest.raises(DoNotFaxError):
                    await two.send("never", letter)

    asyncio.run(run())


def test_of_two_that_a_far_end_could_not_tell_apart_one_is_put_out_at_whichever_station(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are ordered at once: the second station has not heard of the first one's yet."""
    with sa.create_engine(database_url(tmp_path, database), isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("CREATE DATABASE polled"))

    def tables(name: str) -> dict[str, Any]:
        url = database.replace("/postgres", "/polled")
        return {"data": {"dir": tmp_path / "data", "url": url, "stations": "many", "name": name}}

    async def hears_late() -> None:
        await asyncio.sleep(0)

    async def run() -> None:
        async with running(tmp_path, **tables("one")) as one, running(tmp_path, **tables("two")) as two:
            monkeypatch.setattr(two.queue.polled, "look", hears_late)
            await put_out(one.queue, tmp_path, 1, poll_document="")
            with pytest.raises(UsageError, match="letter-1 is out at this number"):
                await put_out(two.queue, tmp_path, 2, poll_document="")
            with pytest.raises(UsageError, match="something called letter-1 is out"):
                await put_out(two.queue, tmp_path, 1)

    asyncio.run(run())


def test_one_name_is_one_station(database: str, tmp_path: Path) -> None:
    url = database_url(tmp_path, database)
    first = StationId("one", tmp_path)
    with pytest.raises(LocalError, match="another station called one"):
        StationId("one", tmp_path)
    first.close()
    again = StationId("one", tmp_path)
    assert again.has_ended(first.text)
    assert not again.has_ended("one:elsewhere:1")
    again.close()
    # One that works alone is not let in beside many, nor they beside it.
    many, alone = (StationLock(url, sa.create_engine(url), shared=shared) for shared in (True, False))
    many.acquire(0.0)
    with pytest.raises(LocalError, match="another station runs"):
        alone.acquire(0.0)
    many.release()
