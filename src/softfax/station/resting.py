# SPDX-License-Identifier: GPL-2.0-or-later
"""Accounts whose server asks to be left alone for a while (Retry-After): calls go through others first. Pure."""

from __future__ import annotations

from softfax.fax.outcome import NO_T30
from softfax.model import FaxResult
from softfax.sipstatus import status

__all__ = ["Resting"]


class Resting:
    """Accounts that rest, and until when."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, account: str, result: FaxResult, now: float) -> None:
        """Take note of the end of a call through an account: one whose server takes no calls rests, any other end wakes it."""
        unanswered = result.result_code >= NO_T30 and status(result.sip_code, result.q850 or 0).gone
        if unanswered and result.retry_after_s:
            self._until[account] = now + result.retry_after_s
        elif not unanswered:
            self._until.pop(account, None)

    def accounts(self, now: float) -> set[str]:
        """Names of the accounts that rest."""
        return {account for account, until in self._until.items() if until > now}
