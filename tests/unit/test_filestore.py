# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of faxes in a store that stations share: the first that is written is the one all use, what is cached can go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from softfax.errors import ConfigError
from softfax.filestore import FileStore, StoreError, received_key
from softfax.station.config import StationConfig

FOLDER = "0123456789abcdef01234567"


def folder(of: Path, **files: str) -> Path:
    path = of / "faxes" / FOLDER
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(text)
    return path


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(f"file://{tmp_path}/store")


def test_without_a_store_nothing_is_done(tmp_path: Path) -> None:
    store, kept = FileStore(), folder(tmp_path, a_pdf="a")
    store.open()
    store.keep(kept)
    store.bring(kept)
    store.delete(["faxes/x"])
    store.spare(tmp_path / "faxes", tmp_path, time.time() + 1)
    assert not store.shared
    assert [path.name for path in kept.iterdir()] == ["a.pdf"]


def test_a_folder_comes_to_another_station(tmp_path: Path, store: FileStore) -> None:
    kept = folder(tmp_path / "a", a_pdf="a", notes_json="{}", half_new="-")
    (kept / "fax-1.pdf").write_text("made anew at any time")
    store.keep(kept)
    other = tmp_path / "b" / "faxes" / FOLDER
    store.bring(other)
    assert {path.name: path.read_text() for path in other.iterdir()} == {"a.pdf": "a", "notes.json": "{}"}
    store.drop(FOLDER)
    store.bring(third := tmp_path / "c" / FOLDER)
    assert not third.exists()


def test_the_pages_that_were_there_first_are_used(tmp_path: Path, store: FileStore) -> None:
    first = folder(tmp_path / "a", **{"fax-1_json": "first", "fax-1-aa_tif": "pages of a"})
    second = folder(tmp_path / "b", **{"fax-1_json": "second", "fax-1-bb_tif": "pages of b"})
    store.keep(first)
    store.keep(second)
    assert (second / "fax-1.json").read_text() == "first"
    assert (second / "fax-1-aa.tif").read_text() == "pages of a"


def test_what_the_store_has_need_not_be_kept_here(tmp_path: Path, store: FileStore) -> None:
    kept = folder(tmp_path, old_pdf="a", new_pdf="b")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (received := inbox / "r.pdf").write_text("r")
    (only_here := inbox / "s.pdf").write_text("s")
    store.keep(kept)
    store.put(received, received_key(received))
    for path in (kept / "old.pdf", received, only_here):
        os.utime(path, (1, 1))
    store.spare(tmp_path / "faxes", inbox, time.time() - 60)
    assert sorted(path.name for path in tmp_path.rglob("*.pdf") if "store" not in path.parts) == ["new.pdf", "s.pdf"]
    store.bring(kept)
    assert (kept / "old.pdf").read_text() == "a"
    assert store.folders(time.time() + 60) == {FOLDER}
    assert store.folders(time.time() - 60) == set()
    assert store.received(time.time() + 60) == ["received/r.pdf"]


def test_a_store_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "k",
                        "AWS_SECRET_ACCESS_KEY": "hidden"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="the store s3://bucket/x cannot be used") as told:
        FileStore("s3://bucket/x").open()
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize("url", ["ftp://x/y", "s3://", "file://relative", "s3://key:secret@bucket/x", "/folder"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.documents"):
        StationConfig.checked({"data": {"documents": url}}, "x")
