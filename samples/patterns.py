#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws patterns.pdf: eight pages that show what a fax does to lines, greys, small type and photographs.

1 lines from 0.05 to 1 mm and a star    5 a photograph and small type on one page
2 a grey wedge, in steps and as a ramp  6 line pairs and checks of one to four dots
3 type of 6 to 12 points                7 a table with hairlines and tinted cells
4 grey and coloured type, type on tints 8 a frame at the edge of the paper, and solid black
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from reportlab.lib.colors import Color, HexColor, black, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

HERE = Path(__file__).resolve().parent
W, H = A4
LINE_WIDTHS_MM = (0.05, 0.1, 0.125, 0.2, 0.25, 0.5, 1.0)
STEPS = 11
PANGRAM = "The quick brown fox jumps over the lazy dog 0123456789 (§7) €5.90"
TYPE_POINTS = (6, 7, 8, 9, 10, 11, 12)
TYPE_COLOURS = ("#000000", "#777777", "#999999", "#b0b0b0", "#d02020", "#208020", "#2060ff", "#c08000")
GROUNDS = (
    ("#ffffff", "#000000"),
    ("#e0e0e0", "#000000"),
    ("#b8c8e0", "#000000"),
    ("#305090", "#ffffff"),
    ("#f0a050", "#ffffff"),
)
PAIRS_DOTS = (1, 2, 3, 4)
DOT_MM = 1 / 8.03


def fill(c: Canvas, x: float, y: float, width: float, height: float, colour: Color) -> None:
    """A filled rectangle; millimetres from the top left corner of the page."""
    c.setFillColor(colour)
    c.rect(x * mm, H - (y + height) * mm, width * mm, height * mm, stroke=0, fill=1)


def text(
    c: Canvas, x: float, y: float, what: str, points: float, colour: str = "#000000", font: str = "Helvetica"
) -> None:
    """A line of type with its baseline `y` millimetres from the top."""
    c.setFont(font, points)
    c.setFillColor(HexColor(colour))
    c.drawString(x * mm, H - y * mm, what)


def lines(c: Canvas) -> None:
    """Page 1."""
    text(c, 20, 20, "1  Lines", 14, font="Helvetica-Bold")
    c.setStrokeColor(black)
    for i, width in enumerate(LINE_WIDTHS_MM):
        c.setLineWidth(width * mm)
        c.line(20 * mm, H - (30 + 8 * i) * mm, 100 * mm, H - (30 + 8 * i) * mm)
        c.line((115 + 8 * i) * mm, H - 28 * mm, (115 + 8 * i) * mm, H - 88 * mm)
        text(c, 20, 29 + 8 * i, f"{width:g} mm", 6)
    c.setLineWidth(0.2 * mm)
    for k in range(72):
        a = k * math.pi / 36
        c.line(
            (105 + 4 * math.cos(a)) * mm,
            H - (190 + 4 * math.sin(a)) * mm,
            (105 + 80 * math.cos(a)) * mm,
            H - (190 + 80 * math.sin(a)) * mm,
        )


def wedge(c: Canvas) -> None:
    """Page 2: steps of 15 mm from black to white, framed; below them a ramp."""
    text(c, 20, 20, "2  Grey wedge", 14, font="Helvetica-Bold")
    for i in range(STEPS):
        level = i / (STEPS - 1)
        fill(c, 20 + 15.5 * i, 30, 15.5, 60, Color(level, level, level))
    for i in range(170):
        fill(c, 20 + i, 110, 1.1, 60, Color(i / 169, i / 169, i / 169))


def sizes(c: Canvas) -> None:
    """Page 3."""
    text(c, 20, 20, "3  Type of 6 to 12 points", 14, font="Helvetica-Bold")
    for k, font in enumerate(("Helvetica", "Times-Roman", "Courier", "Times-Italic")):
        for i, points in enumerate(TYPE_POINTS):
            text(c, 20, 34 + 60 * k + 7 * i, f"{points} pt {PANGRAM}", points, font=font)


def colours(c: Canvas) -> None:
    """Page 4."""
    text(c, 20, 20, "4  Grey and coloured type, type on tints", 14, font="Helvetica-Bold")
    for i, colour in enumerate(TYPE_COLOURS):
        text(c, 20, 32 + 7 * i, PANGRAM, 8, colour)
    for i, (ground, ink) in enumerate(GROUNDS):
        fill(c, 20, 100 + 16 * i, 170, 12, HexColor(ground))
        text(c, 25, 108 + 16 * i, PANGRAM, 9, ink)
    text(c, 20, 215, "Large and orange", 48, "#e08020", "Helvetica-Bold")


def photograph(c: Canvas, scene: Callable[[int, int], object]) -> None:
    """Page 5."""
    text(c, 20, 20, "5  A photograph and small type", 14, font="Helvetica-Bold")
    c.drawImage(ImageReader(scene(760, 507)), 20 * mm, H - 140 * mm, 165 * mm, 110 * mm)
    for i, points in enumerate((6, 7, 8, 9)):
        text(c, 20, 148 + 6 * i, f"{points} pt {PANGRAM}", points)
        text(c, 20, 178 + 6 * i, f"{points} pt {PANGRAM}", points, "#777777")


def pairs(c: Canvas) -> None:
    """Page 6: line pairs and checks counted in dots of 1/8.03 mm."""
    text(c, 20, 20, "6  Line pairs and checks", 14, font="Helvetica-Bold")
    c.setFillColor(black)
    for i, dots in enumerate(PAIRS_DOTS):
        step = dots * DOT_MM
        text(c, 20, 34 + 45 * i, f"{dots}", 9)
        for k in range(int(40 / (2 * step))):
            fill(c, 30 + 2 * k * step, 30 + 45 * i, step, 35, black)
            fill(c, 80, 30 + 45 * i + 2 * k * step * 35 / 40, 40, step, black)
        for k in range(int(35 / step)):
            for j in range(int(40 / (2 * step))):
                if dots > 1:
                    fill(c, 130 + (2 * j + k % 2) * step, 30 + 45 * i + k * step, step, step, black)


def table(c: Canvas) -> None:
    """Page 7."""
    text(c, 20, 20, "7  Table", 14, font="Helvetica-Bold")
    for r in range(16):
        y = 30 + 9 * r
        fill(c, 20, y, 170, 9, HexColor("#5070a0") if r == 0 else HexColor("#e8eef6") if r % 2 else white)
        for k in range(5):
            label = f"Col {k + 1}" if r == 0 else f"{r * 37.5 * (k + 1):.2f}"
            text(c, 22 + 34 * k, y + 6.2, label, 9, "#ffffff" if r == 0 else "#202020")
    c.setStrokeColor(HexColor("#909090"))
    c.setLineWidth(0.1 * mm)
    for r in range(17):
        c.line(20 * mm, H - (30 + 9 * r) * mm, 190 * mm, H - (30 + 9 * r) * mm)
    for k in range(6):
        c.line((20 + 34 * k) * mm, H - 30 * mm, (20 + 34 * k) * mm, H - 174 * mm)


def edges(c: Canvas) -> None:
    """Page 8: 1 mm inside the paper; a machine that prints 196.6 of 215 mm would cut it off."""
    c.setStrokeColor(black)
    c.setLineWidth(0.5 * mm)
    c.rect(1 * mm, 1 * mm, W - 2 * mm, H - 2 * mm, stroke=1, fill=0)
    text(c, 20, 20, "8  A frame at the edge of the paper", 14, font="Helvetica-Bold")
    fill(c, 20, 40, 170, 40, black)
    text(c, 30, 62, "White on solid black", 20, "#ffffff", "Helvetica-Bold")
    for x, y in ((3, 5), (W / mm - 14, 5), (3, H / mm - 3), (W / mm - 14, H / mm - 3)):
        text(c, x, y, "corner", 8)


def draw(out: Path, scene: Callable[[int, int], object]) -> None:
    """Writes the PDF; `scene` draws a photograph of a size in pixels."""
    c = Canvas(str(out), pagesize=A4, invariant=1)
    for page in (lines, wedge, sizes, colours, lambda c: photograph(c, scene), pairs, table, edges):
        page(c)
        c.showPage()
    c.save()
