# SPDX-License-Identifier: GPL-2.0-or-later
"""Target of a callback and its dialect."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from softfax.errors import UsageError

__all__ = ["CallbackTarget", "Dialect", "EventKind", "Style", "check_url"]

#: The kinds of events that callbacks are made of (`softfax.model`).
EventKind = Literal["call", "session", "heard", "negotiated", "page", "job", "result", "broadcast"]
Dialect = Literal["signalwire", "simotel", "json"]
#: `url`: every event to the same URL. `url-event`: the event's name is added to the path, as Simotel can do.
Style = Literal["url", "url-event"]

URL_LENGTH_MAX = 2048


@dataclass(frozen=True, kw_only=True)
class CallbackTarget:
    """One receiver of callbacks. `user` and `password` are sent as basic authentication; `secret` signs the request.

    `events` are the kinds of events that it gets, none for all.

    Raises UsageError for a URL that callbacks cannot be posted to.
    """

    url: str
    dialect: Dialect = "json"
    style: Style = "url"
    user: str = ""
    password: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    events: tuple[EventKind, ...] = ()

    def __post_init__(self) -> None:
        check_url(self.url)

    @property
    def key(self) -> str:
        """Key of a target: the same for the same URL, dialect, style and user. No secret can be read from it."""
        text = "\0".join((self.url, self.dialect, self.style, self.user))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def at(self, path_suffix: str) -> CallbackTarget:
        """The target whose URL has `path_suffix` added to its path."""
        if not path_suffix:
            return self
        parts = urlsplit(self.url)
        path = f"{parts.path.rstrip('/')}/{path_suffix.lstrip('/')}"
        return replace(self, url=parts._replace(path=path).geturl())


def check_url(url: str) -> str:
    """A URL callbacks can be posted to. Raises UsageError."""
    problem = ""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            problem = "use http://HOST/PATH or https://HOST/PATH"
        elif parts.username is not None:
            problem = "give user and password apart from the URL"
    except ValueError:
        problem = "use http://HOST/PATH or https://HOST/PATH"
    if len(url) > URL_LENGTH_MAX or any(ord(ch) <= 32 or ord(ch) == 127 for ch in url):
        problem = f"use at most {URL_LENGTH_MAX} characters without blanks"
    if problem:
        raise UsageError(f"not a URL for callbacks: {url[:80]!r}", problem)
    return url
