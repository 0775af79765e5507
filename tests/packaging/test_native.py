# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbols that the native libraries show to the process they are loaded into, and how their files depend on each other."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import softfax._native

FOLDER = Path(next(iter(softfax._native.__path__)))
ROOT = Path(__file__).resolve().parents[2]
OBJECTS = ROOT / ".build" / "cmake" / "CMakeFiles"


def exported(library: Path) -> set[str]:
    """The names that a shared library defines for others."""
    said = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[-1] for line in said.splitlines()}


def test_the_engine_exports_its_api_alone() -> None:
    names = exported(FOLDER / "libsoftfax_engine.so")
    assert names
    assert {n for n in names if not n.startswith("sfx_")} == set()


def test_the_sip_module_exports_its_entry_and_the_glue() -> None:
    (module,) = FOLDER.glob("_pjsua2*.so")
    names = exported(module)
    assert "PyInit__pjsua2" in names
    # One copy of PJSIP a process, and nobody else's: none of its functions may be found, or replaced, from outside.
    assert [n for n in names if re.match(r"pj(sua|sip|media|nath|lib)?_", n)] == []


def test_spandsp_is_inside_and_libtiff_the_systems() -> None:
    said = subprocess.run(
        ["ldd", str(FOLDER / "libsoftfax_engine.so")], capture_output=True, text=True, check=True
    ).stdout
    # The distributions' own is compiled in a way in which V.17's short training fails at many phases of the line.
    assert "libspandsp" not in said
    assert "libtiff.so" in said


def test_pjsip_is_new_enough_and_takes_many_calls() -> None:
    # In a process of its own: there is one endpoint a process, and other tests have theirs.
    code = """
import sys
from softfax._native import pjsua2
endpoint = pjsua2.Endpoint()
endpoint.libCreate()
version = endpoint.libVersion()
config = pjsua2.EpConfig()
config.uaConfig.maxCalls = 2048
config.uaConfig.threadCnt = 0
config.logConfig.level = config.logConfig.consoleLevel = 0
endpoint.libInit(config)
state = endpoint.libGetState()
endpoint.libDestroy()
print(version.major, version.minor, state == pjsua2.PJSUA_STATE_INIT, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    major, minor, started = done.stderr.split()  # PJSIP's own log is on the other stream
    assert (int(major), int(minor)) >= (2, 17)
    assert started == "True"


def test_no_attack_is_in_what_is_shipped() -> None:
    # Not among its own names either: the library is not stripped.
    said = subprocess.run(
        ["nm", str(FOLDER / "libsoftfax_engine.so")], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[-1] for line in said.splitlines()}
    assert "session_tick" in names
    assert [n for n in names if re.search(r"sfx_test|mutate|misbehave|_fault|faulty|spoil", n)] == []
    assert not list(FOLDER.glob("*engine_test*"))


def calls(folder: str, objects: str) -> dict[str, set[str]]:
    """The other files of a folder that each of its C files needs something of, by their compiled objects."""
    defined: dict[str, str] = {}
    needed: dict[str, set[str]] = {}
    for source in sorted((ROOT / folder).glob("*.c")):
        said = subprocess.run(
            ["nm", str(OBJECTS / f"{objects}.dir" / folder / f"{source.name}.o")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for *_, kind, name in (line.split() for line in said.splitlines()):
            if kind == "U":
                needed.setdefault(source.name, set()).add(name)
            elif kind.isupper():
                defined[name] = source.name
    return {
        file: {defined[name] for name in names if name in defined} - {file} for file, names in sorted(needed.items())
    }


def includes(folder: str) -> dict[str, set[str]]:
    """The headers that each header of a folder includes."""
    return {
        header.name: {name.rpartition("/")[2] for name in re.findall(r'^#include "(.*)"', header.read_text(), re.M)}
        for header in sorted((ROOT / folder).glob("*.h"))
    }


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(lambda: calls("native/engine", "softfax_engine_objects"), id="engine"),
        pytest.param(lambda: includes("native/engine"), id="engine-headers"),
        pytest.param(lambda: calls("native/pjsip", "softfax_glue"), id="pjsip"),
        pytest.param(lambda: includes("native/pjsip"), id="pjsip-headers"),
    ],
)
def test_no_files_go_round_in_a_circle(graph: Callable[[], dict[str, set[str]]]) -> None:
    drawn = graph()
    assert len(drawn) > 2
    try:
        TopologicalSorter(drawn).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))
