# SPDX-License-Identifier: GPL-2.0-or-later
"""Paper sizes, and pages that are set in type on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from PIL import Image

from softfax.documents.typeset import POINTS_PER_INCH, Canvas

__all__ = ["A4", "LETTER", "Paper", "PaperSheet"]


@dataclass(frozen=True)
class Paper:
    """A paper size in points."""

    width: float
    height: float


A4 = Paper(210 / 25.4 * POINTS_PER_INCH, 297 / 25.4 * POINTS_PER_INCH)
LETTER = Paper(8.5 * POINTS_PER_INCH, 11 * POINTS_PER_INCH)


class PaperSheet(ABC):
    """A Sheet (see softfax.documents.types) whose page is painted on a canvas, in points."""

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.width_inches: float | None = paper.width / POINTS_PER_INCH
        self.height_inches: float | None = paper.height / POINTS_PER_INCH
        self.aspect: float = paper.height / paper.width

    def render(self, width: int, rows: int) -> Image.Image:
        """The page, mode L, exactly that size; dots need not be square."""
        paper = self.paper
        canvas = Canvas(width, rows, paper.width / POINTS_PER_INCH, paper.height / POINTS_PER_INCH)
        self.paint(canvas)
        return canvas.image()

    @abstractmethod
    def paint(self, canvas: Canvas) -> None:
        """Draws the page."""
