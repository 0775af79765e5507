# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources of documents: files, standard input, URLs, office programs. The results are files that the worker opens."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from softfax.documents.foreign import Foreign, MadeFile, foreign_kind, open_foreign
from softfax.documents.office import convert_office, is_locked, office_kind
from softfax.documents.ranges import parse_ranges, split_source
from softfax.documents.types import DocumentLimits, Source, left_out
from softfax.errors import (
    DocumentError,
    DocumentInterruptedError,
    DocumentTooLargeError,
    DocumentUnreachableError,
    DocumentUnsupportedError,
)

__all__ = ["gather"]

CHUNK = 1 << 20
#: E-mails within e-mails, each opened by itself.
NESTING_MAX = 4
#: What may be otherwise later is no reason to leave anything out.
_OF_NOW = (DocumentInterruptedError, DocumentUnreachableError)
#: Other schemes than http and https are refused where they are fetched.
ANY_URL = re.compile(r"[a-z][a-z0-9+.-]+://|https?:", re.I)


def gather(
    files: Sequence[str | os.PathLike[str]],
    workdir: Path,
    *,
    limits: DocumentLimits,
    pages: str = "",
    password: str = "",
    allow_private: bool = False,
    optional: Collection[str] = (),
    warnings: list[str] | None = None,
) -> list[Source]:
    """Brings documents together as files, in order.

    Each is a path, `-` for standard input, or an http(s) URL, with `#pages=1-3` where only some of its pages are meant;
    `pages` is for all that do not say. `password` opens encrypted ones. URLs at private addresses need `allow_private`.
    What cannot be opened of `optional` files, or of what an e-mail holds, is left out, with a line in `warnings`.
    Raises DocumentError, UsageError; nothing is dialled yet.
    """
    if pages:
        parse_ranges(pages)
    gathering = _Gathering(limits, password, [] if warnings is None else warnings)
    sources: list[Source] = []
    first: DocumentError | None = None
    for number, file in enumerate(files):
        name, own_pages = split_source(os.fspath(file))
        folder, shown = workdir / f"source-{number}", name
        try:
            if name == "-":
                path, shown = _standard_input(folder, limits), "standard input"
            elif ANY_URL.match(name):
                folder.mkdir()
                from softfax.documents.fetch import FetchLimits, fetch

                path = fetch(name, folder, FetchLimits(bytes=limits.file_bytes), allow_private=allow_private)
                shown = path.name
            else:
                path, shown = Path(name), Path(name).name
            source = Source(
                path=path, name=shown, pages=own_pages or pages, password=password, optional=name in optional
            )
            sources += gathering.opened(source, folder)
        except DocumentError as error:
            if name not in optional or isinstance(error, _OF_NOW):
                raise
            first = first or error
            gathering.leave_out(shown, error)
    if not sources and first is not None:
        raise first
    return sources


class _Gathering:
    """Makes what `softfax.documents.load` cannot open into what it can."""

    def __init__(self, limits: DocumentLimits, password: str, warnings: list[str]) -> None:
        self.limits, self.password, self.warnings = limits, password, warnings

    def leave_out(self, name: str, error: DocumentError) -> None:
        self.warnings.append(left_out(name, error.problem))

    def opened(self, source: Source, folder: Path, depth: int = 0) -> list[Source]:
        """The documents that a document becomes; itself where it is one already. Raises DocumentError."""
        if office_kind(source.path):
            folder.mkdir(parents=True, exist_ok=True)
            return [replace(source, path=self._office(source, folder))]
        kind = foreign_kind(source.path, source.shown)
        if kind is None or (kind.several and depth >= NESTING_MAX):
            return [source]
        made, warnings = open_foreign(kind, source.path, folder / "opened", name=source.shown, password=self.password)
        self.warnings += warnings
        if not kind.several:
            return [replace(source, path=made[0].path)]
        if source.pages and len(made) > 1:
            raise DocumentUnsupportedError(
                f"{source.shown} holds {len(made)} documents, and pages can be chosen of one alone",
                "save the document that is meant, and send that",
            )
        return self._parts(source, made, depth)

    def _parts(self, source: Source, made: Sequence[MadeFile], depth: int) -> list[Source]:
        found: list[Source] = []
        first: DocumentError | None = None
        for one in made:
            part = Source(
                path=one.path, name=one.name, pages=source.pages, password=source.password, optional=len(made) > 1
            )
            try:
                found += self.opened(part, one.path.parent / "part", depth + 1)
            except DocumentError as error:
                if isinstance(error, _OF_NOW):
                    raise
                first = first or error
                self.leave_out(one.name, error)
        if not found and first is not None:
            raise first
        return found

    def _office(self, source: Source, folder: Path) -> Path:
        if not is_locked(source.path):
            return convert_office(source.path, folder, name=source.shown)
        # What is without its password lives no longer than this.
        with tempfile.TemporaryDirectory(prefix="locked-", dir=folder, ignore_cleanup_errors=True) as open_folder:
            made, _ = open_foreign(
                Foreign.LOCKED, source.path, Path(open_folder), name=source.shown, password=self.password
            )
            return convert_office(made[0].path, folder, name=source.shown)


def _standard_input(folder: Path, limits: DocumentLimits) -> Path:
    folder.mkdir()
    path = folder / "standard-input"
    with path.open("wb") as file:
        while chunk := sys.stdin.buffer.read(CHUNK):
            file.write(chunk)
            if file.tell() > limits.file_bytes:
                raise DocumentTooLargeError("standard input is too large", "send less")
    return path
