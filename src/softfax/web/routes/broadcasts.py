# SPDX-License-Identifier: GPL-2.0-or-later
"""/v1/broadcasts: the faxes of one order to several destinations, as one thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as PathParam
from starlette.requests import Request
from starlette.responses import Response

from softfax.model import Fax
from softfax.records.errors import EndedError
from softfax.records.model import FaxFilter
from softfax.web.answers import BroadcastState
from softfax.web.etags import tagged
from softfax.web.openapi import problems
from softfax.web.patterns import FAX_ID
from softfax.web.problems import Problem
from softfax.web.state import Mine, Web, answer, needs

__all__ = ["router"]

router = APIRouter(tags=["faxes"])

PART = 500
BroadcastId = Annotated[
    str,
    PathParam(alias="id", pattern=FAX_ID, description="id of a broadcast", examples=["9d08fa08479c9884bfc825af"]),
]


@router.get(
    "/v1/broadcasts/{id}",
    operation_id="getBroadcast",
    summary="Progress of a broadcast",
    response_model=BroadcastState,
    dependencies=[needs("read", "send")],
    responses=problems(401, 403, 404),
)
async def get_broadcast(request: Request, broadcast_id: BroadcastId, web: Mine) -> Response:
    """Counts of its faxes by state; it has ended when all of them have."""
    return tagged(request, await _state(web, broadcast_id))


@router.delete(
    "/v1/broadcasts/{id}",
    operation_id="cancelBroadcast",
    summary="Cancel a broadcast",
    response_model=BroadcastState,
    dependencies=[needs("cancel")],
    responses=problems(401, 403, 404),
)
async def cancel_broadcast(broadcast_id: BroadcastId, web: Mine) -> Response:
    """Every fax of it that has not ended is cancelled; those that were delivered stay so."""
    async for fax in _faxes(web, broadcast_id):
        if not fax.terminal:
            try:
                await web.queue.cancel(fax.id)
            except EndedError:
                continue  # just now
    return answer(await _state(web, broadcast_id))


async def _faxes(web: Web, broadcast_id: str) -> AsyncIterator[Fax]:
    cursor = ""
    while True:
        found = await web.queue.list(FaxFilter(broadcast_id=broadcast_id, limit=PART, cursor=cursor))
        for fax in found.faxes:
            yield fax
        cursor = found.cursor
        if not cursor:
            return


async def _state(web: Web, broadcast_id: str) -> dict[str, Any]:
    faxes = [fax async for fax in _faxes(web, broadcast_id)]
    if not faxes:
        raise Problem(404, "Broadcast not found", kind="not-found")
    return {
        "broadcast_id": broadcast_id,
        "total": len(faxes),
        "by_state": dict(sorted(Counter(str(fax.state) for fax in faxes).items())),
        "ended": all(fax.terminal for fax in faxes),
        "pages": sum(fax.pages for fax in faxes),
        "links": {"self": f"/v1/broadcasts/{broadcast_id}", "faxes": f"/v1/faxes?broadcast_id={broadcast_id}"},
    }
