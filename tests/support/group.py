# SPDX-License-Identifier: GPL-2.0-or-later
"""Many stations on one PostgreSQL database while they are killed, stopped, cut off and restarted; the far ends count for themselves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from softfax.database.database import database_url
from softfax.database.stations import stations
from softfax.model import FaxState
from softfax.records import tables
from softfax.records.store import QueueStore
from tests.queue import group_station
from tests.support.background import REPOSITORY
from tests.support.receiver import Request, receiver

__all__ = ["Outcome", "chaos", "idle_statements"]

#: What the stations say.
LOG = "stations.log"
NAMES = ("one", "two", "three")
_ENDED = tuple(str(s) for s in FaxState if s not in ("queued", "waiting", "preparing", "sending", "receiving"))


@dataclass
class Outcome:
    """Outcome of a run: faxes by state, and what must not be. `tracebacks` are lines of the log with one, or a statement's text."""

    states: Counter[str]
    lost: int
    twice: list[str]
    over_limits: list[str]
    told_otherwise: dict[str, str]
    corrected: int
    takeovers_s: list[float]
    tracebacks: list[str]
    breaks: Counter[str]
    seconds: float


class _FarEnds:
    """The far ends' own record: calls and pages of each fax, and the calls that are up, which go with the station's process."""

    def __init__(self) -> None:
        self.calls, self.pages = Counter[str](), Counter[tuple[str, int]]()
        self._up: dict[object, list[tuple[str, str]]] = {}
        self.over_limits: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = self._up[writer] = []
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                what, number, page, account, fax_id = line.decode().split()
                before = self.calls[fax_id]
                if what == "call":
                    self.calls[fax_id] += 1
                    mine.append((number, account))
                    self._count(number, account)
                elif what == "page":
                    self.pages[fax_id, int(page)] += 1
                elif (number, account) in mine:
                    mine.remove((number, account))
                writer.write(f"{before}\n".encode())
        del self._up[writer]
        writer.close()

    def _count(self, number: str, account: str) -> None:
        up = [one for calls in self._up.values() for one in calls]
        if sum(one[0] == number for one in up) > 1:
            self.over_limits.append(number)
        if sum(one[1] == account for one in up) > group_station.TRUNK_CALLS:
            self.over_limits.append(account)


class _Way:
    """The way of a station to the database; nothing passes while it is cut."""

    def __init__(self, port: int) -> None:
        self._to, self.open = port, asyncio.Event()
        self.open.set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.open.wait()
        there = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer), return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.open.wait()
                writer.write(data)
                await writer.drain()
        await self.open.wait()
        writer.close()


@dataclass
class _Group:
    """The stations, and what is done to them."""

    engine: sa.Engine
    ways: dict[str, _Way]
    urls: dict[str, str]
    forker: asyncio.subprocess.Process
    lease_s: float
    outage_s: float
    draw: random.Random
    broken: set[str] = field(default_factory=set)
    pids: dict[str, int] = field(default_factory=dict)
    up: dict[str, asyncio.Event] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    takeovers_s: list[float] = field(default_factory=list)

    async def listen(self) -> None:
        assert self.forker.stdout is not None
        while line := (await self.forker.stdout.readline()).decode().split():
            if line[0] == "pid":
                self.pids[line[1]] = int(line[2])
            elif line[0] == "up":
                self.up[line[1]].set()
            else:
                self.failed.append(" ".join(line))
                self.up[line[1]].set()

    async def start(self, name: str) -> None:
        assert self.forker.stdin is not None
        self.up[name] = asyncio.Event()
        self.forker.stdin.write(f"{name} {self.urls[name]}\n".encode())
        await self.up[name].wait()
        assert not self.failed, self.failed

    async def gone(self, pid: int) -> None:
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.05)

    def _row(self, name: str) -> str | None:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(stations.c.id).where(stations.c.name == name)).scalar()

    def _held(self, station: str) -> bool:
        f = tables.faxes.c
        with self.engine.connect() as connection:
            held = sa.select(f.id).where(f.held, f.station == station).limit(1)
            row = sa.select(stations.c.id).where(stations.c.id == station)
            return connection.execute(row.union_all(held)).first() is not None

    async def _taken_over(self, name: str, limit_s: float) -> None:
        """Wait until others have what a station held."""
        began, station = time.monotonic(), await asyncio.to_thread(self._row, name)
        while station is not None and time.monotonic() < began + limit_s:
            if not await asyncio.to_thread(self._held, station):
                self.takeovers_s.append(time.monotonic() - began)
                return
            await asyncio.sleep(0.25)

    async def kill(self, name: str) -> None:
        pid = self.pids[name]
        os.kill(pid, signal.SIGKILL)
        await self._taken_over(name, self.draw.choice((0.3, 3.0)) * self.lease_s)
        await self.start(name)

    async def stop(self, name: str) -> None:
        os.kill(self.pids[name], signal.SIGSTOP)
        await self._taken_over(name, 3 * self.lease_s)
        await asyncio.sleep(self.draw.uniform(0, self.lease_s / 2))
        os.kill(self.pids[name], signal.SIGCONT)

    async def cut(self, name: str) -> None:
        self.ways[name].open.clear()
        await asyncio.gather(self._taken_over(name, 3 * self.lease_s), asyncio.sleep(self.outage_s))
        self.ways[name].open.set()

    async def away(self, _name: str) -> None:
        """The database is away from all of them."""
        for way in self.ways.values():
            way.open.clear()
        await asyncio.sleep(self.outage_s)
        for way in self.ways.values():
            way.open.set()
        await asyncio.sleep(self.lease_s)

    async def restart(self, name: str) -> None:
        pid = self.pids[name]
        os.kill(pid, signal.SIGTERM)
        await self.gone(pid)
        await self.start(name)

    async def rolling(self, _name: str) -> None:
        """One after the other."""
        for name in NAMES:
            await self.restart(name)

    async def breaks(self, kinds: Iterable[str]) -> None:
        """Break one station after the other, but none that is broken already."""
        for kind in kinds:
            await asyncio.sleep(self.draw.uniform(0, self.lease_s / 3))
            name = self.draw.choice([one for one in NAMES if one not in self.broken])
            self.broken.add(name)
            began = time.monotonic()
            await getattr(self, kind)(name)
            self.broken.discard(name)
            print(f"{kind} {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    def ended(self, faxes: int) -> bool:
        f = tables.faxes.c
        with self.engine.connect() as connection:
            done = sa.select(sa.func.count()).where(f.state.in_(_ENDED), f.told)
            posted = sa.text("SELECT count(*) FROM softfax_callback_sequences WHERE due > 0")
            return connection.execute(done).scalar() == faxes and not connection.execute(posted).scalar()


async def _run(
    folder: Path,
    port: int,
    callbacks: str,
    far: _FarEnds,
    faxes: int,
    phases: Iterable[Iterable[Iterable[str]]],
    seconds: tuple[float, float, float, float],
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> _Group:
    lease_s, step_s, limit_s, outage_s = seconds
    path = str(folder / "far")
    server = await asyncio.start_unix_server(far.serve, path)
    ways = {name: _Way(port) for name in NAMES}
    urls = {name: f"postgresql://softfax@127.0.0.1:{await way.start()}/postgres" for name, way in ways.items()}
    command = (
        sys.executable,
        "-m",
        "tests.queue.group_station",
        str(folder),
        path,
        callbacks,
        str(faxes),
        str(lease_s),
        str(step_s),
    )
    pipe = asyncio.subprocess.PIPE
    with (folder / LOG).open("wb") as log:
        forker = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log, cwd=REPOSITORY)
    engine = sa.create_engine(database_url(folder, f"postgresql://softfax@127.0.0.1:{port}/postgres"))
    group = _Group(engine, ways, urls, forker, lease_s, outage_s, random.Random(20261129))
    listening = asyncio.ensure_future(group.listen())
    try:
        async with asyncio.timeout(limit_s):
            await group.start(NAMES[0])
            await asyncio.gather(*(group.start(name) for name in NAMES[1:]))
            for side_by_side in phases:
                await asyncio.gather(*map(group.breaks, side_by_side))
            if meanwhile is not None:
                await meanwhile()
            while not await asyncio.to_thread(group.ended, faxes):
                await asyncio.sleep(0.25)
    finally:
        for pid in group.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        forker.kill()
        await forker.wait()
        listening.cancel()
        server.close()
        for way in ways.values():
            way.open.set()
            way.close()
    return group


def idle_statements(folder: Path, url: str, seconds: float = 30.0) -> float:
    """Statements a second that three idle stations cost the database, which has pg_stat_statements."""

    def measured() -> float:
        with sa.create_engine(database_url(folder, url), isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))
            connection.execute(sa.text("SELECT pg_stat_statements_reset()"))
            time.sleep(seconds)
            calls = connection.execute(sa.text("SELECT sum(calls) FROM pg_stat_statements")).scalar_one()
            most = "SELECT calls, left(query, 100) FROM pg_stat_statements ORDER BY calls DESC LIMIT 8"
            for row in connection.execute(sa.text(most)):
                print(*row)
            return float(calls) / seconds

    found = []

    async def watch() -> None:
        await asyncio.sleep(5.0)
        found.append(await asyncio.to_thread(measured))

    port = int(url.rpartition(":")[2].partition("/")[0])
    (folder / "letter.txt").write_text("One\n")
    asyncio.run(_run(folder, port, "http://127.0.0.1:9/", _FarEnds(), 0, (), (20.0, 0.1, 120.0, 0.0), watch))
    return found[0]


def _is_told_once(told: Iterable[tuple[str, bool]]) -> bool:
    """Return True if results (what they correct, and whether they are ends), in order, are one end and its corrections."""
    ended = False
    for corrects, is_end in told:
        if ended is not (corrects == "uncertain"):
            return False
        ended = is_end
    return ended


def _logged() -> sa.Select[Any]:
    """The fax of each end in the log of events; results that are kept elsewhere are ends where they say nothing of another call."""
    e, a = tables.events.c, tables.attempts.c
    told = sa.func.coalesce(
        sa.select(a.result)
        .where(a.fax_id == e.fax_id, e.body == sa.func.concat('{"stored": ', a.number, "}"))
        .scalar_subquery(),
        e.body,
    )
    ends = told.contains('"event": "result"') & (~told.contains('"retry_at"') | told.contains('"corrects"'))
    return sa.select(e.fax_id).where(ends)


def chaos(
    folder: Path,
    url: str,
    faxes: int,
    phases: Sequence[Sequence[Sequence[str]]],
    *,
    lease_s: float,
    step_s: float,
    limit_s: float,
    outage_s: float = 0.0,
) -> Outcome:
    """Have three stations send so many faxes while breaks (kill, stop, cut, away, restart, rolling) come over them: phases one after
    the other, in each of them lists side by side. Stations are cut off for `outage_s`, at least until they are taken over.
    """
    (folder / "letter.txt").write_text("One\fTwo\n")
    began, far, ends = time.monotonic(), _FarEnds(), dict[str, dict[str, tuple[str, bool]]]()

    def answer(request: Request) -> tuple[int, dict[str, str]]:
        body: dict[str, Any] = json.loads(request.body)
        if "corrects" in body or "retry_at" not in body:
            is_end = "retry_at" not in body
            told = ends.setdefault(body["fax_id"], {})
            told.setdefault(request.headers["softfax-event-id"], (body.get("corrects", ""), is_end))
        return 204, {}

    with receiver(answer) as there:
        port = int(url.rpartition(":")[2].partition("/")[0])
        group = asyncio.run(
            _run(folder, port, f"{there.url}/ends", far, faxes, phases, (lease_s, step_s, limit_s, outage_s))
        )
    assert not group.failed, group.failed
    store = QueueStore(group.engine)
    with group.engine.connect() as connection:
        ids = connection.execute(sa.select(tables.faxes.c.id)).scalars().all()
        logged = Counter[str](connection.execute(_logged()).scalars())
    found = [fax for fax_id in ids if (fax := store.get(fax_id)) is not None]
    twice = []
    for fax in found:
        resent_from = min((a.first_page for a in fax.attempts if a.resent), default=99)
        again = [page for page in (1, 2) if far.pages[fax.id, page] > 1 and page < resent_from]
        if far.calls[fax.id] > len(fax.attempts) or again:
            twice.append(f"{fax.id} {far.calls[fax.id]} calls, pages {again}: {fax}")
    group.engine.dispose()
    otherwise = {}
    for fax in found:
        told = list(ends.get(fax.id, {}).values())
        if not _is_told_once(told) or logged[fax.id] != len(told):
            otherwise[fax.id] = f"{told}, {logged[fax.id]} in the log"
    return Outcome(
        states=Counter(str(fax.state) for fax in found),
        lost=faxes - sum(fax.terminal for fax in found),
        twice=twice,
        over_limits=far.over_limits,
        told_otherwise=otherwise,
        corrected=sum(bool(corrects) for told in ends.values() for corrects, _ in told.values()),
        takeovers_s=group.takeovers_s,
        tracebacks=[line for line in (folder / LOG).read_text().splitlines() if "Traceback" in line or "[SQL" in line],
        breaks=Counter(kind for phase in phases for kinds in phase for kind in kinds),
        seconds=time.monotonic() - began,
    )
