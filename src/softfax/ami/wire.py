# SPDX-License-Identifier: GPL-2.0-or-later
"""The framing of the manager protocol: bytes into actions, fields into bytes. Nothing here does I/O or raises on input.

An action is a block of lines `Key: value` that a blank line ends. Lines end with CR LF or LF alone. What Asterisk 16 does
with odd input is done here too: a line without a colon is no header, a line that is too long or one too many makes the
whole action an error (reported where the block ends), keys are compared without case, the first of several counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "ASTERISK_VERSIONS",
    "HEADERS_MAX",
    "LINE_OCTETS_MAX",
    "Action",
    "ActionError",
    "Fields",
    "Framer",
    "banner",
    "decode",
    "encode",
]

#: Versions that can be spoken: of the protocol, and of Asterisk.
ASTERISK_VERSIONS = {16: ("5.0.4", "16.28.0"), 22: ("11.0.0", "22.10.1")}

#: Octets of a line, its end included.
LINE_OCTETS_MAX = 1024
HEADERS_MAX = 128

LINE_TOO_LONG = "Failed to parse message: line too long"
TOO_MANY_LINES = "Too many lines in message or allocation failure"

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Action:
    """An action as received: its headers in order. `problem` is the error text for a block that is not an action."""

    headers: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    def get(self, key: str, default: str = "") -> str:
        """The first value of `key`."""
        wanted = key.lower()
        return next((value for name, value in self.headers if name.lower() == wanted), default)

    def all(self, key: str) -> list[str]:
        """All values of `key`, in order."""
        wanted = key.lower()
        return [value for name, value in self.headers if name.lower() == wanted]

    @property
    def name(self) -> str:
        """The value of `Action`, as the client wrote it."""
        return self.get("Action")

    @property
    def action_id(self) -> str:
        """The value of `ActionID`; empty where there is none."""
        return self.get("ActionID")

    @property
    def id_line(self) -> list[tuple[str, str]]:
        """The `ActionID` as answers have it; empty where there is none."""
        return [("ActionID", self.action_id)] if self.action_id else []


class ActionError(Exception):
    """The action is wrong, or cannot be done; the message is Asterisk's, for the answer."""


class Framer:
    """Bytes as they come, actions as they are complete. Keeps no more than one action's worth."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._skipping = False
        self._headers: list[tuple[str, str]] = []
        self._lines = 0
        self._problem = ""

    def feed(self, data: bytes) -> list[Action]:
        """The actions that `data` completes."""
        actions: list[Action] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end])
            start = end + 1
            action = self._end_of_line()
            if action is not None:
                actions.append(action)
        self._add(data[start:])
        return actions

    def _add(self, part: bytes) -> None:
        if self._skipping:
            return
        # One octet is for the LF.
        if len(self._line) + len(part) > LINE_OCTETS_MAX - 1:
            self._skipping = True
            self._line.clear()
            self._problem = self._problem or LINE_TOO_LONG
            return
        self._line += part

    def _end_of_line(self) -> Action | None:
        if self._skipping:
            self._skipping = False
            return None
        line = bytes(self._line)
        self._line.clear()
        if line.endswith(b"\r"):
            line = line[:-1]
        if line:
            self._header(line)
            return None
        action = Action(tuple(self._headers), self._problem)
        self._headers, self._lines, self._problem = [], 0, ""
        return action

    def _header(self, line: bytes) -> None:
        if self._lines == HEADERS_MAX:
            self._problem = self._problem or TOO_MANY_LINES
            return
        self._lines += 1
        key, colon, value = decode(line.partition(b"\0")[0]).partition(":")
        if colon:
            self._headers.append((key, value.lstrip(" \t")))


def banner(version: int) -> bytes:
    """The line that greets a client."""
    return f"Asterisk Call Manager/{ASTERISK_VERSIONS[version][0]}\r\n".encode()


def decode(octets: bytes) -> str:
    """Text of octets that claim to be UTF-8; others come back as they were when the text is encoded again."""
    return octets.decode("utf-8", "surrogateescape")


def encode(fields: Fields) -> bytes:
    """One message: a line for each field and a blank line. No value can end a line or a message."""
    text = "".join(f"{_one_line(key)}: {_one_line(value)}\r\n" for key, value in fields)
    return (text + "\r\n").encode("utf-8", "surrogateescape")


def _one_line(text: str) -> str:
    if "\r" in text or "\n" in text or "\0" in text:
        return text.translate({0: None, 10: " ", 13: " "})
    return text
