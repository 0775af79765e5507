# SPDX-License-Identifier: GPL-2.0-or-later
"""The pure parts of the page, by node's own test runner: each of its tests is one here."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.support.absent import absent

UNITS = Path(__file__).parent / "units"
NAME = re.compile(r'^test\("([^"]+)"', re.MULTILINE)
CASES = [(path.name, name) for path in sorted(UNITS.glob("*.test.js")) for name in NAME.findall(path.read_text())]
RESULT = re.compile(r"^(not )?ok \d+ - (.+)$", re.MULTILINE)
LATE_S = 120


@cache
def results(file: str) -> tuple[dict[str, bool], str]:
    """Names of the tests of a file, each with its success; and the report."""
    node = shutil.which("node")
    if node is None:
        absent("no node here: apt-get install nodejs")
    command = [node, "--test", "--test-reporter=tap", str(UNITS / file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LATE_S, check=False)
    report = done.stdout + done.stderr
    # TAP escapes "#" and a backslash in a name.
    found = {re.sub(r"\\(.)", r"\1", name): not bad for bad, name in RESULT.findall(report)}
    return found, report


@pytest.mark.parametrize(("file", "name"), CASES)
def test_page(file: str, name: str) -> None:
    found, report = results(file)
    assert found.get(name), report


@pytest.mark.parametrize("file", sorted({file for file, _ in CASES}))
def test_no_test_of_a_file_is_missed(file: str) -> None:
    found, report = results(file)
    assert set(found) == {name for f, name in CASES if f == file}, report
