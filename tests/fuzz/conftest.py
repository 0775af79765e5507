# SPDX-License-Identifier: GPL-2.0-or-later
"""The targets in C are built beside the other tests, as soon as the tests are collected; those that need them come late."""

from __future__ import annotations

import shutil

import pytest

from tests.support import background


def _needs_targets(item: pytest.Item) -> bool:
    return item.nodeid.startswith("tests/fuzz/test_targets.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_needs_targets)


def pytest_collection_finish(session: pytest.Session) -> None:
    wanted = any(_needs_targets(item) for item in session.items) and not session.config.option.collectonly
    if wanted and shutil.which("clang"):
        background.start_once("fuzz", "tests.fuzz.targets", lambda: ())
