# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions of conditions and substitutions: a small, safe part of JavaScript's, over the variables of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

__all__ = ["SUBSTITUTION", "ExpressionError", "copied", "evaluate", "is_true", "substitute", "text_of"]

LENGTH_MAX = 2000
DEPTH_MAX = 30
TEXT_MAX = 64 << 10
#: Of a value: its texts, and so much for each value in it.
VALUE_MAX, VALUE_OCTETS, VALUE_DEPTH_MAX = 512 << 10, 16, 60
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<name>[A-Za-z_$][\w$]*)"
    r"|(?P<op>===|!==|==|!=|<=|>=|&&|\|\||[-+*/%!<>()\[\].,?:]))"
)
SUBSTITUTION = re.compile(r"[%$]\{([^{}]*)\}")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "undefined": None}
_METHODS: dict[str, Callable[..., Any]] = {
    "includes": lambda s, x="": text_of(x) in s,
    "startsWith": lambda s, x="": s.startswith(text_of(x)),
    "endsWith": lambda s, x="": s.endswith(text_of(x)),
    "toLowerCase": lambda s: s.lower(),
    "toUpperCase": lambda s: s.upper(),
    "trim": lambda s: s.strip(),
}
_ORDER = {"<": lt, "<=": le, ">": gt, ">=": ge}


class ExpressionError(ValueError):
    """An expression cannot be read."""


def text_of(value: Any) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)[:TEXT_MAX]


def substitute(value: Any, variables: Mapping[str, Any]) -> Any:
    """`value` with `%{…}` and `${…}` replaced, in lists and tables too. A text that is one substitution keeps its type."""
    if isinstance(value, dict):
        return {key: substitute(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    whole = SUBSTITUTION.fullmatch(value.strip())
    if whole:
        return evaluate(whole[1], variables)
    return SUBSTITUTION.sub(lambda m: text_of(evaluate(m[1], variables)), value)[:TEXT_MAX]


def copied(value: Any) -> tuple[Any, int]:
    """A copy, which holds nothing twice nor itself, and its size. Raises ExpressionError for one that is too large."""
    size = 0

    def copy(one: Any, depth: int) -> Any:
        nonlocal size
        size += VALUE_OCTETS + (len(one) if isinstance(one, str) else 0)
        if size > VALUE_MAX or depth > VALUE_DEPTH_MAX:
            raise ExpressionError("the value is too large")
        if isinstance(one, Mapping):
            return {copy(key, depth): copy(item, depth + 1) for key, item in one.items()}
        if isinstance(one, (list, tuple)):
            return [copy(item, depth + 1) for item in one]
        return one

    return copy(value, 0), size


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """The value of an expression; a variable that is not set is None. Raises ExpressionError."""
    if len(expression) > LENGTH_MAX:
        raise ExpressionError("the expression is too long")
    return _Evaluator(_tokens(expression), variables).whole()


def _tokens(expression: str) -> list[tuple[str, str]]:
    out, at = [], 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            if expression[at:].strip():
                raise ExpressionError(f"unexpected {expression[at:].strip()[:10]!r}")
            break
        out.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return out


class _Evaluator:
    """Evaluates while it reads; both sides of && and || are read, which has no effect as nothing here has."""

    def __init__(self, tokens: list[tuple[str, str]], variables: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._variables = variables

    def whole(self) -> Any:
        value = self._ternary()
        if self._at < len(self._tokens):
            raise ExpressionError(f"unexpected {self._tokens[self._at][1]!r}")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) and self._tokens[self._at][0] == "op" else ""

    def _take(self, *operators: str) -> str:
        found = self._peek()
        if found and found in operators:
            self._at += 1
            return found
        return ""

    def _need(self, operator: str) -> None:
        if not self._take(operator):
            raise ExpressionError(f"{operator!r} is missing")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ExpressionError("the expression is nested too deeply")

    def _ternary(self) -> Any:
        self._deeper()
        condition = self._or()
        if self._take("?"):
            first = self._ternary()
            self._need(":")
            second = self._ternary()
            condition = first if is_true(condition) else second
        self._depth -= 1
        return condition

    def _or(self) -> Any:
        value = self._and()
        while self._take("||"):
            other = self._and()
            value = value if is_true(value) else other
        return value

    def _and(self) -> Any:
        value = self._equal()
        while self._take("&&"):
            other = self._equal()
            value = other if is_true(value) else value
        return value

    def _equal(self) -> Any:
        value = self._compare()
        while operator := self._take("===", "!==", "==", "!="):
            same = _same(value, self._compare(), strict=len(operator) == 3)
            value = same if operator[0] == "=" else not same
        return value

    def _compare(self) -> Any:
        value = self._sum()
        while operator := self._take("<=", ">=", "<", ">"):
            value = _ordered(value, self._sum(), operator)
        return value

    def _sum(self) -> Any:
        value = self._product()
        while operator := self._take("+", "-"):
            other = self._product()
            if operator == "+" and (isinstance(value, str) or isinstance(other, str)):
                value = (text_of(value) + text_of(other))[:TEXT_MAX]
            else:
                value = _number(value) + (_number(other) if operator == "+" else -_number(other))
        return value

    def _product(self) -> Any:
        value = self._unary()
        while operator := self._take("*", "/", "%"):
            a, b = _number(value), _number(self._unary())
            try:
                value = a * b if operator == "*" else a / b if operator == "/" else math.fmod(a, b)
            except (ZeroDivisionError, OverflowError, ValueError):
                value = math.nan
        return value

    def _unary(self) -> Any:
        operator = self._take("!", "-")
        if not operator:
            return self._postfix()
        self._deeper()
        value = self._unary()
        self._depth -= 1
        return not is_true(value) if operator == "!" else -_number(value)

    def _postfix(self) -> Any:
        value = self._atom()
        while True:
            if self._take("."):
                value = self._member(value)
            elif self._take("["):
                key = self._ternary()
                self._need("]")
                value = _at(value, key)
            else:
                return value

    def _member(self, value: Any) -> Any:
        kind, name = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if kind not in ("name", "number"):
            raise ExpressionError("a name is missing after '.'")
        self._at += 1
        if not self._take("("):
            return len(value) if name == "length" and isinstance(value, (str, list)) else _at(value, name)
        arguments = []
        while not self._take(")"):
            arguments.append(self._ternary())
            if not self._take(","):
                self._need(")")
                break
        if name not in _METHODS:
            raise ExpressionError(f"there is no function {name}")
        try:
            return _METHODS[name](text_of(value), *arguments)
        except TypeError:
            raise ExpressionError(f"wrong arguments for {name}") from None

    def _atom(self) -> Any:
        if self._take("("):
            value = self._ternary()
            self._need(")")
            return value
        if self._at >= len(self._tokens):
            raise ExpressionError("a value is missing")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return float(text) if "." in text else int(text[:300])
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind != "name":
            raise ExpressionError(f"unexpected {text!r}")
        if text in _WORDS:
            return _WORDS[text]
        return self._variables.get(text)


def _at(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(text_of(key))
    if isinstance(value, (list, str)):
        try:
            return value[int(text_of(key))]
        except (ValueError, IndexError):
            return None
    return None


def is_true(value: Any) -> bool:
    """Return True if a condition with this value holds."""
    return bool(value) if not isinstance(value, (dict, list)) else True


def _number(value: Any) -> float:
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    try:
        return float(text_of(value)) if text_of(value).strip() else 0.0
    except ValueError:
        return math.nan


def _same(a: Any, b: Any, *, strict: bool) -> bool:
    if isinstance(a, (dict, list)) or isinstance(b, (dict, list)):
        return a is b
    if a is None or b is None:
        return a is None and b is None
    if type(a) is type(b) or (_numeric(a) and _numeric(b)):
        return bool(a == b)
    return not strict and _number(a) == _number(b)


def _numeric(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _ordered(a: Any, b: Any, operator: str) -> bool:
    x: Any = a
    y: Any = b
    if not (isinstance(a, str) and isinstance(b, str)):
        x, y = _number(a), _number(b)
    return bool(_ORDER[operator](x, y))
