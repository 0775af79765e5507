#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the tables of docs/settings.md anew, from the models of the configuration.

.venv/bin/python tools/settings.py          writes the part of the page between its marks
.venv/bin/python tools/settings.py --check  exit status 1 if it is not what it would write
"""

from __future__ import annotations

import sys

from marked import DOCS, between

from softfax.ops.settings import documentation

PAGE = DOCS / "settings.md"


def page(text: str) -> str:
    """The page with its tables anew."""
    return between(text, "<!-- made by tools/settings.py -->", documentation())


def main() -> int:
    """Writes the page, or compares it."""
    text = PAGE.read_text()
    wanted = page(text)
    if "--check" in sys.argv[1:]:
        return int(text != wanted)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
