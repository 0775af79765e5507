# SPDX-License-Identifier: GPL-2.0-or-later
"""A page in place of one that cannot be read. Runs only inside the worker process."""

from __future__ import annotations

from softfax.documents.types import Sheet

__all__ = ["page_in_place"]


def page_in_place(index: int, shown: str) -> Sheet:
    """A page that says that page `index` (from 0) of a document is missing."""
    # Loads fonts, which most documents do not need.
    from softfax.documents.text import text_sheets

    (sheet,) = text_sheets(f"Page {index + 1} of {shown} is damaged and cannot be read.")
    vars(sheet)["warning"] = f"page {index + 1} of {shown} is damaged: a page that says so is in its place"
    return sheet
