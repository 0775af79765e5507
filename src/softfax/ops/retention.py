# SPDX-License-Identifier: GPL-2.0-or-later
"""Forgets faxes, traces, events and received files that are old enough, or take too much room; overwrites what it deletes.

Works in small steps beside everything else: a station that has much to forget still answers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from softfax.database.database import Database
from softfax.diskspace import shred
from softfax.errors import SoftfaxError
from softfax.filestore import FileStore, StoreError
from softfax.model import TERMINAL
from softfax.records import tables
from softfax.station.config import StationConfig

__all__ = ["Retention", "Swept"]

log = logging.getLogger("softfax.ops")

DAY_S = 24 * 3600.0
#: Between two looks, and before the first.
EVERY_S = 900.0
FIRST_S = 60.0
#: Faxes erased in one go, and the breath between.
STEP = 20
BREATH_S = 0.05
EVENTS_KEPT = 5_000_000
#: How long a station keeps files beside the store that has them.
CACHED_S = DAY_S
_TERMINAL = tuple(str(state) for state in TERMINAL)
#: Files of ours in [inbox] dir: others' are left alone there.
_RECEIVED = re.compile(r"(?:\d{8}T\d{6}Z-.*-[0-9a-f]{24}|\.[0-9a-f]{24})\.(?:pdf|tif)$")


class Owner(Protocol):
    """The part of `softfax.station.Station` that sweeping uses."""

    @property
    def config(self) -> StationConfig: ...

    @property
    def database(self) -> Database | None: ...

    @property
    def trace_folder(self) -> Path: ...


class SweptQueue(Protocol):
    """The part of `softfax.queue.queue.FaxQueue` that sweeping uses."""

    events: Any
    polled: Any
    files: FileStore

    @property
    def folder(self) -> Path: ...

    async def erase(self, fax_id: str) -> None: ...


@dataclass
class Swept:
    """Result of one sweep."""

    faxes: int = 0
    traces: int = 0
    received: int = 0
    kept_bytes: int = 0
    problems: list[str] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)
    """Faxes that cannot be erased: others are erased beside them."""


class Retention:
    """A part of a station: `station.add(Retention(station, queue))`. `now` is for tests."""

    def __init__(self, station: Owner, queue: SweptQueue, *, now: Callable[[], float] = time.time) -> None:
        self._station = station
        self._queue = queue
        self._now = now
        self._task: asyncio.Task[None] | None = None

    def prepare(self, database: Database) -> None:
        """Do nothing: there are no tables of its own."""

    async def start(self) -> None:
        """Looks now and then."""
        self._task = asyncio.ensure_future(self._keep_on())

    async def stop(self) -> None:
        """Looks no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def close(self) -> None:
        """Do nothing: nothing is left to write."""

    async def _keep_on(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                swept = await self.sweep()
            except Exception:
                log.exception("retention failed")
            else:
                for problem in swept.problems:
                    log.warning("retention: %s", problem)
                if swept.faxes or swept.traces or swept.received:
                    log.info(
                        "retention: %d faxes, %d traces, %d received files erased",
                        swept.faxes,
                        swept.traces,
                        swept.received,
                    )
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> Swept:
        """Looks once and erases what is over."""
        keep = self._station.config.retention
        now = self._now()
        swept = Swept()
        database = self._station.database
        if database is not None and database.clock.suspect:
            swept.problems.append(
                "the clock was set far forward: nothing is erased for a day, as what seems old may not be"
            )
            return swept
        if keep.faxes_days:
            await self._erase_before(now - keep.faxes_days * DAY_S, swept)
            await self._queue.polled.take_back_old(now - keep.faxes_days * DAY_S)
        if keep.traces_days:
            old = _older(self._station.trace_folder, now - keep.traces_days * DAY_S)
            swept.traces += await self._shred([path for path, _, _ in await asyncio.to_thread(list, old)], swept)
        if keep.received_days:
            old = _older(self._station.config.inbox_dir, now - keep.received_days * DAY_S, _RECEIVED)
            swept.received += await self._shred([path for path, _, _ in await asyncio.to_thread(list, old)], swept)
        await self._of_store(now, swept)
        if keep.events_days:
            await asyncio.to_thread(self._queue.events.forget, now - keep.events_days * DAY_S, EVENTS_KEPT)
        if keep.max_mb:
            await self._fit(keep.max_mb * 1_000_000, swept)
        return swept

    # ---- faxes ----------------------------------------------------------------------------------------------------

    async def _erase_before(self, before: float, swept: Swept) -> None:
        while ids := await asyncio.to_thread(self._oldest, swept.stuck, before):
            await self._erase(ids, swept)

    async def _erase(self, ids: list[str], swept: Swept) -> None:
        for fax_id in ids:
            try:
                await self._queue.erase(fax_id)
                swept.faxes += 1
            except (SoftfaxError, OSError) as error:
                swept.problems.append(f"fax {fax_id} cannot be erased: {error}")
                swept.stuck.add(fax_id)
        await asyncio.sleep(BREATH_S)

    def _oldest(self, stuck: set[str], before: float = float("inf")) -> list[str]:
        """The faxes that ended first, before a time; none where a whole step of them is stuck, as on a disk that fails."""
        database = self._station.database
        if database is None or len(stuck) >= STEP:
            return []
        f = tables.faxes.c
        query = (
            sa.select(f.id)
            .where(f.ended.is_not(None), f.state.in_(_TERMINAL), f.id.not_in(stuck))
            .order_by(f.ended)
            .limit(STEP)
        )
        if before != float("inf"):
            query = query.where(f.ended < before)
        with database.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    # ---- files ----------------------------------------------------------------------------------------------------

    async def _of_store(self, now: float, swept: Swept) -> None:
        """Erase received documents from the store that stations share, and what this station need not keep beside it."""
        files, config = self._queue.files, self._station.config
        try:
            if config.retention.received_days:
                before = now - config.retention.received_days * DAY_S
                await asyncio.to_thread(files.delete, await asyncio.to_thread(files.received, before))
            await asyncio.to_thread(files.spare, self._queue.folder, config.inbox_dir, now - CACHED_S)
        except StoreError as error:
            swept.problems.append(str(error))

    async def _shred(self, paths: list[Path], swept: Swept) -> int:
        done = 0
        for path in paths:
            try:
                await asyncio.to_thread(shred, path)
                done += 1
            except OSError as error:
                swept.problems.append(f"{path} cannot be erased: {error.strerror}")
        return done

    async def _fit(self, most: int, swept: Swept) -> None:
        """Erases what is oldest until all of it fits: traces first, which can be spared, then faxes."""
        size = await asyncio.to_thread(self._size)
        if size > most:
            traces = sorted(
                await asyncio.to_thread(list, _older(self._station.trace_folder, float("inf"))), key=lambda one: one[1]
            )
            for path, _, bytes_ in traces:
                if size <= most:
                    break
                swept.traces += await self._shred([path], swept)
                size -= bytes_
        while size > most:
            ids = await asyncio.to_thread(self._oldest, swept.stuck)
            if not ids:
                swept.problems.append(f"{size // 1_000_000} MB are kept, [retention] max_mb allows {most // 1_000_000}")
                break
            await self._erase(ids, swept)
            size = await asyncio.to_thread(self._size)
        swept.kept_bytes = size

    def _size(self) -> int:
        """Size of faxes, traces and received files."""
        inbox = sum(size for _, _, size in _older(self._station.config.inbox_dir, float("inf"), _RECEIVED))
        return inbox + _tree(self._queue.folder) + _tree(self._station.trace_folder)


def _older(folder: Path, before: float, name: re.Pattern[str] | None = None) -> Iterator[tuple[Path, float, int]]:
    """Entries of a folder last changed before a time: path, time of the change, size."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if name is not None and not (name.match(entry.name) and entry.is_file(follow_symlinks=False)):
            continue
        try:
            stat = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.st_mtime < before:
            path = Path(entry.path)
            yield path, stat.st_mtime, _tree(path) if entry.is_dir(follow_symlinks=False) else stat.st_size


def _tree(folder: Path) -> int:
    """Octets in all files below a folder."""
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(place, file)).st_size
            except OSError:
                continue
    return total
