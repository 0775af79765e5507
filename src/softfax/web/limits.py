# SPDX-License-Identifier: GPL-2.0-or-later
"""Rate limits: buckets that fill again with time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Buckets"]

KEPT = 20_000


class Buckets:
    """A bucket for each key, of `per_minute` tokens, which fill again evenly; `burst` is how many it holds at most.

    The keys that were quiet longest are forgotten first, and with them at most what a full bucket knows.
    """

    def __init__(self, per_minute: float, burst: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60.0
        self._burst = max(1.0, burst or per_minute)
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def _level(self, key: str) -> float:
        now = self._clock()
        level, then = self._levels.get(key, (self._burst, now))
        return min(self._burst, level + (now - then) * self._rate)

    def wait_s(self, key: str) -> float:
        """Seconds until there is a token; 0 where there is one."""
        if self._rate <= 0:
            return 0.0
        return max(0.0, (1.0 - self._level(key)) / self._rate)

    def take(self, key: str) -> float:
        """Takes a token and returns 0, or returns the seconds until there is one."""
        if self._rate <= 0:
            return 0.0
        level = self._level(key)
        if level < 1.0:
            return (1.0 - level) / self._rate
        self._levels[key] = (level - 1.0, self._clock())
        self._levels.move_to_end(key)
        if len(self._levels) > KEPT:
            self._levels.popitem(last=False)
        return 0.0
