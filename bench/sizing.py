# SPDX-License-Identifier: GPL-2.0-or-later
"""Number of machines that faxes a day take: a day is simulated, call by call, from costs that were measured.

    python -m bench.sizing [--faxes 10000 …] [--cores 2] [--seed 1]

At the busiest time a machine is lost; three quarters of an hour later the group is upgraded, one machine after the other, and
after two hours the database is away for a minute. The fewest machines are looked for with which the slowest hundredth of the
faxes waits no longer than WAIT_S for its first call, and no incoming call is refused. It prints a table in Markdown. Simulated
are the machines, not the code.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections import deque
from dataclasses import dataclass, field

__all__ = ["Day", "Load", "main", "simulate"]

#: docs/performance.md, "The station": CPU of a fax to send and to receive, without its pages and its call.
SEND_S, RECEIVE_S = 0.054, 0.038
#: docs/documents.md: a letter of one page opened in a process that was kept ready, and each further page.
LETTER_S, PAGE_S = 0.2, 0.07
#: docs/performance.md, "Calls": part of a core that a call takes; half of them T.38, half G.711, which trunks mix.
CALL_CORES = (0.00035 + 0.00083) / 2
#: How much of a machine may be in use: the rest is for documents that take long, and for what this does not know.
USED_MAX = 0.5
#: src/softfax/sip/types.py, CALLS_PER_PROCESS; measured with 979 calls at once.
CALLS_PER_PROCESS = 1000
#: Seconds from INVITE to the first page and from the last to BYE, and of a page at 14400 bit/s (docs/operations.md: 17 to 20 s).
SETUP_S, PAGE_LINE_S, PAGES = 18.0, 20.0, (1, 1, 1, 2, 2, 3, 3, 4, 6, 10)
#: Part of the calls that are busy, not answered, or break off, and how long those take and are put off (docs/queue.md).
FAILS = ((0.10, 5.0, 180.0), (0.05, 60.0, 600.0), (0.02, 40.0, 60.0))
#: Part of the faxes that come in.
INCOMING = 0.4
#: Parts of a day's faxes in each hour: an office's day, a tenth of it in the busiest hour.
HOURS = (1, 1, 1, 1, 1, 2, 3, 5, 8, 10, 10, 8, 6, 7, 9, 8, 6, 4, 3, 2, 1, 1, 0.5, 0.5)
BUSIEST_S = 10 * 3600.0
#: How long a lost machine is away, a machine is drained for an upgrade, and the database away.
BACK_S, UPGRADE_S, DATABASE_S = 1800.0, 300.0, 60.0
WAIT_S = 60.0


@dataclass(frozen=True)
class Load:
    """Faxes of a day, and the machines for them."""

    faxes: int
    machines: int
    cores: int = 2

    @property
    def calls_max(self) -> int:
        """Calls at a time of one machine: what its processors can begin and carry, and its processes for calls."""
        pages = sum(PAGES) / len(PAGES)
        held_s = SETUP_S + pages * PAGE_LINE_S
        begun_s = INCOMING * RECEIVE_S + (1 - INCOMING) * (SEND_S + LETTER_S + (pages - 1) * PAGE_S)
        per_call = begun_s / held_s + CALL_CORES
        return min(int(self.cores * USED_MAX / per_call), CALLS_PER_PROCESS * max(1, self.cores // 2))


@dataclass
class Day:
    """Outcome of a day."""

    sent: int = 0
    received: int = 0
    refused: int = 0
    uncertain: int = 0
    cut: int = 0
    calls: int = 0
    most: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def slow_s(self) -> float:
        """Wait of the slowest hundredth from due to the first call."""
        return sorted(self.waits)[int(len(self.waits) * 0.99)] if self.waits else 0.0


class _Group:
    """Machines with the calls that they have; claims go to the one with most room."""

    def __init__(self, load: Load) -> None:
        self.room = load.calls_max
        self.up = [0] * load.machines
        self.takes = [True] * load.machines
        self.lives = [0] * load.machines
        self.calls = 0

    def choose(self) -> int | None:
        calls, machine = min(
            (up if takes else self.room, n) for n, (up, takes) in enumerate(zip(self.up, self.takes, strict=True))
        )
        return machine if calls < self.room else None


def simulate(load: Load, seed: int = 1) -> Day:
    """A day, of its faxes in order of time. Pure but for the random numbers of `seed`."""
    rnd, group, day = random.Random(seed), _Group(load), Day()
    events: list[tuple[float, int, str, tuple[float, ...]]] = []
    count = 0

    def at(when: float, what: str, *of: float) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (when, count, what, of))

    for hour in rnd.choices(range(24), HOURS, k=load.faxes):
        at((hour + rnd.random()) * 3600, "in" if rnd.random() < INCOMING else "due")
    at(BUSIEST_S, "lost", 0)
    at(BUSIEST_S + BACK_S, "back", 0)
    for machine in range(load.machines):
        begun = BUSIEST_S + 1.5 * BACK_S + machine * UPGRADE_S
        at(begun, "drain", machine)
        at(begun + UPGRADE_S, "back", machine)
    away = BUSIEST_S + 2 * 3600
    waiting: deque[tuple[float, float]] = deque()

    def call(now: float, machine: int, due: float, incoming: bool) -> None:
        group.up[machine] += 1
        day.calls += 1
        group.calls += 1
        day.most = max(day.most, group.calls)
        fate, length = rnd.random(), SETUP_S + rnd.choice(PAGES) * PAGE_LINE_S
        for part, lasts_s, again_s in () if incoming else FAILS:
            if fate < part:
                at(now + lasts_s, "ended", machine, group.lives[machine], 0.0, now + lasts_s + again_s)
                return
            fate -= part
        at(now + length, "ended", machine, group.lives[machine], 2.0 if incoming else 1.0, 0.0)

    def claim(now: float) -> None:
        while waiting and not away <= now < away + DATABASE_S:
            machine = group.choose()
            if machine is None:
                return
            due, first = waiting.popleft()
            if first:
                day.waits.append(now - due)
            call(now, machine, due, False)

    at(away + DATABASE_S, "turn")
    while events:
        now, _, what, of = heapq.heappop(events)
        if what in ("due", "again"):
            waiting.append((now, float(what == "due")))
        elif what == "in":
            machine = group.choose()
            if machine is None:
                day.refused += 1
            else:
                call(now, machine, now, True)
        elif what == "ended":
            machine, life, how, again = int(of[0]), of[1], of[2], of[3]
            if life != group.lives[machine]:
                # Its machine was lost: what was being sent is uncertain, what was being received ends with the pages that came.
                day.uncertain += how != 2
                day.cut += how == 2
                continue
            group.up[machine] -= 1
            group.calls -= 1
            day.sent += how == 1
            day.received += how == 2
            if again:
                at(again, "again")
        elif what == "lost":
            machine = int(of[0])
            group.calls -= group.up[machine]
            group.takes[machine], group.up[machine] = False, 0
            group.lives[machine] += 1
        elif what == "drain":
            group.takes[int(of[0])] = False
        elif what == "back":
            group.takes[int(of[0])] = True
        claim(now)
    return day


def fewest(faxes: int, cores: int, seed: int = 1) -> tuple[Load, Day]:
    """The smallest group that keeps to WAIT_S and refuses nothing, with a machine lost at the busiest time."""
    pages = sum(PAGES) / len(PAGES)
    at_once = faxes * max(HOURS) / sum(HOURS) / 3600 * (SETUP_S + pages * PAGE_LINE_S)
    machines = max(2, 1 + int(at_once / Load(faxes, 1, cores).calls_max))
    while True:
        load = Load(faxes, machines, cores)
        day = simulate(load, seed)
        if not day.refused and day.slow_s <= WAIT_S:
            return load, day
        machines += 1


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sizing", description="machines for a number of faxes a day")
    wanted = [10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000]
    parser.add_argument("--faxes", type=int, nargs="+", default=wanted, help="faxes a day")
    parser.add_argument("--cores", type=int, default=2, help="processors of a machine")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print("| faxes a day | machines | calls each takes | most at once | calls | 99 % called within | uncertain | cut |")
    print("| --- " * 8 + "|", flush=True)
    for faxes in args.faxes:
        load, day = fewest(faxes, args.cores, args.seed)
        numbers = (f"{n:,}" for n in (faxes, load.machines, load.calls_max, day.most, day.calls))
        print(f"| {' | '.join([*numbers, f'{day.slow_s:.0f} s', str(day.uncertain), str(day.cut)])} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
