# SPDX-License-Identifier: GPL-2.0-or-later
"""The peer by itself: if this fails, look there and not at softfax."""

from pathlib import Path

import pytest

from tests.interop.outcome import Outcome
from tests.support.pages import page_differences, read_tiff


@pytest.mark.parametrize("outcome", ["rig"], indirect=True)
def test_asterisk_faxes_to_itself(outcome: Outcome) -> None:
    assert [peer["Status"] for peer in outcome.peers] == ["SUCCESS", "SUCCESS"]
    (received,) = outcome.received
    assert page_differences(read_tiff(Path(outcome.sent)), read_tiff(Path(received))) == ""
