# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared parts of both clients: requests for httpx, answers, and server-sent events."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx

from softfax.asjson import rfc3339
from softfax.client.errors import AnswerError, NoStationError, error_of
from softfax.client.models import StreamEvent
from softfax.errors import DocumentError, UsageError, unread_remedy

__all__ = [
    "EventParser",
    "Query",
    "body_of",
    "event_query",
    "failed",
    "form",
    "list_query",
    "no_station",
    "settings_of",
]

DEFAULT_URL = "http://127.0.0.1:8038"
TIMEOUT_S = 30.0
LINE_MAX = 4 << 20
Query = dict[str, str | int]


def settings_of(url: str, token: str, timeout_s: float, verify: bool | str) -> dict[str, Any]:
    """Return the settings for httpx. Raises UsageError."""
    url = url or os.environ.get("SOFTFAX_URL", "") or DEFAULT_URL
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"not the URL of a station: {url[:80]!r}", f"write it as {DEFAULT_URL}")
    token = token or os.environ.get("SOFTFAX_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # A proxy for the web is no way to a station beside us, which answers its own machine alone.
    return {
        "base_url": url.rstrip("/"),
        "headers": headers,
        "timeout": httpx.Timeout(timeout_s, pool=None),
        "verify": _trusted(verify) if parts.scheme == "https" else False,
        "trust_env": False,
        "follow_redirects": False,
    }


def _trusted(verify: bool | str) -> ssl.SSLContext | bool:
    """Trusted certificates: a file, or those of this machine, of SSL_CERT_FILE and of httpx. Raises UsageError."""
    if verify is False:
        return False
    try:
        if isinstance(verify, str):
            return ssl.create_default_context(cafile=verify)
        context = httpx.create_ssl_context()
        context.load_default_certs()
    except OSError as error:
        raise UsageError(f"certificates cannot be read from {verify} ({error})", "name a PEM file") from None
    return context


def no_station(error: Exception, url: object) -> NoStationError:
    """The station did not answer; the system's own word says why, where there is one."""
    why = _system_word(error) or str(error) or type(error).__name__
    return NoStationError(
        f"no station answers at {url} ({why})", "start it with `softfax serve`, or name it with --url"
    )


def _system_word(error: BaseException | None) -> str:
    """Return the system's word on a connection, as "Connection refused", from below the errors of libraries that tell of it."""
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, socket.gaierror):
            return error.strerror or str(error)
        if isinstance(error, ssl.SSLError):
            return ""  # its number is OpenSSL's
        if isinstance(error, OSError) and error.errno is not None:
            return os.strerror(error.errno)
        error = error.__cause__ or error.__context__
    return ""


def failed(response: httpx.Response) -> AnswerError:
    """Return the exception for an error answer."""
    try:
        body: object = response.json()
    except ValueError:
        body = None
    return error_of(response.status_code, body, response.headers.get("Retry-After", ""))


def body_of(response: httpx.Response) -> Any:
    """The JSON of an answer that is no error; None of one without body. Raises AnswerError."""
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise AnswerError(
            "what answers there is not a softfax station", "check the URL", status=response.status_code
        ) from None


@contextlib.contextmanager
def form(wanted: Mapping[str, Any], files: Sequence[str | os.PathLike[str]], key: str) -> Iterator[dict[str, Any]]:
    """The arguments of a request for a fax: JSON, or a form where there are files. `pages` and `password` are those of the first
    file, or of each in a list. Raises DocumentError, UsageError.
    """
    headers = {"Idempotency-Key": key or secrets.token_hex(12)}
    wanted = dict(wanted)
    of_files = {name: wanted.pop(name) for name in ("pages", "password") if name in wanted}
    if of_files and not files:
        raise UsageError(f"{' and '.join(of_files)} without files", "in `documents` they stand with their document")
    if not files:
        yield {"json": dict(wanted), "headers": headers}
        return
    with contextlib.ExitStack() as stack:
        parts = [("file", (Path(file).name, stack.enter_context(_opened(file)))) for file in files]
        each = {name: [given] if isinstance(given, str) else list(given) for name, given in of_files.items()}
        request = {"request": json.dumps(wanted)} if wanted else {}
        yield {"data": {**request, **each}, "files": parts, "headers": headers}


def _opened(file: str | os.PathLike[str]) -> BinaryIO:
    try:
        return Path(file).open("rb")
    except OSError as error:
        remedy = unread_remedy(error, "check the file's name")
        raise DocumentError(f"{os.fspath(file)} cannot be read: {error.strerror}", remedy) from None


def list_query(filters: Mapping[str, Any]) -> Query:
    """The query of a list: None is left out, lists get commas, `tags` become tag.NAME."""
    out: Query = {}
    for key, value in filters.items():
        if value is None or value == "":
            continue
        if key == "tags":
            out.update({f"tag.{name}": text for name, text in value.items()})
        elif key == "state" and not isinstance(value, str):
            out[key] = ",".join(value)
        elif isinstance(value, bool):
            out[key] = "true" if value else "false"
        else:
            out[key] = rfc3339(value) if isinstance(value, datetime) else value
    return out


def event_query(fax_id: str, types: Iterable[str], progress: bool) -> Query:
    """The query of a stream of events."""
    out: Query = {"fax_id": fax_id, "types": ",".join(types), "progress": "1" if progress else ""}
    return {key: value for key, value in out.items() if value}


class EventParser:
    """Server-sent events out of lines (WHATWG HTML §9.2). `last_id` is the number of the last event that had one."""

    def __init__(self, last_id: int | None = None) -> None:
        self.last_id = last_id
        self._clear()

    def _clear(self) -> None:
        self._kind, self._id, self._data = "message", None, []

    _kind: str
    _id: int | None
    _data: list[str]

    def line(self, line: str) -> StreamEvent | None:
        """Takes a line; the event that ends with it."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data" and sum(map(len, self._data)) + len(value) <= LINE_MAX:
                self._data.append(value)
            elif name == "event":
                self._kind = value
            elif name == "id" and re.fullmatch(r"[0-9]{1,18}", value):
                self._id = int(value)
            return None
        data, kind, number = "\n".join(self._data), self._kind, self._id
        self._clear()
        if number is not None:
            self.last_id = number
        if not data:
            return None
        try:
            body = json.loads(data)
        except ValueError:
            return None
        return StreamEvent(id=number, kind=kind, fax_id=str(body.get("fax_id", "")), body=body)

    @property
    def headers(self) -> dict[str, str]:
        """Request headers that resume the stream after the last event."""
        return {"Last-Event-ID": str(self.last_id)} if self.last_id is not None else {}
