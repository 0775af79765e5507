# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from outside: what callers, far ends, e-mails, servers and files say of themselves. Pure.

`clean` is the one place that decides which characters of it reach a terminal, a log, a header, a trace or a program; all else
here is made of it. It is applied where text comes in, and once more where it is shown.
"""

from __future__ import annotations

import re

__all__ = ["argument", "clean", "escaped_json", "file_name", "paragraphs"]

NAME_CHARACTERS_MAX, NAME_OCTETS_MAX, SUFFIX_MAX = 80, 160, 8

#: Zero-width non-joiner and joiner: Persian, Hindi and others are not written without them.
_JOINERS = "\u200c\u200d"


def clean(text: str, most: int = 0, instead: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """One line that shows as what it is, of `most` characters at most (0 for any).

    White space of any kind becomes blanks; control characters, escape sequences, marks that turn the direction of writing, and
    what is no character become U+FFFD, or what `instead` is.
    """
    text = text[:most] if most else text
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() or ch in _JOINERS else " " if ch.isspace() else instead for ch in text)


def paragraphs(text: str) -> str:
    """Clean text of several lines: ends of lines and tabs stay."""
    if text.isprintable():
        return text
    parts = re.split(r"(\r?\n|\t)", text)
    parts[::2] = map(clean, parts[::2])
    return "".join(parts)


def argument(text: str) -> str:
    """A value as an argument of a program, where it cannot become an option."""
    return clean(text).lstrip().lstrip("-")


def file_name(text: str) -> str:
    """A name that is nothing but a name: no folders, no option, no characters that mean something to any program."""
    name = re.split(r"[/\\]", text)[-1]
    name = re.sub(r"[^\w .()@+,-]", "_", name).strip(" .").lstrip(" .-")
    stem, dot, suffix = name.rpartition(".")
    if not stem or not dot or len(suffix) >= SUFFIX_MAX:
        stem, suffix = name, ""
    else:
        suffix = f".{suffix}"
    stem = stem[: NAME_CHARACTERS_MAX - len(suffix)]
    # File systems count octets.
    while len((stem + suffix).encode()) > NAME_OCTETS_MAX:
        stem = stem[:-1]
    return stem + suffix


def escaped_json(text: str) -> str:
    """JSON with what is not printable escaped, so that a terminal shows it as it is; programs read the same."""
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() or ch in _JOINERS or ch == "\n" else _escape(ch) for ch in text)


def _escape(ch: str) -> str:
    units = ch.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
