# SPDX-License-Identifier: GPL-2.0-or-later
"""No row of the database and no file in the station's folders keeps it from starting, or from its work: what cannot be read is
set aside and named. Each kind of row is spoiled in each of its columns, each kind of file in each way there is."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from softfax.delivery.targets import CallbackTarget
from softfax.mail.reports import MailReports, tags_of
from softfax.mailboxes import Mailboxes
from softfax.model import Direction, FaxContext, new_fax_id
from softfax.ops.doctor.local import record_findings
from softfax.queue.keeping import tidy
from softfax.queue.queue import FaxQueue
from softfax.queue.recorder import _fax
from softfax.records.model import Document, FaxRequest
from softfax.station import Station
from softfax.web.server import WebServer
from tests.support.simulated_calls import FarEnds, SimulatedCalls

TOKEN = "a-secret-of-the-tests"
LIMIT_S = 120.0
FUTURE = 4_000_000_000.0
#: Says which softfax the database is of: that of another is not touched.
KEPT = {"softfax_schema"}
#: What may stand in a column of a damaged row, as SQL.
SPOILED = {
    "text": "'garbage'",
    "nothing": "''",
    "octets": "X'ff00fe'",
    "no UTF-8": "CAST(X'7b22c328' AS TEXT)",
    "negative": "-1",
    "huge": "1e300",
    "another object": "'{\"a\": [1]}'",
    "a list": "'[1, null]'",
    "null": "NULL",
}


class Parts:
    def __init__(self, folder: Path) -> None:
        config = {
            "data": {"dir": folder / "data"},
            "inbox": {"dir": folder / "inbox"},
            "fax": {"resolution": "standard"},
            "callbacks": {"allow_private": True},
            "http": {"listen": "127.0.0.1:0", "token": [{"name": "all", "secret": TOKEN, "scopes": ["admin"]}]},
            "mailbox": [{"name": "box", "numbers": ["1"], "folder": [{"dir": folder / "box"}]}],
            "smtp": {"host": "127.0.0.1", "port": 9, "sender": "fax@example.com"},
        }
        self.station = Station(config, calls=partial(SimulatedCalls, far_ends=FarEnds()))
        self.queue = FaxQueue(self.station)
        self.boxes = Mailboxes(self.station, self.queue)
        self.mail = MailReports(self.station, self.queue)
        self.web = WebServer(self.station, self.queue)
        self.station.add(self.web)

    async def get(self, path: str, **params: Any) -> Any:
        host, port = self.web.address
        async with httpx.AsyncClient(timeout=LIMIT_S, trust_env=False) as client:
            answer = await client.get(
                f"http://{host}:{port}{path}", params=params, headers={"Authorization": f"Bearer {TOKEN}"}
            )
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    async def faxes(self) -> dict[str, str]:
        """All that are listed, by id."""
        found: dict[str, str] = {}
        cursor = ""
        while True:
            part = await self.get("/v1/faxes", limit=100, **({"cursor": cursor} if cursor else {}))
            found |= {fax["id"]: fax["state"] for fax in part["faxes"]}
            cursor = part["cursor"]
            if not cursor:
                return found


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Parts]:
    parts = Parts(folder)
    async with asyncio.timeout(LIMIT_S):
        await parts.station.__aenter__()
    try:
        yield parts
    finally:
        await parts.station.__aexit__(None, None, None)


def request(folder: Path, to: str, **more: Any) -> FaxRequest:
    return FaxRequest(to=f"sip:{to}@127.0.0.1", documents=(Document(path=folder / "note.txt"),), **more)


async def _fill(folder: Path) -> None:
    """A station that has one of everything."""
    (folder / "note.txt").write_text("Hello\n")
    async with running(folder) as parts:
        target = CallbackTarget(url="http://127.0.0.1:9/")
        mail = tags_of("who@example.com", "1@fax", "s", "<1@x>", "")
        (sent,) = await parts.queue.submit(
            [request(folder, "ok-1", callbacks=(target,), tags=mail)], key="k", body_hash="h"
        )
        await parts.queue.submit([request(folder, "busy-1", callbacks=(target,))])
        await parts.queue.forbid("+4912345", "asked")
        await asyncio.to_thread(parts.web._store.put_contact, {"name": "Ann", "number": "1"})
        await asyncio.to_thread(parts.web._store.put_run, new_fax_id(), "running", {"id": "x"}, "k", "d")
        await asyncio.to_thread(parts.boxes._put, sent.id, "box", "folder", 0, {})
        while not (await parts.queue.get(sent.id)).terminal:  # type: ignore[union-attr]
            await asyncio.sleep(0.05)
        context = FaxContext(
            fax_id=new_fax_id(),
            direction=Direction.RECEIVE,
            outgoing=False,
            session_number=1,
            unique_id="1.1",
            channel="x",
        )
        await asyncio.to_thread(parts.queue.store.record, _fax(context), context)
        async with asyncio.timeout(LIMIT_S):
            while not await asyncio.to_thread(parts.mail.counts):
                await asyncio.sleep(0.05)
    with closing(sqlite3.connect(folder / "data" / "softfax.sqlite")) as database, database:
        # Those that wait do so for as long as this takes.
        database.execute("UPDATE softfax_faxes SET due = ?, next_attempt = ? WHERE due > 0", (FUTURE, FUTURE))
        database.execute("INSERT INTO softfax_logins VALUES ('k', 'all', 'f', ?)", (FUTURE,))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(_fill(folder))
    return folder


@pytest.fixture
def station(filled: Path, tmp_path: Path) -> Path:
    for name in ("data", "inbox", "box"):
        if (filled / name).is_dir():
            shutil.copytree(filled / name, tmp_path / name)
    shutil.copyfile(filled / "note.txt", tmp_path / "note.txt")
    return tmp_path


def _spoil(database: sqlite3.Connection, table: str) -> int:
    """A copy of each row of a table for each of its columns and each way to spoil it; how many. The rows themselves stay."""
    columns = list(database.execute(f"PRAGMA table_info({table})"))
    names = [column[1] for column in columns]
    keys = [column for column in columns if column[5]]
    serial = keys[0][1] if len(keys) == 1 and keys[0][2].upper() in ("INTEGER", "BIGINT") else ""
    fresh_texts = {"id", "key", "event_id"} & set(names) - {serial}
    into, done = ", ".join(map(_quoted, names)), 0
    for (row,) in list(database.execute(f"SELECT rowid FROM {table} LIMIT 3")):
        for name in names:
            for value in SPOILED.values():
                fresh = {one: f"'{os.urandom(12).hex()}'" for one in fresh_texts}
                if serial:
                    highest = database.execute(f"SELECT max({serial}) FROM {table} WHERE {serial} < 1e15").fetchone()[0]
                    fresh[serial] = str(int(highest) + 1)
                values = ", ".join(({_: _quoted(_) for _ in names} | fresh | {name: value}).values())
                try:
                    database.execute(f"INSERT INTO {table} ({into}) SELECT {values} FROM {table} WHERE rowid = {row}")
                    done += 1
                except sqlite3.IntegrityError:
                    pass  # the database refuses it
    return done


def _quoted(name: str) -> str:
    return f'"{name}"'


def _tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        found = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            name for name in found
            if not name.startswith("sqlite_") and database.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()
        ]  # fmt: skip


#: What is in these tables is set aside, and each has a station to itself; the others share one.
ASIDE = ("softfax_faxes", "softfax_attempts", "softfax_callbacks", "softfax_callback_sequences")


@pytest.mark.parametrize("spoiled", [*ASIDE, "softfax"])
def test_every_kind_of_row(filled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, spoiled: str) -> None:
    named = sorted(set(_tables(filled / "data" / "softfax.sqlite")) - KEPT)
    assert len(named) >= 11, "there is a row of each kind"
    others = [name for name in named if name not in ASIDE]
    folder = tmp_path / "copy"
    shutil.copytree(filled, folder)
    caplog.clear()
    asyncio.run(_rows(folder, [spoiled] if spoiled in ASIDE else others, caplog))


async def _rows(folder: Path, tables: list[str], caplog: pytest.LogCaptureFixture) -> None:
    path = folder / "data" / "softfax.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        # One that waits goes with a damaged attempt: it may have reached the far end in that.
        ended = " WHERE ended IS NOT NULL" if "softfax_attempts" in tables else ""
        good = {fax for (fax,) in database.execute(f"SELECT id FROM softfax_faxes{ended}")}
        spoiled = sum(_spoil(database, table) for table in tables)
        if "softfax_callback_sequences" in tables:
            database.execute("UPDATE softfax_callback_sequences SET target = 'garbage'")
    assert spoiled
    caplog.set_level(logging.WARNING)
    async with running(folder) as parts:
        await asyncio.to_thread(tidy, parts.queue, True)
        assert good <= set(await parts.faxes()), tables
        for listed in ("/v1/status", "/v1/contacts", "/v1/do-not-fax", *(f"/v1/faxes/{fax}" for fax in good)):
            await parts.get(listed)
        (fax,) = await parts.queue.submit([request(folder, "ok-2")])
        async with asyncio.timeout(LIMIT_S):
            while (found := await parts.queue.get(fax.id)) is None or not found.terminal:
                await asyncio.sleep(0.05)
        assert found.state == "delivered", tables
        assert parts.station.outbox is not None
        await asyncio.to_thread(parts.station.outbox.store.list)
        await asyncio.to_thread(parts.queue.aside.move)
        aside = (await parts.get("/v1/status"))["set_aside"]
    traced = [record.getMessage() for record in caplog.records if record.exc_info]
    print(f"{tables}: {spoiled} spoiled, {len(aside)} set aside")
    assert not traced, (tables, traced)
    if tables[0] in ASIDE:
        assert aside
        assert any("set aside" in record.getMessage() for record in caplog.records)
        assert any("set aside" in finding.text for finding in record_findings(parts.station.config))


def _replace(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        make(path)

    return spoil


#: What may stand where a file or a folder should.
KINDS: dict[str, Callable[[Path], None]] = {
    "garbage": _replace(lambda path: path.write_bytes(os.urandom(300)) and None),
    "empty": _replace(Path.touch),
    "folder": _replace(lambda path: (path / "x").mkdir(parents=True)),
    "pipe": _replace(os.mkfifo),
    "dangling link": _replace(lambda path: path.symlink_to("/nonexistent/x")),
    "link to itself": _replace(lambda path: path.symlink_to(path)),
    "another list": _replace(lambda path: path.write_text(json.dumps([1])) and None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file(station: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    files = [path for name in ("data", "inbox", "box") for path in sorted((station / name).rglob("*"))]
    with closing(sqlite3.connect(station / "data" / "softfax.sqlite")) as database:
        for (fax_id,) in database.execute("SELECT id FROM softfax_faxes WHERE direction = 'receive'"):
            files.append(station / "inbox" / f".{fax_id}.tif")
    for place in ("faxes", "uploads", "traces"):
        files.append(station / "data" / place / os.urandom(12).hex())
    files.append(station / "inbox" / ".softfax-probe")
    for path in files:
        if path.name.startswith("softfax.sqlite") or not path.parent.is_dir():
            continue
        if path.is_dir() and path.name in ("faxes", "uploads", "traces", "received"):
            continue
        KINDS[kind](path)

    async def run() -> None:
        async with running(station) as parts:
            await asyncio.to_thread(tidy, parts.queue, True)
            await parts.faxes()
            (fax,) = await parts.queue.submit([request(station, "ok-2")])
            async with asyncio.timeout(LIMIT_S):
                while (found := await parts.queue.get(fax.id)) is None or not found.terminal:
                    await asyncio.sleep(0.05)
            assert found.state == "delivered"

    caplog.set_level(logging.WARNING)
    asyncio.run(run())
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
