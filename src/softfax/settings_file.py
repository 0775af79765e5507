# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration file, as plain values."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from softfax.errors import ConfigError, LocalError, UsageError, unread_remedy

__all__ = ["TomlError", "read_text", "read_toml", "write_private"]

BYTES_MAX = 1 << 20
#: What tomllib says, and what it is in the words of who wrote the file.
_SAID = (
    (r"Invalid value", "this is no value", "put text in quotes; yes is written true, no is written false"),
    (r"Illegal character '\\n'|Unterminated string|Expected '\"", "the closing quote is missing", "add it"),
    (r"Cannot overwrite a value|Duplicate inline", "this key stands there twice", "keep one of them"),
    (r"Cannot declare \((.*?),?\) twice", "[{}] stands there twice", "put its keys under one of them"),
    (r"Cannot mutate|Cannot redefine", "this is a table, or a value, already", "keep one of them"),
    (r"Expected '='", "there is no = behind the key", 'write KEY = VALUE, as listen = "127.0.0.1:5060"'),
    (r"Expected '\]", "a bracket is missing", "write [TABLE], or [[TABLE]] where there may be several"),
    (r"Unclosed array", "the closing ] is missing", "add it"),
    (r"Unescaped", "a backslash in double quotes means something else", "use single quotes, as '0(.*)'"),
    (r"Expected newline", "there is more than one value", "put text in quotes, and each key on a line of its own"),
    (r"Invalid (?:statement|initial)", "this is neither KEY = VALUE nor [TABLE]", "put a # before a remark"),
)


class TomlError(ConfigError):
    """A file that is no TOML. `line` is where, 0 where there is none; `what` is the problem without file and line."""

    def __init__(self, path: Path, line: int, what: str, remedy: str) -> None:
        super().__init__(f"{path}:{line}: {what}" if line else f"{path}: {what}", remedy)
        self.line, self.what = line, what


def read_text(path: Path) -> str:
    """The text of a configuration file, without the mark that Windows begins UTF-8 with. Raises ConfigError."""
    try:
        data = _read(path)
    except OSError as error:
        remedy = unread_remedy(error, "name another file with --config", "root, or as the station's user")
        raise ConfigError(f"{path} cannot be read: {error.strerror}", remedy) from None
    if len(data) > BYTES_MAX:
        raise ConfigError(f"{path} is too large for a configuration file", "keep it below 1 MB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TomlError(path, line, "this is not UTF-8", "save the file as UTF-8") from None


#: What pipes said: they say it once, and a station reads its configuration more often than that.
_said: dict[str, bytes] = {}


def _read(path: Path) -> bytes:
    if path.is_fifo() and str(path) in _said:
        return _said[str(path)]
    with path.open("rb") as file:
        data = file.read(BYTES_MAX + 1)
    if path.is_fifo():
        _said[str(path)] = data
    return data


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises ConfigError with the line of the mistake."""
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _mistake(path, text, str(error)) from None
    except RecursionError:
        raise TomlError(path, 0, "brackets are nested too deeply", "write it flat") from None


def _mistake(path: Path, text: str, said: str) -> TomlError:
    at = re.search(r"\(at line (\d+), column (\d+)\)", said)
    # At the end of the document, the mistake is in the last line that says something.
    line = int(at[1]) if at else len(text.rstrip().split("\n"))
    for pattern, problem, remedy in _SAID:
        if found := re.search(pattern, said):
            name = ".".join(re.findall(r"'([^']*)'", found[1])) if found.lastindex else ""
            return TomlError(path, line, problem.format(name), remedy)
    return TomlError(path, line, f"this is not valid TOML: {said.partition(' (at ')[0]}", "correct it")


def write_private(path: Path, content: bytes) -> None:
    """Write a new configuration file, which may hold passwords: for its owner alone.

    Written by root into a folder that is for one group alone, as /etc/softfax is for the station's, that group may read it too.
    Raises UsageError where the file exists, LocalError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            folder = path.parent.stat()
            if os.geteuid() == 0 and folder.st_gid != 0 and not folder.st_mode & 0o007:
                os.fchown(file.fileno(), 0, folder.st_gid)
                os.fchmod(file.fileno(), 0o640)
            file.write(content)
    except FileExistsError:
        raise UsageError(f"{path} already exists", "name another file, or move it away first") from None
    except OSError as error:
        raise LocalError(f"{path} cannot be written: {error.strerror}", "name another file") from None
