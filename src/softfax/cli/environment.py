# SPDX-License-Identifier: GPL-2.0-or-later
"""Environment files, as systemd reads them (systemd.exec(5), EnvironmentFile=)."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["parse_environment", "read_environment"]

_NAME = re.compile(r"SOFTFAX_[A-Z0-9_]+\Z")
_SIZE_MAX = 1 << 20
#: A line up to its value; one without `=`, or that begins with # or ;, is none.
_ASSIGNMENT = re.compile(r"[ \t\r]*([^=\n#; \t\r][^=\n]*)=")
#: A piece of a value: in quotes, only where a piece begins, or plain to the end of the line. A backslash takes the next
#: character as it is, and goes with the end of a line.
_PIECE = re.compile(
    r"""[ \t\r]*(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>(?:[^\\\n'"]|\\.)(?:[^\\\n]|\\.)*))""",
    re.DOTALL,
)
_LINE = re.compile(r"[^\n]*\n?")


def read_environment(path: Path) -> dict[str, str]:
    """Return the SOFTFAX_* variables of an environment file; none where there is no file, or we may not read it."""
    try:
        with path.open(encoding="utf-8") as file:
            found = parse_environment(file.read(_SIZE_MAX))
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: value for name, value in found.items() if _NAME.match(name)}


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables in the text of an environment file."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        line = _ASSIGNMENT.match(text, at)
        if line is None:
            at = _LINE.match(text, at).end()  # type: ignore[union-attr]
            continue
        value, at = "", line.end()
        while piece := _PIECE.match(text, at):
            value += _plain(piece)
            at = piece.end()
        found[line[1].rstrip()] = value
        at = _LINE.match(text, at).end()  # type: ignore[union-attr]
    return found


def _plain(piece: re.Match[str]) -> str:
    """A piece of a value without its quotes and backslashes."""
    if piece["single"] is not None:
        return piece["single"]
    if piece["double"] is not None:
        return re.sub(r'\\(["\\`$\n])', lambda found: found[1].strip("\n"), piece["double"])
    bare = re.sub(r"[ \t\r]+\Z", "", piece["plain"])
    return re.sub(r"\\(.)", lambda found: found[1].strip("\n"), bare, flags=re.DOTALL)
