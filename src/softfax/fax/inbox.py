# SPDX-License-Identifier: GPL-2.0-or-later
"""The inbox: a folder with one PDF for each received fax, written whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import re
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from softfax.diskspace import make_private
from softfax.documents.atomic import PRIVATE
from softfax.documents.deliver import deliver_pdf
from softfax.documents.mend import mend
from softfax.documents.ocr import add_text
from softfax.documents.received import drop_superseded
from softfax.documents.types import DocumentMetadata
from softfax.errors import LocalError, SoftfaxError
from softfax.fax.facts import PageMark
from softfax.fax.outcome import T30_FILE_ERRORS
from softfax.model import FaxResult
from softfax.outside import clean
from softfax.sip.headers import number_of

__all__ = ["Inbox"]

log = logging.getLogger("softfax.fax")


@dataclass(frozen=True)
class Inbox:
    """A folder for received faxes; `keep_tiff` keeps the TIFF beside the PDF, `ocr` names the languages of text to recognise."""

    directory: Path
    keep_tiff: bool = False
    ocr: str = ""

    def prepare(self) -> None:
        """Makes the folder. Raises LocalError where faxes could not be written."""
        try:
            make_private(self.directory)
            with tempfile.TemporaryFile(dir=self.directory, prefix=".softfax-"):
                pass
        except OSError as error:
            raise LocalError(
                f"received faxes cannot be written to {self.directory} ({error.strerror})",
                "name another folder with --dir",
            ) from None

    def spool_path(self, fax_id: str) -> Path:
        """The TIFF a fax is received into."""
        return self.directory / f".{fax_id}.tif"

    async def deliver(self, result: FaxResult, spool: Path, remote: str, marks: Sequence[PageMark] = ()) -> FaxResult:
        """Makes the PDF of what was received, also of a fax broken off, and returns the result that names it.

        `marks` say how each page of the spool file went (`FaxSession.page_marks`).
        """
        try:
            pages = await asyncio.to_thread(mend, spool)
            if not pages:
                await asyncio.to_thread(_remove_empty, spool)
                return dataclasses.replace(result, documents=[])
            if pages > len(marks):
                # The process that received them was gone before it could report them.
                result = dataclasses.replace(result, pages=max(pages, result.pages))
            return await asyncio.to_thread(self._deliver, result, spool, remote, marks)
        except (SoftfaxError, OSError) as error:
            return await self._kept(result, spool, remote, str(error))
        except Exception as error:
            # Whatever it is: the pages are confirmed, and nobody else has them.
            log.exception("fax %s could not be made a PDF", result.fax_id)
            return await self._kept(result, spool, remote, type(error).__name__)

    async def _kept(self, result: FaxResult, spool: Path, remote: str, why: str) -> FaxResult:
        """The pages stay as TIFF, in a file that people see."""
        kept = spool
        with contextlib.suppress(OSError):
            kept = await asyncio.to_thread(spool.rename, self._named(result, remote, ".tif"))
            kept.chmod(PRIVATE)
        log.error("fax %s: the received pages are kept as TIFF in %s: %s", result.fax_id, kept, why)
        return dataclasses.replace(
            result,
            success=False,
            status="FAILED",
            error="FILE_ERROR",
            status_string=f"received, but no PDF could be written ({why}); the pages are kept as TIFF",
            result_code=T30_FILE_ERRORS[0],
            documents=[str(kept)],
        )

    def _named(self, result: FaxResult, remote: str, suffix: str) -> Path:
        now = datetime.now(UTC)
        who = _safe(result.remote_station_id or number_of(remote))
        return self.directory / f"{now:%Y%m%dT%H%M%SZ}-{who}-{result.fax_id}{suffix}"

    def _deliver(self, result: FaxResult, spool: Path, remote: str, marks: Sequence[PageMark]) -> FaxResult:
        kept = drop_superseded(spool, [not mark.confirmed for mark in marks])
        bad = [n for n, i in enumerate(kept, 1) if i < len(marks) and (marks[i].bad_rows or not marks[i].confirmed)]
        pdf = self._named(result, remote, ".pdf")
        deliver_pdf(
            spool,
            pdf,
            DocumentMetadata(
                sender=clean(result.remote_station_id or remote, 200),
                recipient=result.local_station_id,
                received=datetime.now(UTC),
                bitrate_bps=result.bitrate,
                fax_id=result.fax_id,
            ),
        )
        if self.ocr:
            try:
                add_text(pdf, self.ocr, len(kept))
            except Exception as error:
                log.warning("fax %s stays without recognised text: %s", result.fax_id, error)
        if self.keep_tiff:
            spool.chmod(PRIVATE)
            spool.rename(pdf.with_suffix(".tif"))
        else:
            spool.unlink()
        return dataclasses.replace(result, documents=[str(pdf)], bad_pages=bad or None)


def _remove_empty(spool: Path) -> None:
    """A spool file without a page; what else has its name is left alone."""
    try:
        if stat.S_ISREG(spool.lstat().st_mode):
            spool.unlink()
    except FileNotFoundError:
        pass


def _safe(text: str) -> str:
    """A far end's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9+]+", "", text)[:20] or "unknown"
