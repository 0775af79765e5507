# SPDX-License-Identifier: GPL-2.0-or-later
"""Style, types and the direction of imports, as `make lint` looks at them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.absent import absent

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
C_SOURCES = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("native/*/*.[ch]"))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([str(BIN / "ruff"), "check", "--no-cache", "."], id="ruff"),
        pytest.param([str(BIN / "ruff"), "format", "--no-cache", "--check", "."], id="format"),
        pytest.param([sys.executable, "-m", "mypy"], id="mypy"),
        pytest.param([str(BIN / "lint-imports"), "--no-cache"], id="imports"),
        pytest.param([str(BIN / "clang-format"), "--dry-run", "-Werror", *C_SOURCES], id="clang-format"),
    ],
)
def test_clean(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_source_names_its_licence() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        absent("not a clone of the repository")
    sources = [
        ROOT / n for n in listed.stdout.splitlines() if n.endswith((".py", ".c", ".h", ".sh")) or n == "Makefile"
    ]
    unnamed = [
        str(p.relative_to(ROOT))
        for p in sources
        if p.is_file() and p.stat().st_size and "SPDX-License-Identifier: GPL-2.0-or-later" not in p.read_text()[:200]
    ]
    assert not unnamed


#: The client's is the model's, with the keys of newer stations.
TWICE = {"Fax"}


def test_no_class_name_is_used_twice() -> None:
    places: dict[str, list[str]] = {}
    for path in sorted((ROOT / "src" / "softfax").rglob("*.py")):
        if path.parent.name == "_native":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1 and name not in TWICE} == {}
