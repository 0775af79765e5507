# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer, a program or a right that a test needs and this machine lacks: a skip that names it, and an error where CI=true."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

__all__ = ["absent", "needs"]

IN_CI = os.environ.get("CI") == "true"


def absent(what: str, *, excused: bool = True) -> NoReturn:
    """End a test for want of something; one that is not `excused` fails everywhere."""
    if IN_CI or not excused:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def needs(there: bool, what: str) -> pytest.MarkDecorator:
    """Mark of a test that is skipped where something is not there; in CI it runs, and fails."""
    return pytest.mark.skipif(not there and not IN_CI, reason=what)
