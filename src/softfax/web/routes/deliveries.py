# SPDX-License-Identifier: GPL-2.0-or-later
"""/v1/deliveries: callbacks as they are kept, and dead letters that are sent once more."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from softfax.asjson import rfc3339_of
from softfax.delivery.outbox import Outbox
from softfax.delivery.store import StoredCallback
from softfax.web.answers import DeliveryListOut, DeliveryOut
from softfax.web.openapi import problems
from softfax.web.problems import Problem
from softfax.web.state import Mine, Web, answer, needs

__all__ = ["router"]

router = APIRouter(tags=["station"])

Number = Annotated[int, PathParam(alias="number", ge=1, lt=2**62, description="number of a callback", examples=[17])]


def _outbox(web: Web) -> Outbox:
    if web.station.outbox is None:
        raise Problem(404, "There are no callbacks", "Callbacks are switched off.", kind="not-found")
    return web.station.outbox


@router.get(
    "/v1/deliveries",
    operation_id="listDeliveries",
    summary="Callbacks, the oldest first",
    response_model=DeliveryListOut,
    dependencies=[needs("admin")],
    responses=problems(401, 403, 404, 422),
)
async def list_deliveries(
    web: Mine,
    state: Annotated[
        Literal["waiting", "delivered", "dead"], Query(description="dead: given up", examples=["dead"])
    ] = "dead",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Callbacks of one state; without a state the dead letters."""
    found = await asyncio.to_thread(_outbox(web).store.list, state, limit=limit)
    return answer({"deliveries": [_json(one) for one in found]})


@router.post(
    "/v1/deliveries/{number}/replay",
    status_code=202,
    operation_id="replayDelivery",
    summary="Send a dead letter once more",
    response_model=DeliveryOut,
    dependencies=[needs("admin")],
    responses=problems(401, 403, 404, 409),
)
async def replay_delivery(number: Number, web: Mine) -> Response:
    """Queue a callback that was given up once more, with a new day to be tried in."""
    outbox = _outbox(web)
    replayed = await asyncio.to_thread(outbox.replay, number)
    found = await asyncio.to_thread(outbox.store.get, number)
    if not found:
        raise Problem(404, "Callback not found", kind="not-found")
    if not replayed:
        raise Problem(409, "Its state does not allow this", f"It is {found[0].state}.", kind="ended")
    return answer(_json(found[0]), 202)


def _json(one: StoredCallback) -> dict[str, Any]:
    """A callback without its body, and its receiver without what may be a secret."""
    return {
        "number": one.number,
        "state": one.state,
        "fax_id": one.fax_id,
        "event_id": one.event_id,
        "url": one.place,
        "dialect": one.target.dialect,
        "attempts": one.attempts,
        "last_status": one.last_status,
        "last_error": one.last_error,
        "put": rfc3339_of(one.put_at),
        "ended": rfc3339_of(one.ended_at) if one.ended_at else None,
    }
