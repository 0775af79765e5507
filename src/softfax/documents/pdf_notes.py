# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes of a PDF that PDFium leaves out where they bring no appearance: lines and polygons (ISO 32000-1 §12.5.6.7, §12.5.6.9)."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name

__all__ = ["draw_note"]

NUMBERS_MAX = 20_000
#: Operators of a colour by the number of its components, for strokes and for areas.
_STROKE, _FILL = {1: "G", 3: "RG", 4: "K"}, {1: "g", 3: "rg", 4: "k"}
ARROWS = frozenset({"/OpenArrow", "/ClosedArrow"})
#: How long an arrow's head is, in widths of its line, and how far its sides stand off.
ARROW_WIDTHS, ARROW_RADIANS = 9.0, math.pi / 6


def draw_note(pdf: pikepdf.Pdf, note: Any) -> bool:
    """Give a line or polygon without an appearance one; return False where there is nothing to do. Raises one of PROBLEMS."""
    if not isinstance(note, Dictionary) or "/AP" in note:
        return False
    kind = note.get("/Subtype")
    if kind not in (Name.Line, Name.Polygon, Name.PolyLine):
        return False
    numbers = [float(value) for value in itertools.islice(note.L if kind == Name.Line else note.Vertices, NUMBERS_MAX)]
    points = list(itertools.pairwise(numbers))[::2]
    stroke, fill = _colour(note.get("/C"), _STROKE), _colour(note.get("/IC"), _FILL) if kind == Name.Polygon else ""
    if len(points) < 2 or not (stroke or fill):
        return False
    width = _width(note)
    paint = "S" if kind != Name.Polygon else "b" if stroke and fill else "s" if stroke else "f"
    drawn = [f"{stroke} {fill} {width:f} w 1 j", _path(points), paint]
    if kind != Name.Polygon:
        endings = [str(name) for name in note.get("/LE", [])] + ["", ""]
        for ending, tip, behind in ((endings[0], points[0], points[1]), (endings[1], points[-1], points[-2])):
            if ending in ARROWS:
                drawn += [_path(_arrow(tip, behind, ARROW_WIDTHS * width)), "S"]
    beyond = (ARROW_WIDTHS + 1) * width
    box = [edge(side) + by for edge, by in ((min, -beyond), (max, beyond)) for side in zip(*points, strict=True)]
    # The box of a form is fitted into the note's rectangle: where both are one, it stays where it is.
    note.Rect = Array(box)
    form = pdf.make_stream("\n".join(drawn).encode(), Type=Name.XObject, Subtype=Name.Form, BBox=Array(box))
    note.AP = Dictionary(N=form)
    return True


def _colour(values: Any, operators: dict[int, str]) -> str:
    numbers = [float(value) for value in itertools.islice(values or [], 5)]
    operator = operators.get(len(numbers))
    return " ".join([*(f"{number:f}" for number in numbers), operator]) if operator else ""


def _width(note: Any) -> float:
    border = list(note.get("/Border", []))
    given = note.get("/BS", Dictionary()).get("/W", border[2] if len(border) > 2 else 1)
    return min(max(float(given), 0.0), 100.0)


def _path(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:f} {y:f} {'l' if number else 'm'}" for number, (x, y) in enumerate(points))


def _arrow(tip: tuple[float, float], behind: tuple[float, float], length: float) -> list[tuple[float, float]]:
    """The head of an arrow: one side, the tip, the other side."""
    along = math.atan2(behind[1] - tip[1], behind[0] - tip[0])
    one, other = (
        (tip[0] + length * math.cos(along + turn), tip[1] + length * math.sin(along + turn))
        for turn in (-ARROW_RADIANS, ARROW_RADIANS)
    )
    return [one, tip, other]
