# SPDX-License-Identifier: GPL-2.0-or-later
"""Fax pages for tests: drawn here, read back by Pillow alone, so that the product is not its own judge."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageSequence

__all__ = ["Page", "draw_page", "page_differences", "read_tiff", "write_fax_tiff"]

Page = NDArray[np.bool_]
"""Rows of dots, True for black."""

WIDTH, ROWS = 1728, 2292  # A4 at 204 x 196 dpi
WORDS = (
    *("invoice", "line", "received", "page", "quality", "transmission", "order", "delivery", "number", "amount"),
    *("please", "confirm", "signature", "date", "account", "total", "customer", "copy", "facsimile", "station"),
)


def draw_page(title: str, *, lines: int = 5, rows: int = ROWS) -> Page:
    """A page of text lines under a heading, a box and some circles; each title gives another page, always the same."""
    dice = random.Random(title)
    image = Image.new("1", (WIDTH, rows), 1)
    pen = ImageDraw.Draw(image)
    pen.text((120, 90), title, font=ImageFont.load_default(60), fill=0)
    pen.line((120, 175, WIDTH - 120, 175), fill=0, width=3)
    body = ImageFont.load_default(34)
    for line in range(lines):
        pen.text((120, 210 + 44 * line), " ".join(dice.choices(WORDS, k=11)), font=body, fill=0)
    top = rows - 330
    pen.rectangle((120, top, WIDTH - 120, rows - 120), outline=0, width=2)
    for n in range(8):
        x, radius = 220 + 180 * n, dice.randrange(20, 70)
        circle = (x - radius, top + 100 - radius, x + radius, top + 100 + radius)
        pen.ellipse(circle, outline=0, fill=0 if n % 2 else 1)
    return ~np.asarray(image, dtype=bool)


def write_fax_tiff(path: Path, pages: Sequence[Page]) -> Path:
    """A fax TIFF as spandsp takes it: one bit, G4, 204 x 196 dpi, one strip a page."""
    images = [Image.fromarray(~page) for page in pages]
    images[0].save(
        path,
        format="TIFF",
        save_all=True,
        append_images=images[1:],
        compression="group4",
        dpi=(204, 196),
        strip_size=max(page.size for page in pages),
    )
    return path


def read_tiff(path: Path) -> list[Page]:
    """All pages of a bilevel TIFF."""
    with Image.open(path) as image:
        return [~np.asarray(frame.convert("1"), dtype=bool) for frame in ImageSequence.Iterator(image)]


def page_differences(sent: Sequence[Page], received: Sequence[Page]) -> str:
    """Return what differs, in words; empty if every page is identical, dot for dot."""
    if len(sent) != len(received):
        return f"{len(sent)} pages sent, {len(received)} received"
    for number, (a, b) in enumerate(zip(sent, received, strict=True), 1):
        if a.shape != b.shape:
            return f"page {number}: {a.shape[1]}x{a.shape[0]} sent, {b.shape[1]}x{b.shape[0]} received"
        if bad := int(np.any(a != b, axis=1).sum()):
            return f"page {number}: {bad} of {a.shape[0]} rows differ"
    return ""
