# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents from http(s) URLs: bounded in size and time, and only from addresses that may be asked."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import time
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes, urljoin, urlsplit

from softfax._version import __version__
from softfax.diskspace import is_full
from softfax.errors import (
    DocumentEmptyError,
    DocumentError,
    DocumentTooLargeError,
    DocumentUnreachableError,
    DocumentUnsupportedError,
    PagesDiskFullError,
    UsageError,
)
from softfax.netguard import Link, Resolver, check_host, connect
from softfax.outside import clean

__all__ = ["FetchLimits", "fetch", "file_name", "redacted"]

CHUNK = 1 << 16
URL_MAX = 4096
NAME_BYTES_MAX = 120
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}$")
#: Endings for files that come without one; the content decides what they are.
_TYPES = {
    "application/pdf": ".pdf",
    "image/tiff": ".tif",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/webp": ".webp",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/rtf": ".rtf",
    "application/rtf": ".rtf",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
}
_SHOWN = re.compile(
    r"(?P<scheme>[a-z]{1,10})://(?P<user>[^/?#\\@]*@)?(?P<host>[\w.-]*|\[[0-9a-f:.%]+\])(?P<port>:\d*)?"
    r"(?=[/?#]|$)(?P<path>[^?#]*)(?P<rest>.*)",
    re.IGNORECASE | re.ASCII,
)
_WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True, kw_only=True)
class FetchLimits:
    """Limits on fetching one document: its size, redirects followed, seconds to connect, between bytes, and in all."""

    bytes: int = 256 << 20
    redirects: int = 5
    connect_s: float = 10.0
    read_s: float = 30.0
    total_s: float = 300.0


class _Url(NamedTuple):
    scheme: str
    host: str
    port: int
    target: str
    authorization: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _port(self.scheme) else f"{host}:{self.port}"


def fetch(
    url: str,
    workdir: Path,
    limits: FetchLimits | None = None,
    allow_private: bool = False,
    *,
    tls: ssl.SSLContext | None = None,
    resolver: Resolver | None = None,
) -> Path:
    """Fetches a document into `workdir`, by GET, and returns the file.

    Redirects are followed, each hop checked as the first; not from https to http. Every address a name leads to has to be
    public unless `allow_private`, and the connection goes to that address. Name and password in the URL are sent as basic
    authentication to that host alone, and shown nowhere. Proxies are not used. Raises UsageError for a URL that cannot be
    fetched from, DocumentError for what does not come; then nothing is left in `workdir`.
    """
    limits = limits or FetchLimits()
    deadline = time.monotonic() + limits.total_s
    asked = place = _parse(url)
    context = tls or ssl.create_default_context()
    for _ in range(limits.redirects + 1):
        shown = redacted(url)
        try:
            more = {"resolver": resolver} if resolver else {}
            link = connect(
                place.host,
                place.port,
                deadline=deadline,
                connect_s=limits.connect_s,
                pause_s=limits.read_s,
                tls=context if place.scheme == "https" else None,
                allow_private=allow_private,
                **more,
            )
            try:
                answer = _ask(link, place)
                location = answer.headers.get("Location") if answer.status in REDIRECTS else None
                if location is None:
                    return _take(answer, url, workdir, limits)
            finally:
                link.abort()
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(shown, place.host, error) from None
        url = _next(url, location, shown)
        following = _parse(url)
        if place.scheme == "https" and following.scheme == "http":
            raise DocumentError(f"{shown} leads from https to http", f"fetch {redacted(url)} itself if that is meant")
        if following.origin != asked.origin:
            following = following._replace(authorization="")
        elif not following.authorization:
            following = following._replace(authorization=asked.authorization)
        place = following
    raise DocumentError(f"{shown} redirects too often", f"more than {limits.redirects} redirects are not followed")


def redacted(url: str) -> str:
    """A URL for messages and logs, one line: scheme, host and path; user, password, query and fragment may be secret.

    What is written so badly that a password may stand where the host should is "the URL".
    """
    found = _SHOWN.match(re.sub(r"[^\x21-\x7e]", "", url))
    if not found or (found["port"] and not found["user"] and "@" in found["path"] + found["rest"]):
        return "the URL"
    return f"{found['scheme']}://{found['host']}{found['port'] or ''}{found['path']}"[:200]


def file_name(disposition: str, url: str, content_type: str) -> str:
    """A harmless name for what was fetched: the one it was given (RFC 6266), else the last part of the path.

    Without folders, control characters and leading dots, at most 120 bytes of UTF-8; with the ending of its type if it has
    none.
    """
    name = _safe(_disposition_name(disposition)) or _safe(unquote(urlsplit(url).path.rpartition("/")[2])) or "document"
    if not _ENDING.search(name):
        name += _TYPES.get(content_type, "")
    return name


def _disposition_name(disposition: str) -> str:
    # The extended form is preferred (RFC 6266 §4.3), and the parser of MIME headers falls over some of them.
    extended = re.search(r"filename\*\s*=\s*\"?([A-Za-z0-9-]+)'[^']*'([^\s;\"]+)", disposition[:4096], re.IGNORECASE)
    if extended:
        try:
            return unquote_to_bytes(extended[2]).decode(extended[1])
        except (LookupError, UnicodeDecodeError):
            pass
    header = Message()
    header["Content-Disposition"] = disposition[:4096]
    name = header.get_param("filename", "", "content-disposition")
    return name if isinstance(name, str) else ""


def _safe(name: str) -> str:
    name = re.split(r"[/\\]", name)[-1]
    # Control characters, direction marks and lone surrogates deceive the reader of the name.
    name = clean(name, instead="")
    name = " ".join(name.split()).lstrip(". -~")
    stem, dot, ending = name.rpartition(".")
    if dot and len(ending) <= 8:
        return (_cut(stem, NAME_BYTES_MAX) + dot + ending) if stem else ending
    return _cut(name, NAME_BYTES_MAX)


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore").rstrip(". ")


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _parse(url: str) -> _Url:
    """Raises UsageError. Strict: what programs read in different ways leads nowhere."""
    shown = redacted(url)
    if len(url) > URL_MAX:
        raise UsageError("the URL is too long", f"use at most {URL_MAX} characters")
    scheme = url.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise UsageError(f"{shown} is not an http or https URL", "name a file, or a URL that begins with https://")
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise UsageError(f"{shown} has blanks, backslashes or control characters", "write them as %20, %5C …")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = check_host(parts.hostname or "")
    except ValueError:
        raise UsageError(f"{shown} is not a URL", "write it as https://HOST/PATH") from None
    userinfo, at, _ = parts.netloc.rpartition("@")
    if "@" in userinfo or port == 0:
        raise UsageError(f"{shown} is not a URL", "write it as https://HOST/PATH, @ in a password as %40")
    authorization = ""
    if at:
        user, _, password = userinfo.partition(":")
        token = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
        authorization = "Basic " + base64.b64encode(token).decode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    quoted = "".join(ch if ch.isascii() else "".join(f"%{b:02X}" for b in ch.encode(errors="replace")) for ch in target)
    return _Url(scheme, host, port or _port(scheme), quoted, authorization)


def _next(url: str, location: str, shown: str) -> str:
    try:
        return urljoin(url, _utf8(location).strip())
    except ValueError:
        raise DocumentError(f"{shown} leads to something that is not a URL", "check the link") from None


def _utf8(header: str) -> str:
    """A header as servers send it; http.client takes all for Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _ask(link: Link, place: _Url) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(place.host, place.port)
    connection.sock = link
    connection.putrequest("GET", place.target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", place.host_header)
    connection.putheader("User-Agent", f"softfax/{__version__}")
    connection.putheader("Accept", "application/pdf, image/*, text/plain, */*;q=0.5")
    connection.putheader("Accept-Encoding", "identity")
    connection.putheader("Connection", "close")
    if place.authorization:
        connection.putheader("Authorization", place.authorization)
    connection.endheaders()
    return connection.getresponse()


def _take(answer: http.client.HTTPResponse, url: str, workdir: Path, limits: FetchLimits) -> Path:
    """Save the requested document as a file. Raises DocumentError, OSError."""
    shown = redacted(url)
    if answer.status in (401, 403, 407):
        raise DocumentError(f"{shown} may not be fetched ({answer.status})", "check name and password")
    if answer.status != 200:
        reason = "".join(ch for ch in answer.reason if " " <= ch <= "~")[:60]
        kind = DocumentUnreachableError if answer.status in (408, 429) or answer.status >= 500 else DocumentError
        raise kind(f"{shown} is not there: {answer.status} {reason}".rstrip(), "check the URL, or try again later")
    content_type = answer.headers.get_content_type()
    if content_type in _WEB_PAGES:
        raise DocumentUnsupportedError(f"{shown} is a web page", "link to the document itself, or save the page as PDF")
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        # It was asked for as it is; and what unpacks has no size.
        raise DocumentUnsupportedError(
            f"{shown} comes compressed, which was not asked for", "fetch it yourself and send the file"
        )
    too_large = DocumentTooLargeError(f"{shown} is larger than {limits.bytes >> 20} MB", "split it, or send less")
    expected = answer.length
    if expected is not None and expected > limits.bytes:
        raise too_large
    path = workdir / file_name(_utf8(answer.headers.get("Content-Disposition", "")), url, content_type)
    size = 0
    try:
        with path.open("xb") as file:
            while chunk := answer.read1(CHUNK):
                size += len(chunk)
                if size > limits.bytes:
                    raise too_large
                file.write(chunk)
        if expected is not None and size != expected:
            raise http.client.IncompleteRead(b"", expected - size)
        if not size:
            raise DocumentEmptyError(f"{shown} is empty", "check the URL")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _unreachable(shown: str, host: str, error: Exception) -> DocumentError:
    if isinstance(error, TimeoutError):
        return DocumentUnreachableError(
            f"{shown} takes too long", "try again later, or fetch it yourself and send the file"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return DocumentError(
            f"{shown} has a certificate that is not valid for {host}: {error.verify_message}", "check the URL"
        )
    if isinstance(error, http.client.HTTPException):
        return DocumentUnreachableError(
            f"{shown} is not answered with complete HTTP", "check the URL, or try again later"
        )
    if is_full(error):
        return PagesDiskFullError(f"there is no room for {shown}", "make room on the disk")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return DocumentUnreachableError(f"{shown} cannot be reached ({reason})", "check the URL and the network")
