# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents are opened in a process of their own, with limits on memory, CPU and time: a hostile one ends there.

`job.RasterJob` starts `python -m softfax.documents.worker`, or has `forkserver` fork it, and writes one JSON request, a
line, to its standard input. What comes back is one JSON object a line: the number of sheets once all documents are open, then
each page when it is in the file, and `done` or the error.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from softfax.diskspace import is_full
from softfax.documents.types import DocumentLimits, FarEnd, FaxImage, RasterSettings, Sheet, Source, left_out
from softfax.errors import (
    DocumentError,
    DocumentInterruptedError,
    DocumentTooLargeError,
    DocumentUnsupportedError,
    PagesDiskFullError,
)

__all__ = ["limit", "main"]

FILES_OPEN_MAX = 512
SOURCES_MAX = 200
#: Pages after which memory that lies between what PDFium keeps goes back: without that a page leaves 0.2 MB behind.
TRIM_PAGES = 8
#: What has nothing to do with the document.
_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENFILE})


def limit(memory_bytes: int, cpu_s: int, written_bytes: int) -> None:
    """Limit this process: its memory, its time on the processor, and each file that it writes."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written_bytes, written_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_OPEN_MAX, FILES_OPEN_MAX))


def _end_with_parent() -> None:
    """Standard input ends when softfax does, however it ends: then nobody waits for these pages."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _say(**line: Any) -> None:
    json.dump(line, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()


def _warn(made: object) -> None:
    warning = getattr(made, "warning", "")
    if warning:
        _say(warning=str(warning))


def _settings(raw: dict[str, Any]) -> RasterSettings:
    limits, far_end = DocumentLimits(**raw.pop("limits")), FarEnd(**raw.pop("far_end"))
    return RasterSettings(**raw, limits=limits, far_end=far_end)


def _sheets(request: dict[str, Any], settings: RasterSettings) -> tuple[int, Iterator[tuple[Sheet | FaxImage, str]]]:
    """Opens everything, so that what is wrong shows before the first page; then the sheets in order."""
    from softfax.documents.load import open_document

    sources = [Source(**{**raw, "path": Path(raw["path"])}) for raw in request["sources"]]
    if len(sources) > SOURCES_MAX:
        raise DocumentTooLargeError(f"{len(sources)} documents are too many", f"send at most {SOURCES_MAX} at once")
    documents = []
    first: DocumentError | None = None
    for index, source in enumerate(sources):
        try:
            if source.optional:
                _check_pictures(source, settings.limits)
            document = open_document(source, settings.limits)
        except DocumentError as error:
            if not source.optional:
                raise
            first = first or error
            _say(left_out=index, warning=left_out(source.shown, error.problem))
            continue
        _warn(document)
        documents.append((document, source.shown))
    if first is not None and not documents:
        raise first
    count = sum(len(document) for document, _ in documents) + (1 if request.get("cover") else 0)
    if count > settings.limits.pages:
        raise DocumentTooLargeError(f"the fax has {count} pages", f"send at most {settings.limits.pages} in one fax")

    def sheets() -> Iterator[tuple[Sheet | FaxImage, str]]:
        if request.get("cover"):
            from softfax.documents.cover import CoverFields, cover_sheet

            cover = dict(request["cover"])
            template = cover.pop("template", None)
            front = cover_sheet(CoverFields(**{**cover, "pages": count}), template)
            _warn(front)
            yield front, "the cover page"
        for document, name in documents:
            for sheet in document:
                yield sheet, name

    return count, sheets()


def _check_pictures(source: Source, limits: DocumentLimits) -> None:
    """Pictures are decoded once more than they need be: one that breaks off is left out before the first page is made."""
    from softfax.documents.image import ImageDocument
    from softfax.documents.load import open_document

    document = open_document(source, limits)
    if isinstance(document, ImageDocument):
        for _ in document:
            pass


class _Header:
    """Draws the header line of each page."""

    def __init__(self, raw: dict[str, Any], total: int) -> None:
        self._fields = {**raw, "when": datetime.fromisoformat(raw["when"])}
        self.total: int | None = total

    def draw(self, image: Any, page_class: Any, number: int) -> Any:
        """On the top margin where that is white; else above the page."""
        import numpy as np

        from softfax.documents.header import HeaderLine, draw_header, header_rows

        line = HeaderLine(**self._fields, page=number, total=self.total)
        margin = np.asarray(image)[: header_rows(page_class.y_dpi)]
        return draw_header(image, page_class.x_dpi, page_class.y_dpi, line, overlay=bool(margin.all()))


def _work(request: dict[str, Any], settings: RasterSettings) -> None:
    from softfax.documents.raster import raster
    from softfax.documents.scan import straightened
    from softfax.documents.tiff import TiffWriter

    total, sheets = _sheets(request, settings)
    # Cutting makes more pages than sheets, how many nobody knows before.
    exact = settings.cut_mm is None and settings.far_end.length_mm is None
    _say(sheets=max(0, total - settings.first_page + 1), exact=exact)
    header = _Header(request["header"], total) if request.get("header") else None
    if header and not exact:
        header.total = None
    number = 0
    with TiffWriter(Path(request["out"])) as writer:
        for sheet, name in sheets:
            if exact and number + 1 < settings.first_page:
                number += 1
                continue
            for page in raster(straightened(sheet, settings.scan), settings, name):
                number += 1
                if number > settings.limits.pages:
                    raise DocumentTooLargeError("the fax has too many pages", f"send at most {settings.limits.pages}")
                if number < settings.first_page:
                    continue
                image = header.draw(page.image, page.page_class, number) if header else page.image
                info = writer.add_page(image, page.page_class, pictures=page.pictures, t6=None if header else page.t6)
                _say(page=asdict(info))
                if number % TRIM_PAGES == 0:
                    ctypes.CDLL(None).malloc_trim(0)
            _warn(sheet)
    _say(done=True)


def _problem(error: Exception) -> DocumentError:
    if isinstance(error, DocumentError):
        return error
    if isinstance(error, MemoryError):
        return DocumentTooLargeError("the document needs too much memory", "make it smaller")
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        kind = PagesDiskFullError if is_full(error) else DocumentInterruptedError
        return kind(f"the pages cannot be written ({error.strerror})", "make room on the disk")
    text = f"the document cannot be read ({type(error).__name__}: {error})"
    return DocumentUnsupportedError(text[:300], "open it and save it again")


def main() -> None:
    """Serves one request."""
    # A terminal interrupts all its processes; what ends is for the one that wants the pages to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    request = json.loads(sys.stdin.buffer.readline())
    settings = _settings(request["settings"])
    limit(settings.limits.memory_bytes, settings.limits.cpu_s, 4 * settings.limits.file_bytes)
    _end_with_parent()
    try:
        _work(request, settings)
    except Exception as error:
        said = _problem(error)
        _say(error=type(said).__name__, problem=said.problem, remedy=said.remedy)


if __name__ == "__main__":
    main()
