# SPDX-License-Identifier: GPL-2.0-or-later
"""Words that a reader finds on a fax, of those found on its source."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from softfax.documents.begin import start
from softfax.documents.tiff import read_pages
from softfax.documents.types import RasterSettings
from tests.corpus import Grey, Item

__all__ = ["Measured", "measure", "write"]

DPI = 200
#: With fewer of the words than this on a page, it may lie on its side.
FEW = 0.1
OTHER_LAYOUTS = ("6", "11")
WORD = re.compile(r"[A-Za-z]{3,}|\d{2,}")


@dataclass(frozen=True)
class Measured:
    """Figures of a document: pages, words on the source, those of them on the fax, warnings, what was wrong."""

    name: str
    pages: int = 0
    words: int = 0
    found: int = 0
    warnings: tuple[str, ...] = ()
    problem: str = ""
    lost: tuple[str, ...] = ()


def read(page: Grey, folder: Path, layout: str = "4") -> Counter[str]:
    """The words tesseract reads on a page of 200 dpi, in one of its modes of finding lines."""
    path = folder / "page.png"
    Image.fromarray(page).save(path, dpi=(DPI, DPI))
    said = subprocess.run(
        ["tesseract", str(path), "-", "--psm", layout, "--dpi", str(DPI)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    return words(said.stdout)


def words(text: str) -> Counter[str]:
    """Words and numbers, in small letters."""
    return Counter(word.lower() for word in WORD.findall(text))


def source_pages(path: Path, folder: Path) -> list[Grey]:
    """A PDF as poppler prints it, or a picture as it is, in greys."""
    if path.suffix != ".pdf":
        return [np.asarray(Image.open(path).convert("L"))]
    subprocess.run(
        ["pdftoppm", "-r", str(DPI), "-gray", str(path), str(folder / "source")], check=True, capture_output=True
    )
    return [np.asarray(Image.open(page)) for page in sorted(folder.glob("source*.pgm"))]


def write(item: Item, folder: Path) -> Path:
    """The document, written."""
    path = folder / item.name
    item.write(path)
    return path


def measure(item: Item, folder: Path) -> Measured:
    """Writes a document, faxes it, and reads both. Its fax lies in the folder, a PNG a page."""
    folder.mkdir(parents=True, exist_ok=True)
    path = write(item, folder)
    expected = words(item.words)
    if not item.words:
        for page in item.draw(path) if item.draw else source_pages(path, folder):
            expected += read(page, folder)
    with start([path], RasterSettings(password=item.password), folder) as job:
        job.wait()
        warnings = tuple(job.warnings)
    found: Counter[str] = Counter()
    count = 0
    for count, (info, black) in enumerate(read_pages(job.tiff), 1):
        grey = Image.fromarray(~np.asarray(black)).convert("L")
        size = (round(info.width * DPI / info.x_dpi), round(info.rows * DPI / info.y_dpi))
        page = np.asarray(grey.resize(size, Image.Resampling.BOX))
        Image.fromarray(page).save(folder / f"fax-{count}.png")
        read_here = read(page, folder)
        if (read_here & expected).total() < FEW * expected.total():
            # Landscape lies on its side: its top is to the left.
            read_here |= read(np.rot90(page, -1), folder)
        for layout in OTHER_LAYOUTS:
            # Dots of tones make it take lines for pictures, which a person does not.
            if (found + read_here & expected) != expected:
                read_here |= read(page, folder, layout)
        found += read_here
    lost = expected - found
    return Measured(
        item.name, count, expected.total(), (expected & found).total(), warnings, lost=tuple(lost.elements())
    )
