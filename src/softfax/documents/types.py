# SPDX-License-Identifier: GPL-2.0-or-later
"""What documents are made of: settings, limits, pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

__all__ = [
    "FAX_WIDTH",
    "Y_DPI",
    "DocumentLimits",
    "DocumentMetadata",
    "PageInfo",
    "PreparedDocument",
    "RasterSettings",
    "Resolution",
]

Resolution = Literal["standard", "fine", "superfine"]

FAX_WIDTH = 1728
"""Dots a row for A4 and Letter (T.4 §2.2)."""

X_DPI = 204
Y_DPI: dict[str, int] = {"standard": 98, "fine": 196, "superfine": 391}


@dataclass(frozen=True, kw_only=True)
class DocumentLimits:
    """What opening one document may cost. Memory, CPU and wall time bound the process that does it."""

    file_bytes: int = 256 << 20
    pages: int = 1000
    page_rows: int = 40000
    source_pixels: int = 200_000_000
    memory_bytes: int = 2 << 30
    cpu_s: int = 300
    wall_s: float = 600.0


@dataclass(frozen=True, kw_only=True)
class RasterSettings:
    """How documents become fax pages. `password` opens encrypted PDFs."""

    resolution: Resolution = "fine"
    password: str = ""
    limits: DocumentLimits = field(default_factory=DocumentLimits)


@dataclass(frozen=True)
class PageInfo:
    """One fax page: size in dots, resolution in dots per inch, compressed size in bytes (T.6)."""

    width: int
    rows: int
    x_dpi: float
    y_dpi: float
    bytes: int


@dataclass(frozen=True)
class PreparedDocument:
    """A document ready to send: the fax TIFF and its pages."""

    tiff: Path
    pages: tuple[PageInfo, ...]


@dataclass(frozen=True, kw_only=True)
class DocumentMetadata:
    """What a delivered PDF says of its fax."""

    sender: str = ""
    recipient: str = ""
    received: datetime | None = None
    bitrate_bps: int = 0
    fax_id: str = ""
