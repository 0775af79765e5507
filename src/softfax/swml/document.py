# SPDX-License-Identifier: GPL-2.0-or-later
"""SWML documents: which methods there are, what each takes, and whether a document keeps to it. Errors name the line.

version: 1.0.0
sections:
  main:
    - send_fax: {document: "https://example.com/letter.pdf", status_url: "https://example.com/fax"}
    - cond:
        - when: send_fax_result == 'success'
          then: [hangup]
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from softfax.swml.expression import SUBSTITUTION, ExpressionError, evaluate
from softfax.swml.tree import Node, SwmlError, parse_tree

__all__ = ["Instruction", "Node", "SwmlDocument", "SwmlError", "load"]

VERSIONS = re.compile(r"1(\.\d+){0,2}\Z")
JUMPS_MAX = 100


@dataclass(frozen=True)
class Instruction:
    """One step: a method and what it is given."""

    method: str
    given: Any
    node: Node


@dataclass(frozen=True)
class SwmlDocument:
    """A checked document: its sections by name; `main` is where it begins."""

    sections: Mapping[str, tuple[Instruction, ...]]


def load(text: str | bytes) -> SwmlDocument:
    """Reads and checks a document. Raises SwmlError with line and column."""
    root = parse_tree(text)
    fields = _table(root, "a SWML document", ("sections",), ("version", "sections"))
    if "version" in fields:
        version = fields["version"]
        if not VERSIONS.match(str(version.value)):
            raise version.wrong(f"version {version.value!r} is not known", "write 1.0.0")
    sections = fields["sections"]
    if not isinstance(sections.value, dict) or "main" not in sections.value:
        raise sections.wrong("there is no section `main`", "a document begins with sections: main: [...]")
    loaded = {name: _section(node) for name, node in sections.value.items()}
    for instructions in loaded.values():
        _check_targets(instructions, loaded)
    return SwmlDocument(loaded)


# ---- shapes ------------------------------------------------------------------------------------------------------------


def _table(node: Node, what: str, needed: tuple[str, ...], known: tuple[str, ...]) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise node.wrong(f"{what} is a table", f"write {known[0]}: …")
    for name, value in node.value.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(known)
            raise value.wrong(f"{what} has no {name!r}", hint)
    for name in needed:
        if name not in node.value:
            raise node.wrong(f"{what} needs {name!r}", f"write {name}: …")
    return node.value


def _text(node: Node, what: str) -> str:
    if isinstance(node.value, (dict, list)) or node.value is None or node.value == "":
        raise node.wrong(f"{what} is a text")
    return str(node.value)


def _url(node: Node, what: str) -> str:
    text = _text(node, what)
    if not re.match(r"(https?://[^\s/]+|[%$]\{)", text, re.I):
        raise node.wrong(f"{what} is not an http or https URL: {text[:60]!r}", "write https://…")
    return text


def _section(node: Node) -> tuple[Instruction, ...]:
    if not isinstance(node.value, list):
        raise node.wrong("a section is a list of methods", "begin each with `- `")
    return tuple(_instruction(item) for item in node.value)


def _instruction(node: Node) -> Instruction:
    if isinstance(node.value, str):
        name, given = node.value, Node({}, node.line, node.column)
    elif isinstance(node.value, dict) and len(node.value) == 1:
        ((name, given),) = node.value.items()
        if given.value is None:
            given = Node({}, given.line, given.column)
    else:
        raise node.wrong("a method is expected here, one an item", "write - send_fax: {…}, or - hangup")
    if name not in _METHODS:
        near = difflib.get_close_matches(name, _METHODS, 1)
        hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(sorted(_METHODS))
        raise node.wrong(f"there is no method {name!r}", hint)
    return Instruction(name, _METHODS[name](given), node)


def _fields(node: Node, what: str, needed: tuple[str, ...] = (), **known: Callable[[Node, str], Any]) -> dict[str, Any]:
    table = _table(node, what, needed, tuple(known) or ("nothing",))
    return {name: known[name](value, f"{what}: {name}") for name, value in table.items()}


def _any(node: Node, what: str) -> Any:
    del what
    return node.plain()


def _map(node: Node, what: str) -> dict[str, Any]:
    if not isinstance(node.value, dict):
        raise node.wrong(f"{what} is a table", "write NAME: VALUE")
    return dict(node.plain())


def _steps(node: Node, what: str) -> tuple[Instruction, ...]:
    del what
    return _section(node)


def _seconds(node: Node, what: str) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, (int, float)) or not 0 < node.value <= 3600:
        raise node.wrong(f"{what} is a number of seconds above 0")
    return float(node.value)


def _flag(node: Node, what: str) -> bool:
    if not isinstance(node.value, bool):
        raise node.wrong(f"{what} is true or false")
    return node.value


def _condition(node: Node, what: str) -> str:
    """An expression, which may be written as a substitution too."""
    text = _text(node, what) if not isinstance(node.value, bool) else str(node.value).lower()
    whole = SUBSTITUTION.fullmatch(text.strip())
    text = whole[1] if whole else text
    try:
        evaluate(text, {})
    except ExpressionError as error:
        raise node.wrong(f"{what} cannot be read: {error}", "compare as in send_fax_result == 'success'") from None
    return text


def _count(node: Node, what: str) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not 1 <= node.value <= JUMPS_MAX:
        raise node.wrong(f"{what} is a number from 1 to {JUMPS_MAX}")
    return node.value


# ---- methods -------------------------------------------------------------------------------------------------------------


def _send_fax(node: Node) -> Any:
    return _fields(node, "send_fax", ("document",), document=_text, header_info=_text, identity=_text, status_url=_url)


def _receive_fax(node: Node) -> Any:
    return _fields(node, "receive_fax", status_url=_url)


def _execute(node: Node) -> Any:
    if isinstance(node.value, str):
        return {"dest": node.value}
    return _fields(node, "execute", ("dest",), dest=_text, params=_map, meta=_map, on_return=_steps)


def _transfer(node: Node) -> Any:
    if isinstance(node.value, str):
        return {"dest": node.value}
    return _fields(node, "transfer", ("dest",), dest=_text, params=_map, meta=_map)


def _request(node: Node) -> Any:
    given = _fields(
        node, "request", ("url",), url=_url, method=_text, headers=_map, body=_any, timeout=_seconds,
        connect_timeout=_seconds, save_variables=_flag,
    )  # fmt: skip
    method = str(given.setdefault("method", "GET")).upper()
    if method not in ("GET", "POST", "PUT", "DELETE"):
        raise node.value["method"].wrong(f"request: method {method!r} is not known", "use GET, POST, PUT or DELETE")
    return {**given, "method": method}


def _set(node: Node) -> Any:
    return _map(node, "set")


def _unset(node: Node) -> Any:
    names = node.value if isinstance(node.value, list) else [node]
    return [_text(item, "unset") for item in names]


def _cond(node: Node) -> Any:
    if not isinstance(node.value, list) or not node.value:
        raise node.wrong("cond is a list of when and then", "write - when: …")
    branches = []
    for item in node.value:
        known = _branch(item)
        if ("when" in known) != ("then" in known) or not known:
            raise item.wrong("cond needs when with then, or else alone", "write - when: … and then: [...]")
        branches.append(known)
    return branches


def _branch(node: Node) -> dict[str, Any]:
    readers: dict[str, Callable[[Node, str], Any]] = {"when": _condition, "then": _steps, "else": _steps}
    table = _table(node, "cond", (), tuple(readers))
    return {name: readers[name](value, f"cond: {name}") for name, value in table.items()}


def _switch(node: Node) -> Any:
    def cases(value: Node, what: str) -> dict[str, tuple[Instruction, ...]]:
        table = value.value
        if not isinstance(table, dict):
            raise value.wrong(f"{what} is a table of lists")
        return {name: _section(steps) for name, steps in table.items()}

    return _fields(node, "switch", ("variable",), variable=_text, case=cases, default=_steps)


def _goto(node: Node) -> Any:
    if isinstance(node.value, str):
        return {"label": node.value}
    return _fields(node, "goto", ("label",), label=_text, when=_condition, max=_count)


def _label(node: Node) -> Any:
    return _text(node, "label")


def _hangup(node: Node) -> Any:
    return _fields(node, "hangup", reason=_text)


def _return(node: Node) -> Any:
    return node.plain() if node.value != {} else None


def _answer(node: Node) -> Any:
    return _fields(node, "answer", max_duration=_seconds)


_METHODS: dict[str, Callable[[Node], Any]] = {
    "answer": _answer,
    "send_fax": _send_fax,
    "receive_fax": _receive_fax,
    "execute": _execute,
    "request": _request,
    "set": _set,
    "unset": _unset,
    "cond": _cond,
    "switch": _switch,
    "transfer": _transfer,
    "goto": _goto,
    "label": _label,
    "hangup": _hangup,
    "return": _return,
}


def _check_targets(instructions: tuple[Instruction, ...], sections: Mapping[str, Any]) -> None:
    """Every goto has its label in the same list, every execute its section (or is a URL)."""
    labels = {i.given for i in instructions if i.method == "label"}
    for instruction in instructions:
        given = instruction.given
        if instruction.method == "goto" and given["label"] not in labels and not _is_open(given["label"]):
            raise instruction.node.wrong(
                f"there is no label {given['label']!r} here", "write - label: … in the same list"
            )
        if instruction.method in ("execute", "transfer"):
            dest = given["dest"]
            if not re.match(r"https?://", dest, re.I) and dest not in sections and not _is_open(dest):
                raise instruction.node.wrong(f"there is no section {dest!r}", "name a section or an http(s) URL")
            _check_targets(given.get("on_return", ()), sections)
        if instruction.method == "cond":
            for branch in given:
                _check_targets(branch.get("then", ()), sections)
                _check_targets(branch.get("else", ()), sections)
        if instruction.method == "switch":
            for steps in (*given.get("case", {}).values(), given.get("default", ())):
                _check_targets(steps, sections)


def _is_open(text: str) -> bool:
    return "%{" in text or "${" in text
