# SPDX-License-Identifier: GPL-2.0-or-later
"""/v1/uploads and /v1/covers: documents as they will look as fax, before they are sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from starlette.requests import Request
from starlette.responses import Response

from softfax.options import FaxOptions, Resolution, Scan
from softfax.web.answers import UploadOut
from softfax.web.body import Form, read_form
from softfax.web.fields import take_file_fields
from softfax.web.openapi import problems
from softfax.web.patterns import UPLOAD_ID
from softfax.web.problems import Problem, invalid, media_type, unsupported
from softfax.web.requests import CoverIn
from softfax.web.routes.documents import PNG, PageNumber, Width, picture
from softfax.web.state import Mine, Web, answer, needs
from softfax.web.uploads import StoredUpload, check_room, coming

__all__ = ["router"]

router = APIRouter(tags=["uploads"])

UploadId = Annotated[str, PathParam(alias="id", pattern=UPLOAD_ID, description="id of an upload", examples=["0" * 32])]
Wanted = Annotated[Resolution | None, Query(description="of the pages; the station's if it is not said")]
Cleaned = Annotated[Scan | None, Query(description="straighten and clean scans; as the station does if it is not said")]
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "pages": {"type": "string", "maxLength": 200, "description": "the pages to take, as `1-3,5`"},
        "password": {"type": "string", "maxLength": 200, "description": "opens an encrypted one"},
    },
    "examples": [{"file": "(the bytes of letter.pdf)", "pages": "1-3,5"}],
}


@router.post(
    "/v1/uploads",
    status_code=201,
    operation_id="upload",
    summary="Upload a document and see its pages as fax",
    response_model=UploadOut,
    dependencies=[needs("send")],
    responses=problems(400, 401, 403, 408, 413, 415, 422, 503, 507),
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}},
)
async def upload(request: Request, web: Mine, resolution: Wanted = None, scan: Cleaned = None) -> Response:
    """One document; its pages are made at once, and it is kept for a day to be sent."""
    if media_type(request) != "multipart/form-data":
        raise unsupported("multipart/form-data with a `file`")
    await asyncio.to_thread(check_room, web.station.config, coming(request))
    drawn = FaxOptions(resolution=resolution, scan=scan).with_defaults(web.station.config.fax.options)
    async with web.uploads.new_folder() as folder:
        form = await read_form(request.headers["content-type"], request.stream(), folder, 1)
        made = await _converted(web, form, folder, drawn)
    return answer(made.to_json(), 201, {"Location": f"/v1/uploads/{made.id}"})


async def _converted(web: Web, form: Form, folder: Path, drawn: FaxOptions) -> StoredUpload:
    if len(form.files) != 1:
        raise invalid("file", "send one document")
    file = form.files[0]
    if not file.size:
        raise Problem(422, "The document is empty", "It has no bytes.", "Choose another file.", kind="document")
    take_file_fields(form)
    if form.fields:
        raise invalid(min(form.fields)[0][:40], "there is no such field")
    return await web.uploads.convert(folder, file, resolution=drawn.drawn_at, scan=drawn.scan or "auto")


@router.get(
    "/v1/uploads/{id}",
    operation_id="getUpload",
    summary="An upload",
    response_model=UploadOut,
    dependencies=[needs("send", "read")],
    responses=problems(401, 403, 404),
)
async def get_upload(upload_id: UploadId, web: Mine) -> Response:
    """An upload, as it was answered when it came."""
    return answer((await web.uploads.get(upload_id)).to_json())


@router.get(
    "/v1/uploads/{id}/pages/{n}.png",
    operation_id="getUploadPage",
    summary="A page of an upload as picture",
    response_class=Response,
    dependencies=[needs("send", "read")],
    responses=problems(401, 403, 404, 422) | PNG,
)
async def upload_page(
    request: Request, upload_id: UploadId, number: PageNumber, web: Mine, width: Width = None
) -> Response:
    """The very dots that are sent."""
    found = await web.uploads.get(upload_id)
    if number > len(found.pages):
        raise Problem(404, "Page not found", f"It has {len(found.pages)}.", kind="not-found")
    return await picture(request, web, found.tiff, number, width)


@router.delete(
    "/v1/uploads/{id}",
    status_code=204,
    operation_id="deleteUpload",
    summary="Forget an upload",
    response_class=Response,
    dependencies=[needs("send")],
    responses=problems(401, 403, 404),
)
async def delete_upload(upload_id: UploadId, web: Mine) -> Response:
    """Faxes that were made of it have the document themselves."""
    await web.uploads.delete(upload_id)
    return Response(status_code=204)


@router.post(
    "/v1/covers",
    status_code=201,
    operation_id="previewCover",
    summary="See a cover page as fax",
    response_model=UploadOut,
    dependencies=[needs("send")],
    responses=problems(400, 401, 403, 422, 503),
)
async def cover(web: Mine, fields: CoverIn, resolution: Wanted = None) -> Response:
    """Its page count is that of the cover alone; when it is sent, it counts them all."""
    wanted = resolution or web.station.config.fax.options.drawn_at
    shown = {"template": fields.template, **fields.fields()}
    async with web.uploads.new_folder() as folder:
        made = await web.uploads.convert(folder, None, resolution=wanted, scan="off", cover=shown)
    return answer(made.to_json(), 201, {"Location": f"/v1/uploads/{made.id}"})
