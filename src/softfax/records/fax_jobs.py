# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes as jobs of many stations: channel slots that are taken, and what becomes of those whose station has gone."""

from __future__ import annotations

import builtins
import time
from dataclasses import dataclass

import sqlalchemy as sa

from softfax.database.jobs import DUE, HELD, JobTable, due_now
from softfax.database.stations import GONE, notify, stations
from softfax.errors import UsageError
from softfax.model import FaxState
from softfax.records import tables

__all__ = ["CALLING", "DIALLED", "GHOST_S", "FaxJobs", "TakenSlot"]

#: In these a fax has a channel slot, as long as it is held.
CALLING = (str(FaxState.PREPARING), str(FaxState.SENDING), str(FaxState.RECEIVING))
#: In these a fax may have been dialled, or is a call that came in.
DIALLED = CALLING[1:]
#: How long the calls of a station that was taken over may go on: the longest fax.
GHOST_S = 1800.0


@dataclass(frozen=True)
class TakenSlot:
    """A channel slot that is taken; `to` is empty for a call that came in."""

    to: str
    account: str
    is_ours: bool


class FaxJobs(JobTable):
    """The faxes' table as jobs."""

    def next_due(self, after: float = 0.0) -> float | None:
        """Return when the first fax is due, or past its deadline, after a time."""
        f, due = tables.faxes.c, super().next_due(after)
        if due is None and not after:
            return None
        query = sa.select(f.deadline).where(sa.text(DUE), f.held.is_(False), f.deadline > after)
        with self._looking.connect() as connection:
            deadline = connection.execute(query.order_by(f.deadline).limit(1)).scalar()
        return min((at for at in (deadline, due) if isinstance(at, (int, float))), default=None)

    def taken(self, connection: sa.Connection) -> builtins.list[TakenSlot]:
        """The channel slots that faxes have, at all stations; of this one, those of the queue's faxes alone."""
        f, me = tables.faxes.c, self.station
        a = tables.attempts.c
        shares = sa.select(a.joined).where(a.fax_id == f.id, a.ended.is_(None)).order_by(a.number.desc()).limit(1)
        query = sa.select(f.id, f.to, f.account, f.station, shares.scalar_subquery().label("joined"))
        rows = connection.execute(query.where(sa.text(HELD), f.state.in_(CALLING)))
        # Faxes in one call have one slot.
        taken = list({row.joined or row.id: TakenSlot(row.to, row.account, row.station == me) for row in rows}.values())
        if self.me is not None and self.me.many:
            up = f.state.in_(DIALLED)
            others = sa.select(f.account).where(up, f.request == "", f.station != me, ~self.gone())
            taken += [TakenSlot("", account, False) for account in connection.execute(others).scalars()]
            ghosts = sa.select(tables.ghosts.c.to, tables.ghosts.c.account)
            taken += [TakenSlot(row.to, row.account, False) for row in connection.execute(ghosts)]
        return taken

    def released(self, connection: sa.Connection, key: str, station: str) -> None:
        """A fax that was being prepared waits again, one that was dialled is settled. It keeps its channel slot where calls of
        its station may still be up.
        """
        f, a, g = tables.faxes.c, tables.attempts.c, tables.ghosts.c
        tried = sa.exists().where(a.fax_id == key, a.ended.is_not(None))
        state = sa.case((tried, str(FaxState.WAITING)), else_=str(FaxState.QUEUED))
        left = tables.faxes.update().where(f.id == key, f.state == str(FaxState.PREPARING))
        connection.execute(left.values(state=state, due=time.time()))
        if self.me is not None and not self.me.has_ended(station):
            row = connection.execute(sa.select(f.to, f.account, f.state).where(f.id == key)).one()
            if row.state in DIALLED:
                connection.execute(tables.ghosts.delete().where(g.fax_id == key))
                ghost = {"fax_id": key, "station": station, "to": row.to, "account": row.account}
                connection.execute(tables.ghosts.insert().values(**ghost, until=time.time() + GHOST_S))

    def over(self, fax_id: str) -> None:
        """The call of a fax that was taken over from this station is over."""
        g = tables.ghosts.c
        with self.engine.begin() as connection:
            connection.execute(tables.ghosts.delete().where(g.fax_id == fax_id, g.station == self.station))
            due_now(connection, "faxes")

    def forget_station(self, name: str) -> tuple[int, int]:
        """Free the channel slots that are counted for a station that will not come back, and leave to others what it was
        receiving. Return the numbers of slots and of such faxes. Raises UsageError while it runs.
        """
        g, f = tables.ghosts.c, tables.faxes.c
        prefix = f"{name}:"
        with self.engine.begin() as connection:
            if connection.execute(sa.select(stations.c.id).where(stations.c.name == name)).first() is not None:
                raise UsageError(f"{name} has its lease still", "stop it, or wait until it is taken over")
            freed = connection.execute(tables.ghosts.delete().where(g.station.startswith(prefix, autoescape=True)))
            up = f.state.in_(DIALLED)
            left = tables.faxes.update().where(f.station.startswith(prefix, autoescape=True), f.request == "", up)
            ended = connection.execute(left.values(station=""))
            notify(connection, GONE)
            return freed.rowcount, ended.rowcount

    def ghosts_over(self) -> None:
        """Free slots of calls that have certainly ended: of an earlier start of this station, or of long ago."""
        g = tables.ghosts.c
        ended = g.station.startswith(self.me.prefix, autoescape=True) if self.me is not None else sa.false()
        over = sa.or_(g.until < time.time(), sa.and_(ended, g.station != self.station))
        with self.engine.begin() as connection:
            connection.execute(tables.ghosts.delete().where(over))
