# SPDX-License-Identifier: GPL-2.0-or-later
"""Broken, hostile and huge documents: a page that is right, or one clear line; soon, in little memory, leaving nothing."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from softfax.documents.begin import prepare
from softfax.documents.tiff import read_pages
from softfax.documents.types import DocumentLimits, RasterSettings
from softfax.errors import DocumentError, DocumentTooLargeError
from tests.support import hostile_documents
from tests.support.command import environment, softfax_command
from tests.support.converting import Converted, Converter
from tests.support.hostile_documents import CASES, Case

#: Of a processor; the clock only ends what hangs, so that a busy machine does not fail a test.
CPU_MAX_S = 20.0
TIME_MAX_S = 300.0
#: Resident memory of the process that reads the document.
MEMORY_MAX_MB = 1100


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    converter = Converter()
    yield converter
    converter.close()


def assert_one_clear_line(outcome: Converted) -> None:
    assert outcome.status == 2, outcome
    assert outcome.stderr.startswith("softfax: ")
    assert outcome.stderr.endswith("\n")
    line = outcome.stderr[:-1]
    assert line.isprintable()
    assert len(line) < 400
    assert "; " in line  # what is wrong; what to do
    assert outcome.stdout == ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_documents(converter: Converter, tmp_path: Path, case: Case) -> None:
    name = "doc" + case.ending
    case.write(tmp_path / name)

    outcome = converter.run(tmp_path, name, "-o", "out.tif", *case.options, limit_s=TIME_MAX_S)

    if (tmp_path / name).is_file() and not (tmp_path / name).is_symlink():
        (tmp_path / name).unlink()  # some are large
    assert outcome.seconds < TIME_MAX_S
    assert outcome.cpu_s < CPU_MAX_S
    assert outcome.memory_mb < MEMORY_MAX_MB
    assert outcome.left == []
    if case.refused or outcome.status != 0:
        assert_one_clear_line(outcome)
        assert not (tmp_path / "out.tif").exists()
        assert case.refused != "", outcome.stderr
        assert case.blames(outcome.stderr), outcome.stderr
    else:
        pages = list(read_pages(tmp_path / "out.tif"))
        assert pages
        assert case.pages in (None, len(pages))


def test_scripts_are_ignored_and_the_page_is_right(tmp_path: Path) -> None:
    """The dots are the same as without them, but for what stands in the form's field."""
    plain, hostile = tmp_path / "plain.pdf", tmp_path / "scripts.pdf"
    plain.write_bytes(hostile_documents.one_page())
    hostile.write_bytes(hostile_documents.script_actions())
    dots = [next(read_pages(prepare([file], RasterSettings(), tmp_path).tiff))[1] for file in (plain, hostile)]

    heading = slice(0, int(dots[0].shape[0] * 0.2))
    assert dots[0][heading].any()
    assert np.array_equal(dots[0][heading], dots[1][heading])


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("new\nline.pdf", True),
        ("esc\x1b[31m.pdf", True),
        ("esc\x1b[31m.pdf", False),
        ("right\u202eto.pdf", True),
        ("byte\udcff.pdf", False),
        ("bell\x07.pdf", False),
    ],
)
def test_names_are_shown_harmlessly(converter: Converter, tmp_path: Path, name: str, there: bool) -> None:
    if there:
        (tmp_path / name).write_bytes(b"%PDF-1.4 broken")

    assert_one_clear_line(converter.run(tmp_path, name, "-o", "out.tif", limit_s=TIME_MAX_S))


@pytest.mark.parametrize("name", ["a\0b.pdf", "x" * 5000])
def test_impossible_names_are_document_errors(tmp_path: Path, name: str) -> None:
    with pytest.raises(DocumentError) as refused:
        prepare([name], RasterSettings(), tmp_path)
    assert len(str(refused.value)) < 400


def test_a_good_document_among_bad_ones_is_not_sent_alone(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pdf"
    bad.write_bytes(b"%PDF-1.4 broken")

    with pytest.raises(DocumentError, match=r"bad\.pdf"):
        prepare([hostile_documents.SAMPLES / "letter.pdf", bad], RasterSettings(), tmp_path)
    assert not list(tmp_path.glob("*.tif"))


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "grows.txt"
    path.write_text("a line\n" * 100)
    stop = threading.Event()

    def grow() -> None:
        with path.open("a") as file:
            while not stop.is_set() and file.tell() < 200 << 20:
                file.write("another line\n" * 1000)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        began = time.monotonic()
        with contextlib.suppress(DocumentTooLargeError):
            assert prepare([path], RasterSettings(), tmp_path).pages
        assert time.monotonic() - began < TIME_MAX_S
    finally:
        stop.set()
        writer.join()


def test_the_limits_hold(tmp_path: Path) -> None:
    """Time and memory end what would need more, in words."""
    busy, large = tmp_path / "busy.pdf", tmp_path / "large.png"
    busy.write_bytes(hostile_documents.many_curves(400_000))
    packed = hostile_documents.zeros_deflated(14_000 * 14_001)
    large.write_bytes(hostile_documents.png(14_000, 14_000, packed))

    for limits in (DocumentLimits(wall_s=1.5), DocumentLimits(cpu_s=1)):
        with pytest.raises(DocumentTooLargeError, match=r"busy\.pdf takes too long"):
            prepare([busy], RasterSettings(limits=limits), tmp_path)
    with pytest.raises(DocumentTooLargeError, match="too much memory"):
        prepare([large], RasterSettings(limits=DocumentLimits(memory_bytes=300 << 20)), tmp_path)


def test_one_page_may_not_take_all_the_time(tmp_path: Path) -> None:
    busy = tmp_path / "busy.pdf"
    busy.write_bytes(hostile_documents.many_curves(400_000))

    with pytest.raises(DocumentTooLargeError, match=r"busy\.pdf takes too long"):
        prepare([busy], RasterSettings(limits=DocumentLimits(page_s=1.5)), tmp_path)


def test_standard_input_without_end(tmp_path: Path) -> None:
    """`cat /dev/zero | softfax convert -` ends by itself, at the limit on a file's size."""
    with Path("/dev/zero").open("rb") as zeros:
        process = subprocess.run(
            [softfax_command(), "convert", "-", "-o", "out.tif"],
            stdin=zeros,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**environment(), "TMPDIR": str(tmp_path)},
            timeout=TIME_MAX_S,
            check=False,
        )
    assert process.returncode == 2
    assert process.stderr.startswith("softfax: standard input is too large")
    assert list(tmp_path.iterdir()) == []
