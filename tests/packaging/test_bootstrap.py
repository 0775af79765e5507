# SPDX-License-Identifier: GPL-2.0-or-later
"""Setting up: what is said where packages or PJSIP's source are missing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pjsip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tools/pjsip.py, building nowhere but in tmp_path and with nothing to reach."""
    spec = importlib.util.spec_from_file_location("softfax_tools_pjsip", ROOT / "tools" / "pjsip.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, folder in (("ROOT", tmp_path), ("BUILD", tmp_path / ".build"), ("LOG", tmp_path / ".build" / "log")):
        monkeypatch.setattr(module, name, folder)
    monkeypatch.setattr(module, "from_upstream", named("from_upstream", lambda work: None))
    monkeypatch.setattr(module, "from_debian", named("from_debian", lambda work: None))
    monkeypatch.delenv("PJPROJECT_SOURCE", raising=False)
    return module


def named(name, function):
    function.__name__ = name
    return function


def tree(folder: Path, minor: int) -> Path:
    """As much of a PJSIP source as is looked at before it is built."""
    folder.mkdir()
    (folder / "version.mak").write_text(f"export PJ_VERSION_MAJOR := 2\nexport PJ_VERSION_MINOR := {minor}\n")
    return folder


def test_without_rights_the_missing_packages_are_named(tmp_path: Path) -> None:
    for name, text in (
        ("dpkg-query", "exit 1"),
        ("id", "echo 1000"),
        ("sudo", "exit 1"),
        ("apt-get", f"touch {tmp_path}/ran"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = dict(os.environ, PATH=f"{tmp_path}:/usr/bin:/bin", PYTHON="python3")
    done = subprocess.run(
        [ROOT / "tools" / "bootstrap.sh", "test"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "apt-get install" in done.stderr
    for package in ("libspandsp-dev", "swig", "debootstrap"):
        assert package in done.stderr
    assert not (tmp_path / "ran").exists()


def test_no_source_is_one_error_with_the_remedy(pjsip: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert pjsip.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert "PJPROJECT_SOURCE" in line


def test_a_folder_of_the_users_is_taken(pjsip: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PJPROJECT_SOURCE", str(tree(tmp_path / "mine", 17)))
    (tmp_path / "work").mkdir()
    assert (pjsip.source(tmp_path / "work") / "version.mak").is_file()


def test_a_tarball_of_the_users_is_taken(pjsip: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "mine.tar.gz", "w:gz") as tar:
        tar.add(tree(tmp_path / "pjproject-2.18", 18), "pjproject-2.18")
    monkeypatch.setenv("PJPROJECT_SOURCE", str(tmp_path / "mine.tar.gz"))
    (tmp_path / "work").mkdir()
    assert pjsip.source(tmp_path / "work").name == "pjproject-2.18"


@pytest.mark.parametrize("given", ["nowhere", "old"])
def test_a_source_that_is_none(given: str, pjsip: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tree(tmp_path / "old", 14)
    monkeypatch.setenv("PJPROJECT_SOURCE", str(tmp_path / given))
    (tmp_path / "work").mkdir()
    with pytest.raises(pjsip.BuildError, match=r"PJPROJECT_SOURCE"):
        pjsip.source(tmp_path / "work")


def test_the_key_follows_the_configuration(pjsip: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = tmp_path / "config_site.h"
    monkeypatch.setattr(pjsip, "SITE_CONFIG", site)
    keys = set()
    for text in ("#define PJSUA_MAX_CALLS 4\n", "#define PJSUA_MAX_CALLS 2048\n"):
        site.write_text(text)
        keys.add(pjsip.key())
    assert len(keys) == 2
