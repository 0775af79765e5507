# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulated day of bench/sizing.py: no fax is lost in it, and too few machines show."""

from __future__ import annotations

from bench.sizing import Load, fewest, simulate


def test_each_fax_has_an_end() -> None:
    for machines in (1, 2):
        day = simulate(Load(3000, machines))
        assert day.sent + day.received + day.refused + day.uncertain + day.cut == 3000
        assert day.uncertain, "a machine was lost in mid calls"
        assert simulate(Load(3000, machines)) == day, "the same numbers again"


def test_too_few_machines() -> None:
    assert simulate(Load(3000, 1)).refused, "while the only one is away, nobody answers"
    load, day = fewest(3000, cores=2)
    assert (load.machines, day.refused) == (2, 0)
    assert Load(1, 1, cores=4).calls_max > Load(1, 1, cores=2).calls_max
