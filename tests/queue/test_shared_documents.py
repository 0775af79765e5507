# SPDX-License-Identifier: GPL-2.0-or-later
"""Stations that share a real object store: what one took another sends, what one received another has, and a store that is away
costs no fax."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
import sqlalchemy as sa

from softfax.errors import LocalError
from softfax.fax.facts import PageMark
from softfax.fax.outcome import OK
from softfax.filestore import FileStore
from softfax.model import CallEvent, CallState, FaxResult, FaxState, new_fax_id
from softfax.records import tables
from softfax.station import wire
from softfax.station.making import failed
from tests.queue.test_queue import Running, running
from tests.support.object_store import ObjectStore, object_store
from tests.support.pages import draw_page, write_fax_tiff


def tables_of(folder: Path, name: str, url: str) -> dict[str, dict[str, object]]:
    """Configuration of a station with folders of its own, and a database and a store that it shares."""
    return {"data": {"dir": folder / name, "url": f"sqlite:///{folder}/shared.db", "documents": url}}


def reach(r: Running, endpoint: str) -> None:
    """Move the store somewhere else, or nowhere, from here on."""
    os.environ["AWS_ENDPOINT"] = endpoint
    r.queue.files._opened = None


async def receive(r: Running) -> str:
    """A fax of one page comes in and ends, as the process for calls reports it."""
    fax_id = new_fax_id()
    report = r.station._report
    uri = "sip:0221555@far.example"
    report(wire.Arrived(fax_id=fax_id, account="", remote_uri=uri, caller=uri, called="030123", ident="station"))
    context = r.station.find(fax_id).context  # type: ignore[union-attr]
    report(wire.FaxEvent(fax_id=fax_id, event=CallEvent(state=CallState.ANSWERED, sip_code=200)))
    write_fax_tiff(r.station.config.inbox_dir / f".{fax_id}.tif", [draw_page("received")])
    result: FaxResult = dataclasses.replace(
        failed(context, OK, 1.0), success=True, status="SUCCESS", error="NO_ERROR", pages=1
    )
    report(wire.Ended(fax_id=fax_id, result=result, remote_uri=uri, marks=(PageMark(True, 0),)))
    return fax_id


async def took(store: ObjectStore, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Page 1\fPage 2")
    async with running(tmp_path, **tables_of(tmp_path, "a", store.url)) as a:
        later = datetime.now(UTC) + timedelta(seconds=2)
        fax = await a.send("ok", letter, not_before=later)
        received = await receive(a)
        assert (await a.until(received, FaxState.RECEIVED)).pages == 1
        with a.queue.database.engine.connect() as connection:
            (request,) = connection.execute(
                sa.select(tables.faxes.c.request).where(tables.faxes.c.id == fax.id)
            ).scalars()
        assert str(tmp_path) not in request, "files are kept by name, not by where this station has them"
    shutil.rmtree(tmp_path / "a")
    async with running(tmp_path, **tables_of(tmp_path, "b", store.url)) as b:
        done = await b.until(fax.id)
        assert (done.state, done.pages) == (FaxState.DELIVERED, 2)
        pdf = await b.queue.document(received)
        assert pdf is not None
        assert pdf.read_bytes().startswith(b"%PDF")
        assert tmp_path / "b" in pdf.parents
        for one in (fax.id, received):
            await b.queue.erase(one)
    assert FileStore(store.url)._keys("") == {"started": mock.ANY} or not FileStore(store.url)._keys("")


async def away(store: ObjectStore, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    async with running(tmp_path, **tables_of(tmp_path, "c", store.url)) as c:
        waits = await c.send("ok-2", letter, not_before=datetime.now(UTC) + timedelta(seconds=1))
        reach(c, "http://127.0.0.1:9")
        with pytest.raises(LocalError, match="cannot be used"):
            await c.send("ok", letter)
        received = await receive(c)
        held = await c.until(waits.id, FaxState.QUEUED)
        async with asyncio.timeout(60):
            while not (held.reason and "cannot be used" in held.reason):
                held = await c.until(waits.id, FaxState.QUEUED)
                await asyncio.sleep(0.1)
        assert (await c.until(received, FaxState.RECEIVING)).ended is None
        assert not c.results(received), "its end is not told before the store has it"
    # The station was started again, the store comes back later.
    async with running(tmp_path, **tables_of(tmp_path, "c", store.url)) as c:
        assert (await c.until(received, FaxState.RECEIVING)).ended is None
        reach(c, store.environment["AWS_ENDPOINT"])
        fax = await c.until(received)
        assert (fax.state, fax.pages, fax.reason) == (FaxState.RECEIVED, 1, "")
        assert len(c.results(received)) == 1
        assert (await c.until(waits.id)).state is FaxState.DELIVERED
    pdf = Path(fax.result.documents[0])  # type: ignore[union-attr]
    assert f"received/{pdf.name}" in FileStore(store.url)._keys("received/")


def test_a_group_with_one_store(tmp_path: Path) -> None:
    async def run() -> None:
        with object_store(tmp_path / "store") as store, mock.patch.dict(os.environ, store.environment):
            await took(store, tmp_path)
            await away(store, tmp_path)

    asyncio.run(run())


def test_pages_on_the_disk_of_a_station_that_is_gone(tmp_path: Path) -> None:
    """A document that only a lost machine had does not count as received."""
    (store := tmp_path / "store").write_text("in the way: the store cannot be used")

    async def run() -> None:
        async with running(tmp_path, **tables_of(tmp_path, "a", f"file://{store}")) as a:
            received = await receive(a)
            async with asyncio.timeout(60):
                while (await a.until(received, FaxState.RECEIVING)).result is None:
                    await asyncio.sleep(0.1)
        shutil.rmtree(tmp_path / "a")
        store.unlink()
        async with running(tmp_path, **tables_of(tmp_path, "b", f"file://{store}")) as b:
            fax = await b.until(received)
            assert (fax.state, "on the disk of that station" in fax.reason) == (FaxState.FAILED, True)

    asyncio.run(run())
