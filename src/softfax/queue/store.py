# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes on disk, and every transition between their states.

While a fax waits for a call, exactly one round (a workflow of the durable engine) is enqueued, delayed or running for it:
`round_id`. It changes in the transaction that changes the fax, so that neither a crash nor a race leaves a fax without a round,
or two calls for one. Everything here blocks; from any thread.
"""

from __future__ import annotations

import builtins
import dataclasses
import json
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from softfax.delivery.aside import Aside
from softfax.errors import UsageError
from softfax.model import TERMINAL, Attempt, Cause, Fax, FaxContext, FaxState
from softfax.queue import rows, tables
from softfax.queue.errors import IdempotencyError
from softfax.queue.model import FaxFilter, FaxList, FaxRequest, QueueCounts
from softfax.queue.turns import DUE, Enqueue, Turns
from softfax.transitions import FAXES

__all__ = ["QueueStore", "StoredFax"]

_REQUEST: TypeAdapter[FaxRequest] = TypeAdapter(FaxRequest)
_CONTEXT: TypeAdapter[FaxContext] = TypeAdapter(FaxContext)

#: The folder in a request as it is kept.
_FOLDER = re.compile(r'"folder":\s*"(?:[^"]*/)?([^"/]+)"')
_TERMINAL = tuple(str(state) for state in TERMINAL)
_STATES = frozenset(FaxState)


@dataclass(frozen=True, kw_only=True)
class StoredFax:
    """A fax with what the queue needs to go on with it. `request` is None for faxes that the queue does not send."""

    fax: Fax
    context: FaxContext
    request: FaxRequest | None
    round_id: str
    dialled: bool
    cancelled: bool


class QueueStore:
    """The tables."""

    def __init__(self, engine: sa.Engine, enqueue: Enqueue, aside: Aside | None = None) -> None:
        self._engine = engine
        self._aside = aside or Aside(engine)
        self._enqueue = enqueue
        self.turns = Turns(engine, enqueue)

    # ---- putting ------------------------------------------------------------------------------------------------

    def submit(
        self, faxes: Sequence[tuple[Fax, FaxRequest, FaxContext]], key: str, body_hash: str
    ) -> tuple[list[str], bool]:
        """Writes faxes to be sent, with their rounds; the ids, and whether they are new. Raises IdempotencyError."""
        try:
            return self._submit(faxes, key, body_hash)
        except sa.exc.IntegrityError:
            # Another request with the same key came at the same time, and was faster.
            if (found := self.asked(key, body_hash) if key else None) is None:
                raise
            return found, False

    def _submit(
        self, faxes: Sequence[tuple[Fax, FaxRequest, FaxContext]], key: str, body_hash: str
    ) -> tuple[list[str], bool]:
        now = time.time()
        with self._engine.begin() as connection:
            if key:
                if (found := self._asked(connection, key, body_hash)) is not None:
                    return found, False
                ids = json.dumps([fax.id for fax, _, _ in faxes])
                connection.execute(tables.keys.insert().values(key=key, hash=body_hash, fax_ids=ids, created=now))
            for fax, request, context in faxes:
                round_id = f"{fax.id}.1"
                connection.execute(
                    tables.faxes.insert().values(
                        **rows.columns(fax),
                        round_id=round_id,
                        due=rows.stamp(fax.next_attempt) or now,
                        request=_REQUEST.dump_json(request).decode(),
                        context=_CONTEXT.dump_json(context).decode(),
                        told=True,
                        cancelled=False,
                    )
                )
                delay_s = max(0.0, (rows.stamp(fax.next_attempt) or now) - now)
                self._enqueue(connection, fax.id, round_id, fax.priority, delay_s)
        return [fax.id for fax, _, _ in faxes], True

    def asked(self, key: str, body_hash: str) -> builtins.list[str] | None:
        """The ids that an earlier request with this key got; None where there was none. Raises IdempotencyError."""
        with self._engine.connect() as connection:
            return self._asked(connection, key, body_hash)

    @staticmethod
    def _asked(connection: sa.Connection, key: str, body_hash: str) -> builtins.list[str] | None:
        found = connection.execute(sa.select(tables.keys).where(tables.keys.c.key == key)).one_or_none()
        if found is None:
            return None
        if found.hash != body_hash:
            raise IdempotencyError(
                "this idempotency key was used for another request", "use a key of its own for each request"
            )
        try:
            ids: builtins.list[str] = [str(one) for one in json.loads(found.fax_ids)]
        except (ValueError, TypeError):
            # It was used, and nobody knows what for: no reason to send it once more.
            raise IdempotencyError(
                "what was done with this idempotency key cannot be read",
                "look whether the fax is there, or use another",
            ) from None
        return ids

    def record(self, fax: Fax, context: FaxContext) -> bool:
        """Writes a fax that the queue does not send; false if it is there."""
        with self._engine.begin() as connection:
            if self._row(connection, fax.id) is not None:
                return False
            connection.execute(
                tables.faxes.insert().values(
                    **rows.columns(fax),
                    round_id="",
                    due=0.0,
                    request="",
                    context=_CONTEXT.dump_json(context).decode(),
                    told=True,
                    cancelled=False,
                )
            )
        return True

    # ---- rounds -------------------------------------------------------------------------------------------------

    def take(self, fax_id: str, round_id: str) -> StoredFax | None:
        """A fax whose turn it is, if the round is its own; what was left of an attempt by a crash is as it was left."""
        with self._engine.connect() as connection:
            kept = self._kept(connection, fax_id)
        if kept is None or kept.round_id != round_id or kept.fax.state in TERMINAL:
            return None
        return kept

    def begin(self, fax_id: str, round_id: str, attempt: Attempt) -> Fax | None:
        """A new attempt prepares; None where the fax was cancelled or taken meanwhile."""
        with self._engine.begin() as connection:
            if not self._moved(connection, fax_id, round_id, FaxState.PREPARING):
                return None
            connection.execute(
                tables.attempts.delete().where(
                    tables.attempts.c.fax_id == fax_id, tables.attempts.c.number == attempt.number
                )
            )
            connection.execute(tables.attempts.insert().values(**rows.attempt_columns(fax_id, attempt), dialled=False))
        return self.get(fax_id)

    def dialled(self, fax_id: str, round_id: str, attempt: Attempt) -> bool:
        """The call is about to be placed; false, and it must not be, where the fax was cancelled or taken meanwhile."""
        with self._engine.begin() as connection:
            if not self._moved(connection, fax_id, round_id, FaxState.SENDING):
                return False
            connection.execute(
                tables.attempts.update()
                .where(tables.attempts.c.fax_id == fax_id, tables.attempts.c.number == attempt.number)
                .values(**rows.attempt_columns(fax_id, attempt), dialled=True)
            )
        return True

    def pages(self, fax_id: str, number: int, confirmed: int, of_fax: int, total: int | None) -> None:
        """So many pages of an attempt are confirmed, and so many of the fax."""
        with self._engine.begin() as connection:
            connection.execute(
                tables.attempts.update()
                .where(tables.attempts.c.fax_id == fax_id, tables.attempts.c.number == number)
                .values(pages=confirmed)
            )
            values: dict[str, Any] = {"updated": time.time(), "pages": of_fax}
            if total is not None:
                values["pages_total"] = total
            connection.execute(tables.faxes.update().where(tables.faxes.c.id == fax_id).values(**values))

    def warn(self, fax_id: str, warnings: Sequence[str]) -> None:
        """Notes what of a fax's documents is not on its pages, before it is sent."""
        with self._engine.begin() as connection:
            row = self._row(connection, fax_id)
            if row is None:
                return
            data = json.dumps(json.loads(row.data) | {"warnings": list(warnings)}, ensure_ascii=False)
            connection.execute(tables.faxes.update().where(tables.faxes.c.id == fax_id).values(data=data))

    def settle(
        self,
        fax: Fax,
        *,
        attempt: Attempt | None = None,
        told: bool = True,
        round_id: str | None = None,
        from_round: str | None = None,
        keep_cancelled: bool = False,
        unless_cancelled: bool = False,
    ) -> bool:
        """Record the transition of a fax, by the table `FAXES`. With `round_id` another round is enqueued for `fax.next_attempt`.
        An end that is not `told` yet is reported later, at the latest after the next start. Its result is the attempt's, if
        there is one.

        False, and nothing is written, where the fax is no longer in `from_round` (empty for none), or, with `unless_cancelled`,
        where it has been cancelled. Raises TransitionError.
        What was noted on it meanwhile (tags, mailbox, read or not) stays as it is on disk.
        """
        now = time.time()
        values: dict[str, Any] = {}
        values["updated"] = now
        if attempt is not None:
            values["result_event"] = ""
        elif not told:
            values["result_event"] = rows.result_text(fax.result)
        if fax.terminal:
            values |= {"told": told, "round_id": "", "due": 0.0}
        if round_id is not None:
            values |= {"round_id": round_id, "due": rows.stamp(fax.next_attempt) or now}
            if not keep_cancelled:
                values["cancelled"] = False
        where = [tables.faxes.c.id == fax.id]
        if from_round is not None:
            where.append(tables.faxes.c.round_id == from_round)
        if unless_cancelled:
            where.append(tables.faxes.c.cancelled.is_(False))
        with self._engine.begin() as connection:
            row = self._row(connection, fax.id)
            if row is None or (before := self._fax(row)) is None:
                return False
            noted = {"tags": json.loads(row.data)["tags"], "mailbox": row.mailbox, "unread": row.unread}
            values = {**rows.columns(dataclasses.replace(fax, **noted)), **values}
            where.append(tables.faxes.c.state == before.state)
            if from_round in (None, row.round_id):
                FAXES.move(before.state, fax.state)
            if not connection.execute(tables.faxes.update().where(*where).values(**values)).rowcount:
                return False
            if attempt is not None:
                connection.execute(
                    tables.attempts.update()
                    .where(tables.attempts.c.fax_id == fax.id, tables.attempts.c.number == attempt.number)
                    .values(**rows.attempt_columns(fax.id, attempt))
                )
            if round_id is not None:
                delay_s = max(0.0, (rows.stamp(fax.next_attempt) or now) - now)
                self._enqueue(connection, fax.id, round_id, fax.priority, delay_s)
        return True

    def cancel(self, fax_id: str) -> StoredFax | None:
        """Marks a fax as cancelled; it says what it is then. None where there is none, or it has ended."""
        f = tables.faxes.c
        with self._engine.begin() as connection:
            marked = connection.execute(
                tables.faxes.update()
                .where(f.id == fax_id, f.state.not_in(_TERMINAL))
                .values(cancelled=True, updated=time.time())
            )
            return self._kept(connection, fax_id) if marked.rowcount else None

    def is_cancelled(self, fax_id: str) -> bool:
        """Return True if the fax is to be cancelled."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(tables.faxes.c.cancelled).where(tables.faxes.c.id == fax_id)).scalar()
            return bool(found)

    @staticmethod
    def _moved(connection: sa.Connection, fax_id: str, round_id: str, state: FaxState) -> bool:
        """Another state for a fax in its round; false where it was cancelled or taken meanwhile. Raises TransitionError."""
        f = tables.faxes.c
        mine = sa.and_(f.id == fax_id, f.round_id == round_id, f.state.not_in(_TERMINAL), f.cancelled.is_(False))
        before = connection.execute(sa.select(f.state).where(mine)).scalar()
        if before is None:
            return False
        values = {"state": FAXES.move(FaxState(before), state), "updated": time.time()}
        return bool(connection.execute(tables.faxes.update().where(mine, f.state == before).values(**values)).rowcount)

    # ---- telling ------------------------------------------------------------------------------------------------

    def untold(self) -> builtins.list[StoredFax]:
        """Faxes that have ended, whose end may not have been told."""
        with self._engine.connect() as connection:
            ids = connection.execute(sa.select(tables.faxes.c.id).where(tables.faxes.c.told.is_(False))).scalars().all()
            return [kept for fax_id in ids if (kept := self._kept(connection, fax_id)) is not None]

    def told(self, fax_id: str, ended: datetime | None) -> None:
        """Note that the end of a fax at this time, not that of a later call, has been handed on for reporting."""
        f = tables.faxes.c
        with self._engine.begin() as connection:
            connection.execute(
                tables.faxes.update().where(f.id == fax_id, f.ended == rows.stamp(ended)).values(told=True)
            )

    def interrupted(self) -> builtins.list[StoredFax]:
        """Faxes that were under way when the station ended and that no round will take up: received, or placed by others."""
        under_way = [FaxState.RECEIVING, FaxState.SENDING]
        with self._engine.connect() as connection:
            query = sa.select(tables.faxes.c.id).where(
                tables.faxes.c.state.in_(under_way), tables.faxes.c.round_id == ""
            )
            ids = connection.execute(query).scalars().all()
            return [kept for fax_id in ids if (kept := self._kept(connection, fax_id)) is not None]

    def waiting(self) -> builtins.list[StoredFax]:
        """Faxes with a round of their own, each with all that is known: for few."""
        with self._engine.connect() as connection:
            query = sa.select(tables.faxes.c.id).where(tables.faxes.c.round_id != "")
            ids = connection.execute(query).scalars().all()
            return [kept for fax_id in ids if (kept := self._kept(connection, fax_id)) is not None]

    def clock_set(self, step_s: float) -> None:
        """The clock was set. Back: those that wait are due after as long as was meant. Forward: they have as long until their
        deadline as they had, unless it was given as a time of day.
        """
        if step_s < 0:
            f, now = tables.faxes.c, time.time()
            with self._engine.begin() as connection:
                connection.execute(
                    tables.faxes.update()
                    .where(f.round_id != "", f.state.in_(DUE), f.due > now)
                    .values(due=f.due + step_s, next_attempt=f.next_attempt + step_s)
                )
            return
        for kept in self.waiting():
            fax, request = kept.fax, kept.request
            if request is None or request.deadline is not None or fax.deadline is None:
                continue
            data = {"deadline": rows.stamp(fax.deadline + timedelta(seconds=step_s))}
            with self._engine.begin() as connection:
                # As it is now: the fax may have moved on.
                found = connection.execute(
                    tables.faxes.update()
                    .where(tables.faxes.c.id == fax.id, tables.faxes.c.round_id != "")
                    .values(updated=tables.faxes.c.updated)
                    .returning(tables.faxes.c.data)
                ).scalar()
                if found is not None:
                    text = json.dumps({**json.loads(found), **data}, ensure_ascii=False)
                    connection.execute(tables.faxes.update().where(tables.faxes.c.id == fax.id).values(data=text))

    # ---- looking ------------------------------------------------------------------------------------------------

    def get(self, fax_id: str) -> Fax | None:
        """One fax with its attempts."""
        with self._engine.connect() as connection:
            row = self._row(connection, fax_id)
            return self._fax(row, connection) if row is not None else None

    def kept(self, fax_id: str) -> StoredFax | None:
        """One fax with all that the queue knows."""
        with self._engine.connect() as connection:
            return self._kept(connection, fax_id)

    def list(self, wanted: FaxFilter) -> FaxList:
        """The newest first, without attempts."""
        f = tables.faxes.c
        limit = max(1, min(wanted.limit, 1000))
        query = sa.select(tables.faxes).order_by(f.seq.desc()).limit(limit + 1)
        if wanted.cursor:
            if not wanted.cursor.isdigit():
                raise UsageError("this is not a cursor", "use the one of the list before")
            query = query.where(f.seq < int(wanted.cursor))
        for condition in rows.conditions(wanted):
            query = query.where(condition)
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
            last = self._last_results(connection, [row.id for row in found[:limit] if not row.result_event])
        cursor = str(found[limit - 1].seq) if len(found) > limit else ""
        return FaxList(
            [fax for row in found[:limit] if (fax := self._fax(row, of_last=last.get(row.id, ""))) is not None], cursor
        )

    @staticmethod
    def _last_results(connection: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
        """The result of the last attempt of each fax that has had one, as it is kept."""
        a = tables.attempts.c
        query = sa.select(a.fax_id, a.result).where(a.fax_id.in_(ids), a.result != "").order_by(a.number)
        return {row.fax_id: row.result for row in connection.execute(query)} if ids else {}

    def counts(self) -> QueueCounts:
        """Numbers of faxes in the queue."""
        f, now = tables.faxes.c, time.time()
        with self._engine.connect() as connection:
            by_state = connection.execute(sa.select(f.state, sa.func.count()).group_by(f.state)).all()
            due, oldest = connection.execute(
                sa.select(sa.func.count(), sa.func.min(f.due)).where(f.state.in_(DUE), f.due <= now)
            ).one()
        return QueueCounts(
            by_state={FaxState(state): count for state, count in by_state if state in _STATES},
            due=due,
            oldest_s=max(0.0, now - oldest) if isinstance(oldest, float) and oldest else 0.0,
        )

    def daily(self, since: float) -> builtins.list[tuple[float, str, str, int]]:
        """(ended, direction, state, pages) of the faxes that ended since then."""
        f = tables.faxes.c
        query = sa.select(f.ended, f.direction, f.state, f.pages).where(f.ended >= since)
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query).all()]

    def update(self, fax_id: str, values: Mapping[str, Any]) -> bool:
        """Sets columns; `tags` is a mapping. False where there is no such fax."""
        changed = dict(values)
        with self._engine.begin() as connection:
            row = self._row(connection, fax_id)
            if row is None:
                return False
            if "tags" in changed:
                if (fax := self._fax(row)) is None:
                    return False
                columns = rows.columns(dataclasses.replace(fax, tags=dict(changed.pop("tags"))))
                changed |= {name: columns[name] for name in ("data", "search")}
            if changed:
                connection.execute(tables.faxes.update().where(tables.faxes.c.id == fax_id).values(**changed))
        return True

    def erase(self, fax_id: str) -> None:
        """Forgets a fax."""
        with self._engine.begin() as connection:
            connection.execute(tables.attempts.delete().where(tables.attempts.c.fax_id == fax_id))
            connection.execute(tables.events.delete().where(tables.events.c.fax_id == fax_id))
            connection.execute(tables.faxes.delete().where(tables.faxes.c.id == fax_id))

    def note(self, fax_id: str, reason: str, remedy: str, cause: Cause | None = None) -> None:
        """Note on a record a later problem, or the reason why it waits."""
        with self._engine.begin() as connection:
            row = self._row(connection, fax_id)
            if row is not None and self._fax(row) is not None:
                data = {**json.loads(row.data), "reason": reason[:1000], "remedy": remedy[:1000]}
                if cause is not None:
                    data["cause"] = str(cause)
                connection.execute(
                    tables.faxes.update()
                    .where(tables.faxes.c.id == fax_id)
                    .values(data=json.dumps(data, ensure_ascii=False), updated=time.time())
                )

    def uses(self, folder: str) -> bool:
        """Return True if any fax has its documents in this folder of the queue's."""
        return bool(self.used({folder}))

    def used(self, folders: Collection[str]) -> set[str]:
        """Return those of these folders of the queue's in which faxes have their documents."""
        f = tables.faxes.c
        left, found = sorted(folders), set[str]()
        with self._engine.connect() as connection:
            for start in range(0, len(left), 500):
                some = left[start : start + 500]
                for column in (f.id, f.broadcast_id):
                    found.update(connection.execute(sa.select(column).where(column.in_(some))).scalars())
            # Those of e-mails have names of their own.
            others = [folder for folder in left if folder not in found]
            if len(others) <= 3:
                for folder in others:
                    named = f.request.contains(f'/{folder}"', autoescape=True)
                    if connection.execute(sa.select(f.seq).where(named).limit(1)).first() is not None:
                        found.add(folder)
            else:
                requests = connection.execution_options(yield_per=1000).execute(sa.select(f.request)).scalars()
                found |= set(others) & {match[1] for said in requests if (match := _FOLDER.search(said))}
        return found

    # ---- the do-not-fax list ----------------------------------------------------------------------------

    def forbid(self, number: str, reason: str) -> None:
        """Puts a number on it."""
        with self._engine.begin() as connection:
            connection.execute(tables.forbidden.delete().where(tables.forbidden.c.number == number))
            connection.execute(tables.forbidden.insert().values(number=number, reason=reason, created=time.time()))

    def allow(self, number: str) -> bool:
        """Takes a number off it; false if it was not there."""
        with self._engine.begin() as connection:
            return bool(
                connection.execute(tables.forbidden.delete().where(tables.forbidden.c.number == number)).rowcount
            )

    def forbidden(self) -> dict[str, tuple[str, float]]:
        """The do-not-fax list, the newest first: why, and since when."""
        query = sa.select(tables.forbidden).order_by(tables.forbidden.c.created.desc())
        with self._engine.connect() as connection:
            # A number stays forbidden, whatever its row says besides.
            return {
                str(row.number): (str(row.reason), row.created if isinstance(row.created, float) else 0.0)
                for row in connection.execute(query)
            }

    # ---- upkeep -------------------------------------------------------------------------------------------------

    def upkeep(self, keys_before: float) -> None:
        """Forgets old idempotency keys."""
        with self._engine.begin() as connection:
            connection.execute(tables.keys.delete().where(tables.keys.c.created < keys_before))

    # ---- rows ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _row(connection: sa.Connection, fax_id: str) -> Any:
        return connection.execute(sa.select(tables.faxes).where(tables.faxes.c.id == fax_id)).one_or_none()

    @staticmethod
    def _attempts(connection: sa.Connection, fax_id: str) -> tuple[Attempt, ...]:
        query = sa.select(tables.attempts).where(tables.attempts.c.fax_id == fax_id).order_by(tables.attempts.c.number)
        return tuple(rows.attempt_of(row) for row in connection.execute(query))

    def _readable(self, connection: sa.Connection, row: Any) -> tuple[Attempt, ...]:
        """The attempts of a fax. One that has ended is known also without those that cannot be read."""
        if row.state not in _TERMINAL:
            return self._attempts(connection, row.id)
        query = sa.select(tables.attempts).where(tables.attempts.c.fax_id == row.id).order_by(tables.attempts.c.number)
        found = []
        for attempt in connection.execute(query).all():
            try:
                found.append(rows.attempt_of(attempt))
            except Exception as error:
                self._aside.notice(tables.attempts, {"fax_id": row.id, "number": attempt.number}, error)
        return tuple(found)

    def _fax(self, row: Any, connection: sa.Connection | None = None, of_last: str = "") -> Fax | None:
        """A fax of its row, with its attempts where it is given the connection; None for a row that is set aside."""
        try:
            return rows.fax_of(row, self._readable(connection, row) if connection is not None else (), of_last)
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
        fax_id = row.id
        attempts = self._readable(connection, row)
        query = sa.select(tables.attempts.c.dialled).where(tables.attempts.c.fax_id == fax_id)
        last = connection.execute(query.order_by(tables.attempts.c.number.desc()).limit(1)).scalar()
        return StoredFax(
            fax=rows.fax_of(row, attempts),
            context=_CONTEXT.validate_json(row.context),
            request=_REQUEST.validate_json(row.request) if row.request else None,
            round_id=row.round_id,
            dialled=bool(last) and bool(attempts) and attempts[-1].ended is None,
            cancelled=row.cancelled,
        )
