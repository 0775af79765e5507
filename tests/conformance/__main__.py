# SPDX-License-Identifier: GPL-2.0-or-later
"""`make conformance`: each scenario by name, pass or the reason why not. Names, or the beginnings of them, choose some."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support import engine_testing


def main() -> int:
    """Exit status 0 where all pass."""
    engine_testing.load()
    from tests.conformance.check import check
    from tests.conformance.farend import Departure
    from tests.conformance.scenarios import SCENARIOS

    wanted = sys.argv[1:]
    chosen = [s for s in SCENARIOS if not wanted or any(s.name.startswith(name) for name in wanted)]
    failed = 0
    for scenario in chosen:
        with tempfile.TemporaryDirectory(prefix="softfax-conformance-") as folder:
            try:
                check(scenario, Path(folder))
                verdict = "pass"
            except Departure as departure:
                verdict, failed = f"FAIL: {departure}", failed + 1
        print(f"{scenario.side:<9} {scenario.name:<32} {verdict}  ({scenario.about})", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} pass")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
