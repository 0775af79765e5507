# SPDX-License-Identifier: GPL-2.0-or-later
"""Vocabularies of other systems: pure functions from the typed events to the bodies of callbacks.

A vocabulary is one module here with `DIALECT`, its name, and `callbacks(update)`, which gives none, one or several
`CallbackBody`s for an event.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache

from softfax.errors import UsageError
from softfax.model import Direction, FaxUpdate
from softfax.vocabularies import native
from softfax.vocabularies.callback import CallbackBody

__all__ = ["CallbackBody", "callbacks", "dialects"]

Translate = Callable[[FaxUpdate], "Iterable[CallbackBody]"]


@cache
def _vocabularies() -> dict[str, Translate]:
    found: dict[str, Translate] = {}
    for module in pkgutil.iter_modules(__path__):
        words = importlib.import_module(f"{__name__}.{module.name}")
        if hasattr(words, "DIALECT"):
            found[words.DIALECT] = words.callbacks
    return found


def dialects() -> tuple[str, ...]:
    """The names of all vocabularies that callbacks can be in."""
    return tuple(sorted(_vocabularies()))


def callbacks(dialect: str, update: FaxUpdate) -> list[CallbackBody]:
    """Bodies to post for an event, in order. Raises UsageError for an unknown dialect."""
    try:
        translate = _vocabularies()[dialect]
    except KeyError:
        raise UsageError(f"no dialect of callbacks: {dialect}", "use " + ", ".join(dialects())) from None
    # Other systems know what they send and receive.
    if update.context.direction is Direction.GATEWAY and dialect != native.DIALECT:
        return []
    return list(translate(update))
