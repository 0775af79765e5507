# SPDX-License-Identifier: GPL-2.0-or-later
"""/v1/swml: runs of SWML documents."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from starlette.requests import Request
from starlette.responses import Response

from softfax.swml.document import load
from softfax.web.answers import SwmlListOut, SwmlOut
from softfax.web.body import whole
from softfax.web.fields import read_json, valid
from softfax.web.once import REPLAYED, Key, digest_of, erased, key_of, once, remembered
from softfax.web.openapi import problems
from softfax.web.patterns import FAX_ID
from softfax.web.problems import Problem, media_type, unsupported
from softfax.web.requests import SwmlIn
from softfax.web.state import Mine, answer, needs

__all__ = ["router"]

log = logging.getLogger("softfax.web")
router = APIRouter(tags=["swml"])

DOCUMENT_MAX = 1 << 20
EXAMPLE = """\
version: 1.0.0
sections:
  main:
    - send_fax: {document: https://example.com/letter.pdf}
    - hangup
"""
YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain"})
RunId = Annotated[str, PathParam(alias="id", pattern=FAX_ID, description="id of a run")]
#: The document itself, as SignalWire takes it.
_BARE = {
    "type": "object",
    "required": ["sections"],
    "properties": {"version": {"type": "string"}, "sections": {"type": "object"}},
}


@router.post(
    "/v1/swml",
    status_code=202,
    operation_id="runSwml",
    summary="Run a SWML document",
    response_model=SwmlOut,
    dependencies=[needs("send")],
    responses=problems(400, 401, 403, 409, 410, 413, 415, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": [{"$ref": "#/components/schemas/SwmlIn"}, _BARE]}},
                "application/yaml": {"schema": {"type": "string"}, "example": EXAMPLE},
            },
        }
    },
)
async def run_swml(
    request: Request,
    web: Mine,
    to: Annotated[
        str, Query(max_length=400, description="whom its faxes are for, where the body is the document itself")
    ] = "",
    idempotency_key: Key = None,
) -> Response:
    """Begins it. Its documents come from http and https URLs; what comes of it is at /v1/swml/{id}."""
    kind = media_type(request)
    if kind == "application/json":
        body = await read_json(request)
        if isinstance(body, dict) and "sections" in body:
            body = {"to": to, "document": body}
        wanted = valid(SwmlIn, body)
    elif kind in YAML:
        wanted = valid(SwmlIn, {"to": to, "document": await _text(request)})
    else:
        raise unsupported("application/json or application/yaml")
    text = wanted.document if isinstance(wanted.document, str) else json.dumps(wanted.document)
    document = await asyncio.to_thread(load, text)
    key, digest = key_of(request, idempotency_key, "swml"), digest_of([wanted.to, text])
    async with once(web, key):
        before = await remembered(web, key, digest)
        found = await (web.swml.get(before) if before else web.swml.begin(document, wanted.to, key, digest))
    if found is None:
        raise erased("run")
    return answer(found, 202, {"Location": f"/v1/swml/{found['id']}", **(REPLAYED if before else {})})


async def _text(request: Request) -> str:
    too_large = Problem(413, "Too large", "A SWML document has at most 1 MB.", kind="too-large")
    try:
        return (await whole(request.stream(), DOCUMENT_MAX, too_large)).decode()
    except UnicodeDecodeError:
        raise Problem(400, "The body is not UTF-8", kind="no-text") from None


@router.get(
    "/v1/swml",
    operation_id="listSwml",
    summary="Runs of SWML documents, the newest first",
    response_model=SwmlListOut,
    dependencies=[needs("read", "send")],
    responses=problems(401, 403, 422),
)
async def list_runs(web: Mine, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
    """Runs under way, and those that have ended, a thousand at most."""
    return answer({"runs": await web.swml.list(limit)})


@router.get(
    "/v1/swml/{id}",
    operation_id="getSwml",
    summary="A run of a SWML document",
    response_model=SwmlOut,
    dependencies=[needs("read", "send")],
    responses=problems(401, 403, 404),
)
async def get_run(run_id: RunId, web: Mine) -> Response:
    """State of a run, its variables, its faxes."""
    found: dict[str, Any] | None = await web.swml.get(run_id)
    if found is None:
        raise Problem(404, "Run not found", kind="not-found")
    return answer(found)


@router.delete(
    "/v1/swml/{id}",
    operation_id="cancelSwml",
    summary="End a run",
    response_model=SwmlOut,
    dependencies=[needs("cancel")],
    responses=problems(401, 403, 404, 409),
)
async def cancel_run(run_id: RunId, web: Mine) -> Response:
    """The fax under way ends with it."""
    found = await web.swml.cancel(run_id)
    if found is None:
        raise Problem(404, "Run not found", kind="not-found")
    return answer(found)
