# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of the other stations of a group, as front ends see their own: of the log of events, which all read, and the tables."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from softfax.asjson import of_json
from softfax.errors import in_short
from softfax.model import (
    CallEvent,
    Event,
    FaxContext,
    FaxResult,
    FaxUpdate,
    HeardEvent,
    NegotiatedEvent,
    PageEvent,
    SessionEvent,
)
from softfax.records.eventlog import LoggedEvent
from softfax.records.fax_jobs import GHOST_S
from softfax.records.reading import StoredFax
from softfax.station import FaxCall, FaxOrder, Station, making
from softfax.station.hub import Hub, Sink
from softfax.station.orders import FaxStats
from softfax.station.registry import Registry
from softfax.station.views import RegistrationView

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["Elsewhere", "Group", "GroupCall"]

log = logging.getLogger("softfax.queue")

_KINDS: dict[str, type[Event]] = {
    kind.event: kind for kind in (CallEvent, SessionEvent, NegotiatedEvent, HeardEvent, PageEvent, FaxResult)
}
#: Events that wait to be taken; beyond that some are missed.
WAITING_MAX = 10_000


@dataclass
class GroupCall(FaxCall):
    """A call of another station: its name, and the URL of its page."""

    station: str = ""
    url: str = ""


class Elsewhere:
    """The calls of other stations, while there are many. Lives on the station's loop."""

    def __init__(self, queue: FaxQueue) -> None:
        self._queue, self._hub = queue, Hub[FaxUpdate]()
        #: Events of these calls, as `Station.subscribe` has those of its own.
        self.subscribe = self._hub.subscribe
        self._calls: dict[str, tuple[float, GroupCall]] = {}
        self._events: asyncio.Queue[LoggedEvent] = asyncio.Queue(WAITING_MAX)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Find what is under way, and follow it."""
        self._queue.events.subscribe(self._put)
        for kept, station, url in await asyncio.to_thread(self._queue.store.elsewhere):
            call = self._add(kept, station, url)
            for logged in await self._queue.events.since(0, fax_id=kept.fax.id):
                if (event := _event(logged)) is not None:
                    _apply(call, event)
        self._task = asyncio.ensure_future(self._follow())

    async def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def calls(self) -> list[GroupCall]:
        """The calls, in the order in which they were heard of. One of which no end comes is over at last."""
        oldest = time.monotonic() - GHOST_S
        self._calls = {fax_id: one for fax_id, one in self._calls.items() if one[0] > oldest}
        return [call for _, call in self._calls.values()]

    def _put(self, logged: LoggedEvent) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._events.put_nowait(logged)

    async def _follow(self) -> None:
        while True:
            logged = await self._events.get()
            try:
                await self._take(logged)
            except (sa.exc.SQLAlchemyError, TypeError, ValueError) as error:
                log.warning("an event of another station is missed: %s", in_short(error))

    async def _take(self, logged: LoggedEvent) -> None:
        fax_id, event = logged.fax_id, _event(logged)
        if event is None or self._queue.station.find(fax_id) is not None:
            return
        if fax_id not in self._calls:
            if not isinstance(event, SessionEvent | CallEvent):
                return
            for kept, station, url in await asyncio.to_thread(self._queue.store.elsewhere, fax_id):
                self._add(kept, station, url)
        if (found := self._calls.get(fax_id)) is None:
            return
        _apply(found[1], event)
        if isinstance(event, FaxResult):
            del self._calls[fax_id]
        self._hub.publish(FaxUpdate(found[1].context, event))

    def _add(self, kept: StoredFax, station: str, url: str) -> GroupCall:
        context, fax_id = _of_call(kept), kept.fax.id
        call = GroupCall(
            context=context, session=making.first_session(context), result=asyncio.get_running_loop().create_future(),
            account=kept.fax.account, station=station, url=url, on_cancel=lambda: self._cancel(fax_id),
        )  # fmt: skip
        self._calls[fax_id] = (time.monotonic(), call)
        return call

    def _cancel(self, fax_id: str) -> None:
        task = asyncio.ensure_future(self._queue.cancel(fax_id))
        task.add_done_callback(lambda done: done.exception())


class Group(Registry):
    """A station as front ends use it that show the calls of all stations of its group."""

    def __init__(self, station: Station, elsewhere: Elsewhere) -> None:
        super().__init__()
        self._station, self._elsewhere = station, elsewhere

    def originate(self, order: FaxOrder) -> FaxCall:
        """Begin a fax here."""
        return self._station.originate(order)

    def calls(self) -> list[FaxCall]:
        """The faxes under way, those of this station first."""
        return [*self._station.calls(), *self._elsewhere.calls()]

    def stats(self) -> FaxStats:
        """Counters of this station."""
        return self._station.stats()

    def registrations(self) -> list[RegistrationView]:
        """Registrations of this station."""
        return self._station.registrations()

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Every event of every fax of the group goes to `sink`. Returns what ends that."""
        own, others = self._station.subscribe(sink), self._elsewhere.subscribe(sink)

        def unsubscribe() -> None:
            own()
            others()

        return unsubscribe


def _event(logged: LoggedEvent) -> Event | None:
    """The event of a call; None for another, and for one that cannot be read: its station may be of another version."""
    kind = _KINDS.get(str(logged.event.get("event")))
    try:
        return of_json(kind, logged.event) if kind is not None else None
    except (TypeError, ValueError) as error:
        log.warning("event %d of another station cannot be read: %s", logged.id, in_short(error))
        return None


def _of_call(kept: StoredFax) -> FaxContext:
    """The context of a fax's call. Of one that the queue sends, the row has what is known without a call."""
    if kept.context.channel or not kept.fax.attempts:
        return kept.context
    attempt = kept.fax.attempts[-1]
    sequence = int(attempt.unique_id.partition(".")[2] or 0)
    via = attempt.account or making.host_of(attempt.destination)
    return dataclasses.replace(
        kept.context, unique_id=attempt.unique_id, channel=making.channel_name(via, sequence),
        entry_point=attempt.account, attempt=attempt.number,
    )  # fmt: skip


def _apply(call: GroupCall, event: Event) -> None:
    """Note on a call what its station reported."""
    call.note(event, None)
    if isinstance(event, NegotiatedEvent):
        call.mode = event.mode  # whatever was missed before it
    if isinstance(event, SessionEvent):
        call.context = dataclasses.replace(call.context, session_number=event.session_number)
