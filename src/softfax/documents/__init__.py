# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents into fax pages, faxes into documents."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from softfax.documents.deliver import deliver_pdf, write_atomically
from softfax.documents.tiff import read_pages
from softfax.documents.types import (
    DocumentLimits,
    DocumentMetadata,
    PageInfo,
    PreparedDocument,
    RasterSettings,
    Resolution,
)
from softfax.documents.worker import rasterise
from softfax.errors import DocumentTooLargeError, UsageError

__all__ = [
    "DocumentLimits",
    "DocumentMetadata",
    "PageInfo",
    "PreparedDocument",
    "RasterSettings",
    "Resolution",
    "convert",
    "deliver_pdf",
    "prepare",
    "read_pages",
]


def prepare(files: Sequence[str | Path], settings: RasterSettings, workdir: Path) -> PreparedDocument:
    """Makes one fax TIFF of documents, in order; `-` is standard input. Raises DocumentError before anything is dialled."""
    paths = [_standard_input(workdir, settings) if str(f) == "-" else Path(f) for f in files]
    tiff = workdir / "fax.tif"
    return PreparedDocument(tiff, rasterise(paths, tiff, settings))


def _standard_input(workdir: Path, settings: RasterSettings) -> Path:
    path = workdir / "standard-input"
    with path.open("wb") as file:
        while chunk := sys.stdin.buffer.read(1 << 20):
            file.write(chunk)
            if file.tell() > settings.limits.file_bytes:
                raise DocumentTooLargeError("standard input is too large", "send less")
    return path


def convert(files: Sequence[str | Path], out: Path, settings: RasterSettings) -> tuple[PageInfo, ...]:
    """Writes documents as a fax TIFF or as a PDF of fax pages, by the ending of `out`. Raises DocumentError, UsageError."""
    kind = out.suffix.lower()
    if kind not in (".tif", ".tiff", ".pdf"):
        raise UsageError(f"{out.name} says no format", "end it in .tif or .pdf")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}", "make it first")
    with tempfile.TemporaryDirectory(prefix="softfax-") as workdir:
        prepared = prepare(files, settings, Path(workdir))
        if kind == ".pdf":
            result = Path(workdir) / "fax.pdf"
            deliver_pdf(prepared.tiff, result)
        else:
            result = prepared.tiff
        try:
            write_atomically(out, result.read_bytes())
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {error.strerror}", "choose another place") from None
    return prepared.pages
