#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the tables of states in docs/ anew, from the tables in the code.

.venv/bin/python tools/states.py            writes the parts of the pages between their marks
"""

from __future__ import annotations

from pathlib import Path

from softfax.transitions import CALL_PHASES, FAXES, SESSIONS

DOCS = Path(__file__).resolve().parent.parent / "docs"
TABLES = {"architecture.md": {"phases": CALL_PHASES, "sessions": SESSIONS}, "queue.md": {"faxes": FAXES}}
END = "<!-- until here -->"


def page(name: str, text: str) -> str:
    """A page with its tables anew."""
    for mark, table in TABLES[name].items():
        begin = f"<!-- {mark}: made by tools/states.py -->"
        head, found, rest = text.partition(begin)
        if not found:
            raise SystemExit(f"docs/{name} has no place for {mark}")
        text = f"{head}{begin}\n\n{table.markdown()}\n{END}{rest.partition(END)[2]}"
    return text


def main() -> None:
    """Writes the pages."""
    for name in TABLES:
        (DOCS / name).write_text(page(name, (DOCS / name).read_text()))


if __name__ == "__main__":
    main()
