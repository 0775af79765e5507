# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors of the client: a station that refuses, and one that does not answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from softfax.errors import ExitStatus, SoftfaxError

__all__ = [
    "AnswerError",
    "ConflictError",
    "NoStationError",
    "NotAllowedError",
    "NotFoundError",
    "RefusedError",
    "ThrottledError",
    "error_of",
]


class AnswerError(SoftfaxError):
    """The station refused or failed. `status` is the HTTP status, `body` its problem details (RFC 9457)."""

    exit_status = ExitStatus.USAGE

    def __init__(
        self, problem: str, remedy: str = "", *, status: int = 0, body: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(problem, remedy)
        self.status = status
        self.body = dict(body or {})
        self.retry_after_s = 1.0

    @property
    def under_way(self) -> bool:
        """True if a request with the same Idempotency-Key is being processed: repeat it to get the answer."""
        return self.status == 409 and str(self.body.get("type", "")).endswith(":idempotency")


class NoStationError(AnswerError):
    """No station answers there."""

    exit_status = ExitStatus.CALL_FAILED


class NotAllowedError(AnswerError):
    """The token is missing or wrong, or its scopes do not allow this (401, 403)."""

    exit_status = ExitStatus.CALL_FAILED


class NotFoundError(AnswerError):
    """Not found (404)."""


class ConflictError(AnswerError):
    """Its state does not allow this (409)."""


class RefusedError(AnswerError):
    """Invalid or too large request (400, 413, 415, 422)."""


class ThrottledError(AnswerError):
    """Too many requests (429), or not now (503). `retry_after_s` is when to try again."""


_KINDS: Mapping[int, type[AnswerError]] = {
    400: RefusedError,
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    413: RefusedError,
    415: RefusedError,
    422: RefusedError,
    429: ThrottledError,
    503: ThrottledError,
}


def error_of(status: int, body: object, retry_after: str = "") -> AnswerError:
    """The error an answer stands for."""
    said: Mapping[str, Any] = body if isinstance(body, dict) else {}
    title, detail = (str(said.get(key) or "") for key in ("title", "detail"))
    problem = detail or title or f"the station answered {status}"
    if title and detail.startswith("It "):
        problem = f"{title}: {_within(detail)}"  # which does not stand alone
    remedy = _within(str(said.get("remedy") or "")).rstrip(".")
    if status == 401:
        remedy = "give it the secret of a token, as SOFTFAX_TOKEN"
    error = _KINDS.get(status, AnswerError)(problem.rstrip("."), remedy, status=status, body=said)
    if retry_after.isdigit():
        error.retry_after_s = float(retry_after)
    return error


def _within(sentence: str) -> str:
    """A sentence as it stands within a line: a small letter first, but for names and abbreviations."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence
