# SPDX-License-Identifier: GPL-2.0-or-later
"""The framing: what a client may send, whole or octet by octet, and what it cannot make us send."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softfax.ami.wire import HEADERS_MAX, LINE_OCTETS_MAX, LINE_TOO_LONG, TOO_MANY_LINES, Action, Framer, encode


def frame(data: bytes) -> list[Action]:
    return Framer().feed(data)


def test_lines_end_with_cr_lf_or_lf_and_keys_have_no_case() -> None:
    for end in (b"\r\n", b"\n"):
        (action,) = frame(end.join([b"action:Ping", b"ACTIONID:  7 ", b"", b""]))
        assert (action.name, action.action_id) == ("Ping", "7 ")


def test_repeated_headers_are_kept_in_order_and_the_first_counts() -> None:
    (action,) = frame(b"Variable: a=1\r\nAction: X\r\nVariable: b=2\r\nAction: Y\r\n\r\n")
    assert action.all("variable") == ["a=1", "b=2"]
    assert action.name == "X"


def test_a_line_without_colon_or_with_a_blank_before_it_is_no_such_header() -> None:
    (action,) = frame(b"nonsense\r\n Action: Ping\r\nAction : Ping\r\n\r\n")
    assert action.name == ""


def test_every_blank_line_ends_an_action() -> None:
    assert frame(b"\r\n\n") == [Action(), Action()]


def test_the_longest_line_and_the_most_headers() -> None:
    line = b"X: " + b"y" * (LINE_OCTETS_MAX - 5)
    (good,) = frame(line + b"\r\n\r\n")
    assert len(good.get("X")) == LINE_OCTETS_MAX - 5
    (long,) = frame(b"ActionID: 1\r\n" + line + b"y\r\nAction: Ping\r\n\r\n")
    assert (long.problem, long.action_id, long.name) == (LINE_TOO_LONG, "1", "Ping")
    (most,) = frame(b"X: 1\n" * HEADERS_MAX + b"\n")
    assert not most.problem
    (more,) = frame(b"X: 1\n" * (HEADERS_MAX + 1) + b"\n")
    assert more.problem == TOO_MANY_LINES
    assert len(more.headers) == HEADERS_MAX


def test_a_line_without_end_takes_no_memory() -> None:
    framer = Framer()
    for _ in range(1000):
        assert framer.feed(b"x" * 4096) == []
    assert len(framer._line) <= LINE_OCTETS_MAX
    (action,) = framer.feed(b"\n\n")
    assert action.problem == LINE_TOO_LONG


def test_octets_that_are_no_utf_8_come_back_as_they_were() -> None:
    (action,) = frame(b"ActionID: \xff\xfe\xc3\xa9\r\n\r\n")
    assert encode([("ActionID", action.action_id)]) == b"ActionID: \xff\xfe\xc3\xa9\r\n\r\n"


def test_no_value_ends_a_line() -> None:
    assert encode([("A", "x\r\nEvent: y\n\n\0z")]) == b"A: x  Event: y  z\r\n\r\n"


_LINES = st.sampled_from(
    [
        b"Action: Ping",
        b"ActionID: 1",
        b"",
        b"x",
        b":",
        b"X:" + b"y" * 1020,
        b"X:" + b"y" * 1021,
        b"X:" + b"y" * 3000,
        b"\0",
    ]
)
_BLOCKS = st.lists(st.tuples(_LINES, st.sampled_from([b"\r\n", b"\n", b"\r", b""])), max_size=40).map(
    lambda parts: b"".join(line + end for line, end in parts)
)


@given(st.one_of(st.binary(max_size=4000), _BLOCKS), st.lists(st.integers(1, 50), max_size=100))
def test_however_it_comes_in_the_actions_are_the_same(data: bytes, sizes: list[int]) -> None:
    whole = frame(data)
    single, pieces = Framer(), Framer()
    assert [action for i in range(len(data)) for action in single.feed(data[i : i + 1])] == whole
    found, rest = [], data
    for size in sizes:
        found += pieces.feed(rest[:size])
        rest = rest[size:]
    assert found + pieces.feed(rest) == whole
    for action in whole:
        assert len(action.headers) <= HEADERS_MAX
        echoed = encode([("Response", "x"), *action.headers])
        assert echoed.endswith(b"\r\n\r\n")
        assert len(echoed.split(b"\r\n")) == len(action.headers) + 3
