# SPDX-License-Identifier: GPL-2.0-or-later
"""Resolutions of fax pages: dots per inch, as people name them, and per metre, as T.30, spandsp and Asterisk count them."""

from __future__ import annotations

__all__ = ["ACROSS_PER_METRE", "DOWN_PER_METRE", "dots_per_metre"]

#: Dots and rows per metre by dots per inch, as T.30 counts them.
ACROSS_PER_METRE = {204: 8031, 300: 11811, 408: 16063}
DOWN_PER_METRE = {98: 3850, 196: 7700, 391: 15400, 300: 11811}


def dots_per_metre(resolution: str) -> str:
    """Return a resolution in dots per metre, as Asterisk has it: 8031x7700 for 204x196. Raises ValueError."""
    across, _, down = resolution.partition("x")
    try:
        return f"{ACROSS_PER_METRE[int(across)]}x{DOWN_PER_METRE[int(down)]}"
    except KeyError:
        raise ValueError(f"{resolution} is no resolution of T.30") from None
