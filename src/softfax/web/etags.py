# SPDX-License-Identifier: GPL-2.0-or-later
"""Entity tags (RFC 9110 §8.8.3): a client that has something already gets 304 instead of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from os import stat_result
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["etag_of", "tagged", "unchanged"]


def etag_of(status: stat_result, *more: object) -> str:
    """The tag of a file, or of what is made of it."""
    named = f"{status.st_mtime_ns} {status.st_size} {more}"
    return f'"{hashlib.sha256(named.encode()).hexdigest()[:20]}"'


def unchanged(request: Request, etag: str, headers: Mapping[str, str] | None = None) -> Response | None:
    """304 where the client has it already."""
    given = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if "*" in given or etag.removeprefix("W/") in given:
        return Response(status_code=304, headers={**(headers or {}), "ETag": etag})
    return None


def tagged(request: Request, body: Any) -> Response:
    """A JSON answer with its tag; 304 where the client has it already."""
    data = to_json(body)
    etag = f'W/"{hashlib.sha256(data).hexdigest()[:20]}"'
    return unchanged(request, etag) or Response(data, 200, {"ETag": etag}, "application/json")
