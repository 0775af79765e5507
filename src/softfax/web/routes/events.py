# SPDX-License-Identifier: GPL-2.0-or-later
"""/v1/events: what happens, as server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from softfax.model import Event
from softfax.web.openapi import problems
from softfax.web.patterns import ANY_FAX_ID, CURSOR
from softfax.web.problems import Problem, invalid
from softfax.web.state import Mine, needs
from softfax.web.stream import EventStream

__all__ = ["router"]

router = APIRouter(tags=["events"])

#: The kinds of events there are.
KINDS = frozenset(kind.event for kind in Event.__subclasses__())
_EXAMPLE = (
    'retry: 1000\n\nid: 1795255200123\nevent: job\ndata: {"event":"job","time":"2026-11-21T09:30:00.000000Z","state":"queued",'
    '"reason":"","attempt":0,"pages":0,"fax_id":"4b0e7d5a9c1f2e3d4a5b6c7d"}\n\n'
)
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stream",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


@router.get(
    "/v1/events",
    operation_id="streamEvents",
    summary="Events as they happen",
    response_class=Response,
    dependencies=[needs("events")],
    responses=problems(400, 401, 403, 422, 503) | STREAM,
)
async def events(
    web: Mine,
    fax_id: Annotated[str, Query(pattern=ANY_FAX_ID, description="of this fax alone")] = "",
    types: Annotated[
        str,
        Query(
            pattern=r"^([a-z]{1,20}(,[a-z]{1,20}){0,9})?$", description="of these kinds alone", examples=["job,result"]
        ),
    ] = "",
    progress: Annotated[bool, Query(description="how far each call is, about once a second, without numbers")] = False,
    last_event_id: Annotated[str, Query(pattern=CURSOR, description="as the header")] = "",
    last: Annotated[
        str,
        Header(alias="Last-Event-ID", pattern=CURSOR, description="the last one that came; those after it follow"),
    ] = "",
) -> Any:
    """Each event has its number as `id`, its kind as `event`, and the JSON line as `data`. With Last-Event-ID none is missed."""
    after = last or last_event_id
    wanted = frozenset(name for name in types.split(",") if name)
    if unknown := sorted(wanted - KINDS):
        raise invalid("types", f"there is no event {unknown[0]!r}; use {', '.join(sorted(KINDS))}", "query")
    if web.stopping:
        raise Problem(503, "The station is stopping", headers={"Retry-After": "5"})
    return EventStream(
        web.streams,
        web.queue.events,
        web.station,
        after=int(after) if after else None,
        fax_id=fax_id,
        types=wanted,
        progress=progress,
    )
