# SPDX-License-Identifier: GPL-2.0-or-later
"""The document of a fax under way: pages that are made while others are sent, made anew for what the far end takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from softfax.documents.appended import append, write_behind
from softfax.documents.job import PageJob
from softfax.documents.types import FarEnd, PageClass, PageInfo
from softfax.engine.abi import DisVerdict
from softfax.engine.core import EngineEvent, EngineSession, PageFormat
from softfax.errors import DocumentError, DocumentInterruptedError, NativeError
from softfax.fax.t30 import dis_bit

__all__ = ["DocumentFeed", "OtherDocument", "far_end_of", "page_format"]

log = logging.getLogger("softfax.fax")

#: Begins to make the pages of another document. Blocks. Raises DocumentError.
OtherDocument = Callable[[], PageJob]
#: Files in which the pages made anew stand behind those of other faxes have numbers from here on.
BEHIND = 1000
A4_LENGTH_MM, B4_LENGTH_MM = 297.0, 364.0


def far_end_of(dis: bytes) -> FarEnd:
    """Capabilities of the far end by its DIS or DTC (address octet first; T.30 table 2)."""
    bit = partial(dis_bit, dis[3:])
    length_mm = None if bit(20) else B4_LENGTH_MM if bit(19) else A4_LENGTH_MM
    return FarEnd(
        fine=bit(15),
        superfine=bit(41),
        r300=bit(42),
        # Rows of 15.4 to the millimetre are what the T.30 engine asks bit 41 for.
        r400=bit(43) and bit(41),
        size=2 if bit(18) else 1 if bit(17) else 0,
        length_mm=length_mm,
    )


def page_format(page: PageInfo) -> PageFormat:
    """A page as the engine counts."""
    kind = PageClass(round(page.x_dpi), round(page.y_dpi), page.width)
    return PageFormat(page.width, page.rows, kind.x_dpm, kind.y_dpm, page.codes)


class DocumentFeed:
    """Joins a `PageJob` to the engine session that sends it. Lives on the asyncio loop.

    `on_pages(total, complete, warnings)` reports the number of pages known so far, and lines about what the documents lost;
    `on_failed` that a page could not be made while the fax was under way. Raises DocumentError where one could not be made
    before. A job given to it belongs to its maker; jobs made here end with `close`. Of several documents that are put out for
    polling, the job's is the first; `polled` makes each, and `on_chosen` reports the one that the far end has named.

    On a call that sends several faxes, `before` is the feed of the one before, whose pages are all made: those of this one come
    behind them in the file that the engine reads, once the last is made.
    """

    def __init__(
        self,
        job: PageJob,
        engine: EngineSession,
        on_pages: Callable[[int | None, bool, Sequence[str]], None],
        on_failed: Callable[[DocumentError], None],
        polled: Sequence[OtherDocument] = (),
        on_chosen: Callable[[int], None] = lambda index: None,
        before: DocumentFeed | None = None,
    ) -> None:
        self._job = self._first = job
        self._engine = engine
        self._on_pages, self._on_failed = on_pages, on_failed
        self._loop = asyncio.get_running_loop()
        self._polled, self._on_chosen = polled, on_chosen
        self._chosen: int | None = None
        self._choosing: asyncio.Task[None] | None = None
        self._made: list[PageJob] = []
        self._pending: PageJob | None = None
        self._far_end: FarEnd | None = None
        self._closed = False
        #: The pages before these in the file, and the file; whether these are in it.
        self._before = before.sent() if before is not None else ()
        self._tiff = before.tiff if before is not None else job.tiff
        self._appended = before is None
        self._others_follow = False
        self._begun = False
        job.on_change = self._wake
        try:
            self._changed()
        except BaseException:
            self._closed = True
            raise
        self._begun = True
        if before is not None:
            before.close()

    @property
    def tiff(self) -> Path:
        """The file that the engine reads."""
        return self._tiff

    def sent(self) -> tuple[PageFormat, ...]:
        """The pages in the file up to the last of this fax."""
        formats = [page_format(page) for page in self._job.pages]
        if self._job.done and self._others_follow and formats:
            formats[-1] = replace(formats[-1], last=True)
        return (*self._before, *formats)

    def others_follow(self, follow: bool) -> None:
        """Say whether other faxes are to be sent on the call behind this one. It may change until their pages are there."""
        if follow != self._others_follow:
            self._others_follow = follow
            self._changed()

    def withdraw(self) -> None:
        """Take the pages back, of which none is being sent yet: no more come on this call."""
        self.close()
        self._engine.document(self._before, more=False)

    @property
    def pages(self) -> list[PageInfo]:
        """The pages there are so far."""
        return list(self._job.pages)

    def _warnings(self) -> list[str]:
        """Warnings about the documents."""
        return list(dict.fromkeys(line for job in (self._first, *self._made) for line in job.warnings))

    def engine_event(self, event: EngineEvent) -> None:
        """Takes the engine's events of type DIS."""
        if DisVerdict(event.code) is DisVerdict.OTHER and not self._closed:
            self._choose(event.values[1])
        if DisVerdict(event.code) is not DisVerdict.UNFIT or self._closed:
            return
        far_end = far_end_of(event.data)
        if far_end == self._far_end:
            return  # on its way
        self._far_end = far_end
        log.info("the far end cannot take a page as it is: made anew for %s", far_end)
        self._drop_pending()
        tiff = self._job.tiff
        again = self._job.again(_sibling(tiff, len(self._made) + 2), far_end, self._wake)
        self._made.append(again)
        self._pending = again

    def _choose(self, index: int) -> None:
        """The far end has named another document: its pages take the place of these by the time that it asks again."""
        if index != self._chosen:
            self._chosen, self._far_end = index, None
            self._on_chosen(index)
            self._choosing = asyncio.ensure_future(self._have(index))

    async def _have(self, index: int) -> None:
        try:
            job = await asyncio.to_thread(self._polled[index])
        except DocumentError as error:
            self._on_failed(error)
            return
        self._made.append(job)
        if self._closed or index != self._chosen:
            job.close()
            return
        self._drop_pending()
        self._pending, job.on_change = job, self._wake
        self._changed()

    def close(self) -> None:
        """No more pages are wanted."""
        self._closed = True
        for job in self._made:
            job.close()

    def _wake(self) -> None:
        """Called from the job's thread."""
        try:
            self._loop.call_soon_threadsafe(self._changed)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    def _changed(self) -> None:
        if self._closed:
            return
        pending = self._pending
        if pending is not None and (pending.error or (pending.done if self._before else pending.pages)):
            self._replace(pending)
        if self._job.error is not None:
            if not self._begun:
                raise self._job.error
            self._on_failed(self._job.error)
            return
        if not self._appended and self._job.done:
            append(self._job.tiff, self._tiff)
            self._appended = True
        if self._appended:
            self._tell_engine(None)
        self._on_pages(self._job.total, self._job.done, self._warnings())

    def _replace(self, job: PageJob) -> None:
        self._pending = None
        self._job = job
        if job.error is None:
            before, self._tiff = self._tiff, job.tiff
            if self._before:
                self._tiff = _sibling(job.tiff, BEHIND + len(self._made))
                try:
                    write_behind(before, len(self._before), job.tiff, self._tiff)
                except OSError as error:
                    why = f"the pages cannot be written ({error.strerror})"
                    return self._on_failed(DocumentInterruptedError(why, "make room on the disk"))
            self._tell_engine(self._tiff)

    def _tell_engine(self, path: Path | None) -> None:
        try:
            more = not self._job.done or self._others_follow
            self._engine.document(self.sent(), more=more, path=path, polled=self._chosen if path else None)
        except NativeError as error:
            log.warning("the engine did not take the document: %s", error)

    def _drop_pending(self) -> None:
        if self._pending is not None:
            self._pending.close()
            self._pending = None


def _sibling(tiff: Path, number: int) -> Path:
    return tiff.with_name(f"{tiff.stem.split('~')[0]}~{number}{tiff.suffix}")
