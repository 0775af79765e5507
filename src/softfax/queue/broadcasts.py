# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a broadcast: reported once, when all of its faxes have ended, also where the station was restarted between."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from softfax.model import TERMINAL, BroadcastEvent, FaxUpdate
from softfax.records import rows, tables
from softfax.records.ends import End

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["Broadcasts"]

#: What ended before an earlier station did, and was not reported by it.
LATELY_S = 24 * 3600.0


class Broadcasts:
    """Looks, whenever a fax of a broadcast has ended, whether that was the last one. Lives on the station's loop."""

    def __init__(self, queue: FaxQueue) -> None:
        self._queue = queue
        self._one = asyncio.Lock()

    async def start(self) -> None:
        """Report the ends that an earlier station left."""
        for broadcast_id in await asyncio.to_thread(self._lately):
            await self.look(broadcast_id)

    async def look(self, broadcast_id: str) -> None:
        """Report the end of a broadcast, of which a fax has ended, if that was the last one, and it was not reported before."""
        queue = self._queue
        async with self._one:
            found = await asyncio.to_thread(self._ended, broadcast_id)
            if found is None:
                return
            event, last = found
            kept = await asyncio.to_thread(queue.store.kept, last)
            if kept is None or queue.closed:
                return
            queue.tell(kept)
            update = FaxUpdate(kept.context, event)
            if await queue.record(lambda end: asyncio.to_thread(self._reported, broadcast_id, end), update):
                queue.station.publish(FaxUpdate(kept.context, event, recorded=True))

    def _ended(self, broadcast_id: str) -> tuple[BroadcastEvent, str] | None:
        """The end of a broadcast, and the fax that ended last; None where it has not ended, or was reported."""
        f, reported = tables.faxes.c, tables.broadcasts
        with self._queue.store.engine.connect() as connection:
            if connection.execute(sa.select(reported.c.id).where(reported.c.id == broadcast_id)).first() is not None:
                return None
            groups = (
                sa.select(f.state, sa.func.count().label("faxes"), sa.func.sum(f.pages).label("pages"))
                .where(f.broadcast_id == broadcast_id)
                .group_by(f.state)
            )
            found = connection.execute(groups.order_by(f.state)).all()
            if not found or any(row.state not in TERMINAL for row in found):
                return None
            newest = sa.select(f.id, f.ended).where(f.broadcast_id == broadcast_id).order_by(f.ended.desc()).limit(1)
            last = connection.execute(newest).one()
        event = BroadcastEvent(
            # The same whenever it is reported, so that receivers know it again.
            **{"time": when} if (when := rows.when_of(last.ended)) is not None else {},
            broadcast_id=broadcast_id,
            total=sum(row.faxes for row in found),
            by_state={row.state: row.faxes for row in found},
            pages=sum(int(row.pages) for row in found),
            fax_id=last.id,
        )
        return event, last.id

    def _reported(self, broadcast_id: str, end: End) -> bool:
        """Record the end of a broadcast; false where another station did."""
        try:
            with self._queue.store.engine.begin() as connection:
                connection.execute(tables.broadcasts.insert().values(id=broadcast_id))
                end.write(connection)
        except sa.exc.IntegrityError:
            return False
        end.written()
        return True

    def _lately(self) -> list[str]:
        f, since = tables.faxes.c, time.time() - LATELY_S
        unreported = f.broadcast_id.not_in(sa.select(tables.broadcasts.c.id))
        query = sa.select(f.broadcast_id).where(f.broadcast_id != "", f.ended >= since, unreported).distinct()
        with self._queue.store.engine.connect() as connection:
            return list(connection.execute(query).scalars())
