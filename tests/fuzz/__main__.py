# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzzes what parses input from outside: `make fuzz`, an hour a target with FUZZ_SECONDS=3600.

Each target is a program that libFuzzer or a module of `tests.fuzz.python` brings; it begins with what is kept in
`tests/fuzz/corpus/TARGET` and leaves what it finds in `.build/fuzz`. The exit status says whether anything was found.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz.targets import FOUND, build, minimise, names, run


def main() -> int:
    """Runs the targets, as many at a time as there are processors."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", help="all by default")
    parser.add_argument(
        "--seconds", type=int, default=int(os.environ.get("FUZZ_SECONDS") or 10), help="for each target"
    )
    parser.add_argument("--keep", action="store_true", help="bring what reaches new code into tests/fuzz/corpus")
    args = parser.parse_args()
    build()
    targets = args.targets or names()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(pool.map(lambda name: run(name, args.seconds), targets))
    for result in results:
        print(f"  {result.name:<12} {result.summary}", flush=True)
        if args.keep and result.ok:
            minimise(result.name)
    failed = [result for result in results if not result.ok]
    for result in failed:
        print(f"\n{result.output[-3000:]}\nfuzz: {result.name} failed; inputs are in {FOUND}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
