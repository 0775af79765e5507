# SPDX-License-Identifier: GPL-2.0-or-later
"""Number of calls that a process takes: what it learns from its threads, and when it takes none."""

from __future__ import annotations

from softfax.engine.core import ThreadLoad
from softfax.sip.types import CALLS_PER_PROCESS
from softfax.station.load import BUSY_MAX, CALM_S, FRESH_S, LATE_S, LOOP_LATE_S, Load, LoadMeter, Refusals

STEP_S, TICK_S = 0.5, 0.02


class Machine:
    """Two threads that spend `cost` of their time on each call, and begin their ticks `late_s` late."""

    def __init__(self, meter: LoadMeter, calls: int = 0, cost: float = 0.002) -> None:
        self.meter, self.calls, self.cost, self.late_s, self.loop_late_s = meter, calls, cost, 0.0, 0.0
        self.now_s = 100.0
        self.threads = [ThreadLoad(0, 0.0, 0.0, 0.0, 0)] * 2

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            ticks = round(STEP_S / TICK_S)
            self.threads = [
                ThreadLoad(
                    one.ticks + ticks,
                    one.late_s + ticks * self.late_s,
                    one.busy_s + STEP_S * self.calls / 2 * self.cost,
                    self.late_s,
                    self.calls // 2,
                )
                for one in self.threads
            ]
            self.meter.sample(self.now_s, self.threads, self.loop_late_s)

    def fill(self) -> None:
        """Takes calls while there is room, some every half second."""
        for _ in range(400):
            for _ in range(min(20, self.meter.room(self.calls))):
                self.meter.begun(self.now_s)
                self.calls += 1
            self.run(STEP_S)


def test_calls_are_taken_until_the_threads_are_as_busy_as_they_may_be() -> None:
    for cost in (0.001, 0.002, 0.006):
        machine = Machine(LoadMeter(5000), cost=cost)
        machine.run(5)
        machine.fill()
        full = 2 * BUSY_MAX / cost
        assert 0.85 * full < machine.calls < 1.1 * full
        assert machine.meter.is_full(machine.calls)
        machine.calls //= 2
        machine.run(5)
        assert machine.meter.room(machine.calls) > 0


def test_calls_that_have_just_begun_count_before_they_cost() -> None:
    machine = Machine(LoadMeter(5000), calls=20)
    machine.run(20)
    before = machine.meter.room(20)
    for _ in range(30):
        machine.meter.begun(machine.now_s)
    assert machine.meter.room(20) <= before - 30
    machine.run(FRESH_S + STEP_S)
    assert machine.meter.room(20) >= before - 1


def test_many_calls_at_once_are_taken_where_they_cost_little() -> None:
    machine = Machine(LoadMeter(500), cost=0.0007)
    begun_at = list[float]()
    for _ in range(20):
        for _ in range(25):
            assert not machine.meter.is_full(machine.calls)
            assert machine.meter.room(machine.calls)
            machine.meter.begun(machine.now_s)
            begun_at.append(machine.now_s)
            machine.calls += 1
        machine.run(STEP_S)
        # A page over T.38 between two of us takes some four seconds.
        over = sum(at < machine.now_s - 4 for at in begun_at)
        machine.calls = len(begun_at) - over
    assert len(begun_at) == 500


def test_none_is_taken_while_ticks_or_the_loop_are_late_and_for_a_moment_after() -> None:
    for late, loop_late in ((3 * LATE_S, 0.0), (0.0, 3 * LOOP_LATE_S)):
        machine = Machine(LoadMeter(100), calls=10, cost=0.0001)
        machine.run(5)
        assert machine.meter.room(10)
        machine.late_s, machine.loop_late_s = late, loop_late
        machine.run(2)
        assert machine.meter.is_full(10)
        assert machine.meter.room(0) > 0, "where nothing is up, a call takes from none"
        machine.late_s = machine.loop_late_s = 0.0
        machine.run(STEP_S)
        assert machine.meter.is_full(10)
        machine.run(CALM_S + 8)
        assert not machine.meter.is_full(10)


def test_one_late_moment_refuses_nobody() -> None:
    machine = Machine(LoadMeter(100), calls=10, cost=0.0001)
    machine.run(5)
    machine.late_s = 2 * LATE_S
    machine.run(STEP_S)
    machine.late_s = 0.0
    machine.run(STEP_S)
    assert machine.meter.room(10) == 90


def test_all_channel_slots_taken_is_not_a_machine_at_its_limit() -> None:
    meter = LoadMeter(10)
    assert meter.room(10) == 0
    assert not meter.is_full(10)
    meter.limited = True
    assert meter.is_full(10)


def test_processes_are_added_up() -> None:
    one = Load(busy=0.5, late_ms=3.0, calls=7, room=5, capacity=12, refused=Refusals(overload=2))
    other = Load(busy=0.1, late_ms=9.0, calls=1, room=0, capacity=1, refused=Refusals(overload=1, slots=4))
    total = LoadMeter.total([one, other])
    assert (total.busy, total.late_ms, total.calls, total.room, total.capacity) == (0.5, 9.0, 8, 5, 13)
    assert total.refused == Refusals(overload=3, slots=4)
    assert LoadMeter.total([]) == Load()


def test_the_build_has_room_for_the_calls_of_a_process() -> None:
    from softfax.sip.binding import library_path
    from softfax.sip.glue import Glue

    assert Glue(library_path).calls_max >= CALLS_PER_PROCESS + 8
