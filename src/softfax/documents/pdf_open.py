# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens PDFs with PDFium; what it cannot read, or has fewer pages of, is written anew by qpdf first."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from softfax.documents.locks import ASK
from softfax.documents.pdf_pictures import CUT, GONE, ODD
from softfax.documents.pdf_structure import PROBLEMS, Structure, read_structure
from softfax.documents.types import Source
from softfax.errors import DocumentEmptyError, DocumentPasswordError, DocumentUnsupportedError

__all__ = ["OpenPdf"]

#: So many pages are tried to see which of two readings of a file is the better.
READABLE_MAX = 2000
PAGES_MANY, PAGE_OCTETS_LEAST = 20_000, 3
NOT_SHOWN = "is damaged, and what is on it cannot be shown"
DAMAGED = "is damaged and was mended: see whether its pages are all there"


class OpenPdf:
    """A PDF, mended where it has to be: its pages, their units, and notes for people. Raises DocumentError."""

    def __init__(self, source: Source) -> None:
        # The owner's password, for changes, opens nothing that is not open without one.
        for password in dict.fromkeys((source.password, "")):
            document, problem = _opened(source.path, password)
            self._structure = structure = (
                None if _is_endless(document, source) else read_structure(source.path, password)
            )
            if document or structure:
                break
        if not document and not structure and "assword" in problem:
            raise _locked(source)
        self.notes = list(structure.notes) if structure else []
        if structure and (document is None or structure.changed or structure.pages != len(document)):
            anew = _written(structure)
            if anew is not None and (document is None or _is_better(anew, document)):
                if document is None or len(document) != len(anew):
                    self.notes.insert(0, DAMAGED)
                if document is None and not structure.draws:
                    raise _not_opened(source, problem)
                document = anew
        if document is None:
            raise _not_opened(source, problem)
        if not len(document):
            raise DocumentEmptyError(f"{source.shown} has no pages", "check the file")
        self._document = document
        self.form_type: int = document.get_formtype()

    def __len__(self) -> int:
        return len(self._document)

    def unit(self, index: int) -> float:
        """The UserUnit of a page."""
        return self._structure.units.get(index, 1.0) if self._structure else 1.0

    def page(self, index: int) -> tuple[pdfium.PdfPage | None, str]:
        """A page, and what is to be said of it; None for one that cannot be read."""
        page, structure = _loaded(self._document, index), self._structure
        contents = structure.contents(index) if structure else None
        faults = structure.picture_faults(index) if structure and page else set()
        if page is not None and (contents is None or contents.draws <= (raw.FPDFPage_CountObjects(page.raw) > 0)):
            if ODD in faults and (mended := self._mended(index)) is not None:
                page.close()
                page = mended
            return page, _note(page, contents is not None and contents.damaged, faults)
        mended = self._mended(index)
        if mended is None:
            return page, NOT_SHOWN if page else ""
        if page is not None:
            page.close()
        return mended, "was damaged and is mended: see whether something is missing"

    def _mended(self, index: int) -> pdfium.PdfPage | None:
        """The page as qpdf writes it; None where nothing is on it."""
        page = _loaded(self._anew, index) if self._anew else None
        return page if page is not None and raw.FPDFPage_CountObjects(page.raw) > 0 else None

    @cached_property
    def _anew(self) -> pdfium.PdfDocument | None:
        """The document as qpdf writes it, its contents unpacked as far as they can be; tried once, for all pages."""
        if self._structure is None:
            return None
        for number in range(min(self._structure.pages, READABLE_MAX)):
            self._structure.unpack(number)
        return _written(self._structure)

    def close(self) -> None:
        """Frees what PDFium holds of it."""
        self._document.close()
        if (anew := vars(self).get("_anew")) is not None:
            anew.close()


def _loaded(document: pdfium.PdfDocument, index: int) -> pdfium.PdfPage | None:
    try:
        return document[index]
    except (pdfium.PdfiumError, IndexError):
        return None


def _note(page: pdfium.PdfPage, damaged: bool, faults: set[str]) -> str:
    """Return a line for people on a page that is drawn as it is."""
    if damaged:
        empty = raw.FPDFPage_CountObjects(page.raw) == 0
        return NOT_SHOWN if empty else "is damaged, and parts of it may be missing"
    if GONE in faults:
        return "names a picture that is not in the file: a part of it may be missing"
    return "has a picture whose data end early: a part of it may be missing" if CUT in faults else ""


def _is_endless(document: pdfium.PdfDocument | None, source: Source) -> bool:
    """Return True if a file really has more pages than can be faxed: nothing else needs to be known of it."""
    return document is not None and PAGES_MANY < len(document) < source.path.stat().st_size / PAGE_OCTETS_LEAST


def _opened(path: Path | bytes, password: str) -> tuple[pdfium.PdfDocument | None, str]:
    """A document of PDFium's, or why there is none."""
    try:
        document = pdfium.PdfDocument(path, password=password or None)
        # Before anything else: PDFium lays out fields while it loads a page.
        document.init_forms()
        return document, ""
    except pdfium.PdfiumError as error:
        return None, str(error)


def _written(structure: Structure) -> pdfium.PdfDocument | None:
    """The document as qpdf writes it."""
    try:
        return _opened(structure.written(), "")[0]
    except PROBLEMS:
        return None


def _is_better(anew: pdfium.PdfDocument, document: pdfium.PdfDocument) -> bool:
    return len(anew) == len(document) or _readable(anew) >= _readable(document)


def _readable(document: pdfium.PdfDocument) -> int:
    """Number of pages that can be opened."""
    count = 0
    for index in range(min(len(document), READABLE_MAX)):
        try:
            document[index].close()
        except pdfium.PdfiumError:
            continue
        count += 1
    return count


def _locked(source: Source) -> DocumentPasswordError:
    if source.password:
        return DocumentPasswordError(
            f"the password does not open {source.shown}", "give the one that is asked for when it is opened"
        )
    return DocumentPasswordError(f"{source.shown} is encrypted, and opens with a password", ASK)


def _not_opened(source: Source, reason: str) -> DocumentEmptyError | DocumentUnsupportedError:
    data = source.path.read_bytes()
    if "ecurity" in reason and b"/Encrypt" in data:
        return DocumentUnsupportedError(
            f"{source.shown} is encrypted in a way that no password opens (for a certificate, or by rights management)",
            "print it to another PDF with the program that opens it",
        )
    # PDFium refuses a page tree without pages; that is no damage.
    if re.search(rb"/Count\s+0\b", data):
        return DocumentEmptyError(f"{source.shown} has no pages", "check the file")
    return DocumentUnsupportedError(f"{source.shown} is damaged, or not a PDF", "open it and save it again")
