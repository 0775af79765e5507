# SPDX-License-Identifier: GPL-2.0-or-later
"""Multipart and URL-encoded forms as they come in: files go to disk in pieces, fields stay small."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from softfax.outside import clean
from softfax.web.problems import Problem

__all__ = ["FORMS", "File", "Form", "disk_full", "read_form", "safe_name", "whole"]

FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
FIELDS_MAX = 5000
FIELD_BYTES_MAX = 1 << 20
FIELDS_BYTES_MAX = 2 << 20
HEADERS_MAX = 8
HEADER_BYTES_MAX = 8000
WRITE_BYTES = 1 << 20
NAME_MAX = 100
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}\Z")


@dataclass
class File:
    """A file that came. `name` is for people, `path` is where it lies, under a name of ours; `pages` are those to take."""

    name: str
    path: Path
    size: int = 0
    digest: str = ""
    pages: str = ""
    password: str = field(default="", repr=False)


@dataclass
class Form:
    """A form that came: its fields in order, and its files."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self.fields if key == name]


def disk_full(detail: str) -> Problem:
    """Problem 507: no disk space for the request."""
    return Problem(507, "The disk is full", detail, "Make room on the station's disk.", kind="disk-full")


def safe_name(name: str) -> str:
    """A file's name as people may see it: without folders, controls and marks that turn text around."""
    last = re.split(r"[/\\]", name)[-1]
    shown = clean(last, instead="").strip() or "document"
    if len(shown) <= NAME_MAX:
        return shown
    suffix = _SUFFIX.search(shown)
    tail = suffix[0] if suffix else ""
    return shown[: NAME_MAX - len(tail) - 1] + "…" + tail


async def read_form(content_type: str, stream: AsyncIterator[bytes], folder: Path, files_max: int) -> Form:
    """Reads a form; its files go into `folder`, which is there. Raises Problem; what had come is then left in the folder."""
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    if kind == b"application/x-www-form-urlencoded":
        return await _urlencoded(stream)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 200:
        raise Problem(400, "The form has no boundary", "multipart/form-data needs one.", kind="no-form")
    reading = _Reading(folder, files_max)
    parser = MultipartParser(boundary, reading.callbacks())
    try:
        async for chunk in stream:
            if chunk:
                parser.write(chunk)
            if reading.waiting >= WRITE_BYTES:
                await asyncio.to_thread(reading.flush)
        parser.finalize()
    except FormParserError as error:
        raise Problem(400, "The form cannot be read", str(error)[:200], kind="no-form") from None
    except OSError as error:
        raise disk_full(str(error.strerror)) from None
    finally:
        try:
            await asyncio.to_thread(reading.close)
        except OSError:
            pass
    if not reading.ended:
        raise Problem(400, "The form cannot be read", "It breaks off.", kind="no-form")
    return reading.form


async def whole(stream: AsyncIterator[bytes], most: int, refusal: Problem) -> bytes:
    """A body of at most `most` bytes. Raises the refusal for a longer one."""
    data = bytearray()
    async for chunk in stream:
        data += chunk
        if len(data) > most:
            raise refusal
    return bytes(data)


async def _urlencoded(stream: AsyncIterator[bytes]) -> Form:
    too_large = Problem(413, "Too large", "The form's fields are too large.", kind="too-large")
    data = await whole(stream, FIELDS_BYTES_MAX, too_large)
    try:
        text = data.decode()
        return Form(
            fields=parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, strict_parsing=bool(text))
        )
    except ValueError:
        raise Problem(400, "The form cannot be read", "It is not URL-encoded UTF-8.", kind="no-form") from None


class _Reading:
    """Callbacks of the parser, part by part. Called in the loop; `flush` in a thread, while the parser rests."""

    def __init__(self, folder: Path, files_max: int) -> None:
        self.form = Form()
        self.ended = False
        self.waiting = 0
        self._folder, self._files_max = folder, files_max
        self._header = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._data = bytearray()
        self._fields_bytes = 0
        self._file: File | None = None
        self._out: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._pieces: list[bytes] = []

    def callbacks(self) -> Any:
        """Callbacks for the parser."""
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._part,
            "on_part_end": self._finish,
            "on_header_field": lambda data, start, end: self._extend(self._header, data[start:end]),
            "on_header_value": lambda data, start, end: self._extend(self._value, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._data, self._file, self._name = {}, bytearray(), None, ""

    def _extend(self, text: bytearray, data: bytes) -> None:
        text += data
        if len(text) > HEADER_BYTES_MAX:
            raise Problem(400, "The form cannot be read", "A part's header is too long.", kind="no-form")

    def _header_end(self) -> None:
        if len(self._headers) >= HEADERS_MAX:
            raise Problem(400, "The form cannot be read", "A part has too many headers.", kind="no-form")
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        given = options.get(b"filename")
        if not self._name or len(self._name) > 200:
            raise Problem(400, "The form cannot be read", "A part has no name.", kind="no-form")
        if len(self.form.fields) + len(self.form.files) >= FIELDS_MAX:
            raise Problem(413, "Too many fields", f"At most {FIELDS_MAX}.", kind="too-large")
        if given is None:
            return
        if len(self.form.files) >= self._files_max:
            raise Problem(413, "Too many documents", f"At most {self._files_max} in one request.", kind="too-large")
        name = safe_name(given.decode("utf-8", "replace"))
        suffix = _SUFFIX.search(name)
        path = self._folder / f"{secrets.token_hex(6)}{suffix[0].lower() if suffix else ''}"
        self._file, self._out, self._hash = File(name, path), path.open("xb"), hashlib.sha256()

    def _part(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._pieces.append(data[start:end])
            self.waiting += end - start
            return
        self._fields_bytes += end - start
        if len(self._data) + end - start > FIELD_BYTES_MAX or self._fields_bytes > FIELDS_BYTES_MAX:
            raise Problem(413, "Too large", f"The field {self._name[:40]} is too large.", kind="too-large")
        self._data += data[start:end]

    def _finish(self) -> None:
        if self._file is not None:
            self.flush()
            assert self._out is not None
            self._out.close()
            self._file.digest, self._out = self._hash.hexdigest(), None
            self.form.files.append(self._file)
            return
        try:
            self.form.fields.append((self._name, self._data.decode()))
        except UnicodeDecodeError:
            raise Problem(400, "The form cannot be read", "A field is not UTF-8.", kind="no-form") from None

    def _end(self) -> None:
        self.ended = True

    def flush(self) -> None:
        """Writes what came of the file."""
        if self._out is None or self._file is None:
            return
        for piece in self._pieces:
            self._out.write(piece)
            self._hash.update(piece)
            self._file.size += len(piece)
        self._pieces, self.waiting = [], 0

    def close(self) -> None:
        """Lets go of a file that did not come whole."""
        if self._out is not None:
            self._out.close()
            self._out = None
