# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals that do not come over the line: answers that were lost, a training check that gateways make themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import UdptlSettings
from softfax.engine.line import LineSettings
from tests.native.test_line import fax
from tests.support.engine_testing import Fault


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("pages", [1, 2])
def test_a_lost_mcf_is_said_again(tmp_path: Path, mode: str, ecm: bool, pages: int) -> None:
    faults = (Fault.NONE, Fault.LOST_MCF)
    result = fax(tmp_path, LineSettings(mode=mode), pages=pages, sender={"ecm": ecm}, faults=faults)

    assert result.identical
    for side in (result.sender, result.receiver):
        complete = result.last(side, EventType.COMPLETE)
        assert complete.code == 0
        assert complete.values[0] == pages


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.NO_TCF])
def test_with_local_tcf_no_training_check_is_waited_for(tmp_path: Path, fault: Fault) -> None:
    line = LineSettings(mode="T38", udptl=UdptlSettings(local_tcf=True))

    result = fax(tmp_path, line, faults=(fault, Fault.NONE))

    assert result.identical
    assert result.last(result.receiver, EventType.COMPLETE).code == 0
    assert result.last(result.sender, EventType.NEGOTIATED).values[0] == 14400


@pytest.mark.parametrize("from_s", [7.5, 14.0, 18.0])
def test_a_burst_of_losses_in_a_command_is_made_good(tmp_path: Path, from_s: float) -> None:
    """Losses in the training check, in a page's PPS-MPS and in the last one's PPS-EOP."""
    line = LineSettings(mode="PCMU", loss=1.0, loss_from_s=from_s, loss_until_s=from_s + 0.4, limit_s=400)

    result = fax(tmp_path, line, pages=2, rows=200)

    assert result.identical
    assert result.last(result.sender, EventType.COMPLETE).code == 0
