# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes on disk, and every transition between their states.

A fax that waits for a call is a job. Each write that follows from a claim names its token, and what ends the claim changes it, so
that neither a crash nor a race leaves a fax that nobody calls, or two calls for one. Everything here blocks; from any thread.
"""

from __future__ import annotations

import builtins
import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from softfax.database.jobs import DUE, Job, due_now
from softfax.database.stations import notify
from softfax.model import Attempt, Cause, Direction, Fax, FaxContext, FaxState
from softfax.records import rows, tables
from softfax.records.ends import End
from softfax.records.errors import IdempotencyError
from softfax.records.eventlog import EventLog
from softfax.records.fax_jobs import CALLING
from softfax.records.model import FaxRequest
from softfax.records.reading import CONTEXT, ENDED, WAITING, FaxReader, StoredFax
from softfax.transitions import FAXES

__all__ = ["CANCELLED", "FORBIDDEN", "QueueStore"]

#: Messages to all stations: a fax was cancelled, with its id; the do-not-fax list has changed.
CANCELLED, FORBIDDEN = "cancelled", "forbidden"


class QueueStore(FaxReader):
    """The tables. Faxes that wait for a call are jobs."""

    # ---- putting ------------------------------------------------------------------------------------------------

    def submit(self, faxes: Sequence[tuple[Fax, FaxRequest, FaxContext]], key: str, body_hash: str) -> bool:
        """Writes faxes to be sent; false, and nothing is written, where the key was used before. Raises IdempotencyError."""
        now = time.time()
        try:
            with self.engine.begin() as connection:
                if key:
                    ids = json.dumps([fax.id for fax, _, _ in faxes])
                    connection.execute(tables.keys.insert().values(key=key, hash=body_hash, fax_ids=ids, created=now))
                for fax, request, context in faxes:
                    due = rows.stamp(fax.next_attempt) or now
                    self._insert(connection, fax, context, rows.request_text(request), due)
                due_now(connection, "faxes")
        except sa.exc.IntegrityError:
            # A request with the same key came before, or at the same time and was faster.
            if not key or self.asked(key, body_hash) is None:
                raise
            return False
        return True

    def asked(self, key: str, body_hash: str) -> builtins.list[str] | None:
        """The ids that an earlier request with this key got; None where there was none. Raises IdempotencyError."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(tables.keys).where(tables.keys.c.key == key)).one_or_none()
        if found is None:
            return None
        if found.hash != body_hash:
            raise IdempotencyError()
        try:
            return [str(one) for one in json.loads(found.fax_ids)]
        except (ValueError, TypeError):
            # It was used, and nobody knows what for: no reason to send it once more.
            raise IdempotencyError(
                "what was done with this idempotency key cannot be read",
                "look whether the fax is there, or use another",
            ) from None

    def record(self, fax: Fax, context: FaxContext) -> bool:
        """Writes a fax that the queue does not send; false if it is there."""
        with self.engine.begin() as connection:
            if self._row(connection, fax.id) is not None:
                return False
            self._insert(connection, fax, context)
        return True

    def _insert(
        self, connection: sa.Connection, fax: Fax, context: FaxContext, request: str = "", due: float = 0.0
    ) -> None:
        more = {"request": request, "due": due, "told": True, "cancelled": False, "station": self.station}
        columns = rows.columns(fax) | {"context": CONTEXT.dump_json(context).decode()}
        connection.execute(tables.faxes.insert().values(**columns, **more))

    # ---- attempts -----------------------------------------------------------------------------------------------

    def begin(self, connection: sa.Connection, stored: StoredFax, attempt: Attempt | None) -> StoredFax | None:
        """Claim a fax within a transaction, to prepare an attempt, or without one to end it or put it off. None where something
        else became of it meanwhile.
        """
        f, fax = tables.faxes.c, stored.fax
        free: builtins.list[Any] = [f.id == fax.id, f.token == stored.token, f.held.is_(False), sa.text(DUE)]
        values: dict[str, Any] = {"held": True, "token": f.token + 1, "station": self.station}
        if attempt is not None:
            fax = dataclasses.replace(fax, state=FAXES.move(fax.state, FaxState.PREPARING), account=attempt.account)
            free += [f.state == stored.fax.state, f.cancelled.is_(False)]
            values |= {"state": fax.state, "account": fax.account, "updated": time.time()}
        claimed = tables.faxes.update().where(*free).values(**values).returning(f.token)
        if (token := connection.execute(claimed).scalar()) is None:
            return None
        if attempt is not None:
            # A crash may have left it prepared.
            connection.execute(tables.attempts.delete().where(*_attempt(fax.id, attempt.number)))
            connection.execute(tables.attempts.insert().values(**rows.attempt_columns(fax.id, attempt), dialled=False))
        return dataclasses.replace(stored, fax=fax, token=token)

    def dialled(self, job: Job, attempt: Attempt) -> bool:
        """The call is about to be placed; false, and it must not be, where the fax was cancelled or taken meanwhile."""
        f, fax_id = tables.faxes.c, job.key
        free = sa.and_(self.mine(job), f.state.in_(CALLING), f.cancelled.is_(False))
        if self.me is not None and self.me.many:
            free = sa.and_(free, ~self.gone())
        with self.engine.begin() as connection:
            state = sa.case((f.direction == str(Direction.SEND), str(FaxState.SENDING)), else_=str(FaxState.RECEIVING))
            moved = tables.faxes.update().where(free).values(state=state, updated=time.time())
            if not connection.execute(moved).rowcount:
                return False
            dialled = tables.attempts.update().where(*_attempt(fax_id, attempt.number))
            connection.execute(dialled.values(**rows.attempt_columns(fax_id, attempt), dialled=True))
        return True

    def pages(self, fax_id: str, number: int, confirmed: int, of_fax: int, total: int | None) -> None:
        """So many pages of an attempt are confirmed, and so many of the fax; nothing is written once another station has it."""
        f = tables.faxes.c
        values: dict[str, Any] = {"updated": time.time(), "pages": of_fax}
        if total is not None:
            values["pages_total"] = total
        with self.engine.begin() as connection:
            ours = tables.faxes.update().where(f.id == fax_id, f.station == self.station)
            if connection.execute(ours.values(**values)).rowcount:
                connection.execute(tables.attempts.update().where(*_attempt(fax_id, number)).values(pages=confirmed))

    def settle(
        self,
        fax: Fax,
        *,
        attempt: Attempt | None = None,
        told: bool = True,
        again: bool = False,
        token: int | None = None,
        keep_cancelled: bool = False,
        unless_cancelled: bool = False,
        end: End | None = None,
    ) -> bool:
        """Record the transition of a fax, by the table `FAXES`, and with it its `end`. With `again` it is due once more at
        `fax.next_attempt`. An end that is not `told` yet is handed on later, at the latest after the next start. Its result is
        the attempt's, if there is one.

        False, and nothing is written, where the fax has another `token`, or, with `unless_cancelled`, where it has been
        cancelled; true where just this was recorded before, as where the answer of the database got lost. Raises TransitionError.
        What was noted on it meanwhile (tags, mailbox, read or not) stays as it is on disk.
        """
        f, now = tables.faxes.c, time.time()
        values: dict[str, Any] = {"updated": now, "token": f.token + 1, "held": False, "station": self.station}
        if attempt is not None:
            values["result_event"] = ""
        elif not told:
            values["result_event"] = rows.result_text(fax.result)
        if fax.terminal:
            values |= {"told": told, "due": 0.0}
        if again:
            values["due"] = rows.stamp(fax.next_attempt) or now
            if not keep_cancelled:
                values["cancelled"] = False
        where = [f.id == fax.id]
        if token is not None:
            where.append(f.token == token)
        if unless_cancelled:
            where.append(f.cancelled.is_(False))
        with self.engine.begin() as connection:
            row = self._row(connection, fax.id)
            if row is None or (before := self._fax(row)) is None:
                return False
            noted = {"tags": json.loads(row.data)["tags"], "mailbox": row.mailbox, "unread": row.unread}
            values = {**rows.columns(dataclasses.replace(fax, **noted)), **values}
            where.append(f.state == before.state)
            if token is not None and token != row.token:
                return row.state == fax.state and self._is_recorded(connection, row, fax, attempt)
            FAXES.move(before.state, fax.state)
            if not connection.execute(tables.faxes.update().where(*where).values(**values)).rowcount:
                return False
            if attempt is not None:
                if attempt.result is not None and attempt.result.corrects:
                    EventLog.keep(connection, fax.id, attempt.number)
                ended = tables.attempts.update().where(*_attempt(fax.id, attempt.number))
                connection.execute(ended.values(**rows.attempt_columns(fax.id, attempt)))
            if row.held:
                due_now(connection, "faxes")  # a channel slot is free
            if end is not None:
                end.write(connection)
        if end is not None:
            end.written()
        return True

    @staticmethod
    def _is_recorded(connection: sa.Connection, row: Any, fax: Fax, attempt: Attempt | None) -> bool:
        """Return True if a fax, or its attempt, ended just then."""
        if attempt is None:
            return fax.ended is not None and row.ended == rows.stamp(fax.ended)
        ended = sa.select(tables.attempts.c.ended).where(*_attempt(fax.id, attempt.number))
        return attempt.ended is not None and connection.execute(ended).scalar() == rows.stamp(attempt.ended)

    def reschedule(self, stored: StoredFax, fax: Fax, request: FaxRequest) -> bool:
        """Give a fax that waits for a call the times and the priority of `fax`; false where it is claimed or changed meanwhile.

        The token changes too: a claim that is being made on what was read before fails.
        """
        f, due = tables.faxes.c, rows.stamp(fax.next_attempt)
        with self.engine.begin() as connection:
            row = self._row(connection, fax.id)
            if row is None:
                return False
            data = json.dumps({**json.loads(row.data), "not_before": rows.stamp(fax.not_before)}, ensure_ascii=False)
            waits = (f.id == fax.id, f.token == stored.token, f.data == row.data, f.state.in_(WAITING))
            changed = tables.faxes.update().where(*waits, f.held.is_(False), f.cancelled.is_(False)).values(
                due=due, next_attempt=due, deadline=rows.stamp(fax.deadline), priority=fax.priority, data=data,
                request=rows.request_text(request), token=f.token + 1, updated=time.time(),
            )  # fmt: skip
            return bool(connection.execute(changed).rowcount)

    def cancel(self, fax_id: str) -> StoredFax | None:
        """Marks a fax as cancelled; it says what it is then. None where there is none, or it has ended."""
        f = tables.faxes.c
        waits = tables.faxes.update().where(f.id == fax_id, f.state.not_in(ENDED))
        with self.engine.begin() as connection:
            marked = connection.execute(waits.values(cancelled=True, updated=time.time()))
            notify(connection, f"{CANCELLED} {fax_id}")
            return self._kept(connection, fax_id) if marked.rowcount else None

    # ---- telling ------------------------------------------------------------------------------------------------

    def told(self, fax_id: str, ended: datetime | None) -> None:
        """Note that the end of a fax at this time, not that of a later call, has been handed on for reporting."""
        f = tables.faxes.c
        of_it = tables.faxes.update().where(f.id == fax_id, f.ended == rows.stamp(ended))
        with self.engine.begin() as connection:
            connection.execute(of_it.values(told=True))

    def clock_set(self, step_s: float) -> None:
        """The clock was set. Back: those that wait are due after as long as was meant. Forward: they have as long until their
        deadline as they had, unless it was given as a time of day.
        """
        f = tables.faxes.c
        with self.engine.begin() as connection:
            waiting = tables.faxes.update().where(sa.text(DUE))
            if step_s < 0:
                later = waiting.where(f.state.in_(WAITING), f.due > time.time())
                connection.execute(later.values(due=f.due + step_s, next_attempt=f.next_attempt + step_s))
            else:
                of_ours = waiting.where(f.request.contains('"deadline":null'))
                connection.execute(of_ours.values(deadline=f.deadline + step_s))

    def update(self, fax_id: str, values: Mapping[str, Any]) -> bool:
        """Sets columns; `tags` is a mapping. False where there is no such fax."""
        changed = dict(values)
        with self.engine.begin() as connection:
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
        with self.engine.begin() as connection:
            connection.execute(tables.attempts.delete().where(tables.attempts.c.fax_id == fax_id))
            connection.execute(tables.events.delete().where(tables.events.c.fax_id == fax_id))
            connection.execute(tables.faxes.delete().where(tables.faxes.c.id == fax_id))

    def note(self, fax_id: str, reason: str, remedy: str, **cause: Cause) -> None:
        """Note on a record a later problem, or the reason why it waits, and its `cause`."""
        self.change(fax_id, reason=reason[:1000], remedy=remedy[:1000], **cause)

    def change(self, fax_id: str, **data: Any) -> None:
        """Set what of a fax is no column of its own, such as its `warnings`."""
        with self.engine.begin() as connection:
            row = self._row(connection, fax_id)
            if row is not None and self._fax(row) is not None:
                text = json.dumps({**json.loads(row.data), **data}, ensure_ascii=False)
                changed = tables.faxes.update().where(tables.faxes.c.id == fax_id)
                connection.execute(changed.values(data=text, updated=time.time()))

    # ---- the do-not-fax list ----------------------------------------------------------------------------

    def forbid(self, number: str, reason: str) -> None:
        """Puts a number on it."""
        with self.engine.begin() as connection:
            connection.execute(tables.forbidden.delete().where(tables.forbidden.c.number == number))
            connection.execute(tables.forbidden.insert().values(number=number, reason=reason, created=time.time()))
            notify(connection, FORBIDDEN)

    def allow(self, number: str) -> bool:
        """Takes a number off it; false if it was not there."""
        with self.engine.begin() as connection:
            notify(connection, FORBIDDEN)
            return bool(
                connection.execute(tables.forbidden.delete().where(tables.forbidden.c.number == number)).rowcount
            )

    def forbidden(self) -> dict[str, tuple[str, float]]:
        """The do-not-fax list, the newest first: why, and since when."""
        query = sa.select(tables.forbidden).order_by(tables.forbidden.c.created.desc())
        with self.engine.connect() as connection:
            # A number stays forbidden, whatever its row says besides.
            return {
                str(row.number): (str(row.reason), row.created if isinstance(row.created, float) else 0.0)
                for row in connection.execute(query)
            }

    # ---- upkeep -------------------------------------------------------------------------------------------------

    def upkeep(self, keys_before: float) -> None:
        """Forget old idempotency keys, and slots of calls that must have ended."""
        with self.engine.begin() as connection:
            connection.execute(tables.keys.delete().where(tables.keys.c.created < keys_before))
        self.ghosts_over()


def _attempt(fax_id: str, number: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition of an attempt's row."""
    return tables.attempts.c.fax_id == fax_id, tables.attempts.c.number == number
