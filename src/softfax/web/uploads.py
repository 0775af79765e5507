# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that were uploaded and made into pages at once, to be looked at and sent: a folder for each, kept for a day."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request

from softfax.asjson import rfc3339_of
from softfax.diskspace import free_bytes, make_private, shred
from softfax.documents.begin import start
from softfax.documents.kinds import HEAD
from softfax.documents.types import CALL_S, DocumentLimits, PageInfo, RasterSettings
from softfax.errors import DocumentError
from softfax.options import Resolution, Scan
from softfax.station import StationConfig
from softfax.web.body import File, disk_full
from softfax.web.patterns import UPLOAD_ID
from softfax.web.problems import Problem

__all__ = ["StoredUpload", "Uploads", "check_room", "coming", "copy_into", "drop", "page_resolution"]

log = logging.getLogger("softfax.web")

FAX_NAME = "fax.tif"
META_NAME = "upload.json"
#: How a TIFF or BigTIFF begins, and for how long a document may be opened before its order is taken all the same.
TIFF, OPEN_S = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), 10.0


@dataclass(frozen=True, kw_only=True)
class StoredUpload:
    """A document made into pages. `path` is the document as it came, `tiff` its pages; `wanted` says which pages of it and how
    they were asked for, so that they are sent as they were seen."""

    id: str
    name: str
    path: Path
    tiff: Path
    bytes: int
    pages: tuple[PageInfo, ...]
    warnings: tuple[str, ...]
    resolution: str
    expires: float
    wanted: Mapping[str, str] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Upload for the API."""
        pages: list[dict[str, Any]] = [
            {
                "number": number,
                "width": page.width,
                "rows": page.rows,
                "bytes": page.bytes,
                "seconds": page.seconds,
                "resolution": page_resolution(page),
            }
            for number, page in enumerate(self.pages, 1)
        ]
        return {
            "id": self.id,
            "name": self.name,
            "bytes": self.bytes,
            "pages": pages,
            "seconds": round(sum(page["seconds"] for page in pages), 1),
            "call_s": CALL_S,
            "resolution": self.resolution,
            "warnings": list(self.warnings),
            "expires": rfc3339_of(self.expires),
        }


def page_resolution(page: PageInfo) -> str:
    """Resolution as in events: 204x196."""
    return f"{round(page.x_dpi)}x{round(page.y_dpi)}"


class Uploads:
    """The uploads in a folder. `conversions` is how many are made into pages at a time."""

    def __init__(self, folder: Path, *, conversions: int, kept_s: float) -> None:
        self.folder = folder
        self.kept_s = kept_s
        self._turn = asyncio.Semaphore(conversions)

    @asynccontextmanager
    async def new_folder(self) -> AsyncIterator[Path]:
        """A folder for an upload that comes in, removed where it fails."""
        folder = self.folder / secrets.token_hex(16)
        await asyncio.to_thread(make_private, folder)
        try:
            yield folder
        except BaseException:
            await asyncio.shield(asyncio.to_thread(drop, folder))
            raise

    async def convert(
        self,
        folder: Path,
        file: File | None,
        *,
        resolution: Resolution,
        scan: Scan,
        cover: Mapping[str, Any] | None = None,
    ) -> StoredUpload:
        """Makes the pages of a file that lies in `folder`, or of a cover page. Raises DocumentError, UsageError, Problem."""
        pages, password = (file.pages, file.password) if file is not None else ("", "")
        settings = RasterSettings(
            resolution=resolution, scan=scan, password=password, limits=DocumentLimits(wall_s=300.0)
        )
        stop = threading.Event()
        async with self._turn:
            try:
                return await asyncio.to_thread(self._convert, folder, file, settings, cover, pages, stop)
            finally:
                # Its waiting client has gone: the process that makes it may end too.
                stop.set()

    def _convert(
        self,
        folder: Path,
        file: File | None,
        settings: RasterSettings,
        cover: Mapping[str, Any] | None,
        pages: str,
        stop: threading.Event,
    ) -> StoredUpload:
        sources = [file.path] if file is not None else []
        try:
            with start(sources, settings, folder, pages=pages, cover=cover) as job:
                while not job.wait(0.5):
                    if stop.is_set():
                        raise Problem(408, "Request timed out")
                job.tiff.rename(folder / FAX_NAME)
                made, warnings = tuple(job.pages), tuple(job.warnings)
        except DocumentError as error:
            raise _named(error, file) from None
        upload = StoredUpload(
            id=folder.name,
            name=file.name if file is not None else "cover",
            path=file.path if file is not None else folder / FAX_NAME,
            tiff=folder / FAX_NAME,
            bytes=file.size if file is not None else 0,
            pages=made,
            warnings=tuple(_with_name(line, file) for line in warnings),
            resolution=settings.resolution,
            expires=time.time() + self.kept_s,
            wanted={
                "pages": pages,
                "password": settings.password,
                "resolution": settings.resolution,
                "scan": settings.scan,
            },
        )
        _write_meta(upload, folder)
        return upload

    async def check_pages(self, file: File) -> None:
        """Refuse pages that a file does not have, where that is known without converting it. Raises DocumentError."""
        if file.pages:
            async with self._turn:
                await asyncio.to_thread(_check_pages, file)

    async def get(self, upload_id: str) -> StoredUpload:
        """An upload. Raises Problem where there is none."""
        upload = await asyncio.to_thread(self._read, upload_id) if re.match(UPLOAD_ID, upload_id) else None
        if upload is None or upload.expires < time.time():
            hours = f"{self.kept_s / 3600:g}"
            raise Problem(
                404,
                "Upload not found",
                f"Uploads are kept for {hours} hours.",
                "Upload the document again.",
                kind="not-found",
            )
        return upload

    def _read(self, upload_id: str) -> StoredUpload | None:
        folder = self.folder / upload_id
        try:
            said = json.loads((folder / META_NAME).read_text())
            pages = tuple(PageInfo(**{**page, "codes": tuple(page["codes"])}) for page in said.pop("pages"))
            path, tiff = folder / said.pop("path"), folder / FAX_NAME
            warnings = tuple(said.pop("warnings"))
            return StoredUpload(**said, path=path, tiff=tiff, pages=pages, warnings=warnings)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    async def delete(self, upload_id: str) -> None:
        """Forgets an upload. Raises Problem where there is none."""
        upload = await self.get(upload_id)
        await asyncio.to_thread(_forget, upload.tiff.parent)

    def sweep(self) -> int:
        """Forgets uploads that are too old, and what never became one. Blocks. How many."""
        gone = 0
        now = time.time()
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            upload = self._read(folder.name)
            try:
                until = upload.expires if upload is not None else folder.stat().st_mtime + self.kept_s
            except OSError:
                continue
            if until < now:
                _forget(folder)
                gone += 1
        return gone


def copy_into(path: Path, folder: Path) -> Path:
    """Put a document into another folder, under a name of ours; without another copy of its bytes where the disk can.

    Blocks. Raises Problem where it has gone, or the disk is full.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = folder / f"{secrets.token_hex(6)}{path.suffix}"
        try:
            os.link(path, target)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(path, target)
    except FileNotFoundError:
        raise Problem(404, "Document not found", "It was deleted meanwhile.", kind="not-found") from None
    except OSError as error:
        raise disk_full(str(error.strerror)) from None
    return target


def coming(request: Request) -> int:
    """Content-Length of a request; 0 without one."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isdigit() else 0


def check_room(config: StationConfig, more: int) -> None:
    """Refuses what would leave too little room on the disk for faxes that come in. Blocks. Raises Problem."""
    free, floor = free_bytes(config.data.dir), config.retention.min_free_mb << 20
    if free is not None and floor and free - more < floor:
        raise disk_full(f"{free >> 20} MB are left, of which {floor >> 20} MB are kept for faxes that come in.")


def drop(folder: Path) -> None:
    """Removes a folder; what is not there is no error. Blocks."""
    shutil.rmtree(folder, ignore_errors=True)


def _forget(folder: Path) -> None:
    """Overwrites an upload and removes it: faxes that were made of it may be gone, and have left its bytes to it. Blocks."""
    try:
        shred(folder)
    except OSError:
        drop(folder)


def _write_meta(upload: StoredUpload, folder: Path) -> None:
    said = asdict(upload) | {"path": upload.path.name}
    del said["tiff"]
    part = folder / f".{META_NAME}"
    part.write_text(json.dumps(said))
    part.rename(folder / META_NAME)


def _check_pages(file: File) -> None:
    with file.path.open("rb") as opened:
        head = opened.read(HEAD)
    if b"%PDF-" not in head[:1024] and not head.startswith(TIFF):
        return
    work = file.path.with_name(f"opened-{secrets.token_hex(4)}")
    make_private(work)
    try:
        with start([file.path], RasterSettings(password=file.password), work, pages=file.pages) as job:
            job.wait_opened(OPEN_S)
    except DocumentError as error:
        raise _named(error, file) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _named(error: DocumentError, file: File | None) -> DocumentError:
    """Return the error with the name that people gave the document."""
    return type(error)(_with_name(error.problem, file), error.remedy)


def _with_name(text: str, file: File | None) -> str:
    return text.replace(file.path.name, file.name) if file is not None else text
