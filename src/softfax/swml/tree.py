# SPDX-License-Identifier: GPL-2.0-or-later
"""YAML and JSON as plain values that know the line and column each of them stands at; bounded in size, depth and aliases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from softfax.errors import UsageError

__all__ = ["Node", "SwmlError", "parse_tree"]

BYTES_MAX = 256 << 10
DEPTH_MAX = 40
NODES_MAX = 20_000
TOO_MUCH = "the document is nested too deeply or too large"


class SwmlError(UsageError):
    """A SWML document is wrong; the message names its line and column."""


@dataclass(frozen=True)
class Node:
    """A value of a document: a dict of Nodes by name, a list of Nodes, or a plain value; `line` and `column` from 1."""

    value: Any
    line: int
    column: int

    def wrong(self, problem: str, remedy: str = "") -> SwmlError:
        """An error at this place."""
        return SwmlError(f"line {self.line}, column {self.column}: {problem}", remedy)

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def parse_tree(text: str | bytes) -> Node:
    """The tree of a YAML or JSON document. Raises SwmlError."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > BYTES_MAX:
        raise SwmlError("the SWML document is too large", f"use at most {BYTES_MAX >> 10} kB")
    try:
        decoded = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SwmlError(f"the SWML document is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    if decoded.lstrip()[:1] in ("{", "["):
        _check_json(decoded)
        # A tab is one column in JSON, and none that YAML would take.
        decoded = decoded.replace("\t", " ")
    try:
        root = yaml.compose(decoded, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SwmlError(f"{where}{error.problem or 'not YAML'}", "correct that line") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SwmlError(f"the SWML document is not YAML ({type(error).__name__})", "check it") from None
    if root is None:
        raise SwmlError("the SWML document is empty", "it needs `sections: main:`")
    return _Builder().build(root, 0)


def _check_json(text: str) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise SwmlError(f"line {error.lineno}, column {error.colno}: {error.msg}", "correct the JSON there") from None
    except (RecursionError, ValueError):
        raise SwmlError("the SWML document is nested too deeply", "make it simpler") from None


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Ends where a document is too much, not after all of it has been read."""

    _nodes = _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node, with all below it."""
        self._nodes += 1
        if self._depth > DEPTH_MAX or self._nodes > 2 * NODES_MAX:
            raise yaml.MarkedYAMLError(problem=TOO_MUCH, problem_mark=self.peek_event().start_mark)
        self._depth += 1
        found = super().compose_node(parent, index)
        self._depth -= 1
        return found


class _Builder:
    """Convert YAML's nodes to ours. Aliases count each time they are used: a document cannot grow by them."""

    def __init__(self) -> None:
        self._count = 0
        self._safe = yaml.SafeLoader("")

    def build(self, node: yaml.Node, depth: int) -> Node:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        here = Node(None, line, column)
        self._count += 1
        if depth > DEPTH_MAX or self._count > NODES_MAX:
            raise here.wrong(TOO_MUCH, "make it simpler")
        if isinstance(node, yaml.MappingNode):
            entries: dict[str, Node] = {}
            for key, value in node.value:
                name = self._key(key)
                if name in entries:
                    raise Node(None, key.start_mark.line + 1, key.start_mark.column + 1).wrong(
                        f"{name!r} is given twice"
                    )
                entries[name] = self.build(value, depth + 1)
            return Node(entries, line, column)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.build(item, depth + 1) for item in node.value], line, column)
        return Node(self._scalar(node, here), line, column)

    def _key(self, key: yaml.Node) -> str:
        if not isinstance(key, yaml.ScalarNode):
            raise Node(None, key.start_mark.line + 1, key.start_mark.column + 1).wrong("a name is expected here")
        return str(key.value)

    def _scalar(self, node: yaml.Node, here: Node) -> Any:
        try:
            value = self._safe.construct_object(node)
            # Of a number in another base than ten there may be more digits than Python writes in ten.
            str(value)
        except (yaml.YAMLError, ValueError, OverflowError):
            raise here.wrong(f"{str(node.value)[:40]!r} is not a value") from None
        # Dates and the like are words here.
        return value if value is None or isinstance(value, (bool, int, float, str)) else str(node.value)
