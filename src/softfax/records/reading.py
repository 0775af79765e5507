# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes as they are on disk, read: one, those of a filter, those that are due, and those that a station left."""

from __future__ import annotations

import builtins
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from softfax.database.aside import Aside
from softfax.database.jobs import DUE, HELD
from softfax.database.stations import StationView, stations, views
from softfax.errors import UsageError
from softfax.model import TERMINAL, Attempt, Fax, FaxContext, FaxState
from softfax.records import rows, tables
from softfax.records.fax_jobs import DIALLED, GHOST_S, FaxJobs
from softfax.records.model import FaxFilter, FaxList, FaxRequest, QueueCounts

__all__ = ["CONTEXT", "ENDED", "WAITING", "FaxReader", "StoredFax"]

CONTEXT: TypeAdapter[FaxContext] = TypeAdapter(FaxContext)
#: The folder in a request as it is kept.
_FOLDER = re.compile(r'"folder":\s*"(?:[^"]*/)?([^"/]+)"')
ENDED = tuple(str(state) for state in TERMINAL)
_STATES = frozenset(FaxState)
#: In these a fax waits for a call.
WAITING = (str(FaxState.QUEUED), str(FaxState.WAITING))


@dataclass(frozen=True, kw_only=True)
class StoredFax:
    """A fax with what the queue needs to go on with it. `request` is None for faxes that the queue does not send.

    `token` is that of the last claim; a claim that another followed changes nothing any more.
    """

    fax: Fax
    context: FaxContext
    request: FaxRequest | None
    token: int
    dialled: bool
    cancelled: bool


class FaxReader(FaxJobs):
    """Reader of the tables. Everything here blocks; from any thread."""

    def __init__(self, engine: sa.Engine, aside: Aside | None = None, folder: Path = Path()) -> None:
        """`folder` has those of the faxes' documents."""
        super().__init__(engine, tables.faxes)
        self._folder = folder
        self._aside = aside or Aside(engine)

    # ---- looking ------------------------------------------------------------------------------------------------

    def get(self, fax_id: str) -> Fax | None:
        """One fax with its attempts."""
        with self.engine.connect() as connection:
            row = self._row(connection, fax_id)
            return self._fax(row, self._attempts(connection, [fax_id]).get(fax_id, ())) if row is not None else None

    def kept(self, fax_id: str) -> StoredFax | None:
        """One fax with all that the queue knows."""
        with self.engine.connect() as connection:
            return self._kept(connection, fax_id)

    def list(self, wanted: FaxFilter) -> FaxList:
        """The newest first."""
        f = tables.faxes.c
        limit = max(1, min(wanted.limit, 1000))
        query = sa.select(tables.faxes).order_by(f.seq.desc()).limit(limit + 1)
        if wanted.cursor:
            if not wanted.cursor.isdigit():
                raise UsageError("this is not a cursor", "use the one of the list before")
            query = query.where(f.seq < int(wanted.cursor))
        for condition in rows.conditions(wanted):
            query = query.where(condition)
        with self.engine.connect() as connection:
            found = connection.execute(query).all()
            attempts = self._attempts(connection, [row.id for row in found[:limit]])
            # Of the first part alone: the others are parts of the same.
            count = sa.select(sa.func.count()).select_from(tables.faxes).where(*rows.conditions(wanted))
            total = None if wanted.cursor else connection.execute(count).scalar()
        cursor = str(found[limit - 1].seq) if len(found) > limit else ""
        faxes = [fax for row in found[:limit] if (fax := self._fax(row, attempts.get(row.id, ()))) is not None]
        return FaxList(faxes, cursor, total)

    def elsewhere(self, fax_id: str = "") -> builtins.list[tuple[StoredFax, str, str]]:
        """Faxes under way at other stations, or one if it is, with the name and the URL of their station."""
        f, s = tables.faxes.c, stations.c
        up = f.state.in_(DIALLED)
        query = sa.select(f.id, s.name, s.url).join_from(tables.faxes, stations, f.station == s.id)
        query = query.where(up, f.station != self.station)
        with self.engine.connect() as connection:
            found = connection.execute(query.where(f.id == fax_id) if fax_id else query.limit(1000)).all()
            kept = [(self._kept(connection, row.id), row.name, row.url) for row in found]
        return [(one, name, url) for one, name, url in kept if one is not None]

    def stations(self) -> builtins.list[StationView]:
        """The stations of the database, with the number of faxes that each has under way."""
        with self.engine.connect() as connection:
            return views(connection, tables.faxes)

    def counts(self) -> QueueCounts:
        """Numbers of faxes in the queue."""
        f, now = tables.faxes.c, time.time()
        with self.engine.connect() as connection:
            by_state = connection.execute(sa.select(f.state, sa.func.count()).group_by(f.state)).all()
            due, oldest = connection.execute(
                sa.select(sa.func.count(), sa.func.min(f.due)).where(f.state.in_(WAITING), f.due <= now)
            ).one()
        return QueueCounts(
            by_state={FaxState(state): count for state, count in by_state if state in _STATES},
            due=due,
            oldest_s=max(0.0, now - oldest) if isinstance(oldest, float) and oldest else 0.0,
        )

    def cancelled(self) -> builtins.list[str]:
        """Faxes under way at this station that are to be cancelled."""
        f = tables.faxes.c
        under_way = sa.or_(sa.text(HELD), f.state.in_(DIALLED))
        query = sa.select(f.id).where(f.cancelled, f.station == self.station, under_way)
        with self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def is_cancelled(self, fax_id: str) -> bool:
        """Return True if the fax is to be cancelled."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(tables.faxes.c.cancelled).where(tables.faxes.c.id == fax_id)).scalar()
            return bool(found)

    def uses(self, folder: str) -> bool:
        """Return True if any fax has its documents in this folder of the queue's."""
        return bool(self.used({folder}))

    def used(self, folders: Collection[str]) -> set[str]:
        """Return those of these folders of the queue's in which faxes have their documents."""
        f = tables.faxes.c
        left, found = sorted(folders), set[str]()
        with self.engine.connect() as connection:
            for start in range(0, len(left), 500):
                some = left[start : start + 500]
                for column in (f.id, f.broadcast_id, tables.polled.c.id):
                    found.update(connection.execute(sa.select(column).where(column.in_(some))).scalars())
            # Those of e-mails have names of their own.
            others = [folder for folder in left if folder not in found]
            if len(others) <= 3:
                for folder in others:
                    # As it is kept, and as a station of before did.
                    named = [f.request.contains(f'{before}{folder}"', autoescape=True) for before in '"/']
                    if connection.execute(sa.select(f.seq).where(sa.or_(*named)).limit(1)).first() is not None:
                        found.add(folder)
            else:
                requests = connection.execution_options(yield_per=1000).execute(sa.select(f.request)).scalars()
                found |= set(others) & {match[1] for said in requests if (match := _FOLDER.search(said))}
        return found

    # ---- work -------------------------------------------------------------------------------------------------

    def ending(self, limit: int) -> builtins.list[StoredFax]:
        """Faxes that need no channel slot: past their deadline, or dialled when an earlier station ended."""
        f, now = tables.faxes.c, time.time()
        free = (sa.text(DUE), f.held.is_(False))
        late = sa.select(f.id).where(*free, f.deadline <= now).order_by(f.deadline).limit(limit)
        dialled = sa.select(f.id).where(*free, f.state.in_(DIALLED), f.due <= now).limit(limit)
        return self._all(late) or self._all(dialled)

    def _all(self, ids: sa.Select[Any]) -> builtins.list[StoredFax]:
        with self.engine.connect() as connection:
            found = connection.execute(ids).scalars().all()
            return [kept for fax_id in found if (kept := self._kept(connection, fax_id)) is not None]

    def due(self, limit: int, after: tuple[int, int] | None = None) -> Sequence[Any]:
        """Faxes that are due, in order, with what a search needs; `after` is the last two of the one before."""
        f = tables.faxes.c
        query = (
            sa.select(f.id, f.to, f.request, f.cancelled, f.priority, f.seq, f.due)
            # As in the index of their order, and so that no other is used.
            .where(sa.text(DUE), f.due + 0.0 <= time.time(), f.held.is_(False))
            .where(sa.func.coalesce(f.state, "").in_((*WAITING, str(FaxState.PREPARING))))
            .order_by(f.priority.desc(), f.seq)
            .limit(limit)
        )
        if after is not None:
            query = query.where(sa.or_(f.priority < after[0], sa.and_(f.priority == after[0], f.seq > after[1])))
        with self.engine.connect() as connection:
            return connection.execute(query).all()

    def untold(self, *, left: bool = False) -> builtins.list[StoredFax]:
        """Faxes that have ended, whose end has not been told, or may not have been; with `left`, by a station that has gone."""
        query = sa.select(tables.faxes.c.id).where(tables.faxes.c.told.is_(False))
        return self._all(query.where(self.gone()) if left else query)

    def interrupted(self) -> builtins.list[StoredFax]:
        """Faxes that were under way when their station ended and that are no job of the queue's: received, or placed by others.
        Those of another station wait for its next start, which has the pages, or until it cannot be any more.
        """
        f = tables.faxes.c
        query = sa.select(f.id).where(f.state.in_(DIALLED), f.request == "", self.gone())
        if self.me is not None and self.me.many:
            of_ours = f.station.startswith(self.me.prefix, autoescape=True)
            query = query.where(sa.or_(of_ours, f.station == "", f.updated < time.time() - GHOST_S))
        return self._all(query)

    def waiting(self) -> builtins.list[StoredFax]:
        """Faxes that wait for a call or are called, each with all that is known: for few."""
        return self._all(sa.select(tables.faxes.c.id).where(sa.text(DUE)))

    # ---- rows ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _row(connection: sa.Connection, fax_id: str) -> Any:
        return connection.execute(sa.select(tables.faxes).where(tables.faxes.c.id == fax_id)).one_or_none()

    @staticmethod
    def _attempts(connection: sa.Connection, ids: Sequence[str]) -> dict[str, builtins.list[Any]]:
        """The rows of the attempts of each of these faxes, in order. An id that is none stands in a row that is set aside."""
        a = tables.attempts.c
        found: dict[str, builtins.list[Any]] = {}
        ids = [fax_id for fax_id in ids if isinstance(fax_id, str)]
        for row in connection.execute(sa.select(tables.attempts).where(a.fax_id.in_(ids)).order_by(a.number)):
            found.setdefault(row.fax_id, []).append(row)
        return found

    def _readable(self, row: Any, attempts: Sequence[Any]) -> tuple[Attempt, ...]:
        """The attempts of a fax. One that has ended is known also without those that cannot be read."""
        if row.state not in ENDED:
            return tuple(map(rows.attempt_of, attempts))
        found = []
        for attempt in attempts:
            try:
                found.append(rows.attempt_of(attempt))
            except Exception as error:
                self._aside.notice(tables.attempts, {"fax_id": row.id, "number": attempt.number}, error)
        return tuple(found)

    def _fax(self, row: Any, attempts: Sequence[Any] = ()) -> Fax | None:
        """A fax of its row and those of its attempts; None for a row that is set aside."""
        try:
            return rows.fax_of(row, self._readable(row, attempts))
        except Exception as error:
            self._spoiled(row, error)
            return None

    def _spoiled(self, row: Any, error: Exception) -> None:
        """A fax that cannot be read goes with its attempts: of one that waits, an attempt may have reached the far end."""
        self._aside.notice(tables.faxes, {"id": row.id}, error, [(tables.attempts, {"fax_id": row.id})])

    def _kept(self, connection: sa.Connection, fax_id: str) -> StoredFax | None:
        row = self._row(connection, fax_id)
        if row is None:
            return None
        try:
            return self._kept_of(connection, row)
        except Exception as error:
            if isinstance(error, sa.exc.SQLAlchemyError):
                raise
            self._spoiled(row, error)
            return None

    def _kept_of(self, connection: sa.Connection, row: Any) -> StoredFax:
        of_it = self._attempts(connection, [row.id]).get(row.id, [])
        attempts = self._readable(row, of_it)
        return StoredFax(
            fax=rows.fax_of(row, attempts),
            context=CONTEXT.validate_json(row.context),
            request=rows.request_of(row.request, self._folder),
            token=row.token,
            dialled=bool(attempts) and bool(of_it[-1].dialled) and attempts[-1].ended is None,
            cancelled=row.cancelled,
        )
