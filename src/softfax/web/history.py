# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers of faxes that went through, by day and of late, counted from the queue's records."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from softfax.model import Direction, FaxState
from softfax.records import tables

__all__ = ["DailyCounts"]

DAYS = 14
FRESH_S = 10.0
#: Days that are over change only where faxes are erased.
OLD_S = 3600.0
_FAILED = frozenset({FaxState.FAILED, FaxState.EXPIRED, FaxState.UNCERTAIN})

_Row = tuple[str, str, int, int]


class DailyCounts:
    """Counts on a database, as seldom as is good enough. Blocking; from any thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._days: dict[str, tuple[float, dict[str, Any]]] = {}
        self._last: tuple[float, dict[str, Any]] | None = None

    def counts(self) -> dict[str, Any]:
        """`success` of the last day and week, and `daily`: fourteen days in UTC, the oldest first."""
        if self._last is not None and time.monotonic() - self._last[0] < FRESH_S:
            return self._last[1]
        now = datetime.now(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        with self._engine.connect() as connection:
            daily = [self._day(connection, midnight - timedelta(days=ago), ago) for ago in range(DAYS - 1, -1, -1)]
            shares = {
                name: _share(self._rows(connection, now - timedelta(days=days), now))
                for name, days in (("day", 1), ("week", 7))
            }
        found = {"success": shares, "daily": daily}
        self._last = (time.monotonic(), found)
        return found

    def _day(self, connection: sa.Connection, begin: datetime, ago: int) -> dict[str, Any]:
        date = begin.date().isoformat()
        at, kept = self._days.get(date, (0.0, {}))
        if ago and kept and time.monotonic() - at < OLD_S:
            return kept
        found = {"date": date, **_day(self._rows(connection, begin, begin + timedelta(days=1)))}
        if ago:
            self._days[date] = (time.monotonic(), found)
            while len(self._days) > DAYS:
                self._days.pop(next(iter(self._days)))
        return found

    @staticmethod
    def _rows(connection: sa.Connection, begin: datetime, end: datetime) -> list[_Row]:
        """(direction, state, how many, pages) of faxes that ended then."""
        f = tables.faxes.c
        query = (
            sa.select(f.direction, f.state, sa.func.count(), sa.func.coalesce(sa.func.sum(f.pages), 0))
            .where(f.ended >= begin.timestamp(), f.ended < end.timestamp())
            .group_by(f.direction, f.state)
        )
        return [(row[0], row[1], int(row[2]), int(row[3])) for row in connection.execute(query)]


def _day(rows: Iterable[_Row]) -> dict[str, int]:
    out = {"sent": 0, "received": 0, "failed": 0, "pages": 0}
    for _, state, count, pages in rows:
        out["pages"] += pages
        if state == FaxState.DELIVERED:
            out["sent"] += count
        elif state == FaxState.RECEIVED:
            out["received"] += count
        elif state in _FAILED:
            out["failed"] += count
    return out


def _share(rows: Iterable[_Row]) -> dict[str, Any]:
    """Share of successes among sent faxes that ended by themselves."""
    delivered = failed = 0
    for direction, state, count, _ in rows:
        if direction != Direction.SEND:
            continue
        delivered += count if state == FaxState.DELIVERED else 0
        failed += count if state in _FAILED else 0
    total = delivered + failed
    return {
        "delivered": delivered,
        "failed": failed,
        "total": total,
        "rate": round(delivered / total, 4) if total else None,
    }
