# SPDX-License-Identifier: GPL-2.0-or-later
"""Types of documents: settings, limits, classes of fax pages, sheets and pages."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from softfax.resolutions import ACROSS_PER_METRE, DOWN_PER_METRE

if TYPE_CHECKING:
    from PIL import Image

    from softfax.options import Resolution, Scan

__all__ = [
    "ANY_FAR_END",
    "FAX_WIDTH",
    "RESOLUTIONS",
    "RESOLUTION_NAMES",
    "DocumentLimits",
    "DocumentMetadata",
    "FarEnd",
    "FaxImage",
    "Halftone",
    "PageClass",
    "PageInfo",
    "Paper",
    "PreparedDocument",
    "RasterSettings",
    "Sheet",
    "Source",
    "left_out",
    "nominal_x_dpi",
]

Paper = Literal["auto", "a4", "b4", "a3"]
Halftone = Literal["dots", "fine-dots", "diffusion", "none"]

FAX_WIDTH = 1728
"""Dots a row for A4 and Letter (T.4 §2.2)."""

RESOLUTIONS: dict[str, tuple[int, int]] = {
    "standard": (204, 98),
    "fine": (204, 196),
    "superfine": (204, 391),
    "300": (300, 300),
    "400": (408, 391),
}
"""Nominal dots per inch across and down, as TIFF files and people write them."""

RESOLUTION_NAMES: dict[str, str] = {f"{x}x{y}": name for name, (x, y) in RESOLUTIONS.items()}
"""And back, of dots per inch as events have them."""

MM = 25.4
NAME_MAX = 100
#: What T.4 really says: 1728 dots on 215 mm (8.037 to the millimetre) and 3.85, 7.7 or 15.4 rows to the millimetre.
_EXACT_DPI = {98: 3.85 * MM, 196: 7.7 * MM, 391: 15.4 * MM, 300: 300.0}
_WIDTHS = {204: (1728, 2048, 2432), 300: (2592, 3072, 3648), 408: (3456, 4096, 4864)}
_LINE_MM = (215.0, 255.0, 303.0)


@dataclass(frozen=True)
class PageClass:
    """A kind of fax page: nominal resolution in dots per inch and width in dots (T.4 §2, T.30 table 2)."""

    x_dpi: int
    y_dpi: int
    width: int = FAX_WIDTH

    @property
    def size(self) -> int:
        """0 for A4, 1 for B4, 2 for A3."""
        return _WIDTHS[self.x_dpi].index(self.width)

    @property
    def width_mm(self) -> float:
        """The length of a row of dots in millimetres."""
        return _LINE_MM[self.size]

    @property
    def dots_per_mm(self) -> float:
        """Exact, across."""
        return self.width / self.width_mm

    @property
    def rows_per_mm(self) -> float:
        """Exact, down."""
        return _EXACT_DPI[self.y_dpi] / MM

    @property
    def x_dpm(self) -> int:
        """Dots per metre across, as T.30 counts."""
        return ACROSS_PER_METRE[self.x_dpi]

    @property
    def y_dpm(self) -> int:
        """Rows per metre, as T.30 counts."""
        return DOWN_PER_METRE[self.y_dpi]

    @classmethod
    def of(cls, resolution: str, size: int = 0) -> PageClass:
        """The class of a named resolution on A4 (0), B4 (1) or A3 (2)."""
        x_dpi, y_dpi = RESOLUTIONS[resolution]
        return cls(x_dpi, y_dpi, _WIDTHS[x_dpi][size])

    @classmethod
    def of_image(cls, width: int, x_dpi: float, y_dpi: float) -> PageClass | None:
        """The class an image already has, dot for dot; None where it is no fax page."""
        for x_nominal, y_nominal in RESOLUTIONS.values():
            near = abs(x_dpi - x_nominal) <= 0.03 * x_nominal and abs(y_dpi - y_nominal) <= 0.03 * y_nominal
            if near and width in _WIDTHS[x_nominal]:
                return cls(x_nominal, y_nominal, width)
        return None


def nominal_x_dpi(width: int) -> int | None:
    """The resolution across that fax pages of so many dots have: each width belongs to one (T.30 table 2)."""
    return next((x_dpi for x_dpi, widths in _WIDTHS.items() if width in widths), None)


@dataclass(frozen=True, kw_only=True)
class FarEnd:
    """Capabilities of a receiver, from its DIS (T.30 table 2). `size` is the widest paper: 0 A4, 1 B4, 2 A3.

    `length_mm` is the longest page, None for any length.
    """

    fine: bool = True
    superfine: bool = True
    r300: bool = True
    r400: bool = True
    size: int = 2
    length_mm: float | None = None

    def takes(self, resolution: str) -> bool:
        """Return True if a named resolution is received."""
        able = {"standard": True, "fine": self.fine, "superfine": self.superfine, "300": self.r300, "400": self.r400}
        return able[resolution]

    def best(self, resolution: str) -> str:
        """The resolution wished for, or the best below it that is received."""
        order = ("400", "superfine", "300", "fine", "standard")
        wished = order[order.index(resolution) :]
        return next(name for name in wished if self.takes(name))


ANY_FAR_END = FarEnd()


@dataclass(frozen=True, kw_only=True)
class DocumentLimits:
    """Limits on opening documents. Memory, CPU and wall time bound the process that does it, `page_s` each of its pages."""

    file_bytes: int = 256 << 20
    pages: int = 1000
    page_rows: int = 40000
    source_pixels: int = 200_000_000
    memory_bytes: int = 1 << 30
    cpu_s: int = 300
    wall_s: float = 600.0
    page_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """One document of a fax: a file, the password that opens it, the pages to take (`1-3,5`; empty for all).

    One that is `optional` is left out, with a warning, where it cannot be opened and others can.
    """

    path: Path
    password: str = ""
    pages: str = ""
    name: str = ""
    optional: bool = False

    @property
    def shown(self) -> str:
        """The name people know it by."""
        name = self.name or self.path.name
        return name if len(name) <= NAME_MAX else name[: NAME_MAX - 1] + "…"


def left_out(name: str, problem: str) -> str:
    """The line for people about a document, or a part of one, that is not faxed."""
    return f"left out: {problem if name in problem else f'{name}: {problem}'}"


@dataclass(frozen=True, kw_only=True)
class RasterSettings:
    """Settings for turning documents into fax pages.

    `paper` chooses the width: `auto` takes B4 or A3 for pages of that size where the far end has it. `cut_mm` cuts what is
    longer into pages of that length; None leaves any length. `halftone` is for pictures, `scan` tells whether scans are
    straightened and cleaned. `fit` moves and shrinks what
    stands outside the area that every fax machine prints. `far_end` is what the receiver takes. `first_page` is the first page
    that is made: those before it are counted, but left out.
    """

    resolution: Resolution = "fine"
    paper: Paper = "auto"
    halftone: Halftone = "dots"
    scan: Scan = "auto"
    fit: bool = True
    cut_mm: float | None = None
    password: str = ""
    far_end: FarEnd = ANY_FAR_END
    first_page: int = 1
    limits: DocumentLimits = field(default_factory=DocumentLimits)

    @property
    def longest_mm(self) -> float:
        """The longest page in millimetres; infinite where nothing limits it."""
        return min(self.cut_mm or math.inf, self.far_end.length_mm or math.inf)


@runtime_checkable
class Sheet(Protocol):
    """A page as it is to be read, before it becomes dots. Upright; sizes in inches, None where the source has none."""

    width_inches: float | None
    height_inches: float | None
    #: Height by width.
    aspect: float

    def render(self, width: int, rows: int) -> Image.Image:
        """The whole page as mode `L`, white 255, exactly `width` by `rows` dots; dots need not be square."""
        ...


@dataclass(frozen=True)
class FaxImage:
    """A page that is a fax page already: 1 bit (white 1), to be kept dot for dot, with its T.6 bits where it has them."""

    image: Image.Image
    page_class: PageClass
    t6: bytes | None = None
    #: For people: what is wrong with it.
    warning: str = ""


#: Seconds are estimated for this rate, with what a page takes besides its bits (its training check, its end and its
#: confirmation) and what a call takes besides its pages.
NOMINAL_BPS = 14400
PAGE_S = 3.3
CALL_S = 14.0


@dataclass(frozen=True)
class PageInfo:
    """One fax page: size in dots, resolution in dots per inch, compressed size in bytes (T.6).

    `codes` are the sizes by T.4 1-D, T.4 2-D and T.6; 0 where not measured. `pictures` is the share of the page that is
    halftoned.
    """

    width: int
    rows: int
    x_dpi: float
    y_dpi: float
    bytes: int
    codes: tuple[int, int, int] = (0, 0, 0)
    pictures: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds the page takes on the line, an estimate."""
        return round(self.bytes * 8 / NOMINAL_BPS + PAGE_S, 1)


@dataclass(frozen=True)
class PreparedDocument:
    """A document ready to send: the fax TIFF and its pages."""

    tiff: Path
    pages: tuple[PageInfo, ...]


@dataclass(frozen=True, kw_only=True)
class DocumentMetadata:
    """Metadata about the fax in a delivered PDF."""

    sender: str = ""
    recipient: str = ""
    received: datetime | None = None
    bitrate_bps: int = 0
    fax_id: str = ""
