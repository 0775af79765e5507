# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that orders put out for polling are kept: over restarts, in a store that stations share, until they are old. Polls are
orders like others."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from softfax.documents.tiff import read_pages
from softfax.errors import UsageError
from softfax.model import FaxState
from softfax.ops.retention import Retention
from softfax.queue.keeping import LOOSE_FOLDER_S, tidy
from softfax.records import tables
from softfax.records.model import FaxRequest
from tests.queue.test_queue import Running, running
from tests.queue.test_shared_documents import tables_of
from tests.station.test_polled import put_out


async def out_at(r: Running) -> list[str]:
    """Names of what is out, with pages that are here."""
    return [one.name for one in r.queue.polled.all() if one.raster is not None and one.raster.is_file()]


def test_it_is_kept_until_it_is_old(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r:
            soon = datetime.now(UTC) + timedelta(seconds=1)
            kept, over = await put_out(r.queue, tmp_path, 1), await put_out(r.queue, tmp_path, 2, until=soon)
        async with running(tmp_path) as r:
            assert await out_at(r) == ["letter-1", "letter-2"]
            assert [one.pages_total for one in r.queue.polled.all()] == [1, 2]
            old = time.time() - 2 * LOOSE_FOLDER_S
            for folder in r.queue.folder.iterdir():
                os.utime(folder, (old, old))
            await asyncio.to_thread(tidy, r.queue, True)
            assert await out_at(r) == ["letter-1", "letter-2"], "its documents are no loose folder"
            await Retention(r.station, r.queue, now=lambda: time.time() + 400 * 86400).sweep()
            assert await out_at(r) == ["letter-1"], "one without an end stays"
            assert not (r.queue.folder / over.id).exists()
            with r.queue.database.engine.begin() as connection:
                spoilt = tables.polled.insert().values(id="b" * 24, name="spoilt", created=0.0, data="{", request="")
                connection.execute(spoilt)
            await r.queue.polled.look()
            assert await out_at(r) == ["letter-1"]
            await asyncio.to_thread(r.queue.aside.move)
            with r.queue.database.engine.connect() as connection:
                assert connection.execute(sa.select(tables.polled.c.id)).scalars().all() == [kept.id]

    asyncio.run(run())


def test_of_two_that_a_far_end_could_not_tell_apart_one_is_put_out(tmp_path: Path) -> None:
    """Both are ordered at the same time, and free to be put out as their pages begin to be made."""

    async def run() -> None:
        async with running(tmp_path) as r:
            orders = [put_out(r.queue, tmp_path, number, poll_document="") for number in (1, 2)]
            done = await asyncio.gather(*orders, return_exceptions=True)
            (problem,) = [one for one in done if isinstance(one, BaseException)]
            assert isinstance(problem, UsageError)
            assert "is out at this number" in str(problem)
            assert len(await out_at(r)) == 1

    asyncio.run(run())


def test_stations_share_it(tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"

    async def run() -> None:
        async with running(tmp_path, **tables_of(tmp_path, "a", store)) as a:
            out = await put_out(a.queue, tmp_path, 2)
        shutil.rmtree(tmp_path / "a")
        async with running(tmp_path, **tables_of(tmp_path, "b", store)) as b:
            assert await out_at(b) == ["letter-2"]
            assert await b.queue.polled.take_back(out.id)
            assert not list((tmp_path / "store").rglob("*.tif"))

    asyncio.run(run())


def test_a_poll_is_tried_again_and_nothing_of_it_is_uncertain(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r:
            uris = {kind: f"sip:{kind}@far.example" for kind in ("busy+ok", "crash1", "refused", "ok", "held-1")}
            orders = [FaxRequest(to=uri, documents=(), poll=True) for uri in uris.values()]
            made = dict(zip(uris, await r.queue.submit(orders), strict=True))
            ends = {kind: await r.until(made[kind].id) for kind in ("busy+ok", "crash1", "refused", "ok")}
            await r.until(made["held-1"].id, FaxState.RECEIVING)
            await r.queue.cancel(made["held-1"].id)
            assert (await r.until(made["held-1"].id)).state is FaxState.CANCELLED
            for kind, calls in (("busy+ok", 2), ("crash1", 2), ("ok", 1)):
                fax = ends[kind]
                assert (fax.state, len(fax.attempts), fax.pages, fax.unread) == (FaxState.RECEIVED, calls, 2, True), (
                    kind
                )
                assert fax.remedy == ""
                pdf = await r.queue.document(fax.id)
                assert pdf is not None
                assert len(list(read_pages(pdf))) == 2
            assert ends["refused"].state is FaxState.FAILED
            assert {a.first_page for fax in ends.values() for a in fax.attempts} == {1}
            assert not any(a.resent for fax in ends.values() for a in fax.attempts)

    asyncio.run(run())
