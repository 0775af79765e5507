# SPDX-License-Identifier: GPL-2.0-or-later
"""Every event of every fax, numbered in the order in which it happened, so that who lost the connection misses none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from softfax.database.database import Database
from softfax.database.schema import one_at_a_time
from softfax.database.stations import notify
from softfax.errors import in_short
from softfax.model import FaxResult, FaxUpdate
from softfax.records import tables
from softfax.station.hub import Hub

__all__ = ["EVENTS", "EventLog", "LoggedEvent"]

log = logging.getLogger("softfax.records")

#: The counter of their numbers, and the message to all stations about new ones.
EVENTS = "events"
#: The key of a result that is kept elsewhere: of which attempt it is.
STORED = "stored"
WRITE_S, FAILED_S = 0.2, 1.0
WRITE_BATCH = 1000
#: Beyond any clock: what is larger, or no number, is none of ours.
NUMBER_MAX = 1 << 53
#: What may wait for a disk that does not write; the oldest go first.
WAITING_MAX = 100_000


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as JSON lines have it, with `fax_id`, and its number."""

    id: int
    fax_id: str
    event: dict[str, Any]


def _stored(connection: sa.Connection, fax_id: str, attempt: int) -> dict[str, Any]:
    """The result that is kept of an attempt, or of a fax that the queue does not send (0). Raises ValueError for none."""
    a, f = tables.attempts.c, tables.faxes.c
    query = (
        sa.select(a.result).where(a.fax_id == fax_id, a.number == attempt)
        if attempt
        # A fax of the queue may get another.
        else sa.select(f.result_event).where(f.id == fax_id, f.request == "")
    )
    found: dict[str, Any] = json.loads(connection.execute(query).scalar() or "")
    return found


def _body(connection: sa.Connection, event: LoggedEvent) -> str:
    """An event as it is kept: of a result that is kept already, where it is."""
    if event.event.get("event") == FaxResult.event:
        attempt = event.event.get("attempt") or 0
        with contextlib.suppress(ValueError):
            if _stored(connection, event.fax_id, attempt) == event.event:
                return json.dumps({STORED: attempt})
    return json.dumps(event.event, ensure_ascii=False)


class EventLog:
    """Numbers never go back, also not after a crash: they begin with the clock, and are given in the transaction that writes the
    event, so that they become visible in order. What is published is read from the table: events of all stations. Lives
    on the asyncio loop.
    """

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._hub = Hub[LoggedEvent]()
        #: Every event goes to a sink, which must not block; the function returned ends that.
        self.subscribe = self._hub.subscribe
        self._waiting: deque[FaxUpdate] = deque()
        self._wake, self._written, self._one = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        #: The last one that was published.
        self.last_id = 0

    async def start(self) -> None:
        """Find out where the numbers stand, and begin to write and to publish."""
        self.last_id = await asyncio.to_thread(self._begin)
        self._tasks = [asyncio.ensure_future(work) for work in (self._write_on(), self._publish_on())]

    async def stop(self) -> None:
        """Write what is left."""
        self._stopping = True
        self._wake.set()
        if self._tasks:
            writing, publishing = self._tasks
            await asyncio.wait([writing])
            publishing.cancel()
            await asyncio.wait([publishing])
            self._tasks = []
            try:
                await self._publish()
            except sa.exc.SQLAlchemyError as error:
                log.error("the last events cannot be read: %s", in_short(error))

    def add(self, update: FaxUpdate) -> None:
        """Take an event; a sink of a station."""
        if update.recorded:
            return self.look()
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
        self._waiting.append(update)
        return self._wake.set()

    @asynccontextmanager
    async def first(self) -> AsyncIterator[list[FaxUpdate]]:
        """Give what waits to be written to one that writes it before its own; nothing else is written meanwhile."""
        while len(self._waiting) > WRITE_BATCH:
            await self._write()
        async with self._one:
            yield list(self._waiting)

    def drop(self, batch: Sequence[FaxUpdate]) -> None:
        """Forget the first that wait: they are written. The oldest may have had to go meanwhile."""
        for update in batch:
            if self._waiting and self._waiting[0] is update:
                self._waiting.popleft()
        self.look()

    def look(self) -> None:
        """Publish what was written: by this station, or another."""
        self._written.set()

    async def since(self, last_id: int, limit: int = 1000, fax_id: str = "") -> list[LoggedEvent]:
        """Up to `limit` events after `last_id`, in order, of one fax if it is named."""
        return await asyncio.to_thread(self._read, last_id, limit, fax_id)

    def forget(self, before: float, keep: int) -> None:
        """Forgets events older than `before` (seconds since 1970), and all but the newest `keep`. Blocks."""
        e = tables.events.c
        with self._database().engine.begin() as connection:
            connection.execute(tables.events.delete().where(e.time < before))
            newest = sa.select(e.id).order_by(e.id.desc()).offset(keep).limit(1).scalar_subquery()
            connection.execute(tables.events.delete().where(e.id <= newest))

    def _begin(self) -> int:
        """Return the last number, which is at least the time."""
        c, e = tables.counters.c, tables.events.c
        with self._database().engine.begin() as connection:
            one_at_a_time(connection)
            newest = connection.execute(sa.select(sa.func.max(e.id)).where(e.id < NUMBER_MAX)).scalar() or 0
            counter = sa.select(c.value).where(c.name == EVENTS).with_for_update()
            value = connection.execute(counter).scalar()
            last = max(newest, value or 0, int(time.time() * 1000))
            if value is None:
                connection.execute(tables.counters.insert().values(name=EVENTS, value=last))
            else:
                connection.execute(tables.counters.update().where(c.name == EVENTS).values(value=last))
        return int(last)

    def _read(self, last_id: int, limit: int, fax_id: str = "") -> list[LoggedEvent]:
        e = tables.events.c
        query = sa.select(e.id, e.fax_id, e.body).where(e.id > last_id).order_by(e.id).limit(limit)
        if fax_id:
            query = query.where(e.fax_id == fax_id)
        events = []
        with self._database().engine.connect() as connection:
            for row in connection.execute(query).all():
                try:
                    body = json.loads(row.body)
                    if not isinstance(body, dict) or not isinstance(row.id, int) or not isinstance(row.fax_id, str):
                        raise ValueError("no event")
                    if STORED in body:
                        body = _stored(connection, row.fax_id, body[STORED])
                    events.append(LoggedEvent(row.id, row.fax_id, body))
                except (ValueError, TypeError) as error:
                    self._database().aside.notice(tables.events, {"id": row.id}, error)
        return events

    async def _publish_on(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            try:
                await self._publish()
            except sa.exc.SQLAlchemyError as error:
                log.error("events cannot be read: %s", in_short(error))
                await asyncio.sleep(FAILED_S)
                self._written.set()

    async def _publish(self) -> None:
        while events := await self.since(self.last_id, WRITE_BATCH):
            for event in events:
                self.last_id = event.id
                self._hub.publish(event)

    async def _write_on(self) -> None:
        while not self._stopping or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write()
            except sa.exc.SQLAlchemyError as error:
                log.error("events cannot be written: %s", in_short(error))
                if self._stopping:
                    return
                await asyncio.sleep(FAILED_S)
                self._wake.set()
            await asyncio.sleep(0.0 if self._stopping else WRITE_S)

    async def _write(self) -> None:
        while self._waiting:
            async with self._one:
                batch = [self._waiting[n] for n in range(min(len(self._waiting), WRITE_BATCH))]
                if batch:
                    await asyncio.to_thread(self._insert, batch)
                    self.drop(batch)

    def _insert(self, batch: list[FaxUpdate]) -> None:
        with self._database().engine.begin() as connection:
            self.write(connection, batch)

    @staticmethod
    def write(connection: sa.Connection, batch: Sequence[FaxUpdate]) -> None:
        """Write events within a transaction. No other gets a number until it has ended."""
        c = tables.counters.c
        counted = tables.counters.update().where(c.name == EVENTS).values(value=c.value + len(batch))
        last = connection.execute(counted.returning(c.value)).scalar_one()
        rows = []
        for number, update in enumerate(batch, last - len(batch) + 1):
            fax_id, at = update.context.fax_id, update.event.time.timestamp()
            event = LoggedEvent(number, fax_id, {**update.event.to_json(), "fax_id": fax_id})
            rows.append({"id": number, "fax_id": fax_id, "time": at, "body": _body(connection, event)})
        connection.execute(tables.events.insert(), rows)
        notify(connection, EVENTS)

    @staticmethod
    def keep(connection: sa.Connection, fax_id: str, attempt: int) -> None:
        """Keep the result of an attempt as it was reported, before the attempt gets another."""
        e, body = tables.events.c, json.dumps({STORED: attempt})
        with contextlib.suppress(ValueError):
            as_reported = json.dumps(_stored(connection, fax_id, attempt), ensure_ascii=False)
            kept = tables.events.update().where(e.fax_id == fax_id, e.body == body)
            connection.execute(kept.values(body=as_reported))
