# SPDX-License-Identifier: GPL-2.0-or-later
"""The registrations of all accounts of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from softfax.sip import UserAgent
from softfax.station import wire
from softfax.station.config import StationConfig
from softfax.station.registration import Registration
from softfax.station.views import RegistrationView

__all__ = ["Registrations"]


class Registrations:
    """Keeps accounts registered, and reports what changes."""

    def __init__(self, report: Callable[[wire.Message], None]) -> None:
        self._report = report
        self._tasks: list[asyncio.Task[None]] = []
        self._registrations: list[Registration] = []

    def keep(self, agent: UserAgent, config: StationConfig) -> None:
        """Registers the accounts that want it."""
        self.close()
        for account in config.account:
            if account.register_:
                registration = Registration(agent, account.label, self._say)
                self._registrations.append(registration)
                self._tasks.append(asyncio.ensure_future(registration.keep()))

    def close(self) -> None:
        """Registers no more."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self._registrations.clear()

    def _say(self, text: str) -> None:
        self._report(wire.Said(text))
        self._report(wire.Registered(self.views()))

    def views(self) -> tuple[RegistrationView, ...]:
        """As they are now."""
        now = datetime.now(UTC)
        return tuple(
            RegistrationView(
                account=r.name,
                server="",
                state="registered" if r.registered else "failed",
                since=now,
                problem=r.problem,
            )
            for r in self._registrations
        )
