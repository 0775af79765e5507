# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP for SWML: what `request` and `execute` ask, bounded in time and size, only to addresses that are allowed."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from softfax._version import __version__
from softfax.errors import SoftfaxError
from softfax.netguard import connect
from softfax.swml.machine import HttpAnswer, SwmlRunError

__all__ = ["ask"]

ANSWER_BYTES_MAX = 256 << 10
FORBIDDEN_HEADERS = ("host", "content-length", "transfer-encoding", "connection")


def ask(
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    *,
    timeout_s: float = 10.0,
    allow_private: bool = False,
) -> HttpAnswer:
    """One exchange; redirects are not followed. An answer of code 0 where nothing answered. Raises SwmlRunError for a URL or an
    address that may not be asked.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise SwmlRunError(f"not a URL: {url[:60]!r}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SwmlRunError(f"not an http or https URL: {url[:60]!r}")
    data, sent = _body(body, {k: v for k, v in (headers or {}).items() if k.lower() not in FORBIDDEN_HEADERS})
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    try:
        link = connect(
            host,
            port or (443 if tls else 80),
            deadline=time.monotonic() + timeout_s,
            connect_s=timeout_s,
            tls=tls,
            allow_private=allow_private,
        )
    except SoftfaxError as error:
        raise SwmlRunError(error.problem, error.remedy or "--allow-private allows private addresses") from None
    except OSError:
        return HttpAnswer(0)
    connection = http.client.HTTPConnection(host, port or (443 if tls else 80))
    connection.default_port = 443 if tls else 80
    connection.sock = link
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, data, {"User-Agent": f"softfax/{__version__}", "Connection": "close", **sent})
        answer = connection.getresponse()
        text = answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace")
        return HttpAnswer(answer.status, dict(answer.headers.items()), text, _json(text))
    except (OSError, http.client.HTTPException, ValueError):
        return HttpAnswer(0)
    finally:
        connection.close()
        link.abort()


def _body(body: Any, headers: dict[str, str]) -> tuple[bytes | None, dict[str, str]]:
    if body is None or body == "":
        return None, headers
    if isinstance(body, str):
        return body.encode(), headers
    if not any(name.lower() == "content-type" for name in headers):
        headers = {**headers, "Content-Type": "application/json"}
    return json.dumps(body, ensure_ascii=False, default=str).encode(), headers


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
