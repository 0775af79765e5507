# SPDX-License-Identifier: GPL-2.0-or-later
"""An answer that comes damaged: the command is said again when T4 ends, and no sooner."""

from __future__ import annotations

from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import EngineEvent
from softfax.engine.line import LineSettings
from softfax.fax import t30
from tests.native.test_line import fax


def said(events: list[EngineEvent], *names: str, heard: bool) -> list[float]:
    """Return the times at which frames of these names were sent, or heard."""
    return [
        e.time_s
        for e in events
        if e.type is EventType.FRAME and bool(e.code) is heard and t30.decode(e.data).name in names
    ]


@pytest.mark.parametrize("ecm", [True, False])
def test_a_command_is_said_again_after_t4(tmp_path: Path, ecm: bool) -> None:
    traced = {"trace": True, "ecm": ecm}
    rows = {"rows": 200, "sender": traced, "receiver": traced}
    whole = fax(tmp_path, LineSettings(mode="PCMU"), **rows)
    (answered,) = said(whole.sender, "MCF", heard=True)

    # Which answer it is, and its checksum, after its preamble: the end of its signal is heard.
    line = LineSettings(mode="PCMU", loss=1.0, loss_from_s=answered - 0.14, loss_until_s=answered - 0.04)
    result = fax(tmp_path, line, **rows)
    asked = said(result.sender, "PPS-EOP", "EOP", "PPS", heard=False)

    assert result.identical
    assert [result.last(side, EventType.COMPLETE).code for side in (result.sender, result.receiver)] == [0, 0]
    assert len(asked) == 2
    # As long as it takes to say it, and T4.
    assert 3.5 < asked[1] - asked[0] < 6.5
