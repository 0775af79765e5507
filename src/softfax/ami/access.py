# SPDX-License-Identifier: GPL-2.0-or-later
"""Permission classes and event masks of the manager interface, in Asterisk's names."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag

from softfax.errors import ConfigError

__all__ = ["Permission", "event_mask", "permissions", "privilege"]


class Permission(IntFlag):
    """The classes, with Asterisk's values: `read` of a user says which events it sees, `write` which actions it may use."""

    SYSTEM = 1 << 0
    CALL = 1 << 1
    LOG = 1 << 2
    VERBOSE = 1 << 3
    COMMAND = 1 << 4
    AGENT = 1 << 5
    USER = 1 << 6
    CONFIG = 1 << 7
    DTMF = 1 << 8
    REPORTING = 1 << 9
    CDR = 1 << 10
    DIALPLAN = 1 << 11
    ORIGINATE = 1 << 12
    AGI = 1 << 13
    CC = 1 << 14
    AOC = 1 << 15
    TEST = 1 << 16
    SECURITY = 1 << 17
    MESSAGE = 1 << 18
    ALL = (1 << 19) - 1


_NAMES = {flag.name.lower(): flag for flag in Permission.__members__.values() if flag.name}
_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})
_FALSE = frozenset({"no", "false", "n", "f", "0", "off"})


def permissions(names: str | Iterable[str]) -> Permission:
    """The classes of a user, as a list or with commas between: `system, call, all`. Raises ConfigError for others."""
    found = Permission(0)
    for name in names.split(",") if isinstance(names, str) else names:
        word = name.strip().lower()
        if not word or word == "none":
            continue
        if word not in _NAMES:
            raise ConfigError(f"no such AMI permission: {name!r}", f"use some of {', '.join(_NAMES)}")
        found |= _NAMES[word]
    return found


def event_mask(text: str) -> Permission | None:
    """The classes of an event mask: on, off, a number, or names with commas between. None for an empty one.

    Unknown names count for nothing, as in Asterisk.
    """
    if not text:
        return None
    word = text.lower()
    if word in _FALSE:
        return Permission(0)
    if word in _TRUE:
        return Permission.ALL
    if text.isascii() and text.isdigit():
        return Permission(int(text[:9]) & int(Permission.ALL))
    mask = Permission(0)
    for name in text.split(","):
        mask |= _NAMES.get(name.strip(), Permission(0))
    return mask


def privilege(classes: Permission) -> str:
    """The classes as Privilege lines and ListCommands show them: `call,all`; `<none>` for none."""
    names = [name for name, flag in _NAMES.items() if flag is not Permission.ALL and flag in classes]
    return ",".join([*names, "all"]) if names else "<none>"
