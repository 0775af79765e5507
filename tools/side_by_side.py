#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the pictures of docs/documents.md: parts of the test patterns as a screen shows them and as a fax, dot for dot.

Prints the bytes of the page in each code and halftone, as the table there has them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pypdfium2 as pdfium
from PIL import Image

from softfax.documents.bilevel import bilevel
from softfax.documents.tiff import encode_t4, encode_t6
from softfax.documents.types import PageClass, RasterSettings

REPOSITORY = Path(__file__).resolve().parent.parent
OUT = REPOSITORY / "docs" / "images"
GAP = 12
HALFTONES = ("dots", "fine-dots", "diffusion", "none")


def grey_page(number: int, page: PageClass) -> Image.Image:
    """A page of patterns.pdf on the dot grid of a class."""
    document = pdfium.PdfDocument(REPOSITORY / "samples" / "patterns.pdf")
    scale = page.width / 215 * 25.4 / 72
    image = document[number - 1].render(scale=scale, grayscale=True).to_pil().convert("L")
    return image.resize((image.width, round(297 * page.rows_per_mm)), Image.Resampling.HAMMING)


def beside(*images: Image.Image) -> Image.Image:
    """Pictures side by side."""
    width = sum(i.width for i in images) + GAP * (len(images) - 1)
    out = Image.new("L", (width, images[0].height), 128)
    x = 0
    for image in images:
        out.paste(image.convert("L"), (x, 0))
        x += image.width + GAP
    return out


def main() -> None:
    """Draws all."""
    OUT.mkdir(exist_ok=True)
    page = PageClass.of(RasterSettings().resolution)
    photo = grey_page(5, page)
    parts = {"photo-and-type": (5, (160, 940, 860, 1300)), "colours": (4, (140, 200, 840, 1440))}
    for name, (number, box) in parts.items():
        source = grey_page(number, page)
        fax = bilevel(source, page).image
        beside(source.crop(box), fax.crop(box)).save(OUT / f"{name}.png", optimize=True)
    box = (250, 380, 600, 760)
    beside(photo.crop(box), *(bilevel(photo, page, h).image.crop(box) for h in HALFTONES[:3])).save(
        OUT / "halftones.png", optimize=True
    )
    for halftone in HALFTONES:
        dots = bilevel(photo, page, halftone).image
        sizes = (*(len(encode_t4(dots, two_dimensional=two)) for two in (False, True)), len(encode_t6(dots)))
        sys.stdout.write(f"{halftone:10} " + " ".join(f"{size / 1000:8.1f}" for size in sizes) + "\n")


if __name__ == "__main__":
    main()
