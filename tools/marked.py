# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of the documentation that tools write anew: they stand between two marks."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
END = "<!-- until here -->"


def between(text: str, begin: str, part: str) -> str:
    """A page with another part after the mark `begin`. Raises SystemExit where the page has no such mark."""
    head, found, rest = text.partition(begin)
    if not found:
        raise SystemExit(f"there is no place for {begin}")
    return f"{head}{begin}\n\n{part}\n{END}{rest.partition(END)[2]}"
