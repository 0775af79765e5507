# SPDX-License-Identifier: GPL-2.0-or-later
"""A station killed at fifty random moments of a busy hour (in shortened time): every fax ends once, is told once, and the far ends,
which count for themselves, have got nothing twice but what is marked so.
"""

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
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from softfax.model import FaxState
from softfax.records import tables
from softfax.records.store import QueueStore
from tests.queue import killed_station
from tests.support.background import REPOSITORY
from tests.support.receiver import receiver

KILLS = 50
SEED = 20261121
LIMIT_S = 500.0


class CountingPeer:
    """The far ends' own record."""

    def __init__(self) -> None:
        self.pages: Counter[tuple[str, int]] = Counter()
        self.calls: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                what, number, page = line.decode().split()
                before = self.calls[number]
                if what == "call":
                    self.calls[number] += 1
                else:
                    self.pages[number, int(page)] += 1
                writer.write(f"{before}\n".encode())
        writer.close()


async def _busy_hour(folder: Path, url: str) -> tuple[CountingPeer, int]:
    peer, draw = CountingPeer(), random.Random(SEED)
    path = str(folder / "peer")
    server = await asyncio.start_unix_server(peer.serve, path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.queue.killed_station", str(folder), path, url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    kills = 0
    try:
        async with asyncio.timeout(LIMIT_S):
            for life in range(KILLS + 1):
                process.stdin.write(b"\n")
                # What the one before said last comes first.
                while not (line := await process.stdout.readline()).startswith(b"pid"):
                    assert line == b"up\n", line
                pid = int(line.split()[1])
                if life == KILLS:
                    while (line := await process.stdout.readline()) != b"done\n":
                        assert line in (b"up\n",), line
                    break
                # Some die before they are up.
                await asyncio.sleep(draw.uniform(0.1, 1.4))
                os.kill(pid, signal.SIGKILL)
                kills += 1
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        server.close()
    return peer, kills


def test_killed_at_fifty_moments_of_a_busy_hour(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("One\fTwo\fThree\n")
    began = time.monotonic()
    with receiver() as there:
        peer, kills = asyncio.run(_busy_hour(tmp_path, f"{there.url}/ends"))
        ends: dict[str, set[str]] = {}
        for request in there.requests:
            body: dict[str, Any] = json.loads(request.body)
            if body["event"] == "result" and "retry_at" not in body:
                ends.setdefault(body["fax_id"], set()).add(request.headers["softfax-event-id"])
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'data' / 'softfax.sqlite'}")
    store = QueueStore(engine)
    with engine.connect() as connection:
        ids = connection.execute(sa.select(tables.faxes.c.id)).scalars().all()
    faxes = [fax for fax_id in ids if (fax := store.get(fax_id)) is not None]
    states = Counter(fax.state for fax in faxes)
    print(f"{kills} kills in {time.monotonic() - began:.0f} s; {dict(states)}; {sum(peer.calls.values())} calls")
    assert kills == KILLS
    assert len(faxes) == killed_station.FAXES
    assert all(fax.terminal for fax in faxes)
    # Each end was told, and as one event.
    assert {fax.id: len(ends.get(fax.id, ())) for fax in faxes} == {fax.id: 1 for fax in faxes}
    for fax in faxes:
        number = fax.to.removeprefix("sip:").partition("@")[0]
        # No call that is not written down.
        assert peer.calls[number] <= len(fax.attempts), fax
        resent_from = min((a.first_page for a in fax.attempts if a.resent), default=99)
        for page in (1, 2, 3):
            times = peer.pages[number, page]
            if fax.state is FaxState.DELIVERED:
                assert times >= 1, (fax, page)
            assert times <= 1 or page >= resent_from, (fax, page, times)
    assert states[FaxState.UNCERTAIN]
    assert any(a.resent for fax in faxes for a in fax.attempts)
