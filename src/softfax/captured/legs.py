# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls in a capture that a gateway has joined: the two legs of one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from softfax.captured.calls import CapturedCall
from softfax.captured.fax import ANSWERER, CALLER

__all__ = ["join_legs"]

#: A gateway that listens first, or tries other routes, places its second call so long after the first.
ONWARD_S = 90.0


def join_legs(calls: Sequence[CapturedCall]) -> list[tuple[CapturedCall, ...]]:
    """The calls, each by itself or before the one by which it goes on: placed, while it was up, from where it was taken."""
    joined: dict[int, CapturedCall] = {}
    legs: set[int] = set()
    for first in calls:
        for second in calls:
            if id(first) not in joined and id(second) not in legs and first is not second and _goes_on(first, second):
                joined[id(first)] = second
                legs.add(id(second))
    return [
        (call, joined[id(call)]) if id(call) in joined else (call,) for call in calls if id(call) not in legs
    ]  # fmt: skip


def _goes_on(first: CapturedCall, second: CapturedCall) -> bool:
    taken, placed = first.address_of(ANSWERER), second.address_of(CALLER)
    if taken is None or placed is None or taken != placed:
        return False
    if first.address_of(CALLER) == second.address_of(ANSWERER):
        return False  # it leads back: two calls between the same two
    after_s = (second.began_us - first.began_us) / 1e6
    if not 0 <= after_s <= ONWARD_S or second.began_us > first.last_us:
        return False
    # T.30 passes, so each side is the same machine in both.
    sides = set(first.fax.idents) & set(second.fax.idents)
    return all(first.fax.idents[side] == second.fax.idents[side] for side in sides)
