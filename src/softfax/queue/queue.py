# SPDX-License-Identifier: GPL-2.0-or-later
"""The queue: takes faxes, keeps them, calls when they are due, and knows what became of each.

A call is recorded before it is dialled; confirmed pages, as the far end confirms them; the result, before it is reported. So
after a crash it is known of each fax whether a call may have been made for it, and no fax is sent twice without saying so.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from softfax.database.aside import Aside
from softfax.database.database import Database
from softfax.database.stations import GONE
from softfax.diskspace import sync_files
from softfax.errors import LocalError, UsageError
from softfax.fax import outcome
from softfax.fax.outcome import Outcome
from softfax.filestore import FileStore
from softfax.model import Direction, Fax, FaxContext, FaxResult, FaxState, FaxUpdate
from softfax.queue import keeping, pages, recorder, taking
from softfax.queue.attempt import SendAttempt
from softfax.queue.broadcasts import Broadcasts
from softfax.queue.claims import FAXES, FaxClaim, FaxClaims
from softfax.queue.eachonce import EachOnce
from softfax.queue.elsewhere import Elsewhere
from softfax.queue.ends import held, state_of, without_call
from softfax.queue.polled import POLLED, PolledDocuments
from softfax.records import tables
from softfax.records.ends import End
from softfax.records.errors import EndedError, NoFaxError
from softfax.records.eventlog import EVENTS, EventLog
from softfax.records.memory import NumberMemories
from softfax.records.model import FaxFilter, FaxList, FaxRequest, QueueCounts
from softfax.records.reading import StoredFax
from softfax.records.store import CANCELLED, FORBIDDEN, QueueStore
from softfax.station import Station

__all__ = ["FaxQueue"]

log = logging.getLogger("softfax.queue")

DESTINATIONS_MAX = 10_000
#: How soon a fax that could not begin is due again.
BUSY_S = 3.0
FAILED_S = 5.0
#: How often a change is tried of a fax that something else happens to.
MOVES = 3
#: Over how long those are spread that are due at the same time.
SPREAD_S = 10.0
#: How long work on faxes may take to end when the station stops.
END_S = 3.0
#: Documents of so many orders are made into pages at once: one a processor.
MAKERS = len(os.sched_getaffinity(0))

OnReceived = Callable[[Fax, FaxResult], Awaitable[None]]


class FaxQueue:
    """A part of a station: `queue = FaxQueue(station)` adds it. Lives on the station's loop."""

    def __init__(self, station: Station) -> None:
        self.station = station
        #: Awaited, one after the other, once a received fax is recorded.
        self.on_received: list[OnReceived] = []
        #: What makes pages has threads of its own: a document that takes long holds up nothing that is written down.
        self.makers = ThreadPoolExecutor(MAKERS, thread_name_prefix="softfax-pages")
        self._making: EachOnce[Path] = EachOnce()
        self._attempts: EachOnce[str] = EachOnce()
        #: Set when the station stops: pages that are being made wait for the next start.
        self.stop_making = threading.Event()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._taking_up = asyncio.Lock()
        self._stopping = self.closed = False
        self._opened: tuple[Database, QueueStore] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.files = FileStore(station.config.data.documents)
        self.events = EventLog(lambda: self.database)
        self.elsewhere = Elsewhere(self)
        self.recorder = recorder.Recorder(self)
        station.on_document.append(self.recorder.store)
        self.broadcasts = Broadcasts(self)
        self.polled = PolledDocuments(self)
        self.memory = NumberMemories(lambda: self.database.engine, station.rules.number_key)
        station.add(self)

    @property
    def store(self) -> QueueStore:
        """The tables. Raises LocalError before the station runs."""
        return self._open()[1]

    @property
    def database(self) -> Database:
        """The database. Raises LocalError before the station runs."""
        return self._open()[0]

    def _open(self) -> tuple[Database, QueueStore]:
        if self._opened is None:
            raise LocalError("the queue does not run", "enter the station first")
        return self._opened

    @property
    def aside(self) -> Aside:
        """Records that cannot be read."""
        return self.database.aside

    @property
    def folder(self) -> Path:
        """Folder of documents and pages, with a folder for each fax or broadcast."""
        return self.station.config.data.dir / "faxes"

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, database: Database) -> None:
        """Make the tables. Blocks, in a thread."""
        keeping.prepare(self)
        database.prepare(tables.METADATA)
        if database.fresh:
            keeping.check_new(self.folder)
        store = QueueStore(database.engine, database.aside, self.folder)
        self._opened = database, store
        database.clock.subscribers.append(store.clock_set)
        database.stations.listeners.append(self._heard)
        self.station.rules.do_not_fax = store.forbidden()
        self.polled.load()

    async def start(self) -> None:
        """Report what an earlier station left unreported, and begin to call."""
        self._loop = asyncio.get_running_loop()
        await self.events.start()
        self.station.subscribe(self.events.add)
        self.station.subscribe(self.recorder.take)
        self.station.before_result.append(self.recorder.end)
        if self.database.stations.many:
            await self.elsewhere.start()
        await self.take_up()
        await self.broadcasts.start()
        claims = FaxClaims(self, asyncio.get_running_loop())
        # Another configuration may have more channel slots, or routes to where there was none.
        self.station.on_reload.append(lambda config: self.wake())
        self.station.on_room.append(claims.room_again)
        self.database.jobs.start(claims)

    async def take_up(self) -> None:
        """Report, and end, what a station left that has gone."""
        ways = (
            (self._tell_again, partial(self.store.untold, left=True)),
            (self.recorder.interrupted, self.store.interrupted),
        )
        await self.polled.look()
        async with self._taking_up:
            for work, left in ways:
                for kept in await asyncio.to_thread(left):
                    try:
                        await work(kept)
                    except Exception:
                        # Of many faxes one is no reason not to go on; the next time takes it up again.
                        log.exception("fax %s is left as an earlier station left it", kept.fax.id)

    async def stop(self) -> None:
        """Begins nothing new. Faxes under way are ended by the station; those that wait, wait for the next start."""
        self._stopping = True
        self.stop_making.set()
        if self._opened is not None:
            await asyncio.to_thread(self.database.jobs.stop, FAXES)

    async def close(self) -> None:
        """Write what is left after the calls have ended."""
        # Nothing is reported any more: what ends now is reported at the next start.
        self.closed = True
        await self._end_work()
        await self.recorder.close()
        await self.elsewhere.stop()
        await self.events.stop()
        self.makers.shutdown(wait=False, cancel_futures=True)

    @property
    def takes_nothing(self) -> bool:
        """True once no more faxes are called."""
        return self._stopping or self.station.draining

    def _heard(self, what: str) -> None:
        """Take what a station says to all. In a thread."""
        kind, _, fax_id = what.partition(" ")
        if kind in (FORBIDDEN, GONE):
            self.station.rules.do_not_fax = self.store.forbidden()
        if self._loop is None:
            return
        if kind in (POLLED, GONE):
            asyncio.run_coroutine_threadsafe(self.polled.look(), self._loop)
        if kind in (EVENTS, GONE):
            self._loop.call_soon_threadsafe(self.events.look)
        if kind == GONE:
            cancelled = self.store.cancelled()
        elif kind == CANCELLED:
            cancelled = [fax_id]
        else:
            return
        for one in cancelled:
            self._loop.call_soon_threadsafe(self._cancel_call, one)

    def _cancel_call(self, fax_id: str) -> bool:
        """End the call of a fax that was cancelled at any station; false where it has none here."""
        if (call := self.station.find(fax_id)) is not None:
            call.cancel()
        return call is not None

    def wake(self, wait_s: float = 0.0) -> None:
        """Look for faxes that can be called, now or in a while: one is due, or a channel slot free. From any thread."""
        if self._opened is not None:
            self.database.jobs.wake(FAXES, wait_s)

    def under_way(self, fax_id: str) -> bool:
        """Return True if a fax that was claimed is being worked on."""
        return fax_id in self._attempts

    async def _tell_again(self, kept: StoredFax) -> None:
        """Hand on the end of a fax, which is recorded, to those here who may not know of it; they drop a second one."""
        if kept.fax.result is not None:
            await self.recorder.hand_on(kept.fax, kept.fax.result)
            context = dataclasses.replace(kept.context, attempt=kept.fax.result.attempt or 1)
            self.station.publish(FaxUpdate(context, kept.fax.result, recorded=True))
        await self.told(kept.fax)

    def tell(self, kept: StoredFax) -> None:
        """Notify the callback targets that a fax named from here on."""
        if kept.request is not None:
            self.station.tell(kept.fax.id, kept.request.callbacks)

    async def told(self, fax: Fax) -> None:
        """Note that the end of a fax has been handed on, also to its broadcast."""
        if fax.broadcast_id:
            await held(self, f"the broadcast of fax {fax.id}", lambda: self.broadcasts.look(fax.broadcast_id))
        await held(self, f"fax {fax.id}", lambda: asyncio.to_thread(self.store.told, fax.id, fax.ended))

    async def record(self, write: Callable[[End], Awaitable[bool]], *updates: FaxUpdate, hold: bool = False) -> bool:
        """Record an end with its events and callbacks, by `write`; events and callbacks that wait are written before them.

        With `hold` they are held until the database takes them, or the queue is closed.
        """
        if self.station.outbox is not None:
            await self.station.outbox.flush()
        async with self.events.first() as waiting:
            end = End(self.station, waiting, updates)
            recorded = await (held(self, "an end", lambda: write(end)) if hold else write(end))
            # One that is found on disk was written by a try whose answer got lost, and so was what waited.
            if end.is_written or (recorded and end.is_tried):
                self.events.drop(waiting)
        return recorded

    # ---- taking -------------------------------------------------------------------------------------------------

    async def submit(self, requests: Sequence[FaxRequest], *, key: str = "", body_hash: str = "") -> list[Fax]:
        """Takes faxes; they are on disk when this returns. The same `key` with the same hash gives the same faxes again.

        Raises UsageError for what cannot be sent, DoNotFaxError, IdempotencyError, LocalError while the station stops.
        """
        if self._stopping:
            raise LocalError("the station is stopping", "send the fax again when it runs")
        if key and (before := await self.asked(key, body_hash)) is not None:
            return list(before)
        if not 0 < len(requests) <= DESTINATIONS_MAX:
            raise UsageError(f"{len(requests)} destinations in one order", f"use 1 to {DESTINATIONS_MAX}")
        await asyncio.to_thread(taking.check_room, self.station.config)
        now = datetime.now(UTC)
        new = await asyncio.to_thread(lambda: [taking.checked(self, request, now) for request in requests])
        folders = {request.folder for _, request, _ in new if request.folder is not None}
        for folder in folders:
            await asyncio.to_thread(sync_files, folder)
            await asyncio.to_thread(self.files.keep, folder)
        if not await asyncio.to_thread(self.store.submit, new, key, body_hash):
            return list(await self.asked(key, body_hash) or ())
        for fax, request, context in new:
            self.station.tell(fax.id, request.callbacks)
            self.say(fax, context)
        first = min(fax.next_attempt or now for fax, _, _ in new)
        self.wake((first - datetime.now(UTC)).total_seconds())
        return [fax for fax, _, _ in new]

    async def asked(self, key: str, body_hash: str) -> Sequence[Fax] | None:
        """Answer to an earlier request with this key, without what was erased; None where there was none.

        Raises IdempotencyError.
        """
        ids = await asyncio.to_thread(self.store.asked, key, body_hash)
        return None if ids is None else [fax for fax_id in ids if (fax := await self.get(fax_id)) is not None]

    # ---- looking ------------------------------------------------------------------------------------------------

    async def get(self, fax_id: str) -> Fax | None:
        """One fax with its attempts."""
        return await asyncio.to_thread(self.store.get, fax_id)

    async def list(self, wanted: FaxFilter) -> FaxList:
        """The newest first. Raises UsageError for a bad cursor."""
        return await asyncio.to_thread(self.store.list, wanted)

    async def counts(self) -> QueueCounts:
        """Numbers of faxes in the queue."""
        return await asyncio.to_thread(self.store.counts)

    async def raster(self, fax_id: str) -> Path | None:
        """The fax TIFF: as it is sent, without header, once its pages are made; as it was received, where that was kept."""
        kept = await self._kept(fax_id)
        if kept.request is not None and kept.request.folder is not None:
            await asyncio.to_thread(self.files.bring, kept.request.folder)
            made = await asyncio.to_thread(pages.made, self.filled(kept.request), kept.request.folder)
            return made.tiff if made else None
        return await asyncio.to_thread(self.recorder.received, kept, ".tif")

    async def document(self, fax_id: str) -> Path | None:
        """The PDF as it is sent, once its pages are made, or as it was received."""
        kept = await self._kept(fax_id)
        if kept.fax.direction is Direction.RECEIVE or kept.request is None:
            return await asyncio.to_thread(self.recorder.received, kept, ".pdf")
        tiff = await self.raster(fax_id)
        if tiff is None:
            return None
        return await asyncio.to_thread(pages.pdf_of, tiff, tiff.with_suffix(".pdf"), kept.context)

    async def make(self, request: FaxRequest) -> pages.Made:
        """The pages of a request, made where they have not been. Raises as `pages.make` does."""
        assert request.folder is not None
        what, private = (self.filled(request), request.folder), self.station.config.fax.allow_private_documents
        make = partial(pages.make, *what, allow_private=private, stop=self.stop_making, files=self.files)
        async with self._making.of(request.folder):
            return await asyncio.get_running_loop().run_in_executor(self.makers, make)

    def filled(self, request: FaxRequest) -> FaxRequest:
        """Return a request with what it leaves open taken from the configuration."""
        return request.with_defaults(self.station.config.fax.options)

    async def _kept(self, fax_id: str) -> StoredFax:
        kept = await asyncio.to_thread(self.store.kept, fax_id)
        if kept is None:
            raise NoFaxError(fax_id)
        return kept

    # ---- changing -----------------------------------------------------------------------------------------------

    async def cancel(self, fax_id: str) -> Fax:
        """Ends a fax, also under way (DCN, BYE). Raises NoFaxError, EndedError."""
        before = await self._kept(fax_id)
        if before.request is None and self._cancel_call(fax_id):
            return before.fax
        kept = await asyncio.to_thread(self.store.cancel, fax_id)
        if kept is None:
            raise EndedError(f"fax {fax_id} has ended ({before.fax.state})", "")
        # Looked for after the mark: a call that is placed later finds the mark, one that was placed before is found here.
        if self._cancel_call(fax_id):
            return (await self._kept(fax_id)).fax
        why = Outcome(False, "CANCEL", "cancelled", outcome.T30_CALLDROPPED)
        while kept.fax.state in (FaxState.QUEUED, FaxState.WAITING):
            self.tell(kept)
            if await self.end(kept, FaxState.CANCELLED, why):
                break
            # It was put off meanwhile, or an attempt has begun, which finds the mark.
            kept = await self._kept(fax_id)
        return (await self._kept(fax_id)).fax

    async def retry(self, fax_id: str) -> Fax:
        """Sends a fax that has ended without being delivered once more, from the first page that was not confirmed.

        Raises NoFaxError, EndedError, DoNotFaxError.
        """
        kept = await self._kept(fax_id)
        fax = taking.once_more(self, kept, datetime.now(UTC))
        self.tell(kept)
        # Of two who ask at once, one is too late.
        if not await asyncio.to_thread(partial(self.store.settle, fax, again=True, token=kept.token)):
            raise EndedError(f"fax {fax_id} is being sent once more already", "")
        self.wake()
        self.say(fax, kept.context)
        return fax

    async def update(
        self,
        fax_id: str,
        *,
        unread: bool | None = None,
        tags: Mapping[str, str] | None = None,
        mailbox: str | None = None,
        **times: Unpack[taking.Times],
    ) -> Fax:
        """Changes what people note of a fax, and the priority and times of one that waits for a call.

        Raises NoFaxError, EndedError, UsageError.
        """
        if times:
            await self._move(fax_id, times)
        values = {"unread": unread, "tags": tags, "mailbox": mailbox}
        given = {name: value for name, value in values.items() if value is not None}
        if not await asyncio.to_thread(self.store.update, fax_id, given):
            raise NoFaxError(fax_id)
        return (await self._kept(fax_id)).fax

    async def _move(self, fax_id: str, times: taking.Times) -> None:
        now = datetime.now(UTC)
        for _ in range(MOVES):
            kept = await self._kept(fax_id)
            fax, request = taking.moved(self, kept, times, now)
            if await asyncio.to_thread(self.store.reschedule, kept, fax, request):
                self.wake(((fax.next_attempt or now) - now).total_seconds())
                return self.say(fax, kept.context)
        raise EndedError(f"fax {fax_id} is about to be called", "try again")

    async def note(self, fax_id: str, reason: str, remedy: str = "") -> None:
        """Note a later problem on the record of a fax, such as a mailbox that does not take it."""
        await asyncio.to_thread(self.store.note, fax_id, reason, remedy)

    async def erase(self, fax_id: str) -> None:
        """Forgets a fax that has ended, and overwrites its documents. Raises NoFaxError, EndedError."""
        kept = await self._kept(fax_id)
        if not kept.fax.terminal:
            raise EndedError(f"fax {fax_id} is {kept.fax.state}", "cancel it first")
        await asyncio.to_thread(keeping.erase, self, kept)

    async def forbid(self, number: str, reason: str = "") -> str:
        """Puts a number on the do-not-fax list; the number as it is kept."""
        key = self.station.rules.number_key(number)
        await asyncio.to_thread(self.store.forbid, key, reason[:500])
        self.station.rules.do_not_fax[key] = (reason[:500], time.time())
        return key

    async def allow(self, number: str) -> bool:
        """Takes a number off the do-not-fax list; false if it was not on it."""
        key = self.station.rules.number_key(number)
        found = await asyncio.to_thread(self.store.allow, key)
        self.station.rules.do_not_fax.pop(key, None)
        return found

    # ---- work ---------------------------------------------------------------------------------------------------

    async def work(self, claim: FaxClaim) -> None:
        """Do what is to be done about a claimed fax."""
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        async with self._attempts.of(claim.key):
            try:
                self.tell(claim.stored)
                await SendAttempt(self, claim).run()
            except Exception:
                log.exception("the work on fax %s failed and is repeated", claim.key)
                await self.postpone(claim.stored, FAILED_S)

    async def _end_work(self) -> None:
        """Let the work end that ends by itself; break off what waits for something, as a document from a slow server."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=END_S)
        for task in list(self._under_way):
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=END_S)

    async def postpone(self, stored: StoredFax, wait_s: float = BUSY_S, reason: str = "") -> None:
        """Let a claimed fax be due again in a while. What was dialled stays so."""
        # Not all at once, and not much later than was meant: some wait for the hour at which calls are allowed.
        at = datetime.now(UTC) + timedelta(seconds=wait_s + random.uniform(0.0, min(wait_s / 2, SPREAD_S)))
        fax = dataclasses.replace(stored.fax, next_attempt=at, reason=reason or stored.fax.reason)
        if fax.state is FaxState.PREPARING:
            tried = any(attempt.ended for attempt in fax.attempts)
            fax = dataclasses.replace(fax, state=FaxState.WAITING if tried else FaxState.QUEUED)
        await asyncio.to_thread(partial(self.store.settle, fax, again=True, token=stored.token, keep_cancelled=True))

    async def end(self, kept: StoredFax, state: FaxState, why: Outcome) -> bool:
        """Ends a fax without a call; false where something else became of it meanwhile."""
        fax, result = without_call(kept, state, why, datetime.now(UTC))
        settle = partial(self.store.settle, fax, told=False, token=kept.token)
        updates = FaxUpdate(kept.context, result), state_of(fax, kept.context)
        if not await self.record(lambda end: asyncio.to_thread(settle, end=end), *updates):
            return False
        self.station.publish(FaxUpdate(kept.context, result, recorded=True))
        self.say(fax, kept.context, recorded=True)
        await self.told(fax)
        return True

    def say(self, fax: Fax, context: FaxContext, *, recorded: bool = False) -> None:
        """Publish a fax's state."""
        self.station.publish(dataclasses.replace(state_of(fax, context), recorded=recorded))
