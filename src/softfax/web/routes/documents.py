# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages, documents and traces of faxes."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from PIL import Image
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from softfax.asjson import rfc3339_of
from softfax.documents.tiff import TiffWriter, read_pages
from softfax.fax.trace import last_attempt, load_trace, pcap_path, text_of
from softfax.web.answers import LinkOut, TraceOut
from softfax.web.elsewhere import of_its_station
from softfax.web.etags import etag_of, unchanged
from softfax.web.openapi import problems
from softfax.web.pictures import WIDTH_MAX, WIDTH_MIN
from softfax.web.problems import Problem
from softfax.web.requests import LinkIn
from softfax.web.routes.faxes import FaxId, known
from softfax.web.state import Mine, Web, answer, needs

__all__ = ["PNG", "PageNumber", "Width", "picture", "router"]

router = APIRouter(tags=["documents"])
#: How soon after its end a fax has its trace, and how often it is looked for until then.
TRACE_WITHIN, TRACE_AGAIN_S = timedelta(seconds=2), 0.1

PNG: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}
#: Ranges of bytes whose ends are in order; FileResponse cuts them out.
_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{1,15}-\d{0,15}|-\d{1,15})(\s*,\s*(\d{1,15}-\d{0,15}|-\d{1,15}))*\s*\Z", re.I)
Expires = Annotated[int | None, Query(ge=0, lt=10**12, description="of a link", examples=[1795253400])]
Signature = Annotated[str, Query(max_length=64, description="of a link", examples=["5d5d139563c95b59"])]
Turn = Annotated[str, Query(max_length=40, description="any; another gets past a browser's cache", examples=["1-2"])]
PageNumber = Annotated[int, PathParam(alias="n", ge=1, le=100_000, description="1 is the first page")]
Width = Annotated[
    int | None,
    Query(ge=WIDTH_MIN, le=WIDTH_MAX, description="in dots, in greys; without it every dot, in square dots"),
]


def _file(kind: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"description": "The file", "content": {kind: {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "A part of it, as Range asks", "content": {kind: {}}},
        304: {"description": "The one of If-None-Match"},
        416: {"description": "Range not satisfiable"},
    }


def _not_there(what: str) -> Problem:
    return Problem(
        404, f"There is no {what}", "It is not made yet, or was not kept.", "Ask again when it has been sent or received.",
        kind="not-made",
    )  # fmt: skip


@router.get(
    "/v1/faxes/{id}/document.pdf",
    operation_id="getFaxPdf",
    summary="A fax as PDF",
    response_class=Response,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404, 422) | _file("application/pdf"),
)
async def document_pdf(
    request: Request, fax_id: FaxId, web: Mine, expires: Expires = None, signature: Signature = ""
) -> Response:
    """The document as faxed or received: the same dots, in their true size. Open to who has a link with a good signature."""
    fax = await known(web, fax_id)
    path = await web.queue.document(fax.id)
    return await _send(request, path, f"fax-{fax.id}.pdf", "application/pdf", "PDF")


@router.post(
    "/v1/faxes/{id}/link",
    status_code=201,
    operation_id="linkFax",
    summary="A URL of the document that needs no token",
    response_model=LinkOut,
    dependencies=[needs("read")],
    responses=problems(400, 401, 403, 404, 422),
)
async def link(fax_id: FaxId, web: Mine, wanted: LinkIn) -> Response:
    """Signed, and good until it expires; a path where [http] public_url does not say how others reach the station."""
    await known(web, fax_id)
    seconds = wanted.expires_s or web.config.link_hours * 3600
    url, expires = await asyncio.to_thread(web.station.links.make, fax_id, seconds)
    return answer({"url": url, "expires": rfc3339_of(expires)}, 201)


@router.get(
    "/v1/faxes/{id}/document.tif",
    operation_id="getFaxTiff",
    summary="A fax as TIFF",
    response_class=Response,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404, 422) | _file("image/tiff"),
)
async def document_tiff(request: Request, fax_id: FaxId, web: Mine) -> Response:
    """A fax TIFF (TIFF-F) of its pages."""
    fax = await known(web, fax_id)
    path = await web.queue.raster(fax.id)
    if path is None and (pdf := await web.queue.document(fax.id)) is not None:
        data = await asyncio.to_thread(_tiff_of, pdf)
        return Response(data, media_type="image/tiff", headers=_named(f"fax-{fax.id}.tif"))
    return await _send(request, path, f"fax-{fax.id}.tif", "image/tiff", "TIFF")


def _tiff_of(pdf: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="softfax-") as folder:
        out = Path(folder) / "fax.tif"
        with TiffWriter(out) as writer:
            for info, black in read_pages(pdf):
                writer.add(Image.fromarray(~black), info.x_dpi, info.y_dpi)
        return out.read_bytes()


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'inline; filename="{name}"'}


async def _there(path: Path | None, what: str) -> tuple[Path, os.stat_result]:
    """A file that is there, and its status. Raises Problem."""
    try:
        if path is not None:
            return path, await asyncio.to_thread(path.stat)
    except OSError:
        pass
    raise _not_there(what)


async def _send(request: Request, path: Path | None, name: str, kind: str, what: str) -> Response:
    path, status = await _there(path, what)
    if not _RANGE.match(request.headers.get("range", "")):
        # What cannot be understood asks for nothing (RFC 9110 §14.2).
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
    etag = etag_of(status)
    headers = _named(name) | {"Cache-Control": "no-store", "ETag": etag}
    return unchanged(request, etag) or FileResponse(path, media_type=kind, headers=headers, stat_result=status)


# ---- pictures ------------------------------------------------------------------------------------------------------------


@router.get(
    "/v1/faxes/{id}/pages/{n}.png",
    operation_id="getFaxPage",
    summary="A page as picture",
    response_class=Response,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404, 422) | PNG,
)
async def page(request: Request, fax_id: FaxId, number: PageNumber, web: Mine, width: Width = None) -> Response:
    """Upright, in square dots, as on paper."""
    await known(web, fax_id)
    file = await web.queue.raster(fax_id) or await web.queue.document(fax_id)
    return await picture(request, web, file, number, width)


async def picture(request: Request, web: Web, file: Path | None, number: int, width: int | None) -> Response:
    """A page of a file as PNG. Raises Problem, DocumentError."""
    file, status = await _there(file, "such page")
    etag = etag_of(status, number, width)
    if (same := unchanged(request, etag)) is not None:
        return same
    png = await web.pictures.page(file, etag, number, width)
    if png is None:
        raise _not_there("such page")
    return Response(png, media_type="image/png", headers={"ETag": etag})


@router.get(
    "/v1/faxes/{id}/live.png",
    operation_id="getFaxLive",
    summary="The page that is coming in",
    response_class=Response,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404) | PNG,
)
async def live(request: Request, fax_id: FaxId, web: Mine, turn: Turn = "") -> Response:
    """The page coming in, as far as its rows have come, at any station of a group; 404 when there is none."""
    del turn
    png = await web.station.preview(fax_id) or await of_its_station(request, web, fax_id)
    if png is None:
        raise Problem(404, "No page is coming in", "", kind="not-found")
    return Response(png, media_type="image/png")


# ---- traces --------------------------------------------------------------------------------------------------------------

Attempt = Annotated[int | None, Query(ge=1, le=1000, description="which call; the last if it is not said")]


@router.get(
    "/v1/faxes/{id}/trace",
    operation_id="getFaxTrace",
    summary="Trace of a call",
    response_model=TraceOut,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404),
)
async def trace(fax_id: FaxId, web: Mine, attempt: Attempt = None) -> Response:
    """SIP and T.30 messages with times and decoded fields, and the packets counted."""
    return answer(await _trace(web, fax_id, attempt, "json"))


@router.get(
    "/v1/faxes/{id}/trace.txt",
    operation_id="getFaxTraceText",
    summary="Trace of a call, as text",
    response_class=Response,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404)
    | {200: {"description": "The trace", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def trace_text(fax_id: FaxId, web: Mine, attempt: Attempt = None) -> Response:
    """A line for each message."""
    text = await _trace(web, fax_id, attempt, "text")
    return Response(text, media_type="text/plain; charset=utf-8")


@router.get(
    "/v1/faxes/{id}/trace.pcap",
    operation_id="getFaxTracePcap",
    summary="The packets of a call, for Wireshark",
    response_class=Response,
    dependencies=[needs("read")],
    responses=problems(401, 403, 404) | _file("application/vnd.tcpdump.pcap"),
)
async def trace_pcap(request: Request, fax_id: FaxId, web: Mine, attempt: Attempt = None) -> Response:
    """SIP, and RTP and UDPTL where [trace] keeps packets."""
    path = await _trace(web, fax_id, attempt, "pcap")
    return await _send(request, path, f"fax-{fax_id}.pcap", "application/vnd.tcpdump.pcap", "pcap")


async def _trace(web: Web, fax_id: str, attempt: int | None, what: Literal["json", "text", "pcap"]) -> Any:
    """A trace in one of its forms. Raises Problem, NoFaxError."""
    fax = await known(web, fax_id)
    while True:
        found = await asyncio.to_thread(_found, web.station.trace_folder, fax_id, attempt, what)
        # It is written a moment after the result, with what of SIP comes late.
        if found is not None or fax.ended is None or datetime.now(UTC) - fax.ended > TRACE_WITHIN:
            break
        await asyncio.sleep(TRACE_AGAIN_S)
    if found is None:
        raise Problem(
            404, "There is no trace", "None was kept of this call.", "[trace] in the configuration says of which it is.",
            kind="no-trace",
        )  # fmt: skip
    return found


def _found(folder: Path, fax_id: str, attempt: int | None, what: str) -> Any:
    """The trace as an object, as text, or as the path of its packets; None where there is none. Blocks."""
    if what == "pcap":
        path = pcap_path(folder, fax_id, attempt or last_attempt(folder, fax_id))
        return path if path.is_file() else None
    found = load_trace(folder, fax_id, attempt)
    return text_of(found) if found is not None and what == "text" else found
