# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks over HTTP, kept on disk until they are delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softfax.delivery.policy import RetryPolicy
from softfax.delivery.targets import CallbackTarget

__all__ = ["CallbackTarget", "Outbox", "OutboxSettings", "RetryPolicy"]

if TYPE_CHECKING:
    from softfax.delivery.outbox import Outbox, OutboxSettings


def __getattr__(name: str) -> Any:
    """Loads the outbox, and with it the database, when it is used."""
    if name in ("Outbox", "OutboxSettings"):
        from softfax.delivery import outbox

        return getattr(outbox, name)
    raise AttributeError(f"module 'softfax.delivery' has no attribute {name!r}")
