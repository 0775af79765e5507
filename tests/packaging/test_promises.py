# SPDX-License-Identifier: GPL-2.0-or-later
"""Promises of docs/security.md, accounts.md and callbacks.md have tests: each that docs/promises.md names is there, and no promise
of security, and no section of the others, is without one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROMISES = (ROOT / "docs/promises.md").read_text()


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", PROMISES))
    assert len(named) > 60
    there = {
        (file, node.name)
        for file in {file for file, _ in named}
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert named - there == set()


def test_every_promise_has_its_tests() -> None:
    security = (ROOT / "docs/security.md").read_text()
    promised = re.findall(r"^- \*\*([^*]+)\*\*", security, re.M)
    kept = set(re.findall(r"^\| ([^|]+?) \|", PROMISES, re.M))
    missing = [one for one in promised if one not in kept]
    assert not missing, f"name their tests in docs/promises.md: {missing}"


def test_every_section_of_accounts_and_callbacks_has_its_tests() -> None:
    sections = [
        heading
        for page in ("accounts", "callbacks")
        for heading in re.findall(r"^## (.+)", (ROOT / f"docs/{page}.md").read_text(), re.M)
    ]
    kept = set(re.findall(r"^\| ([^|]+?) \|", PROMISES, re.M))
    missing = [one for one in sections if one not in kept]
    assert not missing, f"name their tests in docs/promises.md: {missing}"


def test_the_unit_has_no_privileges() -> None:
    unit = (ROOT / "deploy/systemd/softfax.service").read_text()
    for line in (
        "User=softfax",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateDevices=yes",
    ):
        assert re.search(rf"^{line}$".replace("yes", "(yes|true)"), unit, re.M), line
    assert re.search(r"^CapabilityBoundingSet=\s*$", unit, re.M)
    assert not re.search(r"^(User=root|AmbientCapabilities=\S)", unit, re.M)
