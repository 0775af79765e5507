# SPDX-License-Identifier: GPL-2.0-or-later
"""One thing to be posted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softfax.model import FaxResult

__all__ = ["CallbackBody", "later"]


@dataclass(frozen=True)
class CallbackBody:
    """A JSON body. `event_id` is the same whenever the same event is translated again; `path_suffix` is the event's name,
    for receivers that have a URL for each.
    """

    body: dict[str, Any]
    event_id: str
    path_suffix: str = ""


def later(result: FaxResult) -> str:
    """Suffix that tells the end of a fax from an earlier one, after it was sent once more."""
    return f"-{result.attempt}" if (result.attempt or 1) > 1 else ""
