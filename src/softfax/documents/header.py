# SPDX-License-Identifier: GPL-2.0-or-later
"""The line at the top of each page that says when, from whom and which page (47 CFR §68.318(d))."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from PIL import Image

from softfax.documents.fonts import Style
from softfax.documents.typeset import POINTS_PER_INCH, Canvas, Line, Type, plain, shortened
from softfax.errors import UsageError

__all__ = ["HeaderLine", "draw_header", "header_rows", "header_strip"]

POINTS_PER_MM = POINTS_PER_INCH / 25.4
TYPE_POINTS = 10.0  # capitals 2.6 mm high
STRIP_MM = 7.5
BASELINE_MM = 6.2  # keeps clear of the edge that machines do not print
SIDE_MM = 9.0
GAP_MM = 5.0
PART_CHARACTERS_MAX = 300


@dataclass(frozen=True, kw_only=True)
class HeaderLine:
    """Contents of the line. `when` is aware; it is shown in `time_zone` (an IANA name; empty: this machine's).

    `station` is the sender's name or business, `number` its fax number, `recipient` whom the fax is for. `total` is None
    while nobody knows how many pages there are; `continued` says that the pages before were
    sent in an earlier call. Raises UsageError for a time zone that does not exist.
    """

    when: datetime
    station: str = ""
    number: str = ""
    recipient: str = ""
    page: int = 1
    total: int | None = None
    time_zone: str = ""
    continued: bool = False

    def __post_init__(self) -> None:
        _zone(self.time_zone)

    @property
    def left(self) -> str:
        """Date and time with the zone's name or offset."""
        local = self.when.astimezone(_zone(self.time_zone))
        return f"{local:%Y-%m-%d %H:%M} {local.tzname() or ''}".rstrip()

    @property
    def right(self) -> str:
        page = f"p. {self.page}/{self.total}" if self.total else f"p. {self.page}"
        return f"continued  {page}" if self.continued else page


@lru_cache(64)
def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone {name!r}", "use a name like Europe/Berlin or Asia/Tehran") from None


def header_rows(y_dpi: float) -> int:
    """Number of rows of the strip at this resolution."""
    return round(STRIP_MM / 25.4 * y_dpi)


def _type(y_dpi: float) -> Type:
    """The size whose letters fall on whole rows."""
    return Type(Style.SANS, max(10, round(TYPE_POINTS * y_dpi / POINTS_PER_INCH)) * POINTS_PER_INCH / y_dpi)


@lru_cache(256)
def _middle(station: str, number: str, recipient: str, kind: Type, width: float) -> Line:
    """Sender and receiver; the name gives way where space is short."""

    def isolated(text: str) -> str:
        return f"\u2068{text}\u2069" if text else ""

    station, number, recipient = (" ".join(v[:PART_CHARACTERS_MAX].split()) for v in (station, number, recipient))
    if station == number:
        station = ""
    arrow = f"→  {isolated(recipient)}" if recipient else ""
    for name in (station, ""):
        tail = "  ".join(filter(None, (isolated(number), arrow)))
        if name and tail:
            room = width - plain("  " + tail, kind, 0).width
            name = isolated(shortened(name, kind, room).text) if room > kind.points * 4 else ""
        line = plain("  ".join(filter(None, (isolated(name), tail))), kind, 0)
        if line.width <= width:
            return line
    return shortened(" ".join(filter(None, (number, recipient))), kind, width, 0)


@lru_cache(8)
def header_strip(width: int, x_dpi: float, y_dpi: float, line: HeaderLine) -> Image.Image:
    """Draw the line on a strip of its own: 1 bit, white 1, `header_rows` high."""
    rows = header_rows(y_dpi)
    canvas = Canvas(width, rows, width / x_dpi, rows / y_dpi)
    kind = _type(y_dpi)
    side, gap, baseline = (mm * POINTS_PER_MM for mm in (SIDE_MM, GAP_MM, BASELINE_MM))
    room = width / x_dpi * POINTS_PER_INCH - 2 * side
    right = shortened(line.right, kind, room, 0)
    left = shortened(line.left, kind, room - right.width - gap, 0)
    start = left.width + gap
    column = room - start - right.width - gap
    canvas.draw_in(left, side, room, baseline, "left")
    canvas.draw_in(right, side, room, baseline, "right")
    if column > kind.points * 4:
        middle = _middle(line.station, line.number, line.recipient, kind, column)
        canvas.draw_in(middle, side + start, column, baseline, "center")
    return canvas.image().convert("1", dither=Image.Dither.NONE)


def draw_header(
    page: Image.Image, x_dpi: float, y_dpi: float, line: HeaderLine, *, overlay: bool = False
) -> Image.Image:
    """The page (1 bit, white 1) with the line on top of it: the page grows by `header_rows`.

    With `overlay` its size stays and its uppermost rows are covered.
    """
    strip = header_strip(page.width, x_dpi, y_dpi, line)
    if overlay:
        out = page.copy()
    else:
        out = Image.new("1", (page.width, page.height + strip.height), 1)
        out.paste(page, (0, strip.height))
    out.paste(strip, (0, 0))
    return out
