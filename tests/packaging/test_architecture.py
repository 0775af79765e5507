# SPDX-License-Identifier: GPL-2.0-or-later
"""Files, classes and functions that docs/architecture.md names are there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
#: Of spandsp.
OF_OTHERS = {"v17rx.c"}
FILES = sorted(set(re.findall(r"`([\w/]+\.(?:py|c|h))`", PAGE)) - OF_OTHERS)
#: `station/calls.py` `_outgoing`, and `Destination` (`station/receiving.py`).
IN_FILES = sorted(
    set(re.findall(r"`([\w/]+\.py)`,? `([\w.]+)(?<!\.py)`", PAGE))
    | {(file, name) for name, file in re.findall(r"`([\w.]+)` \(`([\w/]+\.py)`", PAGE)}
)
MEMBERS = sorted(set(re.findall(r"`([A-Z]\w+)\.(\w+)`", PAGE)))


@cache
def sources() -> dict[str, str]:
    """The sources by their path."""
    found = [*(ROOT / "src/softfax").rglob("*.py"), *(ROOT / "native").rglob("*.[ch]")]
    found += [*(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    return {f"/{path.relative_to(ROOT)}": path.read_text() for path in found}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_there(name: str) -> None:
    assert [path for path in sources() if path.endswith(f"/{name}")]


@pytest.mark.parametrize(("file", "name"), IN_FILES)
def test_a_name_is_in_its_file(file: str, name: str) -> None:
    texts = [text for path, text in sources().items() if path.endswith(f"/{file}")]
    assert any(all(re.search(rf"\b{part}\b", text) for part in name.split(".")) for text in texts)


@pytest.mark.parametrize(("owner", "member"), MEMBERS)
def test_a_class_has_its_member(owner: str, member: str) -> None:
    texts = [text for text in sources().values() if re.search(rf"^class {owner}\b", text, re.M)]
    assert any(re.search(rf"\b(?:def {member}|{member}:|self\.{member})\b|\b{member}: ", text) for text in texts)
