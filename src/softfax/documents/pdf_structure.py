# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a PDF that PDFium omits or gets wrong, read and mended by qpdf: pages of damaged files, layers and fields as they
print, units, forms and portfolios that cannot be faxed. Runs only inside the worker process.

Written anew is only what has to be: a file that PDFium reads as it should is left to it.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Stream

from softfax.documents.pdf_carve import carve
from softfax.documents.pdf_notes import draw_note

__all__ = ["PROBLEMS", "Structure", "read_structure"]

#: What libqpdf and its binding raise on files that are not what they say.
PROBLEMS = (
    pikepdf.PdfError, pikepdf.PasswordError, pikepdf.DataDecodingError, pikepdf.ForeignObjectError, RuntimeError, ValueError,
    TypeError, KeyError, AttributeError, IndexError, OverflowError, NotImplementedError,
)  # fmt: skip
#: Annotation flags (ISO 32000-1 table 165).
HIDDEN, PRINT = 2, 4
PARENTS_MAX = 50
UNIT_MOST = 1000.0
UNPACKED_MAX = 64 << 20
CHUNK = 64
NAMES_SHOWN = 3
#: Operators that put something on a page: words that are not blank, paths, pictures.
PAINTS = re.compile(
    rb"[^\s(<\[]\s*[)>\]]\s*(?:Tj|TJ|'|\")|(?:^|[\s\])>}/])(?:f\*?|F|S|s|B\*?|b\*?|Do|sh|EI)(?=[\s\[(<%/]|$)"
)


@dataclass(frozen=True)
class Contents:
    """Facts about a page's contents: whether they draw something, and whether a part of them could not be unpacked."""

    draws: bool
    damaged: bool


class Structure:
    """A PDF as qpdf reads it. `changed` tells that it has to be written anew to come out as it prints."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self._pdf = pdf
        self.pages = len(pdf.pages)
        warnings = [str(warning) for warning in pdf.get_warnings()]
        self.damaged = any("damaged" in warning or "EOF" in warning for warning in warnings)
        # Of the page tree: PDFium counts other pages then, or takes one of them for another.
        self.changed = any("Pages tree" in warning or "/Type key" in warning for warning in warnings)
        self.units: dict[int, float] = {}
        #: Lines for people on what of the file is not a page.
        self.notes: list[str] = []
        self._look_at_pages()
        for step in (self._layers, self._portfolio):
            try:
                step()
            except PROBLEMS:
                continue  # PDFium does as it can

    def written(self) -> bytes:
        """The file anew, decrypted and without what was wrong with it. Raises one of PROBLEMS."""
        out = io.BytesIO()
        self._pdf.save(
            out,
            fix_metadata_version=False,
            compress_streams=False,
            stream_decode_level=pikepdf.StreamDecodeLevel.none,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )
        return out.getvalue()

    def contents(self, index: int) -> Contents | None:
        """A page's contents; None where they are not known."""
        try:
            parts = [_unpacked(part) for part in _streams(self._pdf.pages[index].obj)]
        except PROBLEMS:
            return None
        if any(data is None for data, _ in parts):
            return None
        return Contents(
            any(PAINTS.search(data or b"") is not None for data, _ in parts), any(damaged for _, damaged in parts)
        )

    @property
    def draws(self) -> bool:
        """Return True if there is anything on one of the pages."""
        known = (self.contents(index) for index in range(self.pages))
        return any(contents is None or contents.draws for contents in known)

    def unpack(self, index: int) -> None:
        """Replaces a page's contents by what can be unpacked of them."""
        try:
            for part in _streams(self._pdf.pages[index].obj):
                data, damaged = _unpacked(part)
                if damaged:
                    part.write(data or b"")
        except PROBLEMS:
            pass  # it stays as it is

    def _look_at_pages(self) -> None:
        """UserUnits, and fields that PDFium leaves out because no form has them."""
        try:
            form = "/AcroForm" in self._pdf.Root
            for index, page in enumerate(self._pdf.pages):
                raw = page.obj
                if "/UserUnit" in raw and 0 < float(raw.UserUnit) <= UNIT_MOST:
                    self.units[index] = float(raw.UserUnit)
                if "/Annots" in raw:
                    for note in raw.Annots:
                        self._keep_field(note, form)
                        self._draw_note(note)
                if "/CropBox" in raw and not _overlap(raw.CropBox, _inherited(raw, "/MediaBox")):
                    del raw.CropBox
                    self.changed = True
        except PROBLEMS:
            pass  # what cannot be read is not there

    def _keep_field(self, note: Any, form: bool) -> None:
        """A field outside of the form is printed by what it looks like, as a stamp is."""
        if not isinstance(note, Dictionary) or note.get("/Subtype") != Name.Widget or "/AP" not in note:
            return
        if not form or _inherited(note, "/FT") is None:
            note.Subtype = Name.Stamp
            self.changed = True

    def _draw_note(self, note: Any) -> None:
        try:
            self.changed |= draw_note(self._pdf, note)
        except PROBLEMS:
            pass  # one that is malformed does not hide the others

    def _layers(self) -> None:
        """Sets each layer to what it is when printed (ISO 32000-1 §8.11.4): PDFium takes a layer's own wishes for orders."""
        root = self._pdf.Root
        if "/OCProperties" not in root:
            return
        properties = root.OCProperties
        groups, config = list(properties.get("/OCGs", [])), properties.get("/D", Dictionary())
        if "/AS" not in config and not any("/Usage" in group for group in groups):
            return
        off = {group.objgen for group in config.get("/OFF", [])}
        if config.get("/BaseState") == Name.OFF:
            off = {group.objgen for group in groups} - {group.objgen for group in config.get("/ON", [])}
        for rule in config.get("/AS", []):
            if rule.get("/Event") != Name.Print:
                continue
            for group in rule.get("/OCGs", []):
                states = {str(state) for category in rule.get("/Category", []) for state in _state(group, category)}
                if "/OFF" in states:
                    off.add(group.objgen)
                elif "/ON" in states:
                    off.discard(group.objgen)
        for group in groups:
            if "/Usage" in group:
                del group.Usage
        config = self._pdf.make_indirect(
            Dictionary(BaseState=Name.ON, OFF=Array([g for g in groups if g.objgen in off]))
        )
        properties.D = config
        self.changed = True

    def _portfolio(self) -> None:
        names = [_plain(name) for name in self._pdf.attachments]
        if not names:
            return
        listed = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
        if "/Collection" in self._pdf.Root:
            self.notes.append(
                f"is a portfolio: the files in it ({listed}) are not faxed, only the pages that introduce them"
            )
        else:
            self.notes.append(f"has files attached that are not faxed: {listed}")


def read_structure(path: Path, password: str) -> Structure | None:
    """Reads a PDF, mended as far as it can be; None for what nothing can be made of."""
    best = _structure(path, password)
    if best is not None and not best.damaged:
        return best
    for planted in (False, True):
        if planted and best is not None:
            break
        try:
            carved = carve(path.read_bytes(), planted=planted)
        except ValueError:
            continue
        found = _structure(io.BytesIO(carved), password)
        if found is not None and (best is None or found.pages >= best.pages):
            best = found
    return best


def _structure(source: Path | io.BytesIO, password: str) -> Structure | None:
    try:
        found = Structure(pikepdf.open(source, password=password, suppress_warnings=True))
    except PROBLEMS:
        return None
    return found if found.pages else None


def _streams(page: Any) -> list[Any]:
    contents = page.get("/Contents")
    parts = list(contents) if isinstance(contents, Array) else [contents]
    return [part for part in parts if isinstance(part, Stream)]


def _unpacked(part: Any) -> tuple[bytes | None, bool]:
    """The data of a stream, and whether some of it is damaged. None for codes that only PDFium is asked to read."""
    filters = part.get("/Filter", Array())
    names = [str(name) for name in filters] if isinstance(filters, Array) else [str(filters)]
    packed = part.read_raw_bytes()
    if not names:
        return packed[:UNPACKED_MAX], False
    if names != ["/FlateDecode"] or "/DecodeParms" in part:
        return None, False
    unpacker = zlib.decompressobj()
    try:
        return unpacker.decompress(packed, UNPACKED_MAX), False
    except zlib.error as error:
        # The data are there; the number at their end, by which they are checked, is not right.
        checked = "data check" in str(error)
    data = _inflated(packed, zlib.decompressobj())
    if not data:
        data = _inflated(packed[2:], zlib.decompressobj(-15))
    return data, not checked


def _inflated(packed: bytes, unpacker: Any) -> bytes:
    """Unpack what comes before the damage."""
    out = bytearray()
    try:
        for start in range(0, len(packed), CHUNK):
            out += unpacker.decompress(packed[start : start + CHUNK], UNPACKED_MAX)
            if len(out) > UNPACKED_MAX:
                break
    except zlib.error:
        pass
    return bytes(out)


def _inherited(thing: Any, key: str) -> Any:
    """A value of a dictionary or of those above it."""
    for _ in range(PARENTS_MAX):
        if not isinstance(thing, Dictionary):
            return None
        if key in thing:
            return thing[key]
        thing = thing.get("/Parent")
    return None


def _overlap(box: Any, other: Any) -> bool:
    """Return True if two rectangles overlap; a malformed rectangle is left to PDFium."""
    try:
        sides = [sorted((float(r[i]), float(r[i + 2]))) for i in (0, 1) for r in (box, other)]
    except PROBLEMS:
        return True
    return all(max(a[0], b[0]) < min(a[1], b[1]) for a, b in (sides[:2], sides[2:]))


def _state(group: Any, category: Any) -> Iterator[Any]:
    """State that a layer recommends for one use: `/Print` has PrintState, and so on."""
    usage = group.get("/Usage", Dictionary()).get(str(category), Dictionary())
    state = usage.get(f"{category}State")
    if state is not None:
        yield state


def _plain(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:60]
