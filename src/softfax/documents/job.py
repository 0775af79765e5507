# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents being turned into fax pages: the process that does it, its pages as they come, its end."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from softfax import errors
from softfax.diskspace import is_full
from softfax.documents.forkserver import ForkServer, WorkerProcess, environment
from softfax.documents.types import FarEnd, PageInfo, PreparedDocument, RasterSettings, Source
from softfax.errors import (
    DocumentError,
    DocumentInterruptedError,
    DocumentTooLargeError,
    DocumentUnsupportedError,
    PagesDiskFullError,
)

__all__ = ["PageJob", "RasterJob", "StampedJob", "process_kept_ready"]

CPU_SIGNALS = (-24,)  # SIGXCPU
#: By a user, or by the kernel where memory ends: SIGHUP, SIGINT, SIGKILL, SIGTERM.
KILLED = (-1, -2, -9, -15)
TRAPS = (-4, -5, -6, -11)  # what PDFium does where memory ends
#: What took too long with less of the processor than this was held up by others, not by the document.
STARVED, STARVED_S = 0.25, 5.0
LINE_MAX = 1 << 16
HEAD_START_S = 3.0

_forks: ForkServer | None = None


@contextmanager
def process_kept_ready() -> Iterator[ForkServer]:
    """Context in which the processes of jobs are forked from one that is kept ready."""
    global _forks
    with ForkServer() as forks:
        _forks = forks
        try:
            yield forks
        finally:
            _forks = None


class PageJob:
    """A set of documents becoming one fax TIFF, `tiff`, which grows page by page.

    `pages` are those in the file so far; `total` is how many there will be, None while unknown; `done` tells that no more
    come, `error` why where it failed; `warnings` are lines for people. `on_change` is called from a thread of the job's after
    each of these changes. Only documents of this machine are taken: URLs, office files and standard input are fetched first
    (`softfax.documents.sources`).
    """

    def __init__(
        self,
        sources: Sequence[Source],
        tiff: Path,
        settings: RasterSettings,
        *,
        cover: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        warnings: Sequence[str] = (),
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.tiff = tiff
        self.settings = settings
        self.pages: list[PageInfo] = []
        self.total: int | None = None
        self.error: DocumentError | None = None
        self.done = False
        self.warnings: list[str] = list(warnings)
        self._left_out: set[int] = set()
        self.on_change = on_change
        self._sources, self._cover, self._header = tuple(sources), cover, header
        self._changed = threading.Condition()
        self._closed = False

    # ---- what the owner asks ------------------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the last page is made; False if it takes longer. Raises DocumentError."""
        return self._wait_for(lambda: self.done, timeout_s)

    def wait_opened(self, timeout_s: float | None = None) -> bool:
        """Waits until all documents are open, and the pages asked for are found in them. Raises DocumentError."""
        return self._wait_for(lambda: self.done or self.total is not None, timeout_s)

    def wait_first(self, timeout_s: float | None = None) -> bool:
        """Waits until one page is made. Raises DocumentError."""
        return self._wait_for(lambda: self.done or bool(self.pages), timeout_s)

    def wait_ready(self, head_start_s: float = HEAD_START_S) -> None:
        """Waits until a call may be placed: all pages are made, or the first is and there are so many that making them takes
        longer than `head_start_s`. So what is wrong with an ordinary document shows before anything is dialled. Raises
        DocumentError.
        """
        if not self.wait(head_start_s):
            self.wait_first()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Sources of the pages, as files of this machine; without those that were left out, once all are opened."""
        return tuple(source for index, source in enumerate(self._sources) if index not in self._left_out)

    def again(self, tiff: Path, far_end: FarEnd, on_change: Callable[[], None]) -> RasterJob:
        """Make the same documents for a far end that takes less, into another file."""
        return RasterJob(
            self.sources,
            tiff,
            dataclasses.replace(self.settings, far_end=far_end),
            cover=self._cover,
            header=self._header,
            on_change=on_change,
        )

    def prepared(self) -> PreparedDocument:
        """The finished document. Raises DocumentError."""
        self.wait()
        return PreparedDocument(self.tiff, tuple(self.pages))

    def close(self) -> None:
        """Ends what is under way; the file stays."""
        self._closed = True

    def __enter__(self) -> PageJob:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _wait_for(self, ready: Callable[[], bool], timeout_s: float | None) -> bool:
        with self._changed:
            came = self._changed.wait_for(lambda: ready() or self.error is not None, timeout_s)
        if self.error is not None:
            raise self.error
        return came

    def _set(
        self,
        *,
        page: PageInfo | None = None,
        total: int | None = None,
        done: bool = False,
        error: DocumentError | None = None,
    ) -> None:
        with self._changed:
            if page is not None:
                self.pages.append(page)
            if total is not None:
                self.total = total
            if done:
                self.done, self.total = True, len(self.pages)
            if error is not None and self.error is None:
                self.error = error
            self._changed.notify_all()
        if not self._closed:
            self.on_change()


class StampedJob(PageJob):
    """Pages that were made before, of the same documents and cover page and without header: they get theirs, at once.

    Raises StampError where the TIFF is not one of ours.
    """

    def __init__(self, raster: Path, *args: Any, **options: Any) -> None:
        # Loads what draws type, which the process that makes a fax of documents leaves to another.
        from softfax.documents.stamp import stamp

        super().__init__(*args, **options)
        try:
            self.pages += stamp(raster, self.tiff, self._header, self.settings.first_page)
        except OSError as error:
            problem = f"the pages cannot be written ({error.strerror})"
            kind = PagesDiskFullError if is_full(error) else DocumentInterruptedError
            self.error = kind(problem, "make room on the disk")
            return
        self.total, self.done = len(self.pages), True


class RasterJob(PageJob):
    """A job whose pages are drawn by a process of its own. `raster` is a fax TIFF made before, as for `StampedJob`."""

    def __init__(
        self,
        sources: Sequence[Source],
        tiff: Path,
        settings: RasterSettings,
        *,
        raster: Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__(sources, tiff, settings, **options)
        self._raster = raster
        self._timed_out = self._starved = False
        self._process = self._start()
        self._deadline = time.monotonic() + settings.limits.wall_s
        self._timer = self._new_timer()
        self._reader = threading.Thread(target=self._read, name="softfax-raster", daemon=True)
        self._reader.start()

    @property
    def process_id(self) -> int:
        """The number of the process that draws the pages."""
        return self._process.pid

    def _start(self) -> WorkerProcess | subprocess.Popen[bytes]:
        sources = self._sources if self._raster is None else [Source(path=self._raster, name=self._names)]
        request = {
            "sources": [{**dataclasses.asdict(s), "path": os.fspath(s.path)} for s in sources],
            "out": os.fspath(self.tiff),
            "settings": dataclasses.asdict(self.settings),
            "cover": self._cover if self._raster is None else None,
            "header": self._header,
        }
        process: WorkerProcess | subprocess.Popen[bytes] | None = _forks.fork() if _forks is not None else None
        if process is None:
            process = subprocess.Popen(
                [sys.executable, "-m", "softfax.documents.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
            )
        assert process.stdin is not None
        try:
            # Passwords travel here and nowhere a process list shows.
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            pass  # it died at once; the reader says why
        return process

    def close(self) -> None:
        """Ends the process, if it still runs."""
        super().close()
        self._timer.cancel()
        if self._process.poll() is None:
            self._process.kill()
        self._close_stdin()
        self._reader.join(10)

    def _close_stdin(self) -> None:
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:
            pass

    def _new_timer(self) -> threading.Timer:
        """Runs out at the whole's deadline, or before it when one page takes too long."""
        self._page_began, self._used_s = time.monotonic(), _cpu_s(self._process.pid)
        left = min(self.settings.limits.page_s, self._deadline - self._page_began)
        timer = threading.Timer(max(0.0, left), self._too_slow)
        timer.daemon = True
        timer.start()
        return timer

    # ---- the thread that reads ----------------------------------------------------------------------------------

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            while line := lines.readline(LINE_MAX):
                self._take(line)
        status = self._process.wait()
        self._timer.cancel()
        self._close_stdin()
        if not self.done and self.error is None:
            self._set(error=self._died(status))

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            if "sheets" in said:
                self._set(total=int(said["sheets"]) if said["exact"] else None)
            elif "warning" in said:
                if "left_out" in said:
                    self._left_out.add(int(said["left_out"]))
                self.warnings.append(str(said["warning"]))
            elif "page" in said:
                page = said["page"]
                page["codes"] = tuple(page["codes"])
                self._timer.cancel()
                self._timer = self._new_timer()
                self._set(page=PageInfo(**page))
            elif said.get("done"):
                self._set(done=True)
            else:
                kind = getattr(errors, said["error"], DocumentError)
                self._set(error=kind(said["problem"], said["remedy"]))
        except (ValueError, KeyError, TypeError):
            self._set(error=DocumentUnsupportedError(f"{self._names} cannot be read", "open it and save it again"))

    def _too_slow(self) -> None:
        now = time.monotonic()
        took_s, used_s = now - self._page_began, _cpu_s(self._process.pid) - self._used_s
        starved = took_s > STARVED_S and used_s < STARVED * took_s
        if starved and now < self._deadline:
            # Others have the processor: what a page may take is its own time, as long as the whole gets done.
            self._timer = self._new_timer()
            return
        self._timed_out, self._starved = True, starved
        self._process.kill()

    @property
    def _names(self) -> str:
        return ", ".join(s.shown for s in self._sources[:5])

    def _died(self, status: int) -> DocumentError:
        if self._starved:
            return DocumentInterruptedError("this machine is too busy to make the pages", "give it less to do")
        if self._timed_out or status in CPU_SIGNALS:
            return DocumentTooLargeError(f"{self._names} takes too long to read", "send fewer or simpler pages")
        if status in TRAPS:
            return DocumentTooLargeError(
                f"{self._names} needs too much memory, or is damaged", "open it and save it again"
            )
        if status in KILLED:
            return DocumentInterruptedError(
                "the process that makes the pages was killed", "see whether memory suffices"
            )
        return DocumentUnsupportedError(f"{self._names} cannot be read", "open it and save it again")


def _cpu_s(pid: int) -> float:
    """The processor time a process has had, in seconds; proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return float("inf")
