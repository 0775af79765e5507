# SPDX-License-Identifier: GPL-2.0-or-later
"""Polling rate of the durable engine for rounds that are due.

It is not told of them: it asks the database, and each question costs a millisecond or two of a core. So it asks often while there
is something to do and seldom when a station stands idle, as it does most of its life.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

__all__ = ["IDLE_TIMES", "Pace"]

log = logging.getLogger("softfax.delivery")

#: So many times longer are the intervals of an idle station.
IDLE_TIMES = 4
#: What was busy stays so for this long.
BUSY_S = 15.0


class Polled(Protocol):
    """A queue of the durable engine."""

    @property
    def name(self) -> str: ...
    def set_polling_interval_sec(self, value: float) -> None: ...


class Pace:
    """Sets how often queues are polled. `busy` may be called from any thread, also within a transaction: it waits for nothing."""

    def __init__(self, busy_s: float = BUSY_S) -> None:
        self._busy_s = busy_s
        self._queues: dict[str, tuple[Polled, float]] = {}
        self._changed = threading.Condition()
        self._busy_until = time.monotonic() + busy_s
        self._slow = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def add(self, queue: Polled, poll_s: float) -> None:
        """A queue that has just been registered with `poll_s`, its interval while there is something to do."""
        with self._changed:
            self._queues[queue.name] = (queue, poll_s)
            self._busy_until, self._slow = time.monotonic() + self._busy_s, False
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="softfax-pace", daemon=True)
                self._thread.start()

    def busy(self) -> None:
        """Something is to be done, or was done just now."""
        with self._changed:
            self._busy_until = time.monotonic() + self._busy_s
            if self._slow:
                self._changed.notify_all()

    def close(self) -> None:
        """Leaves the queues as they are. Blocks until its thread has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=30.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopping:
                    rest = self._busy_until - time.monotonic()
                    if (rest <= 0) != self._slow:
                        break
                    self._changed.wait(None if self._slow else rest)
                if self._stopping:
                    return
                self._slow = not self._slow
                queues = [
                    (queue, poll_s * (IDLE_TIMES if self._slow else 1)) for queue, poll_s in self._queues.values()
                ]
            for queue, interval_s in queues:
                try:
                    queue.set_polling_interval_sec(interval_s)
                except Exception as error:
                    # It is polled as before: later than wished, or oftener.
                    log.debug("the pace of %s cannot be set: %s", queue.name, error)
