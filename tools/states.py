#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the tables of states in docs/ anew, from the tables in the code.

.venv/bin/python tools/states.py            writes the parts of the pages between their marks
"""

from __future__ import annotations

from marked import DOCS, between

from softfax.transitions import CALL_PHASES, FAXES, SESSIONS

TABLES = {"architecture.md": {"phases": CALL_PHASES, "sessions": SESSIONS}, "queue.md": {"faxes": FAXES}}


def page(name: str, text: str) -> str:
    """A page with its tables anew."""
    for mark, table in TABLES[name].items():
        text = between(text, f"<!-- {mark}: made by tools/states.py -->", table.markdown())
    return text


def main() -> None:
    """Writes the pages."""
    for name in TABLES:
        (DOCS / name).write_text(page(name, (DOCS / name).read_text()))


if __name__ == "__main__":
    main()
