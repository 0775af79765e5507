# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules about who is called and when. Every fax passes here, whichever way it came in.

The HTTP API and the page, e-mail, the manager interface, SWML, retries and broadcasts ask the same
`Station.rules` when a fax is taken; `Station.originate`, which no call gets round, asks once more when it is dialled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from softfax.errors import DoNotFaxError, LocalError, OutOfHoursError
from softfax.station.config import StationConfig
from softfax.station.config.queue import WEEK, HoursConfig
from softfax.station.routes import NumberFormat, Route, available

__all__ = ["Rules", "next_open"]

WRITTEN: tuple[NumberFormat, ...] = ("national", "international", "digits")


class Rules:
    """Rules of one station. `do_not_fax` maps numbers as they are compared to a reason and a time; the queue keeps it on disk."""

    def __init__(self, config: Callable[[], StationConfig]) -> None:
        self._config = config
        self.do_not_fax: dict[str, tuple[str, float]] = {}

    def number_key(self, to: str) -> str:
        """A number as it is compared: in international form where the dial plan knows how; the user of a SIP URI."""
        return self._config().routing().number_key(to)

    def notations(self, number: str) -> tuple[str, ...]:
        """The ways that a number may be written, by the dial plan."""
        routing = self._config().routing()
        key = routing.number_key(number)
        return tuple(dict.fromkeys((number, key, *(routing.plan.written(key, how) for how in WRITTEN))))

    def is_forbidden(self, number: str) -> bool:
        """Return True if a number, as it is compared, is on the do-not-fax list."""
        return number in self.do_not_fax

    def check(self, to: str) -> str:
        """Return a destination's number as it is compared. Raises DoNotFaxError."""
        number = self.number_key(to)
        if self.is_forbidden(number):
            raise DoNotFaxError(to)
        return number

    def routes(self, to: str, account: str = "") -> tuple[Route, ...]:
        """The routes to a destination that may get faxes, best first. Raises DoNotFaxError, UsageError."""
        self.check(to)
        return self._config().routing().routes_to(to, account)

    def opens(self, number: str, at: datetime) -> datetime | None:
        """The first moment from `at` on at which a number may be called; None where that is never."""
        return next_open(number, at, self._config().queue.hours)

    def permit(self, to: str, at: datetime | None = None) -> None:
        """Raises DoNotFaxError, OutOfHoursError where a call must not be placed now."""
        number, at = self.check(to), at or datetime.now(UTC)
        if self.opens(number, at) != at:
            raise OutOfHoursError(to)

    def free(self, routes: Sequence[Route], active: Mapping[str, int], down: Collection[str]) -> tuple[Route, ...]:
        """Choices whose account has a channel slot left, given the calls up on each account; accounts that are down come last."""
        limits = {account.label: account.max_calls for account in self._config().account}
        return available(routes, limits=limits, active=active, down=down)

    def slot(self, routes: Sequence[Route], active: Mapping[str, int], down: Collection[str]) -> Route:
        """The best route with a free channel slot. Raises LocalError."""
        free = self.free(routes, active, down)
        if not free:
            names = " and ".join(dict.fromkeys(route.account for route in routes))
            raise LocalError(f"all channel slots of {names} are taken", "raise max_calls of the account, or wait")
        return free[0]


def next_open(number: str, at: datetime, hours: Sequence[HoursConfig]) -> datetime | None:
    """The first moment from `at` on (aware) at which a number may be called; None where that is never."""
    fitting = [h for h in hours if number.startswith(h.prefix)]
    if not fitting:
        return at
    longest = max(len(h.prefix) for h in fitting)
    moments = [_open(h, at) for h in fitting if len(h.prefix) == longest]
    return min((m for m in moments if m is not None), default=None)


def _open(hours: HoursConfig, at: datetime) -> datetime | None:
    zone = ZoneInfo(hours.time_zone) if hours.time_zone else None
    local = at.astimezone(zone)
    for days in range(-1, 9):
        day = (local + timedelta(days=days)).date()
        if WEEK[day.weekday()] not in hours.days:
            continue
        begin = datetime.combine(day, _time(hours.begin), zone).astimezone(at.tzinfo)
        end_day = day if _minutes(hours.end) > _minutes(hours.begin) else day + timedelta(days=1)
        if hours.end == "24:00":
            end_day = day + timedelta(days=1)
        end = datetime.combine(end_day, _time(hours.end), zone).astimezone(at.tzinfo)
        if at < end:
            return max(at, begin)
    return None


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _time(text: str) -> time:
    """24:00 is the midnight after."""
    return time(int(text[:2]) % 24, int(text[3:]))
