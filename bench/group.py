# SPDX-License-Identifier: GPL-2.0-or-later
"""Three stations on one PostgreSQL database with 30 breaks, and what three idle stations cost the database.

`python -m bench.group [FAXES] [LEASE_S] [STEP_S]`: simulated calls, real claims, leases and callbacks (`tests/support/group.py`).
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from pathlib import Path

from tests.support.group import chaos, idle_statements
from tests.support.postgresql import postgresql

BREAKS = ["kill"] * 12 + ["stop"] * 5 + ["cut"] * 7 + ["away"] * 3 + ["restart"] * 3


def main() -> None:
    """Run both, and print the figures."""
    given = sys.argv[1:]
    faxes, lease_s, step_s = (float(one) for one in (*given, *("5000", "20", "0.7")[len(given) :]))
    breaks = list(BREAKS)
    random.Random(1).shuffle(breaks)
    with tempfile.TemporaryDirectory() as name:
        with postgresql("shared_preload_libraries=pg_stat_statements") as url:
            print(f"idle: {idle_statements(Path(name), url):.1f} statements a second for three stations", flush=True)
        with postgresql() as url:
            outcome = chaos(Path(name), url, int(faxes), breaks, lease_s=lease_s, step_s=step_s, limit_s=3600.0)
    print(
        f"{faxes:.0f} faxes, {dict(outcome.breaks)} in {outcome.seconds:.0f} s: {dict(outcome.states)},"
        f" corrected {outcome.corrected}"
    )
    print(
        f"lost {outcome.lost}, dialled twice unsaid {len(outcome.twice)}, limits exceeded {len(outcome.over_limits)},"
        f" ends not told once {len(outcome.told_otherwise)}"
    )
    over = outcome.takeovers_s
    print(f"takeovers {len(over)}: median {statistics.median(over):.1f} s, longest {max(over):.1f} s")
    for line in (*outcome.twice, *map(str, outcome.told_otherwise.items())):
        print(line)


if __name__ == "__main__":
    main()
