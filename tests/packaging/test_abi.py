# SPDX-License-Identifier: GPL-2.0-or-later
"""What Python says of the engine's C interface is what engine.h says: the C compiler compares the two."""

from __future__ import annotations

import ctypes as c
import re
import shutil
import subprocess
from enum import IntEnum
from pathlib import Path

import pytest

from softfax.engine import _abi

HEADER = Path(__file__).resolve().parents[2] / "native" / "engine" / "engine.h"
STRUCTS = {
    _abi.EventRecord: "sfx_event",
    _abi.SessionConfig: "sfx_session_config",
    _abi.PageRecord: "sfx_page",
    _abi.SessionStats: "sfx_session_stats",
    _abi.SrtpConfig: "sfx_srtp_config",
    _abi.PreviewRecord: "sfx_preview",
    _abi.T38Record: "sfx_t38_config",
    _abi.LoadRecord: "sfx_load",
    _abi.LineConfig: "sfx_line_config",
}
ENUMS = {
    _abi.EventType: "SFX_EVENT_",
    _abi.Signal: "SFX_SIGNAL_",
    _abi.Flag: "SFX_FLAG_",
    _abi.DisVerdict: "SFX_DIS_",
    _abi.Lacks: "SFX_LACKS_",
    _abi.ErrorCorrection: "SFX_EC_",
    _abi.SrtpSuite: "SFX_SRTP_",
    _abi.HeardKind: "SFX_HEARD_",
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
    lines = [f'_Static_assert(SFX_ABI_VERSION == {_abi.ABI_VERSION}, "version");']
    for kind, prefix in kinds.items():
        lines += [f'_Static_assert({prefix}{SHORT.get(m.name, m.name)} == {int(m)}, "{m.name}");' for m in kind]
    return lines


@pytest.mark.parametrize("lines", [layout, constants])
def test_the_compiler_agrees(lines: object, tmp_path: Path) -> None:
    assert callable(lines)
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("no C compiler")
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
    assert {name: len(arguments) for name, (_, arguments) in _abi._PROTOTYPES.items()} == declared


def test_every_struct_is_compared() -> None:
    mirrors = {kind for kind in vars(_abi).values() if isinstance(kind, type) and issubclass(kind, c.Structure)}
    assert mirrors == set(STRUCTS)
