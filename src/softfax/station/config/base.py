# SPDX-License-Identifier: GPL-2.0-or-later
"""Base of all tables of the configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from softfax.delivery.targets import check_url
from softfax.options import passing
from softfax.sip.accounts import network
from softfax.sip.types import parse_listen

__all__ = [
    "Listen",
    "Misplaced",
    "Networks",
    "Prefix",
    "Seconds",
    "Table",
    "Unfit",
    "Url",
    "address_here",
    "alike",
    "matching",
    "state_dir",
]

Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]


def state_dir() -> Path:
    """Data folder of a user's station: $XDG_STATE_HOME/softfax, usually ~/.local/state/softfax."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "softfax"


class Misplaced(ValueError):
    """A mistake that only a larger table sees, with the `place` in that table where it was made."""

    def __init__(self, text: str, *place: int | str) -> None:
        super().__init__(text)
        self.place = place


class Unfit(ValueError):
    """A value that cannot be; the text is what to write instead."""


def matching(pattern: str, remedy: str) -> AfterValidator:
    """Text that matches the pattern as a whole; what does not is a mistake that says `remedy`."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise Unfit(remedy)
        return value

    return AfterValidator(check)


#: A host as others reach it: a name or an address, without a port.
address_here = matching(
    r"|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]?|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?",
    'write an address or a name alone, like "203.0.113.7"',
)


def alike(names: Sequence[str], what: str, *place: str, any_case: bool = False) -> None:
    """Check that no two entries of the array at `place` have one name, nor with `any_case` names that differ by case alone.
    Raises Misplaced.
    """
    seen: dict[str, str] = {}
    for index, name in enumerate(names):
        other = seen.setdefault(name.lower() if any_case else name, name)
        if len(seen) <= index:
            case = f", and {name} is the same" if other != name else ""
            raise Misplaced(f"another {what} is called {other} too{case}; give each a name", *place, index)


#: HOST:PORT to listen on.
Listen = Annotated[str, passing(parse_listen)]
#: Addresses and networks.
Networks = Annotated[tuple[str, ...], passing(lambda texts: [network(text) for text in texts])]
#: Where callbacks are posted to.
Url = Annotated[str, passing(check_url)]
#: How a number begins.
Prefix = Annotated[str, matching(r"\+?[0-9*#]{0,20}", 'write it without blanks, like "+4930"')]


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
