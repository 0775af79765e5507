# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mails as they come in: the end is found however the octets come, and what is too much is refused while it comes."""

from __future__ import annotations

import random
import re

import pytest

from softfax.documents.letters.mime import LINES_MAX
from softfax.mail.incoming import LINE_OCTETS_MAX, Incoming, Room

MB = 1_000_000


def whole(content: bytes, sizes: random.Random, after: bytes = b"") -> tuple[Incoming, bytes]:
    """Return what came of an e-mail in pieces of any size, and what was left."""
    incoming, data = Incoming(MB, Room(MB)), content + b".\r\n" + after
    at = 0
    while at < len(data):
        size = sizes.choice((1, 2, 3, 7, 1000, 5000))
        if (rest := incoming.feed(data[at : at + size])) is not None:
            return incoming, rest + data[at + size :]
        at += size
    raise AssertionError("the end was not found")


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"", b""),
        (b"\r\n", b"\r\n"),
        (b"one\r\n", b"one\r\n"),
        (b"..\r\n...two\r\n", b".\r\n..two\r\n"),
        (b"a\r\n\r\n..\r\n", b"a\r\n\r\n.\r\n"),
        (b"a\n.\nb\r\n", b"a\n.\nb\r\n"),
        (b"a\r.\r\r\n", b"a\r.\r\r\n"),
        (b"a\n.\r\nb\r\n", b"a\n.\r\nb\r\n"),
    ],
    ids=repr,
)
def test_the_end_and_the_dots(content: bytes, read: bytes) -> None:
    """Also what other servers take for an end and hide commands behind."""
    for seed in range(30):
        incoming, rest = whole(content, random.Random(seed), b"QUIT\r\n")
        assert (incoming.problem, incoming.content(), rest) == ("", read, b"QUIT\r\n")


def test_any_octets_come_as_they_were_sent() -> None:
    for seed in range(200):
        dice = random.Random(seed)
        lines = [bytes(dice.choices(b"\r.ax", k=dice.randrange(6))) for _ in range(dice.randrange(8))]
        content = b"".join(line + b"\r\n" for line in lines)
        incoming, rest = whole(re.sub(rb"(^|\r\n)\.", rb"\1..", content), dice)
        assert (incoming.content(), rest) == (content, b"")


@pytest.mark.parametrize(
    ("piece", "times", "problem"),
    [
        (b"a" * 100 + b"\r\n", 10_000, "552 5.3.4"),
        (b"\r\n" * 30_000, LINES_MAX // 30_000 + 1, "554 5.6.1"),
        (b"b" * 500, 3, "500 5.6.0"),
        (b"b" * LINE_OCTETS_MAX + b"\r\n", 1, "500 5.6.0"),
    ],
)
def test_what_is_too_much_is_refused_and_not_kept(piece: bytes, times: int, problem: str) -> None:
    size = MB if problem.startswith("552") else 10 * MB
    room = Room(size)
    incoming = Incoming(size, room)
    for _ in range(times):
        assert incoming.feed(piece) is None
    assert incoming.feed(b"\r\n.\r\nRSET\r\n") == b"RSET\r\n"
    assert incoming.problem.startswith(problem)
    assert (room.left, len(incoming._data) <= 10) == (size, True)


def test_all_together_have_room_for_so_much() -> None:
    room = Room(1500)
    first, second = Incoming(MB, room), Incoming(MB, room)
    assert first.feed(b"a" * 900 + b"\r\n") is None
    second.feed(b"a" * 900 + b"\r\n.\r\n")
    assert second.problem.startswith("452 4.3.1")
    first.feed(b".\r\n")
    assert (first.problem, len(first.content())) == ("", 902)
    first.close()
    first.close()
    assert room.left == 1500


def test_a_client_that_goes_on_for_ever_is_cut() -> None:
    incoming = Incoming(MB, Room(MB))
    sent = 0
    while not incoming.cut:
        incoming.feed(b"a\r\n" * 20_000)
        sent += 60_000
    assert 3 * MB < sent < 4 * MB
