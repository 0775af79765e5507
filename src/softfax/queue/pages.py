# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of a fax that is kept: made once, used by every attempt and every destination of a broadcast."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from softfax.diskspace import sync
from softfax.documents.begin import start
from softfax.documents.deliver import deliver_pdf
from softfax.documents.types import DocumentMetadata, RasterSettings
from softfax.errors import DocumentError, DocumentInterruptedError, DocumentUnsupportedError
from softfax.filestore import FileStore
from softfax.model import FaxContext
from softfax.options import STANDARD, options_of
from softfax.outside import clean
from softfax.records.model import Document, FaxRequest

__all__ = ["Made", "keep_documents", "made", "make", "pdf_of"]

LOCAL = FileStore()
#: How pages are named by their options: as by `_key`. Earlier versions noted nothing of it.
KEYED = 1
WARNINGS_MAX, WARNING_MAX = 50, 300
#: How soon is seen that the station stops.
LOOK_S = 0.2


@dataclass(frozen=True)
class Made:
    """A fax TIFF without header, how many pages it has, the documents it was made of, all of this machine, and lines about
    what of them is not on its pages."""

    tiff: Path
    pages: int
    documents: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def keep_documents(documents: Sequence[Document], folder: Path) -> tuple[Document, ...]:
    """The documents with their files in `folder`; those elsewhere are copied there. Raises DocumentUnsupportedError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = []
    for number, document in enumerate(documents, 1):
        if document.path is None:
            kept.append(document)
            continue
        if document.path.resolve().parent == folder.resolve():
            kept.append(dataclasses.replace(document, path=folder / document.path.name))
            continue
        path = folder / f"{number}-{document.path.name[-80:]}"
        try:
            shutil.copyfile(document.path, path)
        except OSError as error:
            name = document.name or document.path.name
            raise DocumentUnsupportedError(f"{name} cannot be read ({error.strerror})", "check the file") from None
        kept.append(dataclasses.replace(document, path=path, name=document.name or document.path.name))
    return tuple(kept)


def _key(request: FaxRequest) -> str:
    # By names in the folder: it may be another's on another machine.
    what = [[d.path.name if d.path else "", d.url, d.pages] for d in request.documents]
    # An option that comes later and is left as it is changes the key of no fax.
    usual = options_of(STANDARD, RasterSettings)
    raster = {name: value for name, value in options_of(request, RasterSettings).items() if value != usual[name]}
    said = json.dumps([what, dict(request.cover or {}), raster], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def made(request: FaxRequest, folder: Path) -> Made | None:
    """The pages of a request in which no option is left open, if they have been made."""
    notes = folder / f"fax-{_key(request)}.json"
    if not notes.is_file():
        notes = _of_before(folder) or notes
    try:
        said = json.loads(notes.read_text())
        tiff = folder / Path(said.get("tiff", f"{notes.stem}.tif")).name
        return (
            Made(tiff, int(said["pages"]), tuple(said["documents"]), tuple(said.get("warnings", ())))
            if tiff.is_file()
            else None
        )
    except (OSError, ValueError, KeyError):
        return None


def _of_before(folder: Path) -> Path | None:
    """The notes on pages that an earlier version made, which named them by other options; a folder has those of one request."""
    found = list(folder.glob("fax-*.json"))
    try:
        return found[0] if len(found) == 1 and "keyed" not in json.loads(found[0].read_text()) else None
    except (OSError, ValueError):
        return None


def make(
    request: FaxRequest,
    folder: Path,
    *,
    allow_private: bool = False,
    warnings: Sequence[str] = (),
    stop: threading.Event | None = None,
    files: FileStore = LOCAL,
) -> Made:
    """Makes the pages of a request in which no option is left open; blocks. `warnings` are those known before. What URLs and
    office files became is kept beside them. In a store that stations share, those are used that were there first.

    Raises DocumentError; DocumentInterruptedError once `stop` is set; StoreError.
    """
    files.bring(folder)
    found = made(request, folder)
    if found is not None:
        files.keep(folder)
        return found
    key = _key(request)
    work = folder / f"work-{key}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    sources = [_written(d.url or str(d.path), d.pages) for d in request.documents]
    password = next((d.password for d in request.documents if d.password), "")
    settings = RasterSettings(**options_of(request, RasterSettings), password=password)
    optional = frozenset(d.url or str(d.path) for d in request.documents if d.optional)
    # A name of its own: another station may be making them too.
    tiff = folder / f"fax-{key}{f'-{secrets.token_hex(4)}' if files.shared else ''}.tif"
    try:
        with start(sources, settings, work, cover=request.cover, allow_private=allow_private, optional=optional) as job:
            while stop is not None and not job.wait(LOOK_S):
                if stop.is_set():
                    raise DocumentInterruptedError("the station is stopping", "its pages are made when it runs again")
            pages = len(job.prepared().pages)
            documents = [_written(str(source.path), source.pages) for source in job.sources]
            lines = (*warnings, *(_as_named(line, request) for line in job.warnings))
            sync(job.tiff)
            job.tiff.rename(tiff)
    except DocumentError as error:
        raise type(error)(_as_named(error.problem, request), error.remedy) from None
    warnings = [clean(line, WARNING_MAX) for line in lines][:WARNINGS_MAX]
    new = folder / f"fax-{key}.json.new"
    notes = {"tiff": tiff.name, "pages": pages, "documents": documents, "warnings": warnings, "keyed": KEYED}
    new.write_text(json.dumps(notes))
    new.rename(folder / f"fax-{key}.json")
    files.keep(folder)
    return made(request, folder) or Made(tiff, pages, tuple(documents), tuple(warnings))


def _as_named(text: str, request: FaxRequest) -> str:
    """A message with the names that people gave the documents, instead of those of their files here."""
    for document in request.documents:
        if document.path is not None and document.name:
            text = text.replace(document.path.name, document.name)
    return text


def _written(where: str, pages: str) -> str:
    return f"{where}#pages={pages}" if pages else where


def pdf_of(tiff: Path, pdf: Path, context: FaxContext) -> Path:
    """The PDF of a fax TIFF, made once. Raises DocumentError."""
    if not pdf.is_file():
        metadata = DocumentMetadata(
            sender=context.ident or context.caller_number, recipient=context.called_number, fax_id=context.fax_id
        )
        deliver_pdf(tiff, pdf, metadata)
    return pdf
