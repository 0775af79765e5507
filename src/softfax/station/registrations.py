# SPDX-License-Identifier: GPL-2.0-or-later
"""The accounts of a process: in force at its user agent, kept registered, and watched where there is no registration."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from softfax.sip.agent import UserAgent
from softfax.sip.types import SipAccount
from softfax.station import wire
from softfax.station.host import Report
from softfax.station.reachability import Reachability
from softfax.station.registration import Registration
from softfax.station.views import RegistrationView

__all__ = ["Registrations"]


class Registrations:
    """Keeps accounts registered, asks for the servers of others, and reports what changes."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._accounts: tuple[SipAccount, ...] = ()
        self._kept: dict[str, tuple[SipAccount, Registration | Reachability, asyncio.Task[None]]] = {}
        self._began = datetime.now(UTC)
        self._applying = asyncio.Lock()

    async def apply(self, agent: UserAgent, accounts: Sequence[SipAccount]) -> None:
        """Replace all accounts by these; calls go on, and unchanged accounts stay registered. Raises UsageError."""
        async with self._applying:
            wanted = {account.name: account for account in accounts}
            for name, (account, _, task) in list(self._kept.items()):
                if wanted.get(name) != account:
                    task.cancel()
                    del self._kept[name]
            await agent.set_accounts(accounts)
            self._accounts = tuple(accounts)
            for account in accounts:
                if account.name not in self._kept:
                    self._keep(agent, account)
            self._changed()

    def _keep(self, agent: UserAgent, account: SipAccount) -> None:
        kept: Registration | Reachability
        if account.register:
            kept = Registration(agent, account.name, self._say, self._changed, server=account.server)
        elif account.options_s:
            kept = Reachability(agent, account.name, account.options_s, self._say, self._changed, server=account.server)
        else:
            return
        self._kept[account.name] = (account, kept, asyncio.ensure_future(kept.keep()))

    def close(self) -> None:
        """Registers no more."""
        for _, _, task in self._kept.values():
            task.cancel()
        self._kept.clear()

    def _say(self, text: str) -> None:
        self._report(wire.Notice(text))

    def _changed(self) -> None:
        self._report(wire.Registered(self.views()))

    def views(self) -> tuple[RegistrationView, ...]:
        """Current states, in the order of the configuration."""
        return tuple(
            self._kept[account.name][1].view()
            if account.name in self._kept
            else RegistrationView(account=account.name, server=account.server, state="unregistered", since=self._began)
            for account in self._accounts
        )
