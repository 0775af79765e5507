# SPDX-License-Identifier: GPL-2.0-or-later
"""Where documents come from: files, standard input, URLs, office programs. What comes out are files the worker opens."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from softfax.documents.fetch import FetchLimits, fetch
from softfax.documents.office import convert_office, is_office
from softfax.documents.ranges import parse_ranges, split_source
from softfax.documents.types import DocumentLimits, Source
from softfax.errors import DocumentTooLargeError

__all__ = ["gather"]

CHUNK = 1 << 20
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
) -> list[Source]:
    """Brings documents together as files, in order.

    Each is a path, `-` for standard input, or an http(s) URL, with `#pages=1-3` where only some of its pages are meant;
    `pages` is for all that do not say. `password` opens encrypted ones. URLs at private addresses need `allow_private`.
    Raises DocumentError, UsageError; nothing is dialled yet.
    """
    if pages:
        parse_ranges(pages)
    sources = []
    for number, file in enumerate(files):
        name, own_pages = split_source(os.fspath(file))
        folder = workdir / f"source-{number}"
        if name == "-":
            path, shown = _standard_input(folder, limits), "standard input"
        elif ANY_URL.match(name):
            folder.mkdir()
            path = fetch(name, folder, FetchLimits(bytes=limits.file_bytes), allow_private=allow_private)
            shown = path.name
        else:
            path, shown = Path(name), Path(name).name
        if is_office(path):
            folder.mkdir(exist_ok=True)
            path = convert_office(path, folder, name=shown)
        sources.append(Source(path=path, name=shown, pages=own_pages or pages, password=password))
    return sources


def _standard_input(folder: Path, limits: DocumentLimits) -> Path:
    folder.mkdir()
    path = folder / "standard-input"
    with path.open("wb") as file:
        while chunk := sys.stdin.buffer.read(CHUNK):
            file.write(chunk)
            if file.tell() > limits.file_bytes:
                raise DocumentTooLargeError("standard input is too large", "send less")
    return path
