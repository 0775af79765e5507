# SPDX-License-Identifier: GPL-2.0-or-later
"""/v1/polled: documents that are put out for polling."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as PathParam
from starlette.requests import Request
from starlette.responses import Response

from softfax.asjson import rfc3339
from softfax.queue.polled import TakenBackError
from softfax.records.model import FaxRequest
from softfax.station.polled import PolledDocument
from softfax.web.fields import form_values
from softfax.web.once import REPLAYED, Key, erased, key_of, once
from softfax.web.openapi import problems
from softfax.web.orders import body_of, documents_for, documents_of, hash_of, read_order
from softfax.web.patterns import FAX_ID
from softfax.web.problems import Problem, invalid
from softfax.web.requests import PolledIn
from softfax.web.state import Mine, Web, answer, needs, principal_of
from softfax.web.station_answers import PolledList, PolledOut

__all__ = ["router"]

log = logging.getLogger("softfax.web")
router = APIRouter(tags=["polled"])

PolledId = Annotated[str, PathParam(alias="id", pattern=FAX_ID, description="id of what was put out by an order")]
_LINE = {"type": "string", "maxLength": 200}
_LINES = {"type": "array", "items": _LINE}
_PLAIN = frozenset({"name", "poll_document", "poll_password", "until", "resolution", "scan"})
_BODY = body_of(
    "PolledIn",
    "`numbers`, `callers`, `url`, `upload` and `file` may come several times.",
    {
        **dict.fromkeys(("numbers", "callers", "url", "upload", "pages", "password"), _LINES),
        **dict.fromkeys(sorted(_PLAIN), _LINE),
    },
    examples=[
        {"name": "prices", "numbers": ["+49301112"], "file": ["(the bytes of prices.pdf)"], "poll_document": "17"}
    ],
)
_of_form = partial(form_values, plain=_PLAIN, several=("numbers", "callers"))


async def _told(web: Web, one: PolledDocument) -> dict[str, Any]:
    count, last = await web.queue.polled.fetched(one)
    when = rfc3339(last.ended) if last is not None and last.ended is not None else None
    return one.to_json(datetime.now(UTC)) | {"fetched": count, "last_fetched": when}


def _none() -> Problem:
    return Problem(404, "Nothing of this id is out", "It may have been taken back.", kind="not-found")


@router.get(
    "/v1/polled",
    operation_id="listPolled",
    summary="Documents that far ends may fetch",
    response_model=PolledList,
    dependencies=[needs("read")],
    responses=problems(401, 403),
)
async def polled(web: Mine) -> Response:
    """Documents that are put out for polling, by the configuration (without an id) or by an order; who fetched one is a fax with
    the tag `polled`."""
    return answer({"polled": [await _told(web, one) for one in web.queue.polled.all()]})


@router.post(
    "/v1/polled",
    status_code=201,
    operation_id="putOut",
    summary="Put documents out for polling",
    response_model=PolledOut,
    dependencies=[needs("admin")],
    responses=problems(400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 503, 507),
    openapi_extra=_BODY,
)
async def put_out(request: Request, web: Mine, idempotency_key: Key = None) -> Response:
    """Far ends fetch it from now on by calling one of `numbers`, which go on taking faxes. Its pages are made at
    once; it is kept until it is taken back."""
    async with documents_for(web) as own:
        wanted, files = await read_order(request, web, own.folder, PolledIn, _of_form)
        key, body_hash = key_of(request, idempotency_key, "polled"), hash_of(wanted, files)
        async with once(web, key):
            try:
                found = await web.queue.polled.asked(key, body_hash)
            except TakenBackError:
                raise erased("document") from None
            if found is not None:
                return answer(await _told(web, found), 201, REPLAYED)
            if wanted.until is not None and wanted.until <= datetime.now(UTC):
                raise invalid("until", "it is past")
            documents, seen = await documents_of(web, wanted, files, own.folder)
            if not documents:
                raise invalid("documents", "there is nothing to put out")
            resolution, scan = wanted.resolution or seen.resolution, wanted.scan or seen.scan
            order = FaxRequest(to="", documents=documents, folder=own.folder, resolution=resolution, scan=scan)
            table = wanted.model_dump(exclude={"documents", "resolution", "scan"})
            new = PolledDocument(documents=(), **table)
            found = await own.handed_over(web.queue.polled.put(new, order, key=key, body_hash=body_hash))
    log.info("%s put %s out for polling", principal_of(request).name, found.name)
    return answer(await _told(web, found), 201, {"Location": f"/v1/polled/{found.id}"})


@router.get(
    "/v1/polled/{id}",
    operation_id="getPolled",
    summary="What was put out by an order",
    response_model=PolledOut,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404),
)
async def get_polled(polled_id: PolledId, web: Mine) -> Response:
    """Documents that an order put out, with the number of times that they were fetched."""
    found = web.queue.polled.get(polled_id)
    if found is None:
        raise _none()
    return answer(await _told(web, found))


@router.delete(
    "/v1/polled/{id}",
    status_code=204,
    operation_id="takeBack",
    summary="Put it out no more",
    response_class=Response,
    dependencies=[needs("admin")],
    responses=problems(401, 403, 404),
)
async def take_back(request: Request, polled_id: PolledId, web: Mine) -> Response:
    """Documents are forgotten and overwritten; a call that is fetching them goes on, and the records of those that did
    stay. What the configuration puts out goes with its table."""
    if not await web.queue.polled.take_back(polled_id):
        raise _none()
    log.info("%s took %s back", principal_of(request).name, polled_id)
    return Response(status_code=204)
