# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that is kept ready for documents: what it forks does as one that is started, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from softfax.documents.forkserver import ForkServer
from softfax.documents.job import RasterJob, process_kept_ready
from softfax.documents.types import DocumentLimits, RasterSettings, Source
from softfax.errors import DocumentError, DocumentInterruptedError, DocumentUnsupportedError
from tests.support.background import REPOSITORY
from tests.support.served import until

SAMPLES = REPOSITORY / "samples"


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with process_kept_ready() as one:
        yield one


def job(name: str, out: Path, settings: RasterSettings | None = None) -> RasterJob:
    return RasterJob([Source(path=SAMPLES / name)], out, settings or RasterSettings())


def is_gone(pid: int) -> bool:
    """Return True if a process has ended; one that waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_pages_are_those_of_a_process_started_anew(forks: ForkServer, tmp_path: Path) -> None:
    names = ("letter.pdf", "photo.png", "form.pdf")
    jobs = [job(name, tmp_path / f"{name}.forked.tif") for name in names]
    for one in jobs:
        one.wait()
        one.close()
    assert len({one.process_id for one in jobs}) == len(jobs)
    for name in names:
        out = tmp_path / f"{name}.started.tif"
        subprocess.run(
            [sys.executable, "-c", f"""
from pathlib import Path
from softfax.documents.job import RasterJob
from softfax.documents.types import RasterSettings, Source
RasterJob([Source(path=Path({str(SAMPLES / name)!r}))], Path({str(out)!r}), RasterSettings()).wait()
"""],
            check=True,
        )  # fmt: skip
        assert out.read_bytes() == (tmp_path / f"{name}.forked.tif").read_bytes()


def test_what_cannot_be_read_is_told(forks: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    with pytest.raises(DocumentUnsupportedError):
        RasterJob([Source(path=tmp_path / "broken.pdf")], tmp_path / "out.tif", RasterSettings()).wait()


def test_its_limits_hold_for_one_job_alone(forks: ForkServer, tmp_path: Path) -> None:
    with pytest.raises(DocumentError):
        job("photo.pdf", tmp_path / "a.tif", RasterSettings(limits=DocumentLimits(memory_bytes=32 << 20))).wait()
    job("letter.pdf", tmp_path / "b.tif").wait()


def test_a_process_that_is_killed_is_told_as_such(forks: ForkServer, tmp_path: Path) -> None:
    one = job("report.pdf", tmp_path / "a.tif")
    os.kill(one.process_id, signal.SIGKILL)
    with pytest.raises(DocumentInterruptedError):
        one.wait()


def test_a_job_that_is_closed_leaves_no_process(forks: ForkServer, tmp_path: Path) -> None:
    one = job("report.pdf", tmp_path / "a.tif")
    one.close()
    until(lambda: is_gone(one.process_id))


def test_one_that_died_is_started_anew(forks: ForkServer, tmp_path: Path) -> None:
    first = forks.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: is_gone(first))
    job("letter.pdf", tmp_path / "a.tif").wait()
    assert forks.pid != first


def test_all_end_with_their_owner(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", f"""
import sys
from pathlib import Path
from softfax.documents.job import RasterJob, process_kept_ready
from softfax.documents.types import RasterSettings, Source
with process_kept_ready() as forks:
    job = RasterJob([Source(path=Path({str(SAMPLES / "report.pdf")!r}))], Path({str(tmp_path / "a.tif")!r}), RasterSettings())
    print(forks.pid, job.process_id, flush=True)
    sys.stdin.read()
"""],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert owner.stdout is not None
    processes = [int(pid) for pid in owner.stdout.readline().split()]
    owner.kill()
    owner.communicate()
    for pid in processes:
        until(lambda pid=pid: is_gone(pid))
