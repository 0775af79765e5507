# SPDX-License-Identifier: GPL-2.0-or-later
"""Type of 8 points is still read at standard resolution, 204 by 98 dots an inch: by tesseract, word for word."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from softfax.documents.begin import prepare
from softfax.documents.types import RasterSettings
from tests.support.absent import absent

WORDS = [
    "the",
    "patient",
    "was",
    "seen",
    "on",
    "monday",
    "with",
    "severe",
    "pain",
    "in",
    "the",
    "left",
    "arm",
    "blood",
    "pressure",
    "was",
    "normal",
    "and",
    "there",
    "was",
    "no",
    "fever",
    "laboratory",
    "values",
    "are",
    "attached",
    "below",
    "please",
    "confirm",
    "receipt",
    "of",
    "this",
    "report",
    "by",
    "telephone",
    "or",
    "letter",
]


def words_found(page: Path, wanted: list[str]) -> float:
    """The share of words that tesseract reads on a picture."""
    if shutil.which("tesseract") is None:
        absent("tesseract is not installed")
    read = subprocess.run(
        ["tesseract", page, "-", "--psm", "6"],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    found = Counter(read.stdout.lower().split())
    return sum((found & Counter(wanted)).values()) / len(wanted)


@pytest.mark.parametrize("font", ["Times-Roman", "Helvetica"])
def test_8_points_are_read(tmp_path: Path, font: str) -> None:
    chance = random.Random(2)
    lines = [" ".join(chance.choice(WORDS) for _ in range(11)) for _ in range(24)]
    page = canvas.Canvas(str(tmp_path / "small.pdf"), pagesize=A4)
    page.setFont(font, 8)
    for number, line in enumerate(lines):
        page.drawString(60, 780 - 13 * number, line)
    page.save()
    made = prepare([tmp_path / "small.pdf"], RasterSettings(resolution="standard"), tmp_path)
    image = Image.open(made.tiff).convert("L").crop((0, 0, 1728, 560))
    image.resize((image.width * 2, image.height * 4), Image.Resampling.BICUBIC).save(
        tmp_path / "page.png", dpi=(408, 392)
    )
    assert words_found(tmp_path / "page.png", " ".join(lines).split()) > 0.93
