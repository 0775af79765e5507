# SPDX-License-Identifier: GPL-2.0-or-later
"""Every event of every fax, numbered in the order in which it happened, so that who lost the connection misses none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from softfax.delivery.database import Database
from softfax.model import FaxResult, FaxUpdate
from softfax.queue import tables
from softfax.station.hub import Hub

__all__ = ["EventLog", "LoggedEvent"]

log = logging.getLogger("softfax.queue")

#: The key of a result that is kept elsewhere: of which attempt it is.
STORED = "stored"
WRITE_S = 0.2
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
    """Numbers never go back, also not after a crash: they begin with the clock. Lives on the asyncio loop."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._hub = Hub[LoggedEvent]()
        #: Every event goes to a sink, which must not block; the function returned ends that.
        self.subscribe = self._hub.subscribe
        self._waiting: deque[tuple[LoggedEvent, float]] = deque()
        self._writing: list[tuple[LoggedEvent, float]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.last_id = 0

    async def start(self) -> None:
        """Finds out where the numbers stand, and begins to write."""
        last = await asyncio.to_thread(self._last)
        self.last_id = max(last, int(time.time() * 1000), self.last_id)
        self._task = asyncio.ensure_future(self._write_on())

    async def stop(self) -> None:
        """Writes what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
            await self._write()

    def add(self, update: FaxUpdate) -> None:
        """Takes an event; a sink of a station."""
        body = update.event.to_json()
        body["fax_id"] = update.context.fax_id
        self.last_id += 1
        event = LoggedEvent(self.last_id, update.context.fax_id, body)
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
        self._waiting.append((event, update.event.time.timestamp()))
        self._wake.set()
        self._hub.publish(event)

    async def since(self, last_id: int, limit: int = 1000, fax_id: str = "") -> list[LoggedEvent]:
        """Up to `limit` events after `last_id`, in order, of one fax if it is named; also those not written yet."""
        # What is not on disk when this begins is still here; what gets there meanwhile is in both.
        here = [event for event, _ in (*self._writing, *self._waiting)]
        found = await asyncio.to_thread(self._read, last_id, limit, fax_id)
        if len(found) == limit:
            return found
        known = {event.id for event in found}
        found += [e for e in here if e.id > last_id and e.id not in known and (not fax_id or e.fax_id == fax_id)]
        return sorted(found, key=lambda event: event.id)[:limit]

    def forget(self, before: float, keep: int) -> None:
        """Forgets events older than `before` (seconds since 1970), and all but the newest `keep`. Blocks."""
        e = tables.events.c
        with self._database().engine.begin() as connection:
            connection.execute(tables.events.delete().where(e.time < before))
            newest = sa.select(e.id).order_by(e.id.desc()).offset(keep).limit(1).scalar_subquery()
            connection.execute(tables.events.delete().where(e.id <= newest))

    def _last(self) -> int:
        with self._database().engine.connect() as connection:
            newest = sa.select(sa.func.max(tables.events.c.id)).where(tables.events.c.id < NUMBER_MAX)
            return int(connection.execute(newest).scalar() or 0)

    def _read(self, last_id: int, limit: int, fax_id: str) -> list[LoggedEvent]:
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

    async def _write_on(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write()
            except sa.exc.SQLAlchemyError as error:
                log.error("events cannot be written: %s", str(error).splitlines()[0])
                await asyncio.sleep(1.0)
                self._wake.set()
            await asyncio.sleep(WRITE_S)

    async def _write(self) -> None:
        while self._waiting or self._writing:
            while self._waiting and len(self._writing) < WRITE_BATCH:
                self._writing.append(self._waiting.popleft())
            await asyncio.shield(asyncio.to_thread(self._insert, list(self._writing)))
            self._writing = []

    def _insert(self, batch: list[tuple[LoggedEvent, float]]) -> None:
        with self._database().engine.begin() as connection:
            rows = [
                {"id": event.id, "fax_id": event.fax_id, "time": at, "body": _body(connection, event)}
                for event, at in batch
            ]
            # A write that was broken off may have gone through.
            first, last = rows[0]["id"], rows[-1]["id"]
            connection.execute(tables.events.delete().where(tables.events.c.id.between(first, last)))
            connection.execute(tables.events.insert(), rows)
