# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers to requests that fail: problem details (RFC 9457), with a `remedy` for people."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from softfax.database.away import is_away
from softfax.diskspace import is_full
from softfax.errors import (
    DiskFullError,
    DocumentError,
    DocumentInterruptedError,
    DocumentTooLargeError,
    DoNotFaxError,
    LocalError,
    NoRouteError,
    PagesDiskFullError,
    SoftfaxError,
    StarvedError,
    UsageError,
    in_short,
    is_starved,
)
from softfax.records.errors import EndedError, IdempotencyError, NoFaxError
from softfax.web.mistakes import mistake

__all__ = ["MEDIA_TYPE", "Problem", "add_handlers", "invalid", "media_type", "problem_of", "throttled", "unsupported"]

log = logging.getLogger("softfax.web")

MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 20
#: What files say that are not ours, or on a disk that fails; or where there are too many open.
_CANNOT_WRITE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
#: Errors of the queue that say more than that the request is invalid.
_SAID: tuple[tuple[type[SoftfaxError], int, str, str], ...] = (
    (IdempotencyError, 422, "idempotency", "The key was used for another request"),
    (DoNotFaxError, 403, "do-not-fax", "Number is on the do-not-fax list"),
    (NoFaxError, 404, "not-found", "Fax not found"),
    (EndedError, 409, "ended", "Its state does not allow this"),
    (PagesDiskFullError, 507, "disk-full", "The disk is full"),
    (DocumentInterruptedError, 503, "unavailable", "The station cannot do this now"),
    (DocumentTooLargeError, 413, "document-too-large", "The document is too large"),
    (DocumentError, 422, "document", "The document cannot be faxed"),
    (DiskFullError, 507, "disk-full", "The disk is full"),
    (LocalError, 503, "unavailable", "The station cannot do this now"),
    (NoRouteError, 422, "no-route", "The station has no way to this number"),
    (UsageError, 422, "invalid", "Invalid request"),
    (SoftfaxError, 502, "failed", "Failed"),
)


class Problem(HTTPException):
    """Ends a request with problem details. `kind` is the last part of `type`; empty for what the status says already."""

    def __init__(
        self,
        status: int,
        title: str = "",
        detail: str = "",
        remedy: str = "",
        *,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(status, detail or title, dict(headers) if headers else None)
        self.body: dict[str, Any] = {
            "type": f"urn:softfax:problem:{kind}" if kind else "about:blank",
            "title": title or HTTPStatus(status).phrase,
            "status": status,
        }
        for key, value in (("detail", detail), ("remedy", remedy), *more.items()):
            if value:
                self.body[key] = value

    def response(self) -> Response:
        """The response."""
        headers = {"Cache-Control": "no-store", **(self.headers or {})}
        return Response(to_json(self.body), self.status_code, headers, MEDIA_TYPE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, where no framework is."""
        await self.response()(scope, receive, send)


def problem_of(error: Exception, request_id: str = "") -> Problem:
    """Convert any exception to a problem; an unexpected one is logged, and its answer shows nothing of our inside."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, SoftfaxError):
        return _of_softfax(error)
    if isinstance(error, ClientDisconnect):
        return Problem(400, "Incomplete request", kind="broken-off")  # nobody reads it
    if is_full(error):
        log.error("request %s failed: the disk is full", request_id)
        return Problem(507, "The disk is full", "", "Make room on the station's disk.", kind="disk-full")
    if is_starved(error):
        log.error("request %s failed: %s", request_id, error or "out of memory")
        return _of_softfax(StarvedError())
    if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
        log.error("request %s failed: %s", request_id, error)
        return _of_softfax(LocalError(f"files cannot be written ({error.strerror})", "softfax doctor says more"))
    if is_away(error):
        log.error("request %s failed: the database says %s", request_id, in_short(error))
        return _of_softfax(LocalError("the database does not take it now", "try again; softfax doctor says more"))
    log.error("request %s failed", request_id, exc_info=error)
    return Problem(
        500,
        "The station failed",
        "It could not answer this request.",
        "The station's log says more, under the Request-Id of this answer.",
    )


def invalid(where: str, what: str, place: str = "body") -> RequestValidationError:
    """An invalid value, reported as the framework reports it."""
    return RequestValidationError([{"type": "value_error", "loc": (place, where), "msg": what, "input": None}])


def media_type(request: Request) -> str:
    """Media type of a body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def unsupported(wanted: str) -> Problem:
    """Problem 415: the body is of another kind than those that are `wanted`."""
    return Problem(415, "Unsupported media type", f"Send {wanted}.", kind="media-type")


def throttled(title: str, detail: str, wait_s: float) -> Problem:
    """Problem 429: the client has to wait for so many seconds."""
    seconds = str(int(wait_s) + 1)
    return Problem(
        429, title, detail, f"Try again in {seconds} seconds.", kind="throttled", headers={"Retry-After": seconds}
    )


def _of_framework(error: HTTPException) -> Problem:
    said = str(error.detail) if error.detail else ""
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    if error.status_code == 400 and "parsing the body" in said:
        return Problem(400, "The body is not JSON", "It cannot be read.", kind="no-json")
    if error.status_code == 404 and (not said or said == phrase):
        return Problem(404, "Not found", "", "/openapi.json says what there is.", kind="not-found")
    return Problem(error.status_code, phrase, said if said != phrase else "", headers=headers)


def _of_validation(error: RequestValidationError) -> Problem:
    found = error.errors()
    if found and all(one["loc"][:1] == ("path",) for one in found):
        return Problem(404, "Not found", kind="not-found")
    if any(one["type"] == "json_invalid" for one in found):
        return Problem(400, "The body is not JSON", str(found[0].get("ctx", {}).get("error", "")), kind="no-json")
    errors = [mistake(one) for one in found[:ERRORS_MAX]]
    first = errors[0] if errors else {"in": "", "at": "", "detail": ""}
    said = first["detail"] if first["at"] == first["in"] else f"{first['at']}: {first['detail']}"
    return Problem(
        422,
        "Invalid request",
        said + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""),
        kind="invalid",
        errors=errors,
    )


def _of_softfax(error: SoftfaxError) -> Problem:
    _, status, kind, title = next(row for row in _SAID if isinstance(error, row[0]))
    headers = {"Retry-After": "10"} if status == 503 else None
    return Problem(status, title, error.problem, error.remedy, kind=kind, headers=headers)


def add_handlers(app: FastAPI) -> None:
    """Every error of the application becomes a problem."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = _other_body(request, error) or problem_of(error, request.scope["state"]["request_id"])
        if problem.status_code == 405:
            problem.headers = {**(problem.headers or {}), "Allow": ", ".join(_methods(request))}
        return problem.response()

    for kind in (HTTPException, RequestValidationError, SoftfaxError, Exception):
        app.add_exception_handler(kind, handle)


def _other_body(request: Request, error: Exception) -> Problem | None:
    """Problem 415: JSON is wanted, and something else came."""
    if not isinstance(error, RequestValidationError) or media_type(request).endswith(("/json", "+json")):
        return None
    if any(one["loc"] == ("body",) and one["type"] != "missing" for one in error.errors()):
        return unsupported("application/json")
    return None


def _methods(request: Request) -> list[str]:
    """Methods allowed at a request's path, of all its routes."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found | ({"HEAD"} if "GET" in found else set()))
