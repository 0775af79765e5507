# SPDX-License-Identifier: GPL-2.0-or-later
"""An e-mail as it comes in after DATA: limits while it comes, its end found without looking at each line. No I/O."""

from __future__ import annotations

from softfax.documents.letters.mime import LINES_MAX

__all__ = ["Incoming", "Room"]

#: Of one line, its end included (RFC 5321 §4.5.3.1.6).
LINE_OCTETS_MAX = 1001
#: Of what is thrown away, in e-mails of the largest size: a client that goes on after that is cut off.
DISCARDED_MAX = 2

_END = b"\r\n.\r\n"


class Room:
    """Octets that all e-mails on their way in may hold together."""

    def __init__(self, octets: int) -> None:
        self.left = octets

    def take(self, octets: int) -> bool:
        """Takes so many; False where there are not as many."""
        if octets > self.left:
            return False
        self.left -= octets
        return True

    def give_back(self, octets: int) -> None:
        """Undoes `take`."""
        self.left += octets


class Incoming:
    """Octets after DATA, up to the lone dot. `problem` is the answer to an e-mail that is too much, empty for others.

    `cut` tells that the client goes on beyond all measure. `close` gives back the room.
    """

    def __init__(self, octets_max: int, room: Room) -> None:
        self.problem = ""
        self._max, self._room = octets_max, room
        # The line end of DATA counts for a dot that comes first.
        self._data = bytearray(b"\r\n")
        self._taken = self._octets = self._lines = self._line = 0

    @property
    def cut(self) -> bool:
        """True if more came than is worth reading to its end."""
        return self._octets > (1 + DISCARDED_MAX) * self._max

    def feed(self, data: bytes) -> bytes | None:
        """Takes octets. Returns those that follow the end, None where it has not come."""
        begin = max(0, len(self._data) - len(_END) + 1)
        self._octets += len(data)
        self._data += data
        at = self._data.find(_END, begin)
        rest = None
        if at >= 0:
            rest = bytes(self._data[at + len(_END) :])
            del self._data[at + 2 :]
            data = data[: len(data) - len(rest) - 3]
        if not self.problem:
            self.problem = self._measure(data)
        if self.problem:
            self.close()
            del self._data[: -len(_END) + 1]
        return rest

    def _measure(self, data: bytes) -> str:
        if self._octets > self._max:
            return f"552 5.3.4 the e-mail is larger than {self._max // 1_000_000} MB"
        first, *others = data.split(b"\n")
        self._lines += len(others)
        if self._lines > LINES_MAX:
            return "554 5.6.1 the e-mail has too many lines; send its documents as PDF"
        longest = max([self._line + len(first), *map(len, others)])
        self._line = len(others[-1]) if others else self._line + len(first)
        if longest >= LINE_OCTETS_MAX:
            return "500 5.6.0 line too long (RFC 5321 4.5.3.1.6)"
        if not self._room.take(len(data)):
            return "452 4.3.1 too much e-mail comes in at a time; try again later"
        self._taken += len(data)
        return ""

    def content(self) -> bytes:
        """The e-mail, without the dots put before others (RFC 5321 §4.5.2)."""
        return bytes(self._data.replace(b"\r\n.", b"\r\n")[2:])

    def close(self) -> None:
        """Gives back the room."""
        self._room.give_back(self._taken)
        self._taken = 0
