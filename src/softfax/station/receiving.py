# SPDX-License-Identifier: GPL-2.0-or-later
"""Destination of a received fax: the inbox, a folder, or a file of a given name."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from softfax.documents.mend import mend
from softfax.errors import UsageError
from softfax.fax.facts import PageMark
from softfax.fax.inbox import Inbox
from softfax.fax.outcome import T30_FILE_ERRORS
from softfax.model import FaxResult

__all__ = ["Destination", "page_count"]

log = logging.getLogger("softfax.station")


def page_count(tiff: Path) -> int:
    """The whole pages in a TIFF that may have been left in the middle, which is mended; 0 where there is none."""
    try:
        return mend(tiff)
    except OSError:
        return 0


@dataclass(frozen=True)
class Destination:
    """A folder to receive into, and the name of the file if one is wanted: .pdf, .tif or .tiff."""

    inbox: Inbox
    name: Path | None = None

    @classmethod
    def of(cls, into: Path | None, inbox: Inbox) -> Destination:
        """Destination named by `FaxOrder.receive_into`. Raises UsageError, LocalError where nothing could be written."""
        if into is None:
            return cls(inbox)
        if into.suffix.lower() not in (".pdf", ".tif", ".tiff"):
            found = cls(Inbox(into, inbox.keep_tiff))
            found.inbox.prepare()
            return found
        if not into.parent.is_dir():
            raise UsageError(f"there is no folder {into.parent}", "make it first")
        return cls(Inbox(into.parent, into.suffix.lower() != ".pdf"), into)

    def spool_path(self, fax_id: str) -> Path:
        """The TIFF that is written during the fax."""
        return self.inbox.spool_path(fax_id)

    async def deliver(self, result: FaxResult, marks: Sequence[PageMark], remote: str) -> FaxResult:
        """Makes the document of what was received; the result names it."""
        result = await self.inbox.deliver(result, self.spool_path(result.fax_id), remote, marks)
        if self.name is None or not result.documents or not result.documents[0].endswith(".pdf"):
            return result
        try:
            await asyncio.to_thread(self._rename, Path(result.documents[0]), self.name)
        except Exception as error:
            log.error("fax %s stays in %s: %s", result.fax_id, result.documents[0], error)
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            text = f"received, but {self.name} could not be written ({why})"
            return dataclasses.replace(
                result,
                success=False,
                status="FAILED",
                error="FILE_ERROR",
                status_string=text,
                result_code=T30_FILE_ERRORS[0],
            )
        return dataclasses.replace(result, documents=[str(self.name)])

    @staticmethod
    def _rename(pdf: Path, name: Path) -> None:
        if name.suffix.lower() == ".pdf":
            pdf.replace(name)
        else:
            pdf.with_suffix(".tif").replace(name)
            pdf.unlink()
