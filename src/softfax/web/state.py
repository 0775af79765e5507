# SPDX-License-Identifier: GPL-2.0-or-later
"""State of the endpoints, found by the application they belong to."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from softfax.model import Fax
from softfax.station.config.http import HttpConfig
from softfax.web.access import Access, Principal, Requester, unauthorized
from softfax.web.pictures import Pictures
from softfax.web.problems import Problem
from softfax.web.runs import Runs
from softfax.web.seam import FaxQueueLike, MetricsLike, StationLike
from softfax.web.store import WebStore
from softfax.web.stream import Streams
from softfax.web.uploads import Uploads

__all__ = ["Mine", "Web", "answer", "needs", "principal_of", "requester_of"]

#: Sends a fax by e-mail to an address. Raises SoftfaxError.
ForwardEmail = Callable[[Fax, str], Awaitable[None]]
#: A line that says what is not ready, empty when all is well.
Readiness = Callable[[], str]


@dataclass(kw_only=True)
class Web:
    """The parts of the web of a station."""

    station: StationLike
    queue: FaxQueueLike
    access: Access
    store: WebStore
    uploads: Uploads
    pictures: Pictures
    streams: Streams
    swml: Runs
    cookie: str
    metrics: MetricsLike | None = None
    forward_email: ForwardEmail | None = None
    mailboxes: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    ready: list[Readiness] = field(default_factory=list)
    #: Idempotency keys of requests under way.
    keys: set[str] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)
    stopping: bool = False

    @property
    def config(self) -> HttpConfig:
        """[http] as it is in force."""
        return self.access.config


def _web(request: Request) -> Web:
    web: Web = request.app.state.web
    return web


Mine = Annotated[Web, Depends(_web)]


def principal_of(request: Request) -> Principal:
    """Principal of a request. Raises Problem for one that is not authenticated."""
    found: Principal | None = request.scope["state"]["principal"]
    if found is None:
        raise unauthorized("The station answers to those it knows.")
    return found


def requester_of(request: Request) -> Requester:
    """Origin of a request."""
    found: Requester = request.scope["state"]["requester"]
    return found


def needs(*scopes: str) -> Any:
    """A dependency: one of these scopes is needed. Raises Problem."""

    def check(request: Request) -> None:
        principal = principal_of(request)
        if not any(principal.may(scope) for scope in scopes):
            raise Problem(
                403,
                "Not allowed",
                f"{principal.name} may not do this: it takes {' or '.join(scopes)}.",
                "Use a token with that scope.",
                kind="scope",
            )
        _check_query(request)

    check.scopes = scopes  # type: ignore[attr-defined]
    return Depends(check)


def _check_query(request: Request) -> None:
    """Refuses what an operation with parameters does not know: a filter that is mistyped would be none. Raises Problem."""
    route = request.scope["route"]
    known = {field.alias for field in route.dependant.query_params}
    # Tags filter lists of faxes, and nothing else.
    by_tag = any(one["name"] == "tags" for one in (route.openapi_extra or {}).get("parameters", ()))
    for key in request.query_params:
        if key not in known and not (by_tag and key.startswith("tag.")):
            remedy = f"Use {', '.join(sorted(known))}." if known else "It takes none."
            raise Problem(422, "Invalid request", f"There is no parameter {key[:40]!r}.", remedy, kind="invalid")


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer, as it is: plain values only."""
    return Response(to_json(body), status, dict(headers) if headers else None, "application/json")
