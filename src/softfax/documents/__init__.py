# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents into fax pages, faxes into documents."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from softfax.documents.convert import convert
from softfax.documents.deliver import deliver_pdf
from softfax.documents.job import RasterJob
from softfax.documents.sources import gather
from softfax.documents.tiff import read_pages
from softfax.documents.types import (
    DocumentLimits,
    DocumentMetadata,
    FarEnd,
    PageInfo,
    PreparedDocument,
    RasterSettings,
    Resolution,
    Source,
)

__all__ = [
    "DocumentLimits",
    "DocumentMetadata",
    "FarEnd",
    "PageInfo",
    "PreparedDocument",
    "RasterJob",
    "RasterSettings",
    "Resolution",
    "Source",
    "convert",
    "deliver_pdf",
    "gather",
    "prepare",
    "read_pages",
    "start",
]


def start(
    files: Sequence[str | os.PathLike[str]],
    settings: RasterSettings,
    workdir: Path,
    *,
    pages: str = "",
    cover: Mapping[str, Any] | None = None,
    header: Mapping[str, Any] | None = None,
    allow_private: bool = False,
    raster: Path | None = None,
    on_change: Callable[[], None] = lambda: None,
) -> RasterJob:
    """Begins to make one fax TIFF of documents, in order; pages come one by one. The caller closes the job.

    `cover` has the fields of `softfax.documents.cover.CoverFields` and, if wished, `template`, a path; `header` those of
    `softfax.documents.header.HeaderLine` with `when` in ISO 8601. `raster` is a TIFF made before of all this (`RasterJob`).
    Raises DocumentError for what cannot be fetched; what
    cannot be opened or drawn, the job says.
    """
    sources = gather(
        files, workdir, limits=settings.limits, pages=pages, password=settings.password, allow_private=allow_private
    )
    tiff = workdir / f"fax-{secrets.token_hex(4)}.tif"
    return RasterJob(sources, tiff, settings, cover=cover, header=header, raster=raster, on_change=on_change)


def prepare(
    files: Sequence[str | os.PathLike[str]], settings: RasterSettings, workdir: Path, **options: Any
) -> PreparedDocument:
    """As `start`, and waits for the last page. Raises DocumentError before anything is dialled."""
    with start(files, settings, workdir, **options) as job:
        try:
            return job.prepared()
        except BaseException:
            job.tiff.unlink(missing_ok=True)
            raise
