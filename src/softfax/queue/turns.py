# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns: the faxes that are due, in order, and the rounds that work on them. Blocks; from any thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from softfax.model import FaxState
from softfax.queue import tables
from softfax.transitions import FAXES

__all__ = ["DUE", "Enqueue", "Turn", "Turns", "next_round"]

DUE = (str(FaxState.QUEUED), str(FaxState.WAITING))
#: Before all others.
HURRIED = 10


#: Enqueues a round in the given transaction: connection, fax id, round id, priority (0 to 9, or HURRIED), delay in seconds.
Enqueue = Callable[[sa.Connection, str, str, int, float], None]


@dataclass(frozen=True)
class Turn:
    """A fax that is due, and how it stands among others."""

    seq: int
    fax_id: str
    round_id: str
    to: str
    priority: int


def next_round(round_id: str) -> str:
    """Another round's id, which no earlier one had."""
    stem, _, number = round_id.rpartition(".")
    base, _, count = number.partition("p")
    return f"{stem}.{base}p{int(count) + 1 if count.isdecimal() else 1}"


class Turns:
    """A part of the tables (`QueueStore.turns`)."""

    def __init__(self, engine: sa.Engine, enqueue: Enqueue) -> None:
        self._engine, self._enqueue = engine, enqueue

    def due(self, limit: int, after: tuple[int, int] | None = None) -> list[Turn]:
        """Faxes that are due, in order; `after` is priority and seq of the last one before."""
        f = tables.faxes.c
        query = (
            sa.select(f.seq, f.id, f.round_id, f.to, f.priority)
            # As in the index of turns, which is found by its words, and so that no other is used: it gives the order.
            .where(sa.text("round_id != ''"), sa.func.coalesce(f.state, "").in_(DUE), f.due + 0.0 <= time.time())
            .where(f.cancelled.is_(False))
            .order_by(f.priority.desc(), f.seq)
            .limit(limit)
        )
        if after is not None:
            query = query.where(sa.or_(f.priority < after[0], sa.and_(f.priority == after[0], f.seq > after[1])))
        with self._engine.connect() as connection:
            return [Turn(*row) for row in connection.execute(query)]

    def park(self, fax_id: str, round_id: str, following: str, state: FaxState, delay_s: float) -> bool:
        """A fax that is due and has no line keeps its place; another round looks after it. A crash may have left it preparing."""
        before = [one for one in (FaxState.QUEUED, FaxState.WAITING, FaxState.PREPARING) if FAXES.allows(one, state)]
        return self._move(fax_id, round_id, following, delay_s, before, state=state)

    def hurry(self, fax_id: str, round_id: str) -> bool:
        """A fax that is due gets a round before all others; false where it is not due any more."""
        return self._move(fax_id, round_id, next_round(round_id), 0.0, DUE, HURRIED)

    def _move(
        self,
        fax_id: str,
        round_id: str,
        following: str,
        delay_s: float,
        states: Sequence[str],
        priority: int | None = None,
        **values: str,
    ) -> bool:
        f = tables.faxes.c
        with self._engine.begin() as connection:
            moved = connection.execute(
                tables.faxes.update()
                .where(f.id == fax_id, f.round_id == round_id, f.state.in_(states))
                .values(round_id=following, **values)
                .returning(f.priority)
            ).first()
            if moved is not None:
                self._enqueue(connection, fax_id, following, moved.priority if priority is None else priority, delay_s)
        return moved is not None

    def rounds(self, among: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """(fax id, round id) of the faxes with a round of their own, or of those whose round is among some."""
        f = tables.faxes.c
        query = sa.select(f.id, f.round_id).where(f.round_id != "")
        if among is not None:
            query = query.where(f.round_id.in_(among))
        with self._engine.connect() as connection:
            return [(row.id, row.round_id) for row in connection.execute(query)]
