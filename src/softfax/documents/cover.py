# SPDX-License-Identifier: GPL-2.0-or-later
"""Cover pages from templates that people edit: SVG drawings with boxes for text, or plain text.

How a template is written is said in `templates/default.svg` and docs/documents.md.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import resvg_py
from PIL import Image

from softfax.documents import fonts
from softfax.documents.charsets import decode_text
from softfax.documents.fonts import Style
from softfax.documents.paper import Paper, PaperSheet
from softfax.documents.text import TextSheet, text_sheets
from softfax.documents.typeset import POINTS_PER_INCH, Canvas, Line, Paragraph, Type, shortened
from softfax.errors import UsageError

__all__ = ["CoverFields", "CoverSheet", "cover_sheet", "cover_templates"]

FOLDER = Path(__file__).with_name("templates")
TEMPLATE_BYTES_MAX = 4 << 20
FIELD_CHARACTERS_MAX = 20_000
SHRINK = (1.0, 0.92, 0.85, 0.77, 0.7)
PAPER_MM = (50.0, 1000.0)
LEADING = 1.35

SVG = "http://www.w3.org/2000/svg"
_FIELD = re.compile(r"\{([A-Za-z_]+)\}")
_LENGTH = re.compile(r"\s*([0-9.]+)\s*(mm|cm|in|pt|px|)\s*\Z")
_POINTS = {"mm": 72 / 25.4, "cm": 72 / 2.54, "in": 72.0, "pt": 1.0, "px": 0.75, "": 0.75}
_TRANSLATE = re.compile(r"\s*translate\(\s*(-?[0-9.]+)(?:[\s,]+(-?[0-9.]+))?\s*\)\s*\Z")
_EMBEDDED = re.compile(r"data:image/(?:png|jpeg|jpg|gif|webp);base64,", re.IGNORECASE)
_STYLES = {
    "sans": Style.SANS,
    "bold": Style.BOLD,
    "oblique": Style.OBLIQUE,
    "mono": Style.MONO,
    "mono-bold": Style.MONO_BOLD,
}
_ALIGNS = ("start", "end", "left", "center", "right")
_VALIGNS = ("top", "middle", "bottom")


@dataclass(frozen=True, kw_only=True)
class CoverFields:
    """Fields of a cover page. `pages` counts all pages of the fax, the cover included; 0 where unknown.

    In templates `sender` is called {from}, and its company and number likewise.
    """

    to: str = ""
    to_company: str = ""
    to_number: str = ""
    sender: str = ""
    sender_company: str = ""
    sender_number: str = ""
    subject: str = ""
    pages: int = 0
    date: str = ""
    note: str = ""

    def named(self) -> dict[str, str]:
        """Name in templates → value; overlong values are cut."""
        out = {}
        for field in fields(self):
            text = str(getattr(self, field.name) or "")[:FIELD_CHARACTERS_MAX]
            out[field.name.replace("sender", "from")] = "\n".join(text.splitlines()).strip()
        return out


def cover_templates() -> dict[str, Path]:
    """The templates that come with softfax, by name."""
    return {path.stem: path for path in sorted(FOLDER.iterdir()) if path.suffix in (".svg", ".txt")}


def cover_sheet(cover: CoverFields, template: Path | str | None = None) -> PaperSheet:
    """The cover page of a fax, from a template's name or file; None is the default one.

    Raises UsageError if the template is missing or makes no sense.
    """
    known = cover_templates()
    path = known.get(str(template or "default"), Path(str(template)))
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= TEMPLATE_BYTES_MAX else b""
    except OSError as error:
        raise UsageError(
            f"there is no cover template {str(template)[:200]!r} ({error.strerror})",
            f"name a file, or one of {', '.join(known)}",
        ) from None
    if size > TEMPLATE_BYTES_MAX:
        raise UsageError(f"{path.name} is larger than {TEMPLATE_BYTES_MAX >> 20} MB", "make its pictures smaller")
    if path.suffix.lower() == ".svg" or b"<svg" in data[:4096]:
        try:
            return CoverSheet(data, cover.named(), path.name)
        except RecursionError:
            raise UsageError(
                f"cover template {path.name} is nested too deep", "take groups out of each other"
            ) from None
    return _plain(decode_text(data), cover.named(), path.name)


def _fill(pattern: str, values: Mapping[str, str], name: str) -> str:
    """Fields into text. A value among other words keeps its own direction. Raises UsageError for unknown fields."""
    whole = _FIELD.fullmatch(pattern)

    def value(match: re.Match[str]) -> str:
        key = match[1]
        if key not in values:
            raise UsageError(f"{name} has an unknown field {{{key}}}", f"fields are {', '.join(values)}")
        text = values[key]
        return text if whole or not text else "\n".join(f"\u2068{line}\u2069" for line in text.split("\n"))

    return _FIELD.sub(value, pattern)


# ---- plain text ----------------------------------------------------------------------------------------------------------


def _plain(template: str, values: Mapping[str, str], name: str) -> TextSheet:
    """A text template on one page; lines whose fields are all empty are left out."""
    out = []
    for line in template.replace("\r\n", "\n").split("\n"):
        filled = _fill(line, values, name)
        used = _FIELD.findall(line)
        if not used or any(values[key] for key in used):
            out.append(filled)
    first = text_sheets("\n".join(out), name=name, proportional=False)[0]
    lines = list(first.lines)
    if first.total > 1:
        lines[-1] = shortened("[…]", Type(Style.MONO, 10), 100)
    return TextSheet(lines, 1, 1, first.paper, first.pitch)


# ---- SVG -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Box:
    """A rectangle for text; points from the page's upper left corner."""

    text: str
    x: float
    y: float
    width: float
    height: float
    kind: Type
    align: str
    valign: str
    leading: float

    def set(self) -> tuple[list[Line], float]:
        """Its lines, at the largest size at which they fit, and that size; what does not fit is cut."""
        for shrink in SHRINK:
            kind = Type(self.kind.style, self.kind.points * shrink)
            lines: list[Line] = []
            for text in self.text.split("\n"):
                lines += Paragraph([(text, kind)]).lines(self.width)
            room = max(1, 1 + int((self.height - kind.points * 1.1) / (kind.points * self.leading)))
            if len(lines) <= room:
                return lines, kind.points
        kept = lines[:room]
        rest = kept[-1].text + lines[room].text if len(lines) > room else kept[-1].text
        kept[-1] = shortened(rest + "…", kind, self.width, int(kept[-1].right_to_left))
        return kept, kind.points

    def paint(self, canvas: Canvas) -> None:
        lines, points = self.set()
        tall = points * 1.2 + points * self.leading * (len(lines) - 1)
        top = self.y + {"top": 0.0, "middle": 0.5, "bottom": 1.0}[self.valign] * max(0.0, self.height - tall)
        for index, line in enumerate(lines):
            baseline = top + points * 0.95 + points * self.leading * index
            canvas.draw_in(line, self.x, self.width, baseline, self.align)


class CoverSheet(PaperSheet):
    """A cover page from an SVG template: the drawing by resvg, boxes of text by us. `warning` is for people; often empty."""

    def __init__(self, template: bytes, values: Mapping[str, str], name: str) -> None:
        self._name = name
        self._values = values
        self._boxes: list[_Box] = []
        root = self._parse(template)
        super().__init__(self._paper(root))
        self._drop_empty(root)
        self._take_boxes(root, 0.0, 0.0)
        for text in root.iter(f"{{{SVG}}}text"):
            for part in text.iter():
                part.text = _fill(part.text, values, name) if part.text else part.text
                part.tail = _fill(part.tail, values, name) if part.tail and part is not text else part.tail
        self._root = root
        self.warning = fonts.missing_warning("".join(box.text for box in self._boxes))

    def _bad(self, problem: str, remedy: str = "see templates/default.svg") -> UsageError:
        return UsageError(f"cover template {self._name}: {problem}", remedy)

    def _parse(self, template: bytes) -> ElementTree.Element:
        # No document type, no entities: they can name files and grow without end.
        if re.search(rb"<!(?:DOCTYPE|ENTITY)", template, re.IGNORECASE) or template[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise self._bad("it has a document type, or is not UTF-8", "remove the <!DOCTYPE> line, save it as UTF-8")
        try:
            root = ElementTree.fromstring(template)
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise self._bad(f"it is not XML ({error})") from None
        if root.tag != f"{{{SVG}}}svg":
            raise self._bad("its outermost element is not an <svg> of the SVG namespace")
        for element in root.iter():
            for key, value in element.attrib.items():
                if (
                    key.rpartition("}")[2] in ("href", "src")
                    and not value.startswith("#")
                    and not _EMBEDDED.match(value)
                ):
                    raise self._bad(f"it refers to {value[:60]!r}", "embed pictures as data:image/png;base64,…")
        return root

    def _paper(self, root: ElementTree.Element) -> Paper:
        box = root.get("viewBox", "").replace(",", " ").split()
        try:
            self._origin = (float(box[0]), float(box[1])) if box else (0.0, 0.0)
            size = (float(box[2]), float(box[3])) if box else None
            width, height = (
                self._length(root.get(side), size and size[i]) for i, side in enumerate(("width", "height"))
            )
        except (ValueError, IndexError):
            raise self._bad("its width, height or viewBox makes no sense") from None
        low, high = (mm * POINTS_PER_INCH / 25.4 for mm in PAPER_MM)
        if not (low <= width <= high and low <= height <= high):
            raise self._bad("its page is too small or too large", 'begin it <svg width="210mm" height="297mm" …>')
        units = size or (width / 0.75, height / 0.75)
        if not (units[0] > 0 and units[1] > 0):
            raise self._bad("its viewBox makes no sense")
        self._units = units
        self._scale = (width / units[0], height / units[1])
        return Paper(width, height)

    @staticmethod
    def _length(value: str | None, otherwise: float | None) -> float:
        if value is None:
            return (otherwise or 0.0) * 0.75
        match = _LENGTH.match(value)
        if not match:
            raise ValueError(value)
        return float(match[1]) * _POINTS[match[2]]

    def _drop_empty(self, element: ElementTree.Element) -> None:
        for child in list(element):
            names = child.get("data-if", "").split()
            if names and not any(self._values.get(name) for name in names):
                element.remove(child)
            else:
                self._drop_empty(child)

    def _take_boxes(self, element: ElementTree.Element, x: float, y: float) -> None:
        """Takes rectangles with data-text out of the drawing."""
        for child in list(element):
            shift = _TRANSLATE.match(child.get("transform", "")) if child.get("transform") else None
            dx, dy = (float(shift[1]), float(shift[2] or 0)) if shift else (0.0, 0.0)
            if child.get("transform") and not shift and any("data-text" in e.attrib for e in child.iter()):
                raise self._bad("a box for text is turned or scaled", "remove the transform, or use translate only")
            if "data-text" in child.attrib:
                if child.tag != f"{{{SVG}}}rect":
                    raise self._bad("data-text is on something that is not a <rect>")
                self._boxes.append(self._box(child, x + dx, y + dy))
                element.remove(child)
            else:
                self._take_boxes(child, x + dx, y + dy)

    def _box(self, rect: ElementTree.Element, dx: float, dy: float) -> _Box:
        def number(key: str, otherwise: str = "") -> float:
            return float(rect.get(key, otherwise))

        across, down = self._scale
        try:
            x, y = number("x", "0") + dx - self._origin[0], number("y", "0") + dy - self._origin[1]
            width, height, size = number("width") * across, number("height") * down, number("data-size", "5") * down
            leading = number("data-leading", str(LEADING))
            kind = Type(_STYLES[rect.get("data-font", "sans")], size)
        except (ValueError, KeyError) as error:
            raise self._bad(f"the box {rect.get('data-text', '')[:40]!r} has a wrong value ({error})") from None
        align, valign = rect.get("data-align", "start"), rect.get("data-valign", "top")
        if (
            align not in _ALIGNS
            or valign not in _VALIGNS
            or not (0.5 <= size <= 1000 and 0.5 <= leading <= 10 and width > 0)
        ):
            raise self._bad(f"the box {rect.get('data-text', '')[:40]!r} has a wrong size or alignment")
        text = _fill(rect.get("data-text", "").strip(), self._values, self._name)
        return _Box(text, x * across, y * down, width, height, kind, align, valign, leading)

    def _drawing(self, width: int, rows: int) -> Image.Image:
        """The drawing without its boxes, stretched to the dot grid."""
        root = self._root
        root.set("width", str(width))
        root.set("height", str(rows))
        root.set("viewBox", f"{self._origin[0]:g} {self._origin[1]:g} {self._units[0]:g} {self._units[1]:g}")
        root.set("preserveAspectRatio", "none")
        try:
            png = resvg_py.svg_to_bytes(
                svg_string=ElementTree.tostring(root, encoding="unicode"),
                background="#ffffff",
                skip_system_fonts=True,
                font_files=[str(fonts.FOLDER / f"{style}.ttf") for style in Style],
                font_family="DejaVu Sans",
                serif_family="DejaVu Sans",
                sans_serif_family="DejaVu Sans",
                monospace_family="DejaVu Sans Mono",
            )
        except ValueError as error:
            raise self._bad(f"it cannot be drawn ({error})") from None
        with Image.open(io.BytesIO(bytes(png))) as image:
            return image.convert("L").resize((width, rows)) if image.size != (width, rows) else image.convert("L")

    def paint(self, canvas: Canvas) -> None:
        rows, width = canvas.dots.shape
        canvas.dots = np.array(self._drawing(width, rows))
        for box in self._boxes:
            box.paint(canvas)
