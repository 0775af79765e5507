# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters of events: regular expressions of clients, of which none takes long over an event. Pure."""

from __future__ import annotations

import re
import time

__all__ = ["Filter"]

LENGTH_MAX = 256
#: Of an event, where the expression is more than words one after another.
TEXT_MAX = 2048
#: Ways through an expression at one place: `re` tries them all before it gives up.
CHOICES_MAX = 32
#: A filter that has taken longer over one event is asked no more. The time of this thread.
MATCH_S = 0.1
_TOO_DEAR = re.compile(r"\)[*+?{]|\\[1-9]|\(\?")
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\.\*\??|.", re.DOTALL)
_ANYTHING = (".*", ".*?")


class Filter:
    """`wanted` tells whether events that match are sent or, with `!`, are not. Raises re.error for what could take long."""

    def __init__(self, text: str) -> None:
        self.wanted, pattern = not text.startswith("!"), text.removeprefix("!")
        if len(pattern) > LENGTH_MAX or _TOO_DEAR.search(pattern):
            raise re.error("too long, or too much in it")
        # What is wrong in it is wrong as a whole.
        re.compile(pattern, re.DOTALL)
        tokens = _TOKEN.findall(pattern)
        self._text_max: int | None = None
        self._spent = False
        if set(tokens) & set("*+?{|("):
            _check_cost(tokens)
            parts, self._text_max = [pattern], TEXT_MAX
        else:
            # What any text may stand between is found one after the other, each where it first comes: each is of one length.
            parts = [""]
            for token in tokens:
                if token in _ANYTHING:
                    parts.append("")
                else:
                    parts[-1] += token
        self._parts = [re.compile(part, re.DOTALL) for part in parts if part]

    def matches(self, text: str) -> bool:
        """Return True if an event matches."""
        if self._spent:
            return False
        began, at = time.thread_time(), 0
        for part in self._parts:
            found = part.search(text[: self._text_max], at)
            if found is None:
                break
            at = found.end()
        else:
            return True
        self._spent = time.thread_time() - began > MATCH_S
        return False


def _check_cost(tokens: list[str]) -> None:
    """Raises re.error unless there is one repetition at most, and few choices."""
    while tokens and tokens[0] in _ANYTHING:
        tokens = tokens[1:]
    while tokens and tokens[-1] in _ANYTHING:
        tokens = tokens[:-1]
    choices, alternatives = 1, [1]
    for token in tokens:
        if token == "(":
            alternatives.append(1)
        elif token == "|":
            alternatives[-1] += 1
        elif token == ")":
            choices *= alternatives.pop()
        elif token == "?":
            choices *= 2
    if sum(token in ("*", "+", "{", *_ANYTHING) for token in tokens) > 1 or choices * alternatives[0] > CHOICES_MAX:
        raise re.error("too much in it")
