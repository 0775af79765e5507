# SPDX-License-Identifier: GPL-2.0-or-later
"""Received faxes stay, whatever making their document raises; files are for their user alone, whatever the umask."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from softfax.documents.strips import read_strips
from softfax.documents.tiff import TiffWriter
from softfax.fax import inbox as module
from softfax.fax.facts import PageMark
from softfax.fax.inbox import Inbox
from softfax.fax.outcome import OK
from softfax.model import Direction, FaxContext, FaxResult
from softfax.station.making import failed

FAX_ID = "0123456789abcdef01234567"
MARKS = [PageMark(True, 0), PageMark(True, 0)]


@pytest.fixture(params=[0o022, 0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def result() -> FaxResult:
    context = FaxContext(
        fax_id=FAX_ID, direction=Direction.RECEIVE, outgoing=False, session_number=1, unique_id="1.1", channel="x"
    )
    return failed(context, OK, 1.0)


def spool(inbox: Inbox) -> Path:
    inbox.prepare()
    path = inbox.spool_path(FAX_ID)
    with TiffWriter(path) as writer:
        for _ in range(2):
            writer.add(Image.new("1", (1728, 300), 1), 204, 196)
    return path


@pytest.mark.parametrize("step", ["deliver_pdf", "drop_superseded"])
@pytest.mark.parametrize(
    "raised", [OSError(28, "No space left on device"), MemoryError(), KeyError("x"), RecursionError("deep")]
)
def test_whatever_a_step_raises_the_pages_are_kept_as_tiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, raised: Exception
) -> None:
    inbox = Inbox(tmp_path / "in")
    path = spool(inbox)

    def fail(*args: object) -> None:
        raise raised

    monkeypatch.setattr(module, step, fail)
    got = asyncio.run(inbox.deliver(result(), path, "sip:1@x", MARKS))

    assert got.error == "FILE_ERROR"
    assert "kept as TIFF" in got.status_string
    (name,) = got.documents
    assert len(read_strips(Path(name))) == 2
    assert not Path(name).name.startswith("."), "people see it"


def test_text_recognition_that_fails_costs_nothing_but_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "add_text", fail)
    inbox = Inbox(tmp_path / "in", ocr="eng")
    got = asyncio.run(inbox.deliver(result(), spool(inbox), "sip:1@x", MARKS))

    assert got.error == "" or got.error == OK.error
    assert got.documents[0].endswith(".pdf")


@pytest.mark.parametrize("keep_tiff", [False, True])
def test_folders_and_files_are_for_their_user_alone(tmp_path: Path, umask: int, keep_tiff: bool) -> None:
    inbox = Inbox(tmp_path / "in", keep_tiff)
    path = spool(inbox)
    path.chmod(0o644)
    asyncio.run(inbox.deliver(result(), path, "sip:1@x", MARKS))

    assert inbox.directory.stat().st_mode & 0o777 == 0o700
    modes = {file.suffix: file.stat().st_mode & 0o777 for file in inbox.directory.iterdir()}
    assert modes == ({".pdf": 0o600, ".tif": 0o600} if keep_tiff else {".pdf": 0o600})


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing", "link", "empty", "garbage"])
def test_what_stands_in_the_place_of_a_spool_file_is_no_harm(tmp_path: Path, kind: str) -> None:
    inbox = Inbox(tmp_path / "in")
    inbox.prepare()
    path = inbox.spool_path(FAX_ID)
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "link to nothing": lambda: path.symlink_to(tmp_path / "nothing"),
        "link": lambda: path.symlink_to(other),
        "empty": path.touch,
        "garbage": lambda: path.write_bytes(b"II*\0" + os.urandom(500)),
    }[kind]()

    got = asyncio.run(asyncio.wait_for(inbox.deliver(result(), path, "sip:1@x"), 30.0))

    assert not any(name.endswith(".pdf") for name in got.documents)
    assert other.read_bytes() == b"precious"
