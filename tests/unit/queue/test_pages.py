# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that are kept: found again by what they were made of, also those of an earlier version."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from softfax.queue import pages
from softfax.records.model import Document, FaxRequest


def request_for(folder: Path) -> FaxRequest:
    letter = folder / "1-letter.txt"
    letter.write_text("One line.\n")
    return FaxRequest(to="1", documents=(Document(path=letter, name="letter.txt"),), resolution="standard", scan="auto")


def test_pages_are_found_by_what_they_were_made_of(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    made = pages.make(request, tmp_path)
    assert pages.made(request, tmp_path) == made
    assert pages.made(dataclasses.replace(request, resolution="fine"), tmp_path) is None


def test_pages_of_an_earlier_version_are_those_of_the_fax(tmp_path: Path) -> None:
    request = request_for(tmp_path)
    made = pages.make(request, tmp_path)
    (notes,) = tmp_path.glob("fax-*.json")
    said = json.loads(notes.read_text())
    tiff = made.tiff.rename(tmp_path / "fax-0123456789ab.tif")
    notes.unlink()
    notes = tiff.with_suffix(".json")
    notes.write_text(json.dumps({"pages": said["pages"], "documents": said["documents"]}))
    before = pages.made(request, tmp_path)
    assert before is not None
    assert (before.tiff, before.pages) == (tiff, 1)
    assert pages.make(request, tmp_path) == before, "they are not made anew"
    # Of two nobody knows which.
    notes.with_name("fax-other.json").write_text(notes.read_text())
    assert pages.made(request, tmp_path) is None
