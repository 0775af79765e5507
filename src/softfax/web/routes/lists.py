# SPDX-License-Identifier: GPL-2.0-or-later
"""The address book, the do-not-fax list, and what is known of numbers."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from softfax.asjson import rfc3339_of
from softfax.records.memory import NumberMemory
from softfax.web.answers import ContactList, ContactOut, ForbiddenList, ForbiddenOut, NumberList, NumberOut
from softfax.web.openapi import problems
from softfax.web.patterns import FAX_ID, WORDS
from softfax.web.problems import Problem
from softfax.web.requests import ContactIn, ForbiddenIn, NumberIn
from softfax.web.state import Mine, answer, needs

__all__ = ["router"]

#: Numbers in one answer.
LISTED_MAX = 100_000
router = APIRouter(tags=["lists"])

ContactId = Annotated[str, PathParam(pattern=FAX_ID, description="id of an entry")]


def _no_contact() -> Problem:
    return Problem(404, "Entry not found", "It may have been deleted.", kind="not-found")


@router.get(
    "/v1/contacts",
    operation_id="listContacts",
    summary="The address book",
    response_model=ContactList,
    dependencies=[needs("read", "send")],
    responses=problems(401, 403, 422),
)
async def contacts(
    web: Mine,
    q: Annotated[str, Query(max_length=200, pattern=WORDS, description="words somewhere in an entry")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=300, pattern=WORDS, description="of the list before")] = "",
) -> Response:
    """Entries, by name."""
    found, more = await asyncio.to_thread(web.store.contacts, q, limit, cursor)
    return answer({"contacts": [dataclasses.asdict(one) for one in found], "cursor": more})


@router.post(
    "/v1/contacts",
    status_code=201,
    operation_id="putContact",
    summary="Add or change an entry",
    response_model=ContactOut,
    dependencies=[needs("send")],
    responses=problems(400, 401, 403, 404, 422) | {200: {"description": "Changed", "model": ContactOut}},
)
async def put_contact(web: Mine, contact: ContactIn) -> Response:
    """With `id` the entry of that id is changed."""
    values = contact.model_dump(exclude={"id"})
    notations = web.station.rules.notations(contact.number)
    found = await asyncio.to_thread(web.store.put_contact, values, contact.id or "", notations)
    if found is None:
        raise _no_contact()
    headers = {} if contact.id else {"Location": f"/v1/contacts/{found.id}"}
    return answer(dataclasses.asdict(found), 200 if contact.id else 201, headers)


@router.get(
    "/v1/contacts/{contact_id}",
    operation_id="getContact",
    summary="An entry",
    response_model=ContactOut,
    dependencies=[needs("read", "send")],
    responses=problems(401, 403, 404),
)
async def get_contact(contact_id: ContactId, web: Mine) -> Response:
    """Name, number, company, e-mail, notes."""
    found = await asyncio.to_thread(web.store.contact, contact_id)
    if found is None:
        raise _no_contact()
    return answer(dataclasses.asdict(found))


@router.delete(
    "/v1/contacts/{contact_id}",
    status_code=204,
    operation_id="deleteContact",
    summary="Delete an entry",
    response_class=Response,
    dependencies=[needs("send")],
    responses=problems(401, 403, 404),
)
async def delete_contact(contact_id: ContactId, web: Mine) -> Response:
    """Delete an entry."""
    if not await asyncio.to_thread(web.store.delete_contact, contact_id):
        raise _no_contact()
    return Response(status_code=204)


# ---- the do-not-fax list ---------------------------------------------------------------------------------------------------


def _forbidden(number: str, reason: str, since: float) -> dict[str, Any]:
    return {"number": number, "reason": reason, "added": rfc3339_of(since)}


@router.get(
    "/v1/do-not-fax",
    operation_id="listForbidden",
    summary="The do-not-fax list",
    response_model=ForbiddenList,
    dependencies=[needs("read")],
    responses=problems(401, 403),
)
async def forbidden(web: Mine) -> Response:
    """All numbers on the list."""
    newest_first = sorted(web.station.rules.do_not_fax.items(), key=lambda entry: entry[1][1], reverse=True)
    return answer({"numbers": [_forbidden(number, *why) for number, why in newest_first[:LISTED_MAX]]})


@router.post(
    "/v1/do-not-fax",
    status_code=201,
    operation_id="forbid",
    summary="Put a number on the do-not-fax list",
    response_model=ForbiddenOut,
    dependencies=[needs("admin")],
    responses=problems(400, 401, 403, 422),
)
async def forbid(web: Mine, entry: ForbiddenIn) -> Response:
    """Orders for it are refused from now on; what waits for it is cancelled when its turn comes."""
    number = await web.queue.forbid(entry.number, entry.reason)
    return answer(_forbidden(number, entry.reason, time.time()), 201)


@router.delete(
    "/v1/do-not-fax/{number:path}",
    status_code=204,
    operation_id="allow",
    summary="Take a number off the do-not-fax list",
    response_class=Response,
    dependencies=[needs("admin")],
    responses=problems(401, 403, 404, 422),
)
async def allow(number: Annotated[str, PathParam(min_length=1, max_length=128, pattern=WORDS)], web: Mine) -> Response:
    """Take a number off the do-not-fax list."""
    if not await web.queue.allow(number):
        raise Problem(404, "Number is not on the do-not-fax list", number[:40], kind="not-found")
    return Response(status_code=204)


# ---- what is known of numbers ------------------------------------------------------------------------------------------


def _known(memory: NumberMemory) -> dict[str, Any]:
    found = memory.to_json()
    for name in ("updated", "t38_failed", "training_failed", "joined_failed"):
        found[name] = rfc3339_of(found[name]) if found[name] else None
    found["max_rate"] = found.pop("max_rate_bps") or None
    found["mode"], found["joined"] = found["mode"] or None, found["joined"] or None
    return found


@router.get(
    "/v1/numbers",
    operation_id="listNumbers",
    summary="What is known of numbers from calls to them",
    response_model=NumberList,
    dependencies=[needs("read")],
    responses=problems(401, 403, 422),
)
async def known_numbers(web: Mine, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """The last called first."""
    return answer({"numbers": [_known(one) for one in await asyncio.to_thread(web.queue.memory.newest, limit)]})


@router.post(
    "/v1/numbers",
    operation_id="putNumber",
    summary="Set how a number is called",
    response_model=NumberOut,
    dependencies=[needs("admin")],
    responses=problems(400, 401, 403, 422),
)
async def put_number(web: Mine, wanted: NumberIn) -> Response:
    """Transport and highest rate for every fax to it that does not name its own, and whether several go in one call; what is left
    out is as it is learned, or configured."""
    mode = wanted.mode.value if wanted.mode is not None else ""
    prefer = web.queue.memory.prefer
    known = await asyncio.to_thread(prefer, wanted.number, mode, wanted.max_rate or 0, wanted.joined or "")
    return answer(_known(known))


@router.delete(
    "/v1/numbers/{number:path}",
    status_code=204,
    operation_id="forgetNumber",
    summary="Forget what is known of a number",
    response_class=Response,
    dependencies=[needs("admin")],
    responses=problems(401, 403, 404, 422),
)
async def forget_number(
    number: Annotated[str, PathParam(min_length=1, max_length=128, pattern=WORDS)], web: Mine
) -> Response:
    """Forget it: the next call begins as the first did."""
    if not await asyncio.to_thread(web.queue.memory.forget, number):
        raise Problem(404, "Nothing is known of the number", number[:40], kind="not-found")
    return Response(status_code=204)
