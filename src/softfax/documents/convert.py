# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents as a fax would carry them, and faxes as documents, without a call."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from softfax.documents.atomic import written_atomically
from softfax.documents.job import RasterJob
from softfax.documents.sources import gather
from softfax.documents.types import PageInfo, RasterSettings
from softfax.errors import UsageError

__all__ = ["convert", "write_previews"]


def convert(
    files: Sequence[str | os.PathLike[str]],
    out: Path,
    settings: RasterSettings,
    *,
    pages: str = "",
    cover: Mapping[str, Any] | None = None,
    header: Mapping[str, Any] | None = None,
    allow_private: bool = False,
    preview: Path | None = None,
    on_warning: Callable[[str], None] = lambda line: None,
) -> tuple[PageInfo, ...]:
    """Writes documents as a fax TIFF or as a PDF of fax pages, by the ending of `out`, and a PNG of each page into the folder
    `preview`. Raises DocumentError, UsageError.
    """
    kind = out.suffix.lower()
    if kind not in (".tif", ".tiff", ".pdf"):
        raise UsageError(f"{out.name} does not say which format", "end it in .tif or .pdf")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}", "make it first")
    with tempfile.TemporaryDirectory(prefix="softfax-") as folder:
        work = Path(folder)
        limits, password = settings.limits, settings.password
        said: list[str] = []
        sources = gather(
            files, work, limits=limits, pages=pages, password=password, allow_private=allow_private, warnings=said
        )
        with RasterJob(sources, work / "fax.tif", settings, cover=cover, header=header, warnings=said) as job:
            prepared = job.prepared()
            for warning in job.warnings:
                on_warning(warning)
        result = prepared.tiff
        if kind == ".pdf":
            from softfax.documents.deliver import deliver_pdf

            result = work / "fax.pdf"
            deliver_pdf(prepared.tiff, result)
        try:
            with written_atomically(out, mode=None) as file, result.open("rb") as made:
                shutil.copyfileobj(made, file)
            if preview is not None:
                write_previews(prepared.tiff, preview)
        except OSError as error:
            where = error.filename or out
            raise UsageError(f"{where} cannot be written: {error.strerror}", "choose another place") from None
    return prepared.pages


def write_previews(fax: Path, folder: Path, *, width: int | None = None) -> list[Path]:
    """A PNG of each page of a fax TIFF or PDF in `folder`, as `page-001.png`, upright in square dots as paper shows it.

    With `width` the pages are scaled to that many dots, in greys: thumbnails. Raises DocumentUnsupportedError, OSError.
    """
    # The process that draws the pages has loaded these; this one needs them for previews alone.
    import numpy as np
    from PIL import Image

    from softfax.documents.tiff import read_pages

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, (info, black) in enumerate(read_pages(fax), 1):
        image = Image.fromarray(~np.asarray(black))
        rows = round(info.rows * info.x_dpi / info.y_dpi)
        if width is not None:
            grey = image.convert("L").resize((width, max(1, round(rows * width / info.width))), Image.Resampling.BOX)
            image = grey.quantize(16)
        elif rows != info.rows:
            image = image.resize((info.width, rows), Image.Resampling.NEAREST)
        path = folder / f"page-{number:03}.png"
        image.save(path, optimize=width is not None, dpi=(info.x_dpi, info.x_dpi))
        written.append(path)
    return written
