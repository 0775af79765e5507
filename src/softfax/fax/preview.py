# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture of the page that is being received, or passes."""

from __future__ import annotations

import io

from PIL import Image

from softfax.engine.core import EngineSession, PagePreview

__all__ = ["drawn", "png_of"]

WIDTH = 864
#: Of paper that has not come yet.
PAPER_GREY = 0xE6
A4_MM = 297
_LENGTH_MAX = 4 * WIDTH


def drawn(session: EngineSession) -> bytes | None:
    """The page of a session as PNG; None where none is coming. For a thread."""
    page = session.preview()
    return png_of(page) if page is not None else None


def png_of(page: PagePreview) -> bytes | None:
    """The page as grey PNG, 864 dots wide and as long as A4 or what came, so that it stays in place while it grows.

    None for a page that has no size. Takes some ten milliseconds: for a thread.
    """
    if not (page.width > 0 and page.rows > 0 and page.x_dpm > 0 and page.y_dpm > 0):
        return None
    # Rows to a dot of the picture, always the same: what is drawn does not change when more comes.
    step = page.width / WIDTH * page.y_dpm / page.x_dpm
    height = min(int(page.rows / step), _LENGTH_MAX)
    if not height:
        return None
    stride = len(page.dots) // page.rows
    dots = Image.frombytes("1", (stride * 8, page.rows), page.dots, "raw", "1;I").convert("L")
    small = dots.resize((WIDTH, height), Image.Resampling.BOX, box=(0, 0, page.width, height * step))
    whole = round(A4_MM / 1000 * page.y_dpm / step)
    picture = Image.new("L", (WIDTH, max(whole, height)), PAPER_GREY)
    # Sixteen greys are enough and half the size.
    picture.paste(small.point([value // 17 * 17 for value in range(256)]), (0, 0))
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=6)
    return out.getvalue()
