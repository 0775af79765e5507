# SPDX-License-Identifier: GPL-2.0-or-later
"""On which line of a TOML file a key stands. For text that tomllib has taken already: nothing is checked here. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

__all__ = ["Place", "key_lines", "line_of"]

Place = tuple[int | str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SKIP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL),
    re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


#: No setting is nested as deep; a reader of TOML has refused it.
DEPTH_MAX = 40


def key_lines(text: str) -> dict[Place, int]:
    """The line, from 1, of every key and table: `("account", 0, "server")` is the server of the first account."""
    return _TomlReader(text.replace("\r\n", "\n")).read()


def line_of(lines: Mapping[Place, int], place: Place) -> int:
    """The line of a key, or of the table it would stand in; 1 where there is neither."""
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return 1


class _TomlReader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Place, int] = {}
        #: How often each array of tables came.
        self.counts: dict[Place, int] = {}

    def read(self) -> dict[Place, int]:
        table: Place = ()
        while True:
            self._match(_SKIP)
            if self.at >= len(self.text):
                return self.lines
            before = self.at
            if self.text.startswith("[[", self.at):
                self.at += 2
                table = self._table(self._names(), array=True)
            elif self.text[self.at] == "[":
                self.at += 1
                table = self._table(self._names(), array=False)
            else:
                self._setting(table)
            if self.at == before:
                return self.lines

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _note(self, place: Place) -> None:
        self.lines.setdefault(place, self.text.count("\n", 0, self.at) + 1)

    def _names(self) -> list[str]:
        """A dotted key."""
        names = []
        while True:
            self._match(_SPACE)
            quoted = self._string()
            names.append(_unquoted(quoted) if quoted else self._match(_BARE))
            self._match(_SPACE)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def _string(self) -> str:
        return next((found for pattern in _STRINGS if (found := self._match(pattern))), "")

    def _table(self, names: list[str], *, array: bool) -> Place:
        place: Place = ()
        for number, name in enumerate(names, 1):
            place = (*place, name)
            if array and number == len(names):
                index = self.counts[place] = self.counts.get(place, -1) + 1
                self._note(place)
                place = (*place, index)
            elif place in self.counts:
                place = (*place, self.counts[place])
        self._note(place)
        self.at += 2 if array else 1
        return place

    def _setting(self, table: Place) -> None:
        place = table
        line_at = self.at
        for name in self._names():
            place = (*place, name)
            end, self.at = self.at, line_at
            self._note(place)
            self.at = end
        self.at += 1
        self._value(place)

    def _value(self, place: Place) -> None:
        if len(place) > DEPTH_MAX:
            return
        self._match(_SPACE)
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self.at += 1
            self._array(place)
        elif opening == "{":
            self.at += 1
            self._inline(place)
        elif not self._string():
            self._match(_SCALAR)

    def _array(self, place: Place) -> None:
        index = 0
        while True:
            self._match(_SKIP)
            if self._closes("]"):
                return
            before = self.at
            self._note((*place, index))
            self._value((*place, index))
            index += 1
            if self._stuck(before):
                return

    def _inline(self, place: Place) -> None:
        while True:
            self._match(_SKIP)
            if self._closes("}"):
                return
            before = self.at
            self._setting(place)
            if self._stuck(before):
                return

    def _closes(self, bracket: str) -> bool:
        if self.at < len(self.text) and self.text[self.at] != bracket:
            return False
        self.at += 1
        return True

    def _stuck(self, before: int) -> bool:
        self._match(_SKIP)
        if self.text.startswith(",", self.at):
            self.at += 1
        return self.at == before


def _unquoted(text: str) -> str:
    if text.startswith("'"):
        return text.strip("'")
    try:
        return str(json.loads(text))
    except ValueError:
        return text.strip('"')
