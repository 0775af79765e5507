# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a scenario, and says why it failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from softfax.engine.core import T30Settings, completion_text
from tests.conformance.farend import Departure, run_script
from tests.conformance.scenarios import Scenario
from tests.native.pages import write_pages

__all__ = ["check"]


def check(scenario: Scenario, folder: Path) -> None:
    """Raise Departure where the machine departs from the scenario, or does not end as it has to."""
    sends = scenario.side == "sends"
    if sends:
        settings = T30Settings(caller=True, ident="+49 30 1", ecm=scenario.ecm)
    else:
        settings = T30Settings(caller=False, ident="+49 30 2", ecm=scenario.ecm)
    if sends or scenario.turns:
        write_pages(folder / "sent.tif", scenario.pages, rows=400, density=0.1)
        settings = replace(settings, tx_file=folder / "sent.tif")
    if not sends or scenario.turns:
        settings = replace(settings, rx_file=folder / "received.tif")
    outcome = run_script(settings, scenario.script, limit_s=scenario.limit_s)
    if outcome.code < 0:
        raise Departure("T.30 never ended")
    if scenario.delivered is None:
        return
    if (outcome.code == 0) is not scenario.delivered:
        raise Departure(f"ended with: {completion_text(outcome.code)}")
    if outcome.pages != (scenario.pages if scenario.delivered else 0):
        raise Departure(f"counts {outcome.pages} pages")
