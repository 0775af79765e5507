# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens documents of every kind as sheets. Runs only inside the worker process, under its limits."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import PurePath
from typing import Protocol

from softfax.documents.kinds import HEAD, PICTURES, check_name, looks_like_text
from softfax.documents.types import DocumentLimits, FaxImage, Sheet, Source
from softfax.errors import DocumentEmptyError, DocumentTooLargeError, DocumentUnsupportedError, unread_remedy

__all__ = ["OpenDocument", "open_document"]

#: How much of a file's beginning and end is searched for what only a PDF has.
SEARCHED = 1 << 16
OBJECT = re.compile(rb"(?<!\d)\d{1,8} \d{1,5} obj\b")


class OpenDocument(Protocol):
    """An open document: how many pages it has, and each of them once, in order.

    One that cannot show everything has a line for people about it in `warning`.
    """

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Sheet | FaxImage]: ...


class _TextDocument:
    def __init__(self, source: Source, limits: DocumentLimits) -> None:
        from softfax.documents.markup import typeset
        from softfax.documents.ranges import parse_ranges

        sheets, self.warning = _table_pages(source, limits)
        if not sheets:
            made = typeset(source.path.read_bytes(), source.shown, pages_max=limits.pages)
            sheets, self.warning = list(made.sheets), made.warning
        if source.pages:
            sheets = [sheets[i] for i in parse_ranges(source.pages).select(len(sheets), source.shown)]
        self._sheets = sheets

    def __len__(self) -> int:
        return len(self._sheets)

    def __iter__(self) -> Iterator[Sheet]:
        yield from self._sheets


def _table_pages(source: Source, limits: DocumentLimits) -> tuple[list[Sheet], str]:
    """The pages of a table kept as text, and a warning; none where it is no table."""
    from softfax.documents.charsets import decode_text
    from softfax.documents.fonts import missing_warning
    from softfax.documents.table_text import TABLE_NAMES, read_table, table_sheets

    if PurePath(source.shown).suffix.lower() not in TABLE_NAMES:
        return [], ""
    table = read_table(decode_text(source.path.read_bytes()))
    if table is None:
        return [], ""
    sheets = table_sheets(table, pages_max=limits.pages, name=source.shown)
    return list(sheets), missing_warning("".join(cell for row in table for cell in row))


def open_document(source: Source, limits: DocumentLimits) -> OpenDocument:
    """Open one document. Raises DocumentError with the remedy, also for text that its name calls a PDF or picture."""
    head, suffix = _head(source, limits), PurePath(source.shown).suffix.lower()
    if b"%PDF-" in head[:1024] or (suffix == ".pdf" and _has_objects(source)):
        from softfax.documents.pdf import PdfDocument

        return _named(PdfDocument(source, limits), source, "a PDF" if suffix in PICTURES else "")
    if looks_like_text(head):
        check_name(head, source.shown)
        return _TextDocument(source, limits)
    from softfax.documents.image import ImageDocument

    return _named(ImageDocument(source, limits), source, "a picture" if suffix == ".pdf" else "")


def _named(document: OpenDocument, source: Source, kind: str) -> OpenDocument:
    """Let a document of another kind than its name says tell so, beside what it has to tell itself."""
    if kind:
        said = f"{source.shown} is {kind}, whatever its name says, and is faxed as one"
        vars(document)["warning"] = "; ".join(filter(None, (said, vars(document)["warning"])))
    return document


def _has_objects(source: Source) -> bool:
    """Return True if a file without the head of a PDF is one all the same: something stands before it, or its head is gone."""
    with source.path.open("rb") as file:
        begin = file.read(SEARCHED)
        file.seek(max(0, source.path.stat().st_size - SEARCHED))
        end = file.read()
    return OBJECT.search(begin) is not None and (b"endobj" in begin or b"startxref" in end)


def _head(source: Source, limits: DocumentLimits) -> bytes:
    try:
        # A pipe or a device could keep us waiting for ever, or give without end.
        handle = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a file"
                raise DocumentUnsupportedError(f"{source.shown} is {kind}", "name a document")
            head = os.read(handle, HEAD)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        reason, remedy = "its name is impossible", "check the file's name"
        if isinstance(error, OSError):
            reason, remedy = error.strerror or str(error), unread_remedy(error, remedy)
        raise DocumentUnsupportedError(f"{source.shown} cannot be read: {reason}", remedy) from None
    if found.st_size > limits.file_bytes:
        raise DocumentTooLargeError(
            f"{source.shown} is larger than {limits.file_bytes >> 20} MB", "split it, or send less"
        )
    if not head:
        raise DocumentEmptyError(f"{source.shown} is empty", "check the file")
    return head
