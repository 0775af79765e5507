# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that hold others or have to be made into others first: e-mails, web pages, locked office files.

They are opened in a process of their own (`softfax.documents.foreign_worker`), with limits on memory, time and files and
without network. What comes out are files of the kinds that `softfax.documents.load` opens, or again such documents.
"""

from __future__ import annotations

import ctypes.util
import functools
import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path, PurePath

from softfax import errors
from softfax.documents.forkserver import environment
from softfax.documents.kinds import OLE2, PICTURES
from softfax.documents.office import without_network
from softfax.errors import DocumentError, DocumentTooLargeError, DocumentUnsupportedError
from softfax.optional import is_installed

__all__ = ["Foreign", "ForeignLimits", "MadeFile", "draws_web_pages", "foreign_kind", "open_foreign"]

HEAD = 16_384
ANSWER_MAX = 4 << 20
#: A stream that each Outlook message has ([MS-OXMSG] §2.2.1), and where its name stands in the file.
_OUTLOOK = "__properties_version1.0".encode("utf-16-le")
_TNEF = b"\x78\x9f\x3e\x22"
_WEB_NAMES = frozenset({".htm", ".html", ".xhtml", ".xht", ".shtml"})
_ARCHIVE_NAMES = frozenset({".mht", ".mhtml"})
_MAIL_NAMES = frozenset({".eml", ".emlx", ".email", ".mim", ".mime"})
#: Of these the words are wanted as they are, whatever they are.
_PLAIN_NAMES = frozenset({".txt", ".text", ".md", ".markdown", ".mdown", ".log", ".csv", ".tsv", ".tab"})
#: Names that promise something else: text in them is an error page more often than a document.
_OTHER_NAMES = PICTURES | {".pdf"}
#: Of the environment, what the process that opens them has.
_KEPT = frozenset(
    {"PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH"}
)
_WEB_BEGINS = (b"<!doctype html", b"<html", b"<head>", b"<body")


class Foreign(Enum):
    """A kind of document that is made into others."""

    MAIL = "mail"
    OUTLOOK = "outlook"
    TNEF = "tnef"
    WEB = "web"
    ARCHIVE = "archive"
    LOCKED = "locked"

    @property
    def several(self) -> bool:
        """True if it holds documents of its own."""
        return self in (Foreign.MAIL, Foreign.OUTLOOK, Foreign.TNEF)


@dataclass(frozen=True, kw_only=True)
class ForeignLimits:
    """Limits on opening one."""

    file_bytes: int = 64 << 20
    output_bytes: int = 256 << 20
    memory_bytes: int = 1536 << 20
    cpu_s: int = 60
    wall_s: float = 120.0


@dataclass(frozen=True)
class MadeFile:
    """A file that a document was made into, and the name people know it by."""

    path: Path
    name: str


@functools.cache
def draws_web_pages() -> bool:
    """Return True if the renderer of web pages is installed."""
    return is_installed("weasyprint") and ctypes.util.find_library("pango-1.0") is not None


def foreign_kind(path: Path, name: str = "") -> Foreign | None:
    """The kind of a document by its name and first octets; None for one that is opened as it is, or cannot be read."""
    suffix = PurePath(name or path.name).suffix.lower()
    try:
        # Neither a pipe nor a device keeps us waiting.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            head = os.pread(handle, HEAD, 0)
            if head.startswith(OLE2):
                return Foreign.OUTLOOK if suffix == ".msg" or _is_outlook(handle) else None
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return None
    if head.startswith(_TNEF):
        return Foreign.TNEF
    if head.startswith(b"%PDF-") or suffix in _OTHER_NAMES:
        return None
    from softfax.documents.letters.mime import looks_like_mail

    if suffix in _ARCHIVE_NAMES and looks_like_mail(head, named=True):
        return Foreign.ARCHIVE
    if looks_like_mail(head, named=suffix in _MAIL_NAMES):
        snapshot = head.startswith(b"From: <Saved by") or b"\nSnapshot-Content-Location:" in head
        return Foreign.ARCHIVE if snapshot else Foreign.MAIL
    if b"%PDF-" in head[:1024]:
        return None
    if suffix in _WEB_NAMES or (suffix not in _PLAIN_NAMES and _begins_as_web(head)):
        return Foreign.WEB
    return None


def _is_outlook(handle: int) -> bool:
    size = os.fstat(handle).st_size
    ends = os.pread(handle, 1 << 20, 0) + os.pread(handle, 1 << 20, max(0, size - (1 << 20)))
    return _OUTLOOK in ends


def _begins_as_web(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf")
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = text.replace(b"\0", b"")[2:]
    text = text.lstrip().lower()
    if text.startswith((b"<?xml", b"<!--")):
        text = text.partition(b">")[2].lstrip()
    return text.startswith(_WEB_BEGINS)


def open_foreign(
    kind: Foreign, path: Path, folder: Path, *, name: str, password: str = "", limits: ForeignLimits | None = None
) -> tuple[list[MadeFile], list[str]]:
    """Makes files in `folder` of a document, and lines for people about what could not be. Raises DocumentError."""
    limits = limits or ForeignLimits()
    if path.stat().st_size > limits.file_bytes:
        raise DocumentTooLargeError(f"{name} is larger than {limits.file_bytes >> 20} MB", "send it as PDF")
    folder.mkdir(parents=True, exist_ok=True)
    request = {"kind": kind.value, "path": os.fspath(path.resolve()), "out": os.fspath(folder.resolve()), "name": name,
               "password": password, "limits": asdict(limits)}  # fmt: skip
    process = subprocess.Popen(
        [*without_network(), sys.executable, "-m", "softfax.documents.foreign_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={key: value for key, value in environment().items() if key in _KEPT},
        start_new_session=True,
    )
    try:
        # Passwords travel here and nowhere a process list shows.
        answer, _ = process.communicate(json.dumps(request).encode() + b"\n", limits.wall_s)
    except subprocess.TimeoutExpired:
        raise DocumentTooLargeError(f"{name} takes too long to open", "send it as PDF") from None
    finally:
        _end(process)
    return _understood(answer, process.returncode, name)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.communicate()


def _understood(answer: bytes, status: int, name: str) -> tuple[list[MadeFile], list[str]]:
    try:
        said = json.loads(answer[:ANSWER_MAX])
        if "error" in said:
            kind = getattr(errors, said["error"], DocumentError)
            raise kind(said["problem"], said["remedy"])
        return [MadeFile(Path(one["path"]), str(one["name"])) for one in said["files"]], [
            str(w) for w in said["warnings"]
        ]
    except (ValueError, KeyError, TypeError):
        pass
    if status in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
        raise DocumentTooLargeError(f"{name} takes too long to open", "send it as PDF")
    if status in (-signal.SIGXFSZ, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS):
        raise DocumentTooLargeError(f"{name} needs too much memory, or is damaged", "send it as PDF")
    raise DocumentUnsupportedError(f"{name} cannot be opened", "open it and save it as PDF")
