# SPDX-License-Identifier: GPL-2.0-or-later
"""Orders with documents as they come in, of faxes and of what is put out for polling: JSON, or a form with files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request

from softfax.asjson import of_json
from softfax.documents.kinds import HEAD, check_name
from softfax.documents.ranges import parse_ranges
from softfax.errors import SoftfaxError
from softfax.model import new_fax_id
from softfax.options import FaxOptions
from softfax.records.model import Document
from softfax.web.body import FORMS, File, Form, read_form
from softfax.web.fields import read_json, take_file_fields, valid
from softfax.web.once import digest_of
from softfax.web.problems import Problem, media_type, unsupported
from softfax.web.requests import FaxIn, PolledIn
from softfax.web.state import Web
from softfax.web.uploads import check_room, coming, copy_into, drop

__all__ = ["Documents", "body_of", "documents_for", "documents_of", "hash_of", "read_order"]

_Order = TypeVar("_Order", FaxIn, PolledIn)
_T = TypeVar("_T")


def body_of(model: str, about: str, fields: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """OpenAPI's `requestBody` of an order: a model as JSON, or a form with these fields and files."""
    form = {
        "type": "object",
        "description": f"Either `request` with the JSON and the files, or fields named as its keys, of which {about}",
        "additionalProperties": False,
        "properties": {
            "request": {"type": "string", "description": "the JSON", "contentMediaType": "application/json"},
            "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
            **fields,
        },
        **more,
    }
    content = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}},
        "multipart/form-data": {"schema": form},
    }
    return {"requestBody": {"required": True, "content": content}}


class Documents:
    """Documents of an order, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken = False

    async def handed_over(self, work: Awaitable[_T]) -> _T:
        """Do work of the queue that takes them over.

        What fails unforeseen, or is broken off, may have taken them all the same: the queue looks later whose they are.
        """
        self.taken = True
        try:
            return await work
        except SoftfaxError:
            self.taken = False
            raise


@asynccontextmanager
async def documents_for(web: Web) -> AsyncIterator[Documents]:
    """A folder of the queue for the documents of an order; removed where the queue does not take them over."""
    documents = Documents(web.queue.folder / new_fax_id())
    try:
        yield documents
    finally:
        if not documents.taken:
            await asyncio.shield(asyncio.to_thread(drop, documents.folder))


async def read_order(
    request: Request, web: Web, folder: Path, model: type[_Order], of_form: Callable[[Form], Any]
) -> tuple[_Order, list[File]]:
    """An order with the files of its form, in `folder`. Raises Problem, RequestValidationError, DocumentError."""
    kind = media_type(request)
    if kind in FORMS:
        await asyncio.to_thread(check_room, web.station.config, coming(request))
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True)
        form = await read_form(request.headers["content-type"], request.stream(), folder, web.config.max_files)
        for empty in (file.name for file in form.files if not file.size):
            raise Problem(422, "A document is empty", f"{empty} has no bytes.", "Choose another file.", kind="document")
        take_file_fields(form)
        for file in form.files:
            await asyncio.to_thread(_check_name, file)
        return valid(model, of_form(form)), form.files
    if kind == "application/json":
        return valid(model, await read_json(request)), []
    raise unsupported("application/json or multipart/form-data")


def _check_name(file: File) -> None:
    """Refuse a file at once that is not what its name says. Blocks. Raises DocumentError."""
    with file.path.open("rb") as opened:
        check_name(opened.read(HEAD), file.name)


async def documents_of(
    web: Web, wanted: FaxIn | PolledIn, files: Sequence[File], folder: Path
) -> tuple[tuple[Document, ...], FaxOptions]:
    """The documents, and how the first upload among them was drawn when it was looked at."""
    out: list[Document] = []
    seen: FaxOptions | None = None
    for one in wanted.documents:
        if one.url is not None:
            out.append(Document(url=one.url, name=one.name, pages=one.pages, password=one.password))
            continue
        upload = await web.uploads.get(one.upload or "")
        if one.pages and not upload.wanted.get("pages"):
            # A document has no more pages than the fax of it: what lies beyond cannot be.
            parse_ranges(one.pages).select(len(upload.pages), upload.name)
        path = await asyncio.to_thread(copy_into, upload.path, folder)
        # As it was looked at, unless something else is said.
        pages = one.pages or upload.wanted.get("pages", "")
        password = one.password or upload.wanted.get("password", "")
        drawn = {name: upload.wanted[name] for name in ("resolution", "scan") if name in upload.wanted}
        seen = seen or of_json(FaxOptions, drawn)
        out.append(Document(path=path, name=one.name or upload.name, pages=pages, password=password))
    for file in files:
        await web.uploads.check_pages(file)
    out += [Document(path=file.path, name=file.name, pages=file.pages, password=file.password) for file in files]
    return tuple(out), seen or FaxOptions()


def hash_of(wanted: FaxIn | PolledIn, files: Sequence[File]) -> str:
    """Digest that tells one order from another, with its files."""
    said = [[file.name, file.digest, file.pages, file.password] for file in files]
    return digest_of(wanted.model_dump(mode="json") | {"files": said})
