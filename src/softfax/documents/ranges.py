# SPDX-License-Identifier: GPL-2.0-or-later
"""Page ranges as people write them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from softfax.errors import DocumentError, UsageError

__all__ = ["PageSelection", "parse_ranges", "split_source"]

TEXT_MAX = 1000
PAGE_MAX = 1_000_000
SELECTED_MAX = 100_000
REMEDY = "write pages as 1-3,5,8- (-3 for the first three, last for the last, r2 for the last but one)"

_SEPARATOR = re.compile(r"[,;،]")
#: A page: its number, `last` or `z`, or `rN` counted from the end. Two with a dash are a range; either may be left out.
_PART = re.compile(r"(?P<first>\d+|last|z|r\d+)?\s*(?P<dash>[-‐‑–—])?\s*(?P<end>\d+|last|z|r\d+)?", re.IGNORECASE)
_MARK = "#pages="


@dataclass(frozen=True)
class _Page:
    number: int
    from_end: bool = False

    def index(self, count: int) -> int:
        """Number of the page from 0; outside [0, count) if there is none."""
        return count - self.number if self.from_end else self.number - 1


@dataclass(frozen=True)
class PageSelection:
    """Pages chosen from a document, in the order written; a page may come twice. Ranges include both ends."""

    text: str
    _ranges: tuple[tuple[_Page, _Page], ...]

    def select(self, count: int, name: str = "the document") -> list[int]:
        """The indexes, from 0, in a document of `count` pages. Raises DocumentError for a page it does not have."""
        selected: list[int] = []
        for first, end in self._ranges:
            a, b = first.index(count), end.index(count)
            for index, page in ((a, first), (b, end)):
                if not 0 <= index < count:
                    wanted = f"page {page.number} from the end" if page.from_end else f"page {page.number}"
                    has = "1 page" if count == 1 else f"{count} pages"
                    raise DocumentError(f"{name} has no {wanted}, it has {has}", "choose other pages")
            selected += range(a, b + 1) if a <= b else range(a, b - 1, -1)
            if len(selected) > SELECTED_MAX:
                raise DocumentError(f"{len(selected)} pages are too many", "choose fewer")
        return selected


def parse_ranges(text: str) -> PageSelection:
    """Reads `1-3,5,8-`: numbers from 1 and ranges, separated by commas.

    `-3` is the first three pages, as printers take it; `8-` goes to the last; `last` or `z` is the last page and `r2` the
    last but one; `8-5` and `last-1` run backwards. Raises UsageError.
    """
    if len(text) > TEXT_MAX:
        raise UsageError("the page ranges are too long", f"use at most {TEXT_MAX} characters")
    return PageSelection(text, tuple(_range(part.strip(), text) for part in _SEPARATOR.split(text)))


def _range(part: str, text: str) -> tuple[_Page, _Page]:
    found = _PART.fullmatch(part)
    if not found or not (found["first"] or found["end"]) or bool(found["dash"]) != (part != (found["first"] or "")):
        raise UsageError(f"not page ranges: {text[:60]!r}", REMEDY)
    first = _page(found["first"], text) if found["first"] else _Page(1)
    if not found["dash"]:
        return first, first
    return first, _page(found["end"], text) if found["end"] else _Page(1, from_end=True)


def _page(word: str, text: str) -> _Page:
    word = word.lower()
    if word in ("last", "z"):
        return _Page(1, from_end=True)
    digits = word.removeprefix("r")
    number = int(digits) if len(digits) <= len(str(PAGE_MAX)) else 0
    if not 1 <= number <= PAGE_MAX:
        raise UsageError(f"no document has page {digits[:20]} of {text[:60]!r}", f"pages are 1 to {PAGE_MAX}")
    return _Page(number, from_end=digits != word)


def split_source(text: str) -> tuple[str, str]:
    """`FILE#pages=2-3` as the file and its ranges; they are empty where none are given, and checked where they are.

    Only the last `#pages=` counts: a file with that in its name is written with another `#pages=` after it. Raises
    UsageError.
    """
    name, mark, ranges = text.rpartition(_MARK)
    if not mark:
        return text, ""
    ranges = ranges.strip()
    if ranges:
        parse_ranges(ranges)
    return name, ranges
