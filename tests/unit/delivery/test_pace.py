# SPDX-License-Identifier: GPL-2.0-or-later
"""An idle station asks its database seldom, a busy one often."""

from __future__ import annotations

import queue

from softfax.delivery.pace import IDLE_TIMES, Pace


class Polled:
    """A queue of the durable engine, which tells what it is told."""

    name = "faxes"

    def __init__(self) -> None:
        self.told: queue.Queue[float] = queue.Queue()
        self.broken = False

    def set_polling_interval_sec(self, value: float) -> None:
        self.told.put(value)
        if self.broken:
            raise RuntimeError("the database is locked")


def test_what_is_idle_is_polled_seldom_until_there_is_something_to_do() -> None:
    polled, pace = Polled(), Pace(busy_s=0.05)
    pace.add(polled, 0.25)
    try:
        for _ in range(3):
            assert polled.told.get(timeout=30) == 0.25 * IDLE_TIMES
            pace.busy()
            assert polled.told.get(timeout=30) == 0.25
    finally:
        pace.close()


def test_a_database_that_is_busy_with_something_else_ends_nothing() -> None:
    polled, pace = Polled(), Pace(busy_s=0.05)
    polled.broken = True
    pace.add(polled, 0.25)
    try:
        assert polled.told.get(timeout=30) == 0.25 * IDLE_TIMES
        pace.busy()
        assert polled.told.get(timeout=30) == 0.25
    finally:
        pace.close()


def test_a_pace_without_queues_ends_at_once() -> None:
    Pace().close()
