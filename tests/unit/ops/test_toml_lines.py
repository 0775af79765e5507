# SPDX-License-Identifier: GPL-2.0-or-later
"""Line of a key in a file."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from softfax.ops.settings import toml
from softfax.ops.toml_lines import key_lines, line_of

FILE = '''\
# a file
top = 1
"quo.ted" = """
several
lines""" # remark
[sip]
listen = "a#b" # [not.a.table]
dotted.inner = 2

[[account]]
server = "x"
numbers = [
  "1", # one
  "2",
]
[account.t38]
use = "offer"
[[account]]
server = 'y'
rule = [{match = "a", replace = "]"}, {match = "b"}]
[account.t38]
use = 7
[[ami.user]]
name = "n"
'''


def test_lines() -> None:
    lines = key_lines(FILE)
    expected = {
        ("top",): 2,
        ("quo.ted",): 3,
        ("sip",): 6,
        ("sip", "listen"): 7,
        ("sip", "dotted", "inner"): 8,
        ("account", 0): 10,
        ("account", 0, "server"): 11,
        ("account", 0, "numbers"): 12,
        ("account", 0, "numbers", 1): 14,
        ("account", 0, "t38", "use"): 17,
        ("account", 1, "server"): 19,
        ("account", 1, "rule", 1, "match"): 20,
        ("account", 1, "t38", "use"): 22,
        ("ami", "user", 0, "name"): 24,
    }
    assert {place: lines.get(place) for place in expected} == expected
    assert line_of(lines, ("account", 1, "password")) == 18
    assert line_of(lines, ("nowhere", "x")) == 1


def test_windows_line_ends() -> None:
    assert key_lines("a = 1\r\n[b]\r\nc = 2\r\n")[("b", "c")] == 3


_names = st.text(min_size=1, max_size=6)
_values = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
    if isinstance(value, dict):
        return {at} | {p for name, inner in value.items() for p in places(inner, (*at, name))}
    if isinstance(value, list):
        return {at} | {p for i, inner in enumerate(value) for p in places(inner, (*at, i))}
    return {at}


@given(st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), _values, max_size=4))
def test_every_key_of_any_file_is_found(values: dict[str, Any]) -> None:
    text = toml(values)
    assert tomllib.loads(text) == values
    lines = key_lines(text)
    assert places(values) - {()} - {p for p in places(values) if p not in lines and _empty(values, p)} <= set(lines)


def _empty(values: Any, place: tuple[Any, ...]) -> bool:
    for part in place:
        values = values[part]
    return values in ([], {})


def test_what_is_nested_without_end_ends() -> None:
    for opening in ("[", "{a="):
        assert key_lines("a = 1\ni = " + opening * 10_000)[("a",)] == 1


@given(st.text())
def test_any_text_ends(text: str) -> None:
    key_lines(text)
