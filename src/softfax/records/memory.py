# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of numbers: what worked and what failed in calls to one, for the next call to it, and forgotten with time."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from softfax.errors import in_short
from softfax.model import Cause, FaxResult
from softfax.options import ModePolicy
from softfax.records.tables import numbers

__all__ = ["MEMORY_KEPT_S", "SLOW_BPS", "NumberMemories", "NumberMemory", "learned"]

log = logging.getLogger("softfax.records")

#: Faxes over T.38 that broke off, one after the other, until T.38 is left out; and for how long it is.
T38_FAILURES = 2
T38_SKIPPED_S = 24 * 3600.0
#: Rate at which a line is tried on which training failed; and for how long a number is.
SLOW_BPS = 9600
SLOW_S = 24 * 3600.0
#: For how long each fax has a call of its own to a number where one of several broke between two of them; and how many go in one
#: where people want that for a number, and the configuration does not.
ALONE_S, JOINED_FAXES = 30 * 24 * 3600.0, 10
#: What nobody has called since is forgotten.
MEMORY_KEPT_S = 90 * 24 * 3600.0
#: Characters that the table has room for.
NUMBER_MAX = 128
#: Part of a new duration in the average.
WEIGHT = 0.3
_OVER_THE_LINE = frozenset({Cause.BROKEN, Cause.TRAINING})


@dataclass(frozen=True, kw_only=True)
class NumberMemory:
    """Memory of one number; times are seconds since 1970, 0.0 for never.

    `mode`, `max_rate_bps` and `joined` were set by people, and win. `resolution` is the last page class that went through,
    `rate_bps` the last rate; `seconds_per_page` an average.
    """

    number: str
    updated: float = 0.0
    calls: int = 0
    delivered: int = 0
    last_cause: str = ""
    transport: str = ""
    rate_bps: int = 0
    ecm: bool | None = None
    resolution: str = ""
    account: str = ""
    remote_station_id: str = ""
    seconds_per_page: float = 0.0
    t38_failures: int = 0
    t38_failed: float = 0.0
    training_failed: float = 0.0
    joined_failed: float = 0.0
    mode: str = ""
    max_rate_bps: int = 0
    joined: str = ""

    def mode_for(self, wanted: ModePolicy | None, now: float) -> ModePolicy | None:
        """Transport for the next call: what is wanted, unless it is open and T.38 has failed here of late."""
        if wanted not in (None, ModePolicy.AUTO):
            return wanted
        if self.mode:
            return ModePolicy(self.mode)
        if self.t38_failures >= T38_FAILURES and now < self.t38_failed + T38_SKIPPED_S:
            return ModePolicy.AUDIO
        return wanted

    def rate_for(self, wanted_bps: int, now: float) -> int:
        """Highest rate of the next call (0 for any): lower where training has failed of late, for whichever fax."""
        most = self.max_rate_bps
        if self.training_failed and now < self.training_failed + SLOW_S:
            most = min(most or SLOW_BPS, SLOW_BPS)
        return min(wanted_bps, most) if wanted_bps and most else wanted_bps or most

    def joined_for(self, faxes_max: int, now: float) -> int:
        """Number of faxes that may go in one call, of those that the configuration allows: 1 where that has failed of late."""
        if self.joined:
            return 1 if self.joined == "off" else max(faxes_max, JOINED_FAXES)
        return 1 if self.joined_failed and now < self.joined_failed + ALONE_S else faxes_max

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return dataclasses.asdict(self)


def learned(memory: NumberMemory, result: FaxResult, cause: Cause | None, account: str, now: float) -> NumberMemory:
    """The memory after a call. Calls that failed by our own fault, or were cancelled, teach nothing."""
    if cause in (Cause.OURS, Cause.DOCUMENT, Cause.CANCELLED, Cause.CRASH):
        return memory
    if cause is Cause.NOT_REACHED:
        return dataclasses.replace(memory, updated=now, joined_failed=now)
    t38 = result.mode == "T38"
    new: dict[str, Any] = {"updated": now, "calls": memory.calls + 1, "last_cause": str(cause or "")}
    if cause is None:
        pages = max(1, result.pages)
        seconds = result.duration_s / pages
        average = memory.seconds_per_page
        new |= {
            "delivered": memory.delivered + 1,
            "transport": result.mode or memory.transport,
            "rate_bps": result.bitrate or memory.rate_bps,
            "ecm": result.ecm,
            "resolution": result.resolution or memory.resolution,
            "account": account or memory.account,
            "remote_station_id": result.remote_station_id or memory.remote_station_id,
            "seconds_per_page": round(average + WEIGHT * (seconds - average) if average else seconds, 1),
        }
        if t38:
            new |= {"t38_failures": 0, "t38_failed": 0.0}
    elif cause in _OVER_THE_LINE and t38:
        new |= {"t38_failures": memory.t38_failures + 1, "t38_failed": now}
    if cause is Cause.TRAINING:
        new["training_failed"] = now
    return dataclasses.replace(memory, **new)


class NumberMemories:
    """The table of what is known of numbers, by destinations as people write them. All of it blocks."""

    def __init__(self, engine: Callable[[], sa.Engine], number_key: Callable[[str], str]) -> None:
        self._engine, self._number_key = engine, number_key

    def of(self, to: str) -> NumberMemory:
        """Memory of a destination; empty where there is none, or where it cannot be read: no fax waits for it."""
        try:
            with self._engine().connect() as connection:
                return self._read(connection, to)
        except sa.exc.SQLAlchemyError as error:
            log.warning("what is known of a number cannot be read: %s", in_short(error))
            return NumberMemory(number=self._key(to))

    def learn(self, to: str, result: FaxResult, cause: Cause | None, account: str) -> None:
        """Take in the result of a call; what cannot be written is not known next time."""
        now = time.time()
        try:
            with self._engine().begin() as connection:
                before = self._read(connection, to)
                after = learned(before, result, cause, account, now)
                if after != before:
                    self._write(connection, after)
        except sa.exc.SQLAlchemyError as error:
            log.warning("what a call taught cannot be written: %s", in_short(error))

    def prefer(self, to: str, mode: str, max_rate_bps: int, joined: str = "") -> NumberMemory:
        """Set what people want for a destination: a transport, a highest rate, several faxes in one call (on, off). Empty and 0
        leave them to what is learned.
        """
        with self._engine().begin() as connection:
            before = self._read(connection, to)
            after = dataclasses.replace(
                before, mode=mode, max_rate_bps=max_rate_bps, joined=joined, updated=time.time()
            )
            self._write(connection, after)
        return after

    def forget(self, to: str) -> bool:
        """Forget a destination; false where nothing was known of it."""
        with self._engine().begin() as connection:
            return bool(connection.execute(numbers.delete().where(numbers.c.number == self._key(to))).rowcount)

    def forget_before(self, moment: float) -> int:
        """Forget numbers without a call since; returns how many."""
        with self._engine().begin() as connection:
            return int(connection.execute(numbers.delete().where(numbers.c.updated < moment)).rowcount)

    def newest(self, limit: int) -> list[NumberMemory]:
        """Memories, the last called first."""
        query = sa.select(numbers).order_by(numbers.c.updated.desc()).limit(limit)
        with self._engine().connect() as connection:
            return [one for row in connection.execute(query) if (one := _of_row(row)) is not None]

    def _key(self, to: str) -> str:
        return self._number_key(to)[:NUMBER_MAX]

    def _read(self, connection: sa.Connection, to: str) -> NumberMemory:
        number = self._key(to)
        row = connection.execute(sa.select(numbers).where(numbers.c.number == number)).one_or_none()
        return (_of_row(row) if row is not None else None) or NumberMemory(number=number)

    @staticmethod
    def _write(connection: sa.Connection, memory: NumberMemory) -> None:
        connection.execute(numbers.delete().where(numbers.c.number == memory.number))
        data = json.dumps(memory.to_json(), ensure_ascii=False)
        connection.execute(numbers.insert().values(number=memory.number, updated=memory.updated, data=data))


_FIELDS = {field.name: field for field in dataclasses.fields(NumberMemory)}


def _of_row(row: Any) -> NumberMemory | None:
    """A row that is spoilt is as good as none: what it said is learned anew."""
    try:
        data = json.loads(row.data)
        known = {name: value for name, value in data.items() if name in _FIELDS and _fits(name, value)}
        return NumberMemory(**known | {"number": str(row.number)})
    except (ValueError, TypeError, AttributeError):
        log.warning("what is known of a number cannot be read and is forgotten")
        return None


def _fits(name: str, value: object) -> bool:
    default = _FIELDS[name].default
    if name == "mode":
        return value == "" or value in {mode.value for mode in ModePolicy}
    if name == "joined":
        return value in ("", "on", "off")
    if name == "ecm":
        return value is None or isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, int if isinstance(default, int) else str) and not isinstance(value, bool)
