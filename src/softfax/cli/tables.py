# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables for people."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.table import Table

from softfax.cli.terminal import Terminal

__all__ = ["show_table"]

#: Wider than any line that is not cut.
_ENDLESS = 5000


def show_table(table: Table, file: TextIO | None = None) -> None:
    """On a terminal as wide as that is; elsewhere as wide as it needs to be, without blanks at the ends of lines."""
    out = file or sys.stdout
    if out.isatty():
        Terminal(file=out).print(table)
        return
    console = Terminal(file=out, width=_ENDLESS, no_color=True)
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=out, flush=True)
