# SPDX-License-Identifier: GPL-2.0-or-later
"""Posts one request over HTTP/1.1 and says what came back. Bounded in time and size; only to addresses that are allowed."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from softfax._version import __version__
from softfax.delivery.policy import PostResult, parse_retry_after
from softfax.delivery.targets import CallbackTarget
from softfax.errors import UsageError
from softfax.netguard import ForbiddenAddressError, Link, connect

__all__ = ["Poster"]

ANSWER_BYTES_MAX = 64 << 10
_Place = tuple[str, str, int]


@dataclass(eq=False)
class Poster:
    """Posts to one receiver after another, over a connection kept as long as they are the same. Of one thread."""

    allow_private: bool = False
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._link: Link | None = None
        self._place: _Place | None = None
        self._lock = threading.Lock()
        self._aborted = False

    def post(self, target: CallbackTarget, body: bytes, headers: Mapping[str, str]) -> PostResult:
        """One attempt. Never raises: what went wrong is in the answer. Redirects are not followed."""
        parts = urlsplit(target.url)
        place = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        wanted = {"User-Agent": f"softfax/{__version__}", **headers}
        if target.user:
            token = base64.b64encode(f"{target.user}:{target.password}".encode()).decode()
            wanted["Authorization"] = f"Basic {token}"
        deadline = time.monotonic() + self.timeout_s
        # A kept connection may have been closed meanwhile; that is no failed attempt.
        kept = self._connection is not None and self._place == place
        try:
            try:
                return self._exchange(place, path, body, wanted, deadline)
            except ConnectionError:
                self.close()
                if not kept or self._aborted:
                    raise
                return self._exchange(place, path, body, wanted, deadline)
        except ForbiddenAddressError as error:
            return PostResult(
                0, f"{error.problem}; allow_private = true in [callbacks] allows private ones", final=True
            )
        except (UsageError, UnicodeError) as error:
            return PostResult(0, str(error)[:200], final=True)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return PostResult(0, _reason(error))

    def _exchange(self, place: _Place, path: str, body: bytes, headers: dict[str, str], deadline: float) -> PostResult:
        connection = self._connect(place, deadline)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        rest = answer.read(ANSWER_BYTES_MAX + 1)
        attempt = PostResult(
            answer.status,
            "" if answer.status < 300 else f"{answer.status} {answer.reason}"[:200],
            parse_retry_after(answer.headers.get("Retry-After")),
        )
        if len(rest) > ANSWER_BYTES_MAX or answer.will_close:
            self.close()
        return attempt

    def _connect(self, place: _Place, deadline: float) -> http.client.HTTPConnection:
        if self._connection is not None and self._link is not None and self._place == place:
            self._link.deadline = deadline
            return self._connection
        self.close()
        scheme, host, port = place
        tls = ssl.create_default_context() if scheme == "https" else None
        link = connect(
            host, port, deadline=deadline, connect_s=self.timeout_s, tls=tls, allow_private=self.allow_private
        )
        # Small requests, one after the other: each goes out at once.
        link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The class for plain HTTP in both cases, as the socket is connected; the port is named unless it is the scheme's.
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = 443 if tls else 80
        connection.sock = link
        with self._lock:
            if self._aborted:
                link.abort()
                raise ConnectionAbortedError("the station is stopping")
            self._connection, self._link, self._place = connection, link, place
        return connection

    def close(self) -> None:
        """Ends the connection, if there is one."""
        with self._lock:
            connection, self._connection, self._place = self._connection, None, None
            link, self._link = self._link, None
        if connection is not None:
            connection.close()
        if link is not None:
            link.abort()

    def abort(self) -> None:
        """Ends an exchange under way; from any thread."""
        with self._lock:
            self._aborted = True
            link = self._link
        if link is not None:
            with contextlib.suppress(OSError):
                link.sock.shutdown(socket.SHUT_RDWR)


def _reason(error: BaseException) -> str:
    """A network error in words, one line."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]
