# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes down what happens to faxes as it happens: pages confirmed to us, and the faxes that are not the queue's own."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import sqlalchemy as sa

from softfax.database.away import is_away
from softfax.documents.types import RESOLUTION_NAMES
from softfax.errors import in_short
from softfax.fax.causes import classify
from softfax.fax.outcome import T30_FILE_ERRORS
from softfax.filestore import StoreError, received_key
from softfax.model import (
    Attempt,
    BroadcastEvent,
    Direction,
    Event,
    Fax,
    FaxContext,
    FaxResult,
    FaxState,
    FaxUpdate,
    JobEvent,
    Operation,
    PageEvent,
    SessionEvent,
)
from softfax.queue.ends import HELD_S, held, state_of, with_result
from softfax.records import rows
from softfax.records.ends import End
from softfax.records.reading import StoredFax
from softfax.station import making

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["Recorder"]

log = logging.getLogger("softfax.queue")

#: The quality of a page that the far end did not confirm.
REFUSED = "bad"
#: How soon the store is asked again that did not take a received fax.
STORE_S = 5.0

P = ParamSpec("P")
T = TypeVar("T")


class Recorder:
    """A sink of the station. What is to be written goes to disk in order, by one thread at a time."""

    def __init__(self, queue: FaxQueue) -> None:
        self._queue = queue
        self._own: dict[str, tuple[Attempt, int | None]] = {}
        self._others: dict[str, Fax] = {}
        #: Those of them that have ended and are on disk so, and whose result is about to be reported.
        self._ended: dict[str, Fax] = {}
        #: Faxes that an earlier station left, as long as their end is not written.
        self._ending: set[str] = set()
        self._writes: asyncio.Queue[tuple[Callable[[], Any], asyncio.Future[Any]]] = asyncio.Queue()
        #: The newest of them.
        self._last: asyncio.Future[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._storing: set[asyncio.Task[None]] = set()

    def own(self, fax_id: str, attempt: Attempt, total: int | None) -> None:
        """A fax of the queue is about to be dialled: pages are noted down as they are confirmed to `attempt`."""
        self._own[fax_id] = (attempt, total)

    async def done(self, fax_id: str) -> None:
        """Forget a fax that has ended; everything is written when this returns."""
        self._own.pop(fax_id, None)
        await self.written()

    def take(self, update: FaxUpdate) -> None:
        """Takes an event."""
        context, event = update.context, update.event
        if isinstance(event, (BroadcastEvent, JobEvent)):
            return
        if context.fax_id in self._ended:
            if isinstance(event, FaxResult):
                self._report(self._ended.pop(context.fax_id), event, context, recorded=update.recorded)
            return
        if context.fax_id in self._own:
            if isinstance(event, PageEvent) and event.quality != REFUSED:
                attempt, total = self._own[context.fax_id]
                confirmed = event.number - attempt.first_page + 1
                self._write(self._queue.store.pages, context.fax_id, attempt.number, confirmed, event.number, total)
            return
        if self._queue.under_way(context.fax_id):
            return  # what comes before it is dialled
        fax = self._others.get(context.fax_id)
        if fax is None:
            # The end of a fax that was never a call of this station's is reported, not recorded.
            if isinstance(event, FaxResult) or not context.channel or not _is_fax(context, event):
                return
            fax = self._others[context.fax_id] = _fax(context)
            self._write(self._queue.store.record, fax, context)
            # Not within the event that is being told: all sinks get them in one order.
            asyncio.get_running_loop().call_soon(self._say, fax, context)
        if isinstance(event, PageEvent) and event.quality != REFUSED:
            fax = self._others[context.fax_id] = dataclasses.replace(fax, pages=event.number)
            self._write(self._queue.store.update, context.fax_id, {"pages": event.number})
        elif isinstance(event, FaxResult):
            del self._others[context.fax_id]
            fax = ended(fax, event)
            self._write(self._queue.store.settle, fax, told=False)
            self._report(fax, event, context, recorded=False)

    async def end(self, context: FaxContext, result: FaxResult) -> None:
        """Record the result of a fax that the queue did not order, before it is reported."""
        fax = self._others.pop(context.fax_id, None)
        if fax is not None:
            changed: dict[str, Any] = {}
            if context.mailbox != fax.mailbox:
                # The sender has named another by a subaddress.
                changed["mailbox"] = context.mailbox
            if context.tags != fax.tags:
                # The far end has named one of several documents that are put out for polling.
                changed["tags"] = {**fax.tags, **context.tags}
            if changed:
                self._write(self._queue.store.update, context.fax_id, changed)
                fax = dataclasses.replace(fax, **changed)
            self._ended[context.fax_id] = fax = ended(fax, result)
            recorded = await self._record(fax, result, context)
            if (call := self._queue.station.find(context.fax_id)) is not None:
                call.recorded = recorded

    async def _record(self, fax: Fax, result: FaxResult, context: FaxContext, token: int = 0) -> bool:
        """Record an end with its events and callbacks; false where another station did."""

        async def write(end: End) -> bool:
            return bool(await self._write(self._queue.store.settle, fax, told=False, token=token, end=end))

        states = [state_of(fax, context)] if fax.direction is Direction.RECEIVE else []
        return await self._queue.record(write, FaxUpdate(context, result), *states)

    def _report(self, fax: Fax, result: FaxResult, context: FaxContext, *, recorded: bool) -> None:
        task = asyncio.ensure_future(self._told(fax, result, context, recorded))
        task.add_done_callback(lambda done: done.exception())

    async def _told(self, fax: Fax, result: FaxResult, context: FaxContext, recorded: bool) -> None:
        await self.written()
        self._say(fax, context, recorded)
        await self.hand_on(fax, result)
        await self._queue.told(fax)

    def _say(self, fax: Fax, context: FaxContext, recorded: bool = False) -> None:
        """Publish the state of a received fax, as the queue does for its own."""
        if fax.direction is Direction.RECEIVE:
            self._queue.say(fax, context, recorded=recorded)

    async def hand_on(self, fax: Fax, result: FaxResult) -> None:
        """Hand on a received fax; its takers recognize one that they had before. Waits for a database that is away.

        Raises SQLAlchemyError where the station ends before: the next start hands it on.
        """
        for hook in self._queue.on_received if fax.direction is Direction.RECEIVE else ():
            try:
                await held(self._queue, f"to whom fax {fax.id} goes", partial(hook, fax, result))
            except sa.exc.SQLAlchemyError:
                raise
            except Exception:
                log.exception("fax %s was received, and could not be handed on", fax.id)

    async def interrupted(self, kept: StoredFax) -> None:
        """A fax that was under way when an earlier station ended: what had come of it is kept."""
        if kept.fax.id in self._ending:
            return
        self._ending.add(kept.fax.id)
        try:
            # Within the start, which no stop breaks off: the file that was received into is no more once it is a document.
            result = await self._left(kept)
        except BaseException:
            self._ending.discard(kept.fax.id)
            raise
        work = self._end_interrupted(kept, result)
        if kept.fax.direction is Direction.RECEIVE and self._queue.files.shared:
            # The store may not answer for long; the rest does not wait for it.
            task = asyncio.ensure_future(work)
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)
        else:
            await work

    async def _end_interrupted(self, kept: StoredFax, result: FaxResult) -> None:
        try:
            if kept.fax.direction is Direction.RECEIVE:
                result = await self._stored(kept, result)
            fax = ended(kept.fax, result)
            if await self._record(fax, result, kept.context, kept.token):
                self._report(fax, result, kept.context, recorded=True)
                self._queue.station.publish(FaxUpdate(kept.context, result, recorded=True))
        finally:
            # Where it failed, the next time takes it up again.
            self._ending.discard(kept.fax.id)

    async def _left(self, kept: StoredFax) -> FaxResult:
        """The result of a fax that was under way when an earlier station ended."""
        if kept.fax.direction is not Direction.RECEIVE:
            return making.interrupted(kept.context, kept.fax.pages)
        return kept.fax.result or await self._queue.station.salvage(kept.context)

    async def _stored(self, kept: StoredFax, result: FaxResult) -> FaxResult:
        """The result of such a fax that was received, once it is in the store."""
        await self.store(kept.context, result)
        if self._queue.files.shared and kept.fax.result is not None and await self._is_elsewhere(kept):
            text = "received by a station that is gone; its pages are on the disk of that station"
            result = dataclasses.replace(
                result, success=False, status="FAILED", error="FILE_ERROR", status_string=text,
                result_code=T30_FILE_ERRORS[0],
            )  # fmt: skip
        return result

    # ---- the shared store ---------------------------------------------------------------------------------------

    async def store(self, context: FaxContext, result: FaxResult) -> None:
        """Put a received fax into the store that stations share, before it counts as received. Its result is noted first.

        Waits for as long as the store does not take it. Raises CancelledError where the station ends before: the next start
        goes on with it.
        """
        files = [path for name in result.documents for path in _inbox_files(self._queue, name)]
        if not self._queue.files.shared or not files:
            return
        self._write(self._queue.store.update, context.fax_id, {"result_event": rows.result_text(result)})
        problem = ""
        while True:
            try:
                for path in files:
                    await asyncio.to_thread(self._queue.files.put, path, received_key(path))
                return
            except StoreError as error:
                if not problem:
                    log.error("fax %s is kept here until the store takes it: %s", context.fax_id, error)
                problem = str(error)
            if self._queue.stop_making.is_set():
                raise asyncio.CancelledError(problem)
            await asyncio.sleep(STORE_S)

    async def _is_elsewhere(self, kept: StoredFax) -> bool:
        """Return True if the document of a received fax is neither here nor in the store. Waits for the store."""
        while True:
            try:
                return await asyncio.to_thread(self.received, kept, ".pdf") is None
            except StoreError:
                await asyncio.sleep(STORE_S)

    def received(self, kept: StoredFax, suffix: str) -> Path | None:
        """Return the document of a received fax, or its TIFF; from the store where another station received it. Blocks."""
        if kept.fax.direction is not Direction.RECEIVE or kept.fax.result is None:
            return None
        for name in kept.fax.result.documents:
            path = Path(name).with_suffix(suffix)
            if path.is_file():
                return path
            here = self._queue.station.config.inbox_dir / path.name
            if self._queue.files.shared and (here.is_file() or self._queue.files.get(received_key(path), here)):
                return here
        return None

    # ---- writing ------------------------------------------------------------------------------------------------

    def _write(self, what: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T | None]:
        """Write something after all that waits. The future has what came of it; None where it could not be written."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._writes.put_nowait((partial(what, *args, **kwargs), done))
        self._last = done
        if self._task is None:
            self._task = asyncio.ensure_future(self._write_on())
        return done

    async def written(self) -> None:
        """Waits until what there is to write is written."""
        if self._last is not None:
            await asyncio.wait([self._last])

    async def _write_on(self) -> None:
        while True:
            what, done = await self._writes.get()
            found = await self._took(what)
            if not done.done():
                done.set_result(found)

    async def _took(self, what: Callable[[], Any]) -> Any:
        """Write something; where the database does not take it now it is tried again, and what comes after it waits."""
        while True:
            try:
                return await asyncio.to_thread(what)
            except Exception as error:
                if not is_away(error):
                    log.exception("what happened to a fax could not be written")
                    return None
                log.error("what happens to faxes cannot be written and is held: %s", in_short(error))
            if self._queue.closed:
                return None
            await asyncio.sleep(HELD_S)

    async def close(self) -> None:
        """Writes what is left."""
        for task in self._storing:
            task.cancel()
        await self.written()
        if self._task is not None:
            self._task.cancel()
            self._task = None


def _inbox_files(queue: FaxQueue, name: str) -> list[Path]:
    """A received document and its TIFF, of those that lie in the inbox: what an order put elsewhere is its owner's."""
    path = Path(name)
    if path.parent != queue.station.config.inbox_dir:
        return []
    return [one for suffix in (".pdf", ".tif") if (one := path.with_suffix(suffix)).is_file()]


def _is_fax(context: FaxContext, event: Event) -> bool:
    """Return False for a gateway's call in which no fax has been heard yet: it may be one that is spoken on."""
    if context.direction is not Direction.GATEWAY:
        return True
    return isinstance(event, SessionEvent) and event.operation is Operation.GATEWAY


def _fax(context: FaxContext) -> Fax:
    """A fax that the queue did not order: received, or sent or polled by another's call."""
    now = datetime.now(UTC)
    receiving = context.direction is Direction.RECEIVE
    return Fax(
        id=context.fax_id,
        direction=context.direction,
        state=FaxState.RECEIVING if receiving else FaxState.SENDING,
        created=now,
        updated=now,
        to=context.called_number,
        caller=context.caller_number,
        caller_name=context.caller_name,
        account=context.entry_point,
        mailbox=context.mailbox,
        documents=() if receiving else context.documents,
        header=context.header,
        ident=context.ident,
        tags=dict(context.tags),
        unread=receiving,
    )


def ended(fax: Fax, result: FaxResult) -> Fax:
    """A fax with its result."""
    success = FaxState.RECEIVED if fax.direction is Direction.RECEIVE else FaxState.DELIVERED
    state = success if result.success else FaxState.FAILED
    return dataclasses.replace(
        with_result(fax, result, state, classify(result.to_json()), datetime.now(UTC)),
        bad_pages=tuple(result.bad_pages or ()),
        documents=tuple(result.documents) or fax.documents,
        resolution=RESOLUTION_NAMES.get(result.resolution, ""),
    )
