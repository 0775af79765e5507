# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine's C interface in Python is that of engine.h: the C compiler compares the two."""

from __future__ import annotations

import ctypes as c
import re
import shutil
import subprocess
from enum import IntEnum
from pathlib import Path

import pytest

from softfax.engine import abi
from tests.support.absent import absent

HEADER = Path(__file__).resolve().parents[2] / "native" / "engine" / "engine.h"
STRUCTS = {
    abi.EventRecord: "sfx_event",
    abi.SessionConfig: "sfx_session_config",
    abi.PageRecord: "sfx_page",
    abi.PolledRecord: "sfx_polled",
    abi.SessionStats: "sfx_session_stats",
    abi.SrtpConfig: "sfx_srtp_config",
    abi.PreviewRecord: "sfx_preview",
    abi.T38Record: "sfx_t38_config",
    abi.LoadRecord: "sfx_load",
    abi.LineConfig: "sfx_line_config",
}
ENUMS = {
    abi.EventType: "SFX_EVENT_",
    abi.Signal: "SFX_SIGNAL_",
    abi.Flag: "SFX_FLAG_",
    abi.DisVerdict: "SFX_DIS_",
    abi.Lacks: "SFX_LACKS_",
    abi.ErrorCorrection: "SFX_EC_",
    abi.SrtpSuite: "SFX_SRTP_",
    abi.HeardKind: "SFX_HEARD_",
}
#: Where C is shorter than Python, which has the names of the standards.
SHORT = {"T4_2D": "2D", "AES_CM_128_HMAC_SHA1_80": "SHA1_80", "AES_CM_128_HMAC_SHA1_32": "SHA1_32"}


def layout() -> list[str]:
    """Assertions that each struct has the fields of the Python one at their places, and no others."""
    lines = []
    for struct, name in STRUCTS.items():
        lines.append(f'_Static_assert(sizeof({name}) == {c.sizeof(struct)}, "{name}");')
        for field, *_ in struct._fields_:
            place, size = getattr(struct, field).offset, getattr(struct, field).size
            lines.append(f'_Static_assert(offsetof({name}, {field}) == {place}, "{name}.{field}");')
            lines.append(f'_Static_assert(sizeof((({name} *)0)->{field}) == {size}, "{name}.{field}");')
    return lines


def constants() -> list[str]:
    """Assertions that each constant has the value of the Python one."""
    kinds: dict[type[IntEnum], str] = ENUMS  # type: ignore[assignment]
    lines = [f'_Static_assert(SFX_ABI_VERSION == {abi.ABI_VERSION}, "version");']
    for kind, prefix in kinds.items():
        lines += [f'_Static_assert({prefix}{SHORT.get(m.name, m.name)} == {int(m)}, "{m.name}");' for m in kind]
    return lines


@pytest.mark.parametrize("lines", [layout, constants])
def test_the_compiler_agrees(lines: object, tmp_path: Path) -> None:
    assert callable(lines)
    if (compiler := shutil.which("cc")) is None:
        absent("no C compiler")
    source = tmp_path / "abi.c"
    source.write_text("\n".join([f'#include "{HEADER}"', *lines(), ""]))
    done = subprocess.run(
        [compiler, "-c", source, "-o", tmp_path / "abi.o"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_function_is_declared_with_as_many_arguments() -> None:
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = {
        name: 0 if arguments.strip() == "void" else arguments.count(",") + 1
        for name, arguments in re.findall(r"SFX_API [\w *]*?\b(sfx_\w+)\(([^)]*)\);", text)
    }
    assert {name: len(arguments) for name, (_, arguments) in abi._PROTOTYPES.items()} == declared


def test_every_struct_is_compared() -> None:
    mirrors = {kind for kind in vars(abi).values() if isinstance(kind, type) and issubclass(kind, c.Structure)}
    assert mirrors == set(STRUCTS)
