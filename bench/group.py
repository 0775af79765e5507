# SPDX-License-Identifier: GPL-2.0-or-later
"""Three stations on one PostgreSQL database with 30 breaks, and what three idle stations cost the database.

`python -m bench.group [FAXES] [LEASE_S] [STEP_S]`: simulated calls, real claims, leases and callbacks (`tests/support/group.py`).
First kills and stops of one station come beside cuts of another that are longer than three leases; then the database goes away
for as long, the stations are restarted one after the other, and so again. With leases of 20 s that takes about 15 minutes.

`python -m bench.group --real [FAXES]`: real calls, see `bench/group_calls.py`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from pathlib import Path

from bench import group_calls
from tests.support.group import Outcome, chaos, idle_statements
from tests.support.postgresql import postgresql

#: How many leases long nothing gets through, or the database is away.
OUTAGE = 3.05


def _phases() -> list[list[list[str]]]:
    ends = ["kill"] * 12 + ["stop"] * 5
    random.Random(1).shuffle(ends)
    return [[ends, ["cut"] * 7], [["away", "rolling"] * 3]]


def report(outcome: Outcome, faxes: int) -> None:
    """Print the figures as a table, and then what must not be."""
    over = outcome.takeovers_s
    rows = {
        "breaks": ", ".join(f"{count} {kind}" for kind, count in outcome.breaks.items()),
        "seconds": f"{outcome.seconds:.0f}",
        "faxes": f"{faxes}: " + ", ".join(f"{count} {state}" for state, count in outcome.states.most_common()),
        "lost": outcome.lost,
        "dialled twice unsaid": len(outcome.twice),
        "limits exceeded": len(outcome.over_limits),
        "ends not told once": len(outcome.told_otherwise),
        "tracebacks in the log": len(outcome.tracebacks),
        "ends corrected": outcome.corrected,
        "takeovers": f"{len(over)}: median {statistics.median(over):.1f} s, longest {max(over):.1f} s",
    }
    for what, figure in rows.items():
        print(f"| {what} | {figure} |")
    for line in (*outcome.twice, *outcome.over_limits, *map(str, outcome.told_otherwise.items()), *outcome.tracebacks):
        print(line)


def main() -> None:
    """Run both, and print the figures."""
    parser = argparse.ArgumentParser(
        description="Three stations on one database, with breaks; and what idle ones cost it."
    )
    parser.add_argument(
        "--real", type=int, nargs="?", const=100, metavar="FAXES", help="so many real calls instead (100)"
    )
    parser.add_argument("faxes", type=int, nargs="?", default=5000)
    parser.add_argument("lease_s", type=float, nargs="?", default=20.0)
    parser.add_argument("step_s", type=float, nargs="?", default=0.5, help="length of a simulated call's steps")
    options = parser.parse_args()
    if options.real:
        sys.exit(group_calls.run(options.real))
    with tempfile.TemporaryDirectory() as name:
        with postgresql("shared_preload_libraries=pg_stat_statements") as url:
            print(f"idle: {idle_statements(Path(name), url):.1f} statements a second for three stations", flush=True)
        with postgresql() as url:
            outcome = chaos(
                Path(name), url, options.faxes, _phases(), lease_s=options.lease_s, step_s=options.step_s, limit_s=3600.0,
                outage_s=OUTAGE * options.lease_s,
            )  # fmt: skip
    report(outcome, options.faxes)


if __name__ == "__main__":
    main()
