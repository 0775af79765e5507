# SPDX-License-Identifier: GPL-2.0-or-later
"""The clock that waits are counted by may be set while a station runs, by hand or by NTP after a start without it.

Waits are kept as times of the day. Set back by a day, a retry of three seconds would take a day and three seconds; set forward by
a month, everything that waits would be past its deadline, and old enough for retention to erase.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from softfax.database.stations import steady

__all__ = ["ClockWatch"]

log = logging.getLogger("softfax.database")

EVERY_S = 5.0
#: What NTP slews, and a busy machine delays, is less.
STEP_S = 10.0
#: So far forward, nothing is erased for as long again: it may have been wrong to set it.
SUSPECT_S = 24 * 3600.0


class ClockWatch:
    """Calls the functions in `subscribers`, in a thread, with the seconds that the clock was set forward or, negative, back."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = steady) -> None:
        self.subscribers: list[Callable[[float], None]] = []
        self._wall, self._steady = wall, steady
        self._apart = wall() - steady()
        self._suspect_until = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Looks now and then."""
        self._thread = threading.Thread(target=self._run, name="softfax-clock", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Looks no more. Blocks for a moment."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=30.0)

    @property
    def suspect(self) -> bool:
        """True if the clock was set far forward not long ago, so that ages cannot be trusted."""
        return self._steady() < self._suspect_until

    def look(self) -> float:
        """Return by how many seconds the clock was set since the last look, 0 if it was not; subscribers are notified."""
        apart = self._wall() - self._steady()
        step_s = apart - self._apart
        if abs(step_s) < STEP_S:
            # What is slewed adds up, and is no step.
            self._apart = apart
            return 0.0
        self._apart = apart
        log.warning("the clock was set %s by %.0f s", "forward" if step_s > 0 else "back", abs(step_s))
        if step_s >= SUSPECT_S:
            self._suspect_until = self._steady() + SUSPECT_S
        for subscriber in self.subscribers:
            try:
                subscriber(step_s)
            except Exception:
                log.exception("what waits could not be moved with the clock")
        return step_s

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self.look()
