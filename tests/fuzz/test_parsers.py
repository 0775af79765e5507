# SPDX-License-Identifier: GPL-2.0-or-later
"""The parsers in Python take spoilt messages as they promise; `python -m tests.fuzz.python.parsers` goes on for longer."""

from __future__ import annotations

import pytest

from tests.fuzz.python.parsers import TARGETS, campaign, check

COUNT = 250


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_messages_are_read_or_refused(name: str) -> None:
    assert campaign(name, count=COUNT) >= COUNT


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in ("swml", "tnef", "form")])
def test_whole_messages_are_read(name: str) -> None:
    """Otherwise nothing beyond the first check would be tried."""
    for data in TARGETS[name].seeds:
        check(name, data)
        if name not in ("octets", "names", "settings", "srtp"):
            TARGETS[name].read(data)
