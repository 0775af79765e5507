# SPDX-License-Identifier: GPL-2.0-or-later
"""/v1/faxes: send, list, look, change, cancel, send again, forward."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from starlette.requests import Request
from starlette.responses import Response

from softfax.asjson import without_paths
from softfax.model import Direction, Fax, FaxState, new_fax_id
from softfax.records.errors import NoFaxError
from softfax.records.model import Document, FaxFilter, FaxRequest, RetryRules
from softfax.web.answers import BroadcastOut, EventList, FaxListOut, FaxOut
from softfax.web.etags import tagged
from softfax.web.fields import JSON_FIELDS, PLAIN_FIELDS, form_values, tags_of
from softfax.web.once import REPLAYED, Key, digest_of, erased, key_of, once, remembered
from softfax.web.openapi import problems
from softfax.web.orders import Documents, body_of, documents_for, documents_of, hash_of, read_order
from softfax.web.patterns import ANY_FAX_ID, CURSOR, FAX_ID, WORDS
from softfax.web.problems import Problem, invalid
from softfax.web.requests import Change, FaxIn, ForwardIn, Moment, check_times
from softfax.web.state import Mine, Web, answer, needs, principal_of
from softfax.web.uploads import copy_into

__all__ = ["FaxId", "known", "router"]

log = logging.getLogger("softfax.web")
router = APIRouter(tags=["faxes"])

STATES = "|".join(FaxState)
EVENTS_MAX = 5000

FaxId = Annotated[
    str, PathParam(alias="id", pattern=FAX_ID, description="id of a fax", examples=["4b0e7d5a9c1f2e3d4a5b6c7d"])
]


def _many(most: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "maxLength": most}}


#: Any number of parameters of their own.
BY_TAG = {
    "name": "tags",
    "in": "query",
    "description": "faxes with these tags: each is a parameter `tag.NAME=VALUE`",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "patternProperties": {r"^tag\.": {"type": "string"}}, "additionalProperties": False},
    "example": {"tag.matter": "2026-17"},
}
_BODY = body_of(
    "FaxIn",
    "`to`, `url`, `upload` and `file` may come several times; `tag.NAME`, `cover.NAME` and `retry.NAME` name parts. `pages` and "
    "`password` are those of the files, in their order.",
    {
        **{name: _many(most) for name, most in (("to", 400), ("url", 2048), ("upload", 32), ("pages", 200), ("password", 200))},
        **{name: {"type": "string"} for name in sorted(PLAIN_FIELDS | JSON_FIELDS | {"callback"})},
    },
    patternProperties={r"^(tag|cover|retry)\.[A-Za-z0-9_.-]{1,64}$": {"type": "string"}},
    examples=[
        {"to": ["+49 30 1234567"], "file": ["(the bytes of letter.pdf)"], "resolution": "fine", "tag.matter": "2026-17"},
        {"request": '{"to": "+49 30 1234567", "priority": 7}', "file": ["(the bytes of letter.pdf)"]},
    ],
)  # fmt: skip


async def known(web: Web, fax_id: str) -> Fax:
    """A fax. Raises NoFaxError."""
    fax = await web.queue.get(fax_id)
    if fax is None:
        raise NoFaxError(fax_id)
    return fax


# ---- sending -------------------------------------------------------------------------------------------------------------


@router.post(
    "/v1/faxes",
    status_code=202,
    operation_id="sendFax",
    summary="Send a fax",
    response_model=FaxOut | BroadcastOut,
    dependencies=[needs("send")],
    responses=problems(400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 503, 507),
    openapi_extra=_BODY,
)
async def send_fax(request: Request, web: Mine, idempotency_key: Key = None) -> Response:
    """Takes a fax into the queue; it is on disk when this answers. A list of destinations makes a fax for each of them."""
    async with documents_for(web) as own:
        wanted, files = await read_order(request, web, own.folder, FaxIn, form_values)
        many = isinstance(wanted.to, list)

        async def requests() -> list[FaxRequest]:
            check_times(wanted)
            documents, seen = await documents_of(web, wanted, files, own.folder)
            if not documents and wanted.cover is None and not wanted.options().get("poll"):
                raise invalid("documents", "there is nothing to send")
            return [one.with_defaults(seen) for one in _requests(web, wanted, documents, own.folder, many)]

        return await _submit(request, web, requests, idempotency_key, hash_of(wanted, files), many, own)


def _requests(web: Web, wanted: FaxIn, documents: tuple[Document, ...], folder: Path, many: bool) -> list[FaxRequest]:
    # A number is one number however it is written; the first way counts.
    destinations = [wanted.to] if isinstance(wanted.to, str) else wanted.to
    destinations = list({web.station.rules.number_key(to): to for to in reversed(destinations)}.values())[::-1]
    if len(destinations) > (most := web.config.max_recipients):
        raise invalid("to", f"at most {most} destinations go into one request")
    broadcast_id = new_fax_id() if many else ""
    return [
        FaxRequest(
            to=to,
            documents=documents,
            **wanted.options(),
            priority=wanted.priority,
            not_before=wanted.not_before,
            deadline=wanted.deadline,
            retry=RetryRules(**wanted.retry.model_dump()),
            callbacks=tuple(callback.target() for callback in wanted.callbacks),
            broadcast_id=broadcast_id,
            folder=folder,
        )
        for to in destinations
    ]


async def _submit(
    request: Request,
    web: Web,
    make: Callable[[], Awaitable[list[FaxRequest]]],
    given: str | None,
    body_hash: str,
    many: bool,
    own: Documents,
) -> Response:
    """Takes what `make` gives, or answers what the same request got before. Raises Problem, SoftfaxError."""
    key = key_of(request, given)
    async with once(web, key):
        before = await web.queue.asked(key, body_hash) if key else None
        if before is None:
            requests = await make()
            faxes: Sequence[Fax] = await own.handed_over(web.queue.submit(requests, key=key, body_hash=body_hash))
        elif before:
            faxes = before
        else:
            raise erased("fax")
    again = " (asked again)" if before is not None else ""
    what = f"fax {faxes[0].id}" if len(faxes) == 1 else f"{len(faxes)} faxes, broadcast {faxes[0].broadcast_id}"
    log.info("%s ordered %s%s", principal_of(request).name, what, again)
    headers = REPLAYED if again else {}
    if many:
        body = {"broadcast_id": faxes[0].broadcast_id, "faxes": [fax.to_json() for fax in faxes]}
        return answer(body, 202, headers)
    return answer(faxes[0].to_json(), 202, headers | {"Location": f"/v1/faxes/{faxes[0].id}"})


# ---- looking -------------------------------------------------------------------------------------------------------------


@router.get(
    "/v1/faxes",
    operation_id="listFaxes",
    summary="Faxes, the newest first",
    response_model=FaxListOut,
    dependencies=[needs("read")],
    responses=problems(401, 403, 422),
    openapi_extra={"parameters": [BY_TAG]},
)
async def list_faxes(
    request: Request,
    web: Mine,
    direction: Annotated[Direction | None, Query(description="sent or received")] = None,
    state: Annotated[
        str,
        Query(
            pattern=f"^(({STATES})(,({STATES}))*)?$",
            description="states, with commas between",
            examples=["queued,waiting"],
        ),
    ] = "",
    q: Annotated[
        str, Query(max_length=200, pattern=WORDS, description="words in numbers, names, station ids, documents, tags")
    ] = "",
    number: Annotated[str, Query(max_length=400, pattern=WORDS, description="the destination or the caller")] = "",
    since: Annotated[Moment | None, Query(description="made at or after")] = None,
    until: Annotated[Moment | None, Query(description="made before")] = None,
    mailbox: Annotated[str, Query(max_length=40, pattern=WORDS)] = "",
    unread: bool | None = None,
    broadcast_id: Annotated[str, Query(pattern=ANY_FAX_ID)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str, Query(pattern=CURSOR, description="of the list before")] = "",
) -> Response:
    """Faxes that match every filter; `tag.NAME=VALUE` filters by a tag. The first part of a list has the `total` of all."""
    found = await web.queue.list(
        FaxFilter(
            direction=direction,
            states=frozenset(FaxState(name) for name in state.split(",") if name),
            text=q,
            number=number,
            notations=web.station.rules.notations(number) if number else (),
            tags=tags_of(request),
            since=since,
            until=until,
            broadcast_id=broadcast_id,
            mailbox=mailbox,
            unread=unread,
            limit=limit,
            cursor=cursor,
        )
    )
    return tagged(
        request, {"faxes": [fax.to_json() for fax in found.faxes], "cursor": found.cursor, "total": found.total}
    )


@router.get(
    "/v1/faxes/{id}",
    operation_id="getFax",
    summary="One fax, with its attempts",
    response_model=FaxOut,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404),
)
async def get_fax(request: Request, fax_id: FaxId, web: Mine) -> Response:
    """The whole record of a fax."""
    return tagged(request, (await known(web, fax_id)).to_json())


@router.get(
    "/v1/faxes/{id}/events",
    operation_id="getFaxEvents",
    summary="Events of a fax",
    response_model=EventList,
    dependencies=[needs("read", "events")],
    responses=problems(401, 403, 404),
)
async def fax_events(fax_id: FaxId, web: Mine, after: Annotated[int, Query(ge=0, lt=2**62)] = 0) -> Response:
    """Its events in order, as far as they are kept; at most 5000 after number `after`."""
    found = await web.queue.events.since(after, EVENTS_MAX, fax_id)
    if not found:
        await known(web, fax_id)
    return answer({"events": [{"id": one.id, **without_paths(one.event)} for one in found]})


# ---- changing ------------------------------------------------------------------------------------------------------------


@router.patch(
    "/v1/faxes/{id}",
    operation_id="changeFax",
    summary="Mark as read; change tags, mailbox, times or priority",
    response_model=FaxOut,
    dependencies=[needs("send")],
    responses=problems(400, 401, 403, 404, 409, 422),
)
async def change_fax(fax_id: FaxId, web: Mine, change: Change) -> Response:
    """Fields that are left out stay as they are. Times and priority are those of a fax that waits for a call: else 409."""
    check_times(change)
    changes = {name: value for name in Change.model_fields if (value := getattr(change, name)) is not None}
    return answer((await web.queue.update(fax_id, **changes)).to_json())


@router.delete(
    "/v1/faxes/{id}",
    operation_id="cancelFax",
    summary="Cancel a fax, or erase one that has ended",
    response_model=FaxOut,
    dependencies=[needs("cancel")],
    responses=problems(401, 403, 404, 409) | {204: {"description": "Erased"}},
)
async def cancel_fax(
    request: Request,
    fax_id: FaxId,
    web: Mine,
    erase: Annotated[bool, Query(description="erase record, documents and trace; takes scope admin")] = False,
) -> Response:
    """A call under way ends with DCN and BYE. One that has ended is not cancelled any more: 409."""
    if not erase:
        return answer((await web.queue.cancel(fax_id)).to_json())
    principal = principal_of(request)
    if not principal.may("admin"):
        raise Problem(403, "Not allowed", "Erasing takes the scope admin.", "Use such a token.", kind="scope")
    await known(web, fax_id)
    await web.queue.erase(fax_id)
    log.info("fax %s was erased by %s", fax_id, principal.name)
    return Response(status_code=204)


@router.post(
    "/v1/faxes/{id}/retry",
    status_code=202,
    operation_id="retryFax",
    summary="Send a fax that was not delivered once more",
    response_model=FaxOut,
    dependencies=[needs("send")],
    responses=problems(401, 403, 404, 409, 422),
)
async def retry_fax(request: Request, fax_id: FaxId, web: Mine, idempotency_key: Key = None) -> Response:
    """Send a fax once more, from the first page that the far end has not confirmed."""
    key, digest = key_of(request, idempotency_key, "retry"), digest_of([fax_id])
    where = {"Location": f"/v1/faxes/{fax_id}"}
    async with once(web, key):
        if await remembered(web, key, digest) is not None:
            return answer((await known(web, fax_id)).to_json(), 202, where | REPLAYED)
        fax = await web.queue.retry(fax_id)
        if key:
            await asyncio.to_thread(web.store.remember, key, digest, fax_id)
    return answer(fax.to_json(), 202, where)


@router.post(
    "/v1/faxes/{id}/forward",
    status_code=202,
    operation_id="forwardFax",
    summary="Send the pages of a fax somewhere else",
    response_model=FaxOut | BroadcastOut | dict[str, str],
    dependencies=[needs("send")],
    responses=problems(400, 401, 403, 404, 409, 410, 422, 501, 502, 503),
)
async def forward_fax(
    request: Request, fax_id: FaxId, web: Mine, where: ForwardIn, idempotency_key: Key = None
) -> Response:
    """Send a fax on, dot for dot, as a new fax to one destination or several, or by e-mail."""
    fax = await known(web, fax_id)
    if where.email is not None:
        if web.forward_email is None:
            raise Problem(501, "E-mail is not set up", "", "Add [mail] to the configuration.", kind="no-mail")
        key, digest = key_of(request, idempotency_key, "mail"), digest_of([fax_id, where.email])
        async with once(web, key):
            if await remembered(web, key, digest) is not None:
                return answer({"email": where.email}, 202, REPLAYED)
            await web.forward_email(fax, where.email)
            if key:
                await asyncio.to_thread(web.store.remember, key, digest, fax_id)
        return answer({"email": where.email}, 202)
    pages = await web.queue.raster(fax_id) or await web.queue.document(fax_id)
    if pages is None or where.to is None:
        raise Problem(409, "It has no pages", "Its pages are not there, or not made yet.", kind="no-pages")
    name = fax.documents[0] if fax.documents else f"fax-{fax.id}.pdf"
    wanted, many = FaxIn.model_validate({"to": where.to}), isinstance(where.to, list)
    async with documents_for(web) as own:

        async def requests() -> list[FaxRequest]:
            path = await asyncio.to_thread(copy_into, pages, own.folder)
            return _requests(web, wanted, (Document(path=path, name=name),), own.folder, many)

        body_hash = digest_of([fax_id, where.model_dump()])
        return await _submit(request, web, requests, idempotency_key, body_hash, many, own)
