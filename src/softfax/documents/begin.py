# SPDX-License-Identifier: GPL-2.0-or-later
"""Begins to make a fax of documents."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from softfax.documents.job import PageJob, RasterJob, StampedJob
from softfax.documents.sources import gather
from softfax.documents.types import PreparedDocument, RasterSettings

__all__ = ["prepare", "start"]


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
    optional: Collection[str] = (),
    on_change: Callable[[], None] = lambda: None,
) -> PageJob:
    """Begins to make one fax TIFF of documents, in order; pages come one by one. The caller closes the job.

    `cover` has the fields of `softfax.documents.cover.CoverFields` and, if wished, `template`, a path; `header` those of
    `softfax.documents.header.HeaderLine` with `when` in ISO 8601. `raster` is a TIFF made before of all this, without header.
    `optional` names files that are left out, with a warning, where they cannot be read. Raises DocumentError for what cannot
    be fetched; what cannot be opened or drawn, the job says.
    """
    warnings: list[str] = []
    sources = gather(
        files,
        workdir,
        limits=settings.limits,
        pages=pages,
        password=settings.password,
        allow_private=allow_private,
        optional=optional,
        warnings=warnings,
    )
    tiff = workdir / f"fax-{secrets.token_hex(4)}.tif"
    options: dict[str, Any] = {"cover": cover, "header": header, "warnings": warnings, "on_change": on_change}
    if raster is not None:
        from softfax.documents.stamp import StampError

        try:
            return StampedJob(raster, sources, tiff, settings, **options)
        except StampError:
            tiff.unlink(missing_ok=True)
    return RasterJob(sources, tiff, settings, raster=raster, **options)


def prepare(
    files: Sequence[str | os.PathLike[str]], settings: RasterSettings, workdir: Path, **options: Any
) -> PreparedDocument:
    """Do as `start`, and wait for the last page. Raises DocumentError before anything is dialled."""
    with start(files, settings, workdir, **options) as job:
        try:
            return job.prepared()
        except BaseException:
            job.tiff.unlink(missing_ok=True)
            raise
