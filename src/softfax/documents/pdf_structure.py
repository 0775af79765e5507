# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a PDF that PDFium omits or gets wrong, read and mended by qpdf: pages of damaged files, layers and fields as they
print, units, forms and portfolios that cannot be faxed. Runs only inside the worker process.

Written anew is only what has to be: a file that PDFium reads as it should is left to it.
"""

from __future__ import annotations

import contextlib
import io
import re
import zlib
from collections.abc import Callable, Set
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Stream

from softfax.documents.pdf_carve import carve
from softfax.documents.pdf_fonts import give_fonts
from softfax.documents.pdf_inline import UNPACKED_MAX, inflated, made_whole
from softfax.documents.pdf_notes import draw_note
from softfax.documents.pdf_pictures import (
    CUT,
    DECODING,
    GONE,
    ODD,
    mend_picture,
    names_drawn,
    page_forms,
    page_pictures,
    picture_fault,
    things_named,
)

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
CONTENTS = re.compile(rb"/Contents\s*(?:\[\s*)?\d+\s+\d+\s+R\b")
#: Filters of contents, by their names and by those for inline pictures, which some use (ISO 32000-1 table 6, table 94).
FILTERS = frozenset(
    {"/ASCIIHexDecode", "/ASCII85Decode", "/LZWDecode", "/FlateDecode", "/RunLengthDecode", "/Crypt", "/AHx", "/A85", "/LZW",
     "/Fl", "/RL", "None"}
)  # fmt: skip
CRYPT = re.compile(rb"/Crypt\b")
NAMES_SHOWN, PATTERNS_MAX, STATES_MAX = 3, 200, 200
#: Operators that put something on a page: words that are not blank, paths, pictures.
PAINTS = re.compile(
    rb"[^\s(<\[]\s*[)>\]]\s*(?:Tj|TJ|'|\")|(?:^|[\s\])>}/])(?:f\*?|F|S|s|B\*?|b\*?|Do|sh|EI)(?=[\s\[(<%/]|$)"
)


@dataclass(frozen=True)
class Contents:
    """Facts about a page's contents: whether they draw something, and whether a part of them is missing or cannot be read."""

    draws: bool
    damaged: bool


class Structure:
    """A PDF as qpdf reads it. `changed` tells that it has to be written anew to come out as it prints."""

    def __init__(self, pdf: pikepdf.Pdf, data: Callable[[], bytes]) -> None:
        self._pdf, self._data = pdf, data
        #: Faults of pictures, and of those within contents, as they are in the file, and which of them are mended for `written`.
        self._faults: dict[tuple[int, int], str] = {}
        self._mended: set[tuple[int, int]] = set()
        #: What contents name that is not among their own resources, at a glance and for sure.
        self._named: dict[tuple[tuple[int, int], bool], Set[str]] = {}
        #: Resources that were looked at.
        self._shared: set[tuple[int, int]] = set()
        self.pages = len(pdf.pages)
        warnings = [str(warning) for warning in pdf.get_warnings()]
        self.damaged = any("damaged" in warning or "EOF" in warning for warning in warnings)
        # Of the page tree: PDFium counts other pages then, or takes one of them for another.
        self.changed = any("Pages tree" in warning or "/Type key" in warning for warning in warnings)
        self.units: dict[int, float] = {}
        #: Lines for people on what of the file is not a page.
        self.notes: list[str] = []
        self._look_at_pages()
        for step in (self._layers, self._portfolio, self._undo_crypt):
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
            page = self._pdf.pages[index].obj
            parts = [_unpacked(part) if isinstance(part, Stream) else (b"", True) for part in _parts(page)]
            gone = not parts and "/Contents" not in page and self._names_contents(page.objgen)
        except PROBLEMS:
            return None
        if any(data is None for data, _ in parts):
            return None
        draws = any(PAINTS.search(data or b"") is not None for data, _ in parts)
        return Contents(draws, gone or any(damaged for _, damaged in parts))

    def _names_contents(self, page: tuple[int, int]) -> bool:
        """Return True if a page names contents that are not in the file: qpdf leaves out names of nothing."""
        written = list(re.finditer(rb"(?<!\d)%d\s+%d\s+obj\b(.{,4096}?)\bendobj" % page, self._data(), re.S))
        return bool(written) and CONTENTS.search(written[-1][1]) is not None

    def picture_faults(self, index: int) -> set[str]:
        """Faults of the pictures of a page: CUT, GONE, ODD."""
        faults = set()
        try:
            there = things_named(self._pdf.pages[index].resources)
            for part, resources in self._drawing(index):
                if fault := self._fault(part, partial(self._contents_fault, resources)):
                    faults |= {fault, ODD}
                if GONE not in faults and self._names_nothing(part, resources, there):
                    faults.add(GONE)
            pictures = page_pictures(*self._resources(index))
            faults.update(self._fault(picture, picture_fault) for picture in pictures)
        except PROBLEMS:
            pass  # the renderer does as it can
        return faults - {""}

    def _fault(self, thing: Any, look: Callable[[Any], str]) -> str:
        """Return what is wrong with something that pages may share; it is looked at once."""
        if thing.objgen not in self._faults:
            self._faults[thing.objgen] = ""
            with contextlib.suppress(*PROBLEMS, *DECODING):
                self._faults[thing.objgen] = look(thing)
        return self._faults[thing.objgen]

    def _contents_fault(self, resources: Any, part: Any) -> str:
        """Return what is wrong with the pictures within contents."""
        data = _unpacked(part)[0] or b""
        return made_whole(self._pdf, data, resources)[1] if b"BI" in data else ""

    def _names_nothing(self, part: Any, resources: Any, there: Set[str]) -> bool:
        """Return True if contents name a picture or form that is neither among their resources nor among their page's, `there`:
        pages may share contents, each with resources of its own.
        """
        for sure in (False, True):
            if (part.objgen, sure) not in self._named:
                self._named[part.objgen, sure] = frozenset()
                with contextlib.suppress(*PROBLEMS):
                    named = names_drawn(_unpacked(part)[0] or b"", sure=sure)
                    self._named[part.objgen, sure] = named - things_named(part.get("/Resources"))
            missing = self._named[part.objgen, sure] - there
            if not missing or not missing - things_named(resources):
                return False
        return True

    def _resources(self, index: int) -> list[Any]:
        """Resources of a page, and of what its annotations look like. Raises one of PROBLEMS."""
        page = self._pdf.pages[index]
        return [page.resources, *(one.get("/Resources") for one in _stamps(page.obj))]

    def _drawing(self, index: int) -> list[tuple[Any, Any]]:
        """The contents of a page, of its forms and of its annotations, each with its resources. Raises one of PROBLEMS."""
        page = self._pdf.pages[index]
        found = [(part, page.resources) for part in _parts(page.obj) if isinstance(part, Stream)]
        found += [(one, page.resources) for one in _stamps(page.obj)]
        found += page_forms(*self._resources(index))
        return [(one, one.get("/Resources", resources)) for one, resources in found]

    @property
    def draws(self) -> bool:
        """Return True if there is anything on one of the pages."""
        known = (self.contents(index) for index in range(self.pages))
        return any(contents is None or contents.draws for contents in known)

    def unpack(self, index: int) -> None:
        """Replaces a page's contents by what can be unpacked of them, and writes its odd pictures anew."""
        page = self._pdf.pages[index]
        try:
            for part in _parts(page.obj):
                data, damaged = _unpacked(part)
                if damaged:
                    part.write(data or b"")
        except PROBLEMS:
            pass  # it stays as it is
        if ODD not in self.picture_faults(index):
            return
        try:
            for part, resources in self._drawing(index):
                if self._faults.get(part.objgen) in (CUT, ODD) and self._is_left(part):
                    part.write(made_whole(self._pdf, _unpacked(part)[0] or b"", resources)[0])
        except PROBLEMS:
            pass
        for picture in page_pictures(*self._resources(index)):
            try:
                if self._faults.get(picture.objgen) == ODD and self._is_left(picture):
                    mend_picture(picture)
            except (*PROBLEMS, *DECODING):
                self._faults[picture.objgen] = CUT

    def _is_left(self, thing: Any) -> bool:
        """Return True if something is to be mended; once for each."""
        left = thing.objgen not in self._mended
        self._mended.add(thing.objgen)
        return left

    def _look_at_pages(self) -> None:
        """UserUnits, and fields that PDFium leaves out because no form has them."""
        try:
            form, given = "/AcroForm" in self._pdf.Root, dict[str, Any]()
            for index, page in enumerate(self._pdf.pages):
                raw = page.obj
                self._mend_all_resources(_inherited(raw, "/Resources"), given)
                if "/UserUnit" in raw and 0 < float(raw.UserUnit) <= UNIT_MOST:
                    self.units[index] = float(raw.UserUnit)
                if "/Annots" in raw:
                    for note in raw.Annots:
                        self._keep_field(note, form)
                        self._draw_note(note)
                        self._mend_looks(note, given)
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
        value, looks = _inherited(note, "/V"), note.AP.get("/N")
        if "/AS" not in note and isinstance(value, Name) and isinstance(looks, Dictionary) and str(value) in looks:
            note.AS = value
            self.changed = True

    def _mend_all_resources(self, resources: Any, given: dict[str, Any]) -> None:
        """Mends those of a page and of its forms; what pages share, once."""
        key = resources.objgen if isinstance(resources, Dictionary) else (0, 0)
        if key in self._shared:
            return
        if any(key):
            self._shared.add(key)
        self._mend_resources(resources, given)
        try:
            for form, _ in page_forms(resources):
                if form.objgen not in self._shared:
                    self._shared.add(form.objgen)
                    self._mend_resources(form.get("/Resources"), given)
        except PROBLEMS:
            pass  # a malformed form does not hide what is on other pages

    def _mend_looks(self, note: Any, given: dict[str, Any]) -> None:
        """Mends the resources of what an annotation looks like."""
        try:
            for one in _looks(note):
                self._mend_all_resources(one.get("/Resources"), given)
        except PROBLEMS:
            pass

    def _mend_resources(self, resources: Any, given: dict[str, Any]) -> None:
        if not isinstance(resources, Dictionary):
            return
        try:
            self.changed |= give_fonts(self._pdf, resources, given)
            self.changed |= _turn_tiles(resources.get("/Pattern"))
            self.changed |= _mend_alphas(resources.get("/ExtGState"))
        except PROBLEMS:
            pass  # a malformed font does not hide what is on other pages

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
                states = {_state(group, category) for category in rule.get("/Category", [])}
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

    def _undo_crypt(self) -> None:
        """Takes the filter from streams that says that they are not encrypted, which PDFium does not know."""
        if CRYPT.search(self._data()) is None:
            return
        for thing in self._pdf.objects:
            filters = thing.get("/Filter") if isinstance(thing, Stream) else None
            if isinstance(filters, Array) and len(filters) and filters[0] == Name.Crypt:
                data = thing.read_raw_bytes()
                parameters = list(thing.get("/DecodeParms", Array()))[1:]
                thing.write(
                    data, filter=Array(list(filters)[1:]), decode_parms=Array(parameters) if parameters else None
                )
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
    try:
        best = _structure(path, password, path.read_bytes)
    except pikepdf.PasswordError:
        return None
    if best is not None and not best.damaged:
        return best
    for planted in (False, True):
        if planted and best is not None:
            break
        try:
            carved = carve(path.read_bytes(), planted=planted)
            found = _structure(io.BytesIO(carved), password, partial(bytes, carved))
        except (ValueError, pikepdf.PasswordError):
            continue
        if found is not None and (best is None or found.pages >= best.pages):
            best = found
    return best


def _structure(source: Path | io.BytesIO, password: str, data: Callable[[], bytes]) -> Structure | None:
    try:
        found = Structure(pikepdf.open(source, password=password, suppress_warnings=True), data)
    except pikepdf.PasswordError:
        raise
    except PROBLEMS:
        return None
    return found if found.pages else None


def _looks(note: Any) -> list[Any]:
    """Streams of what an annotation looks like, in any of its states."""
    looks = note.get("/AP") if isinstance(note, Dictionary) else None
    normal = looks.get("/N") if isinstance(looks, Dictionary) else None
    states = list(normal.values()) if isinstance(normal, Dictionary) else [normal]
    return [one for one in states if isinstance(one, Stream)]


def _stamps(page: Any) -> list[Any]:
    """Streams of what the annotations of a page look like, each once."""
    return list({one.objgen: one for note in page.get("/Annots", []) for one in _looks(note)}.values())


def _parts(page: Any) -> list[Any]:
    """The parts of a page's contents: streams, where nothing is missing."""
    contents = page.get("/Contents", Array())
    return list(contents) if isinstance(contents, Array) else [contents]


def _unpacked(part: Any) -> tuple[bytes | None, bool]:
    """The data of a stream, and whether some of it is damaged. None for codes that only PDFium is asked to read."""
    filters = part.get("/Filter", Array())
    names = [str(name) for name in filters] if isinstance(filters, Array) else [str(filters)]
    packed = part.read_raw_bytes()
    if not FILTERS.issuperset(names):
        return b"", True
    if not names or not packed:
        return packed[:UNPACKED_MAX], False
    if names != ["/FlateDecode"] or "/DecodeParms" in part:
        return None, False
    # Some have another line end before the data, which PDFium does not skip.
    shifted = packed[:1] in (b"\r", b"\n")
    packed = packed.lstrip(b"\r\n")
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed, UNPACKED_MAX)
        if unpacker.eof or len(data) == UNPACKED_MAX:
            return data, shifted
        # With more octets the number by which data are checked is not right, unless there are data missing before it.
        unpacker.decompress(bytes(4))
        return data, True
    except zlib.error as error:
        checked = "data check" in str(error)
    # What comes before the damage, or without the two octets that say how it is packed.
    readings = (inflated(packed[skipped:], zlib.decompressobj(bits)) for skipped, bits in ((0, 15), (2, -15), (0, -15)))
    return next(filter(None, readings), b""), shifted or not checked


def _inherited(thing: Any, key: str) -> Any:
    """A value of a dictionary or of those above it."""
    for _ in range(PARENTS_MAX):
        if not isinstance(thing, Dictionary):
            return None
        if key in thing:
            return thing[key]
        thing = thing.get("/Parent")
    return None


def _turn_tiles(patterns: Any) -> bool:
    """Turn the boxes and steps of tiles (ISO 32000-1 §8.7.3) the usual way round, which shows the same.

    Others PDFium leaves out at the edges of what it draws at a time.
    """
    changed = False
    for name in list(patterns.keys())[:PATTERNS_MAX] if isinstance(patterns, Dictionary) else ():
        tile = patterns[name]
        if not isinstance(tile, Stream) or tile.get("/PatternType") != 1:
            continue
        for key in ("/XStep", "/YStep"):
            if key in tile and float(tile[key]) < 0:
                tile[key] = -tile[key]
                changed = True
        box = [float(side) for side in tile.BBox]
        upright = [min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]
        if box != upright:
            tile.BBox = Array(upright)
            changed = True
    return changed


def _mend_alphas(states: Any) -> bool:
    """Make numbers of alphas (ISO 32000-1 §11.6.4.4) that are strings, and take out what is neither.

    PDFium takes both for 0, so that nothing is seen of what is drawn with them.
    """
    changed = False
    for name in list(states.keys())[:STATES_MAX] if isinstance(states, Dictionary) else ():
        state = states[name]
        for key in ("/ca", "/CA"):
            if isinstance(state.get(key, 1), (int, float, Decimal)):
                continue
            said = re.fullmatch(r"\s*([01]?\.?\d{0,9})\s*", str(state[key]))
            if said and said[1] not in ("", "."):
                state[key] = Decimal(said[1])
            else:
                del state[key]
            changed = True
    return changed


def _overlap(box: Any, other: Any) -> bool:
    """Return True if two rectangles overlap; a malformed rectangle is left to PDFium."""
    try:
        sides = [sorted((float(r[i]), float(r[i + 2]))) for i in (0, 1) for r in (box, other)]
    except PROBLEMS:
        return True
    return all(max(a[0], b[0]) < min(a[1], b[1]) for a, b in (sides[:2], sides[2:]))


def _state(group: Any, category: Any) -> str:
    """State that a layer recommends for one use: `/Print` has PrintState, and so on; empty where it recommends none."""
    usage = group.get("/Usage", Dictionary()).get(str(category), Dictionary())
    return str(usage.get(f"{category}State", ""))


def _plain(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:60]
