# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors of what is asked about a fax that is kept."""

from __future__ import annotations

from softfax.errors import UsageError

__all__ = ["EndedError", "IdempotencyError", "NoFaxError"]


class IdempotencyError(UsageError):
    """An idempotency key was used for another request."""

    def __init__(
        self,
        problem: str = "this idempotency key was used for another request",
        remedy: str = "use a key of its own for each request",
    ) -> None:
        super().__init__(problem, remedy)


class NoFaxError(UsageError):
    """Unknown fax."""

    def __init__(self, fax_id: str) -> None:
        super().__init__(f"there is no fax {fax_id[:40]}", "`softfax jobs` lists them")


class EndedError(UsageError):
    """The fax has ended, or not yet, so that this cannot be done."""
