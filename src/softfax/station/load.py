# SPDX-License-Identifier: GPL-2.0-or-later
"""Load of a process for calls, and its room for more. Pure: measurements and the time come in.

The engine gives each session a tick every 20 ms. Where ticks begin late or take most of the time there is, another call
would take from those that are up: a fax bears a delay of a second, but one that grows breaks all of them. What a call
costs is learnt from those that are up; calls that have just begun count as if they cost as much already. Costs are CPU time:
by the clock, a tick takes longer where others need the processor as well, which says nothing of what a call needs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from softfax.engine.core import ThreadLoad

__all__ = ["Load", "LoadMeter", "Refusals"]

#: The part of a thread's time that its ticks may take.
BUSY_MAX = 0.6
#: Ticks that begin so late on average, or a loop that is so late, mean that the machine has no time left.
LATE_S, LOOP_LATE_S = 0.15, 1.5
#: After that, it has to keep up for so long before calls are taken again.
CALM_S = 3.0
#: What a call is thought to cost of a thread before it can be measured, as it does over G.711, and never less than.
COST, COST_MIN = 0.001, 0.0004
#: Calls are measured from so many on, and their modems run after so long.
MEASURED_FROM, FRESH_S = 8, 5.0
#: Calls that may begin within that time; of those that come in, twice as many: a refusal costs an attempt, waiting does not.
FRESH_MAX = 300
SMOOTHING = 0.3


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Counts of refusals since the process started: calls because it could not keep up, and because all channel slots were taken;
    from addresses of no account, calls over their budget, connections, and connections that were ended."""

    overload: int = 0
    slots: int = 0
    unknown_calls: int = 0
    unknown_connections: int = 0
    connections_ended: int = 0


@dataclass(frozen=True, kw_only=True)
class Load:
    """Load of a process. `busy` is the part of its time that its busiest thread needs for the calls, `late_ms` how late
    ticks begin on average, `latest_ms` at most; `room` is how many calls more it takes now, `capacity` how many in all."""

    busy: float = 0.0
    late_ms: float = 0.0
    latest_ms: float = 0.0
    loop_late_ms: float = 0.0
    calls: int = 0
    room: int = 0
    capacity: int = 0
    refused: Refusals = field(default_factory=Refusals)


class LoadMeter:
    """Learns from measurements, about twice a second."""

    def __init__(self, calls_max: int) -> None:
        self.calls_max = calls_max
        #: Whether these are fewer than the channel slots that are wanted.
        self.limited = False
        self._before: Sequence[ThreadLoad] = ()
        self._at_s: float | None = None
        self._busy = self._late_s = self._loop_late_s = self._latest_s = 0.0
        self._cost = COST
        self._threads = 1
        self._overloaded_until_s = 0.0
        self._begun: deque[float] = deque()
        self._now_s = 0.0

    def sample(self, now_s: float, threads: Sequence[ThreadLoad], loop_late_s: float) -> None:
        """Takes a measurement: the engine's threads, and how late the loop was."""
        before, self._before = self._before, threads
        elapsed_s = now_s - self._at_s if self._at_s is not None else 0.0
        self._at_s = self._now_s = now_s
        if elapsed_s <= 0 or len(before) != len(threads):
            return
        busy, late_s = [0.0], [0.0]
        for old, new in zip(before, threads, strict=True):
            ticks = new.ticks - old.ticks
            if ticks > 0:
                busy.append((new.busy_s - old.busy_s) / elapsed_s)
                late_s.append((new.late_s - old.late_s) / ticks)
        self._threads = max(1, len(threads))
        self._busy += SMOOTHING * (max(busy) - self._busy)
        self._late_s += SMOOTHING * (max(late_s) - self._late_s)
        self._loop_late_s += SMOOTHING * (loop_late_s - self._loop_late_s)
        self._latest_s = max(thread.latest_s for thread in threads) if threads else 0.0
        self._learn_cost(sum(busy), sum(thread.sessions for thread in threads))
        if self._late_s > LATE_S or self._loop_late_s > LOOP_LATE_S:
            self._overloaded_until_s = now_s + CALM_S

    def _learn_cost(self, busy: float, sessions: int) -> None:
        measured = sessions - self._fresh()
        if measured < MEASURED_FROM:
            self._cost += SMOOTHING / 4 * (COST - self._cost)
        else:
            self._cost += SMOOTHING / 4 * (max(COST_MIN, busy / measured) - self._cost)

    def begun(self, now_s: float) -> None:
        """A call begins."""
        self._begun.append(now_s)

    def _fresh(self) -> int:
        while self._begun and self._now_s - self._begun[0] > FRESH_S:
            self._begun.popleft()
        return len(self._begun)

    @staticmethod
    def total(loads: Sequence[Load]) -> Load:
        """Combine the loads of several processes: the worst of each measurement, the sum of each count."""
        refused = [load.refused for load in loads]
        return Load(
            busy=max((load.busy for load in loads), default=0.0),
            late_ms=max((load.late_ms for load in loads), default=0.0),
            latest_ms=max((load.latest_ms for load in loads), default=0.0),
            loop_late_ms=max((load.loop_late_ms for load in loads), default=0.0),
            calls=sum(load.calls for load in loads),
            room=sum(load.room for load in loads),
            capacity=sum(load.capacity for load in loads),
            refused=Refusals(**{f.name: sum(getattr(one, f.name) for one in refused) for f in fields(Refusals)}),
        )

    @property
    def overloaded(self) -> bool:
        """True if the machine does not keep up, or did not a moment ago."""
        return self._now_s < self._overloaded_until_s

    def is_full(self, calls: int) -> bool:
        """True if another call that comes in would take from those under way, however many channel slots are free."""
        return calls > 0 and (calls < self.calls_max or self.limited) and not self._room(calls, 2 * FRESH_MAX)

    def room(self, calls: int) -> int:
        """Number of further calls that may be placed beside those under way."""
        return self._room(calls, FRESH_MAX)

    def _room(self, calls: int, fresh_max: int) -> int:
        slots = max(0, self.calls_max - calls)
        if not calls:
            return min(slots, max(1, self._left(fresh_max)))
        return 0 if self.overloaded else min(slots, self._left(fresh_max))

    def _left(self, fresh_max: int) -> int:
        left = (BUSY_MAX - self._busy) * self._threads / self._cost
        return max(0, min(int(left), fresh_max) - self._fresh())

    def load(self, calls: int, refused: Refusals) -> Load:
        """Load, as reported to others."""
        room = self._room(calls, FRESH_MAX)
        return Load(
            busy=round(self._busy, 3),
            late_ms=round(self._late_s * 1e3, 1),
            latest_ms=round(self._latest_s * 1e3, 1),
            loop_late_ms=round(self._loop_late_s * 1e3, 1),
            calls=calls,
            room=room,
            capacity=min(self.calls_max, calls + room),
            refused=refused,
        )
