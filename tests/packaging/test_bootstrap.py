# SPDX-License-Identifier: GPL-2.0-or-later
"""Setting up: what is said where packages or the sources of PJSIP and spandsp are missing."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
import subprocess
import tarfile
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tools/native.py, building nowhere but in tmp_path and with nothing to reach."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    module = importlib.import_module("native")
    for name, folder in (("ROOT", tmp_path), ("BUILD", tmp_path / ".build"), ("LOG", tmp_path / ".build" / "log")):
        monkeypatch.setattr(module, name, folder)
        monkeypatch.setattr(f"sources.{name}", folder)
    monkeypatch.setattr("sources.from_upstream", named("from_upstream", lambda library, work: None))
    monkeypatch.setattr("sources.from_distribution", named("from_distribution", lambda library, work: None))
    for variable in ("PJPROJECT", "SPANDSP"):
        monkeypatch.delenv(f"{variable}_SOURCE", raising=False)
        monkeypatch.delenv(f"{variable}_VERSION", raising=False)
    (tmp_path / "work").mkdir()
    return module


def named(name, function):
    function.__name__ = name
    return function


def pjsip(folder: Path, minor: int) -> Path:
    """Make as much of a PJSIP source as is looked at before it is built."""
    folder.mkdir()
    (folder / "version.mak").write_text(
        f"export PJ_VERSION_MAJOR := 2\nexport PJ_VERSION_MINOR := {minor}\nexport PJ_VERSION_REV   :=\n"
    )
    return folder


def spandsp(folder: Path) -> Path:
    """Make as much of a spandsp source; not that of the release."""
    (folder / "src" / "spandsp" / "private").mkdir(parents=True)
    (folder / "src" / "spandsp.h.in").write_text("")
    (folder / "src" / "t30.c").write_text(
        "enum\n{\n    T30_STATE_ANSWERING = 1,\n    T30_STATE_B,\n    T30_STATE_C\n};\n"
    )
    (folder / "configure.ac").write_text("SPANDSP_MAJOR_VERSION=0\nSPANDSP_MINOR_VERSION=0\nSPANDSP_MICRO_VERSION=6\n")
    return folder


def pins(name: str) -> dict[str, str]:
    """Name → version of a list of requirements."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_what_running_needs_is_pinned_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(d) for d in project["dependencies"] + project["optional-dependencies"]["mail"]]
    run, develop = pins("requirements.txt"), pins("requirements-dev.txt")
    for requirement in wanted:
        assert requirement.specifier.contains(run[canonicalize_name(requirement.name)]), requirement
    # Everything pinned is needed by something: what softfax names, what that needs, and swig.
    seen: set[tuple[str, frozenset[str]]] = set()
    left = list(wanted)
    while left:
        requirement = left.pop()
        this = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if this in seen:
            continue
        seen.add(this)
        for inner in map(Requirement, importlib.metadata.requires(requirement.name) or []):
            if not inner.marker or any(inner.marker.evaluate({"extra": e}) for e in ("", *requirement.extras)):
                left.append(inner)
    needed = {"swig", *(name for name, _ in seen)}
    assert set(run) == needed
    assert not set(run) & set(develop)


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
    for package in ("libtiff-dev", "cmake", "debootstrap"):
        assert package in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("name", "variable"), [("pjsip", "PJPROJECT_SOURCE"), ("spandsp", "SPANDSP_SOURCE")])
def test_no_source_is_one_error_with_the_remedy(
    name: str, variable: str, native: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert native.main([name]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert variable in line
    assert native.LIBRARIES[name].version in line


def test_a_folder_of_the_users_is_taken(native: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PJPROJECT_SOURCE", str(pjsip(tmp_path / "mine", 17)))
    assert (native.source(native.PJSIP, tmp_path / "work") / "version.mak").is_file()


def test_a_tarball_of_the_users_is_taken(native: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "mine.tar.gz", "w:gz") as tar:
        tar.add(pjsip(tmp_path / "pjproject-2.17", 17), "pjproject-2.17")
    monkeypatch.setenv("PJPROJECT_SOURCE", str(tmp_path / "mine.tar.gz"))
    assert native.source(native.PJSIP, tmp_path / "work").name == "pjproject-2.17"


@pytest.mark.parametrize("minor", [14, 18])
def test_another_version_is_refused_unless_it_is_asked_for(
    minor: int, native: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PJPROJECT_SOURCE", str(pjsip(tmp_path / "other", minor)))
    with pytest.raises(native.BuildError, match=rf"2\.{minor}, wanted is 2\.17.*PJPROJECT_VERSION=2\.{minor}"):
        native.source(native.PJSIP, tmp_path / "work")
    monkeypatch.setenv("PJPROJECT_VERSION", f"2.{minor}")
    (tmp_path / "again").mkdir()
    assert (native.source(native.PJSIP, tmp_path / "again") / "version.mak").is_file()


def test_a_spandsp_with_other_code_is_another_version(
    native: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree = spandsp(tmp_path / "changed")
    monkeypatch.setenv("SPANDSP_SOURCE", str(tree))
    with pytest.raises(native.BuildError, match=r"0\.0\.6\+\w{12}, wanted is 0\.0\.6 .*SPANDSP_VERSION="):
        native.source(native.SPANDSP, tmp_path / "work")
    assert "#define SPANDSP_T30_STATE_C 3" in native.spandsp_states(tree)


@pytest.mark.parametrize("given", ["nowhere", "empty"])
def test_a_source_that_is_none(given: str, native: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PJPROJECT_SOURCE", str(tmp_path / given))
    with pytest.raises(native.BuildError, match=r"PJPROJECT_SOURCE"):
        native.source(native.PJSIP, tmp_path / "work")


DEBIAN = "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: trixie\nComponents: main\n"
UBUNTU = "Types: deb\nURIs: http://archive.ubuntu.com/ubuntu/\nSuites: noble\nComponents: main universe\n"
ARM = "Types: deb\nURIs: http://ports.ubuntu.com/ubuntu-ports/\nSuites: noble\nComponents: main universe\n"


@pytest.mark.parametrize(
    ("sources", "release", "library", "expected"),
    [
        (DEBIAN, "trixie", "spandsp", [("Debian", "trixie"), ("Debian", "testing unstable")]),
        (DEBIAN, "trixie", "pjsip", [("Debian", "testing unstable")]),
        (UBUNTU, "noble", "spandsp", [("Ubuntu", "noble"), ("Ubuntu", "devel"), ("Debian", "testing unstable")]),
        (ARM, "noble", "pjsip", [("Ubuntu", "devel"), ("Debian", "testing unstable")]),
    ],
)
def test_the_archives_of_debian_and_ubuntu_are_found(
    sources: str,
    release: str,
    library: str,
    expected: list[tuple[str, str]],
    native: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uris = [line.split()[1] for line in sources.splitlines() if line.startswith("URIs:")]
    monkeypatch.setattr("sources.mirrors", lambda: uris)
    monkeypatch.setattr("sources.codename", lambda: release)
    monkeypatch.setattr(native.Path, "is_file", lambda path: True)  # the keys
    found = importlib.import_module("sources").archives(native.LIBRARIES[library])
    assert [(a.name, suites) for a in found for suites in a.suites] == expected
    assert found[0].mirror == uris[0]


def test_the_key_follows_the_configuration(native: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = tmp_path / "config_site.h"
    library = dataclasses.replace(native.PJSIP, depends=(site,))
    keys = set()
    for text in ("#define PJSUA_MAX_CALLS 4\n", "#define PJSUA_MAX_CALLS 2048\n"):
        site.write_text(text)
        keys.add(native.key(library))
    keys.add(native.key(library, "address"))
    keys.add(native.key(dataclasses.replace(library, flags="-O1")))
    assert len(keys) == 4
