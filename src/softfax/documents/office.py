# SPDX-License-Identifier: GPL-2.0-or-later
"""Office files become PDF by LibreOffice, where it is installed: without network, macros or linked files, and bounded."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from softfax.documents.kinds import OLE2
from softfax.errors import (
    DocumentError,
    DocumentPasswordError,
    DocumentTooLargeError,
    DocumentUnsupportedError,
)

__all__ = ["OfficeKind", "OfficeLimits", "convert_office", "is_locked", "office_kind", "without_network"]

ZIP = b"PK\x03\x04"
ZIP_END = b"PK\x05\x06"
ZIP_END_SIZE, ZIP_COMMENT_MAX = 22, 0xFFFF
#: Names in a ZIP's directory; office files have a few hundred parts.
DIRECTORY_MAX = 4 << 20
MANIFEST_MAX = 1 << 20
CHUNK, SEARCH_MAX = 1 << 20, 256 << 20


class OfficeKind(Enum):
    """A family of office files: what people call one, and LibreOffice's part that opens it, its package and its library."""

    TEXT = ("a word processor document", "libreoffice-writer-nogui", "libswlo.so")
    SHEET = ("a spreadsheet", "libreoffice-calc-nogui", "libsclo.so")
    SLIDES = ("a presentation", "libreoffice-impress-nogui", "libsdlo.so")
    DRAWING = ("a drawing", "libreoffice-draw-nogui", "libsdlo.so")

    def __init__(self, words: str, package: str, library: str) -> None:
        self.words = words
        self.package = package
        self.library = library


@dataclass(frozen=True, kw_only=True)
class OfficeLimits:
    """Limits on converting one office file. Memory is address space; LibreOffice takes about 1 GB of that for a letter."""

    file_bytes: int = 64 << 20
    output_bytes: int = 256 << 20
    memory_bytes: int = 3 << 30
    wall_s: float = 120.0


#: Streams of OLE2 files ([MS-CFB]), the most telling first: a letter may have a spreadsheet in it.
_STREAMS = (
    ("WordDocument", OfficeKind.TEXT, ".doc"),
    ("PowerPoint Document", OfficeKind.SLIDES, ".ppt"),
    ("Workbook", OfficeKind.SHEET, ".xls"),
    ("Book", OfficeKind.SHEET, ".xls"),
)
_OLD = frozenset({".doc", ".xls", ".ppt"})
_ENCRYPTED_STREAM = "EncryptedPackage"
#: Parts that tell OOXML packages (ECMA-376) apart.
_PARTS = (
    (b"word/", OfficeKind.TEXT, ".docx"),
    (b"xl/", OfficeKind.SHEET, ".xlsx"),
    (b"ppt/", OfficeKind.SLIDES, ".pptx"),
)
_ODF = b"application/vnd.oasis.opendocument."
_ODF_KINDS = (
    (b"text", OfficeKind.TEXT, ".odt"),
    (b"spreadsheet", OfficeKind.SHEET, ".ods"),
    (b"presentation", OfficeKind.SLIDES, ".odp"),
    (b"graphics", OfficeKind.DRAWING, ".odg"),
)

#: LibreOffice's settings: no macros, no active parts, no links to other files, no way to the network, nothing remembered.
_SETTINGS = (
    ("Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("Common/Security/Scripting", "DisableActiveContent", "true"),
    ("Common/Security/Scripting", "DisableOLEAutomation", "true"),
    ("Common/Security/Scripting", "DisablePythonRuntime", "true"),
    ("Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("Common/Misc", "MacroRecorderMode", "false"),
    ("Common/Save/Document", "CreateBackup", "false"),
    ("Common/History", "PickListSize", "0"),
    ("Writer/Content/Update", "Link", "0"),
    ("Calc/Content/Update", "Link", "2"),
    ("Java/VirtualMachine", "Enable", "false"),
    ("Inet/Settings", "ooInetProxyType", "2"),
    ("Inet/Settings", "ooInetHTTPProxyName", "127.0.0.1"),
    ("Inet/Settings", "ooInetHTTPProxyPort", "9"),
    ("Inet/Settings", "ooInetHTTPSProxyName", "127.0.0.1"),
    ("Inet/Settings", "ooInetHTTPSProxyPort", "9"),
)


def office_kind(path: Path) -> OfficeKind | None:
    """The family of an office file, by its content; None for anything else, and for what cannot be read."""
    found = _look(path)
    return found[0] if found else None


def is_locked(path: Path) -> bool:
    """Return True if an office file needs a password, or may need one: of the old kinds only their insides tell."""
    found = _look(path)
    return found is not None and (found[1] in _OLD or _encrypted(path, found[1]))


def convert_office(
    path: Path, workdir: Path, limits: OfficeLimits | None = None, *, name: str = "", program: str | None = None
) -> Path:
    """Makes a PDF of an office file in `workdir`, and nothing else there; `name` is what messages call the file.

    Each conversion has a profile of its own, so several may run at once. `program` is LibreOffice's (found by itself). Raises
    DocumentUnsupportedError where LibreOffice is not installed or cannot open the file, DocumentPasswordError for encrypted
    files, DocumentTooLargeError beyond a limit.
    """
    limits = limits or OfficeLimits()
    shown = name or path.name
    found = _look(path)
    if found is None:
        raise DocumentUnsupportedError(f"{shown} is not an office file", "open it and save it again, or save it as PDF")
    kind, ending = found
    if path.stat().st_size > limits.file_bytes:
        raise DocumentTooLargeError(
            f"{shown} is larger than {limits.file_bytes >> 20} MB", "save it as PDF and send that"
        )
    if _encrypted(path, ending):
        raise DocumentPasswordError(f"{shown} is encrypted", "save it without a password, or as PDF")
    soffice = program or _program()
    if soffice is None or not _opens(soffice, kind):
        raise DocumentUnsupportedError(
            f"{shown} is {kind.words}, and LibreOffice, which makes pages of it, is not installed",
            f"install it (apt install {kind.package}) or save the document as PDF",
        )
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="office-", dir=workdir, ignore_cleanup_errors=True) as folder:
        made = _run(soffice, path, ending, Path(folder).resolve(), limits, shown)
        out = workdir / f"{made.stem}.pdf"
        made.replace(out)
    return out


# ---- what a file is ---------------------------------------------------------------------------------------------


def _look(path: Path) -> tuple[OfficeKind, str] | None:
    try:
        # Neither a pipe nor a device keeps us waiting.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                return None
            head = os.pread(handle, 4096, 0)
            if head.startswith(OLE2):
                return _look_ole2(handle)
            if head.startswith(ZIP):
                return _look_zip(handle, found.st_size, head)
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return None
    if head.startswith(b"{\\rtf"):
        return OfficeKind.TEXT, ".rtf"
    if b"<office:document" in head and (at := head.find(_ODF)) >= 0:
        kind = _odf(head[at + len(_ODF) :])
        return (kind[0], ".f" + kind[1][1:]) if kind else None
    return None


def _look_ole2(handle: int) -> tuple[OfficeKind, str] | None:
    """Looks for the names of streams. They stand in the file as they are, in blocks of 128 bytes at multiples of 128."""
    wanted = {_stream_name(stream): (kind, ending) for stream, kind, ending in _STREAMS}
    encrypted = _stream_name(_ENCRYPTED_STREAM)
    seen: set[bytes] = set()
    for at in range(0, SEARCH_MAX, CHUNK):
        block = os.pread(handle, CHUNK, at)
        seen |= {name for name in (*wanted, encrypted) if name in block}
        if len(block) < CHUNK:
            break
    # An encrypted OOXML file is one too ([MS-OFFCRYPTO] §2.1.3).
    return next(
        (wanted[name] for name in wanted if name in seen), (OfficeKind.TEXT, ".ole2") if encrypted in seen else None
    )


def _stream_name(name: str) -> bytes:
    return (name + "\0").encode("utf-16-le")


def _look_zip(handle: int, size: int, head: bytes) -> tuple[OfficeKind, str] | None:
    # The first part of an OpenDocument file is its type, unpacked (ODF 1.3 part 2 §3.3).
    if head[30:38] == b"mimetype" and head[38:].startswith(_ODF):
        return _odf(head[38 + len(_ODF) :])
    directory = _zip_directory(handle, size)
    if b"[Content_Types].xml" in directory:
        return next(((kind, ending) for part, kind, ending in _PARTS if part in directory), None)
    return None


def _odf(rest: bytes) -> tuple[OfficeKind, str] | None:
    return next(((kind, ending) for word, kind, ending in _ODF_KINDS if rest.startswith(word)), None)


def _zip_directory(handle: int, size: int) -> bytes:
    """The raw central directory of a ZIP (APPNOTE §4.3.12); empty where it is missing or larger than an office file's."""
    tail_at = max(0, size - ZIP_END_SIZE - ZIP_COMMENT_MAX)
    tail = os.pread(handle, ZIP_END_SIZE + ZIP_COMMENT_MAX, tail_at)
    at = tail.rfind(ZIP_END)
    if at < 0 or len(tail) - at < ZIP_END_SIZE:
        return b""
    length, offset = struct.unpack_from("<II", tail, at + 12)
    return os.pread(handle, length, offset) if length <= DIRECTORY_MAX else b""


def _encrypted(path: Path, ending: str) -> bool:
    if ending == ".ole2":
        return True
    if not ending.startswith(".od"):
        return False
    try:
        with zipfile.ZipFile(path) as package, package.open("META-INF/manifest.xml") as manifest:
            return b"encryption-data" in manifest.read(MANIFEST_MAX)
    except (KeyError, OSError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error):
        return False


# ---- LibreOffice ------------------------------------------------------------------------------------------------


def _program() -> str | None:
    return shutil.which("soffice") or shutil.which("libreoffice")


def _opens(program: str, kind: OfficeKind) -> bool:
    """Return True if the part that opens such files is installed, or if that is unknown."""
    folder = Path(program).resolve().parent
    known = [(folder / each.library).exists() for each in OfficeKind]
    return (folder / kind.library).exists() or not any(known)


@functools.cache
def without_network() -> tuple[str, ...]:
    """A command that runs another where there is no network, as far as this machine lets us."""
    unshare = shutil.which("unshare")
    for options in (("--net",), ("--user", "--map-root-user", "--net")):
        if unshare:
            tried = subprocess.run([unshare, *options, "true"], capture_output=True, check=False, timeout=10)
            if tried.returncode == 0:
                return (unshare, *options)
    return ()


def _run(soffice: str, path: Path, ending: str, folder: Path, limits: OfficeLimits, shown: str) -> Path:
    profile, out = folder / "profile", folder / "out"
    (profile / "user").mkdir(parents=True)
    (profile / "user" / "registrymodifications.xcu").write_text(_registry(), encoding="utf-8")
    for each in (out, folder / "tmp"):
        each.mkdir()
    copy = folder / f"document{ending}"
    shutil.copyfile(path, copy)
    # The shell sets the limits, so that nothing runs between fork and exec in a process with threads.
    script = (
        f"ulimit -c 0; ulimit -v {limits.memory_bytes >> 10}; ulimit -f {limits.output_bytes >> 9}; "
        f'ulimit -t {int(limits.wall_s) + 1}; exec "$@"'
    )
    command = [
        *without_network(),
        soffice,
        f"-env:UserInstallation={profile.as_uri()}",
        *("--headless", "--norestore", "--nologo", "--nodefault", "--nofirststartwizard"),
        *("--convert-to", "pdf", "--outdir", str(out), str(copy)),
    ]
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, "softfax-office", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,
    )
    try:
        process.wait(limits.wall_s)
    except subprocess.TimeoutExpired:
        raise DocumentTooLargeError(f"{shown} takes too long to convert", "save it as PDF and send that") from None
    finally:
        _end(process, profile)
    made = out / "document.pdf"
    if not made.is_file() or not made.stat().st_size:
        raise _not_made(shown, process.returncode)
    return made


def _not_made(shown: str, status: int) -> DocumentError:
    # 128 + signal from the shell-like starter of LibreOffice, the negative from a direct child.
    if status in (-signal.SIGXCPU, 128 + signal.SIGXCPU, -signal.SIGXFSZ, 128 + signal.SIGXFSZ):
        return DocumentTooLargeError(f"{shown} is too large to convert", "save it as PDF and send that")
    return DocumentUnsupportedError(
        f"{shown} cannot be opened by LibreOffice", "open it and save it again, or save it as PDF"
    )


def _end(process: subprocess.Popen[bytes], profile: Path) -> None:
    """Ends all that was started; a pipe that LibreOffice left, if it had no time to tidy up, is removed."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
    digest = hashlib.md5(profile.as_uri().encode("utf-16-le"), usedforsecurity=False).digest()
    for pattern in ("x", "02x"):
        name = "".join(format(byte, pattern) for byte in digest)
        Path(f"/tmp/OSL_PIPE_{os.getuid()}_SingleOfficeIPC_{name}").unlink(missing_ok=True)


def _environment(folder: Path) -> dict[str, str]:
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "XDG_RUNTIME_DIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "SAL_USE_VCLPLUGIN": "svp",
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "ftp_proxy": nowhere,
    }


def _registry() -> str:
    items = "".join(
        f'<item oor:path="/org.openoffice.{"Inet/Settings" if group.startswith("Inet") else f"Office.{group}"}">'
        f'<prop oor:name="{key}" oor:op="fuse"><value>{value}</value></prop></item>'
        for group, key, value in _SETTINGS
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{items}</oor:items>'
    )
