# SPDX-License-Identifier: GPL-2.0-or-later
"""Registrations are tried until they work, told in one line, and shown as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from softfax.errors import AuthenticationError, RegistrationError, SoftfaxError
from softfax.sip.types import SipAccount
from softfax.station import registration, wire
from softfax.station.registration import Registration
from softfax.station.registrations import Registrations
from softfax.station.views import RegistrationView

LATER = RegistrationError("sip:pbx did not accept the registration (503 Later)", "check it", sip_code=503)
REFUSED = AuthenticationError("sip:pbx rejected the user or password (403 No)", "check user and password", sip_code=403)


class Agent:
    """A user agent whose registrar refuses the first tries of some accounts."""

    def __init__(self, failures: int = 0, error: SoftfaxError = LATER, of: str = "", held_s: int = 120) -> None:
        self.failures, self.error, self.of, self.held_s = failures, error, of, held_s
        self.tries: list[str] = []
        self.accounts: tuple[SipAccount, ...] = ()
        self.sinks: dict[str, Callable[[str], None]] = {}

    def watch_registration(self, name: str, lost: Callable[[str], None]) -> Callable[[], None]:
        self.sinks[name] = lost
        return lambda: self.sinks.pop(name, None) and None

    async def register(self, name: str, timeout_s: float = 35.0) -> int:
        self.tries.append(name)
        if (not self.of or name == self.of) and self.tries.count(name) <= self.failures:
            raise self.error
        return self.held_s

    async def set_accounts(self, accounts: tuple[SipAccount, ...]) -> None:
        self.accounts = tuple(accounts)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "FIRST_WAIT_S", 0.001)


async def until(check: Callable[[], bool]) -> None:
    while not check():
        await asyncio.sleep(0.001)


@pytest.mark.usefixtures("fast")
def test_it_is_tried_until_it_works_and_again_when_it_is_lost() -> None:
    async def run() -> None:
        agent, said, views = Agent(failures=3), [], []
        kept = Registration(agent, "pbx", said.append, lambda: views.append(kept.view()), server="sip:pbx")
        task = asyncio.ensure_future(kept.keep())
        await until(lambda: kept.registered)
        assert len(said) == 4
        assert said[0].startswith(
            "not registered at pbx: sip:pbx did not accept the registration (503 Later); check it; try"
        )
        assert said[-1] == "registered at pbx"
        assert [v.state for v in views] == ["trying", "failed", "failed", "failed", "registered"]
        assert views[1].next_try is not None
        assert views[1].problem == "sip:pbx did not accept the registration (503 Later)"
        assert (views[-1].expires_s, views[-1].problem, views[-1].next_try) == (120, "", None)
        assert views[-1].since <= datetime.now(UTC)
        agent.sinks["pbx"]("its connection was closed")
        await until(lambda: len(said) >= 6)
        assert said[4:] == ["the registration at pbx is lost (its connection was closed)", "registered at pbx"]
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_it_is_refreshed_before_it_ends_and_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(Registration, "refresh_s", staticmethod(lambda expires_s: 0.001))
        agent, said = Agent(), []
        kept = Registration(agent, "pbx", said.append)
        task = asyncio.ensure_future(kept.keep())
        await until(lambda: len(agent.tries) > 5)
        assert said == ["registered at pbx"]
        assert kept.view().expires_s == 120
        # A refresh that fails is told once as the loss, and tried again with the usual waits.
        agent.failures, agent.error = len(agent.tries) + 1, LATER
        await until(lambda: len(said) >= 3)
        assert said[1].startswith("the registration at pbx is lost (sip:pbx did not accept the registration")
        assert said[2].startswith("not registered at pbx: ")
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_one_that_there_is_already_is_kept() -> None:
    async def run() -> None:
        agent, said = Agent(), []
        kept = Registration(agent, "pbx", said.append)
        task = asyncio.ensure_future(kept.keep(300))
        await until(lambda: kept.registered)
        await asyncio.sleep(0)
        assert (agent.tries, said, kept.view().expires_s) == ([], [], 300)
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 10))


@pytest.mark.parametrize(
    ("expires_s", "least", "most"), [(300, 200, 270), (3600, 3000, 3570), (60, 30, 55), (61, 30, 55), (1, 2, 2)]
)
def test_there_is_time_for_another_try_before_it_ends(expires_s: int, least: float, most: float) -> None:
    assert least <= Registration.refresh_s(expires_s) <= most


def test_a_registrar_that_names_a_time_is_left_alone_until_then() -> None:
    async def run() -> None:
        for error, least, most in (
            (RegistrationError("busy", sip_code=503, retry_after_s=120), 120, 133),
            (AuthenticationError("no", sip_code=403, retry_after_s=1), 30, 61),
        ):
            kept = Registration(Agent(failures=1, error=error), "pbx")
            task = asyncio.ensure_future(kept.keep())
            await until(lambda kept=kept: kept.state == "failed")
            view = kept.view()
            assert view.next_try is not None
            assert least - 1 <= (view.next_try - view.since).total_seconds() <= most
            task.cancel()

    asyncio.run(asyncio.wait_for(run(), 5))


def test_a_rejected_password_is_one_line_with_the_remedy_and_tried_less_often() -> None:
    async def run() -> None:
        said: list[str] = []
        kept = Registration(Agent(failures=1, error=REFUSED), "pbx", said.append)
        task = asyncio.ensure_future(kept.keep())
        await until(lambda: bool(said))
        assert said[0].startswith(
            "not registered at pbx: sip:pbx rejected the user or password (403 No); check user and password; trying again in "
        )
        view = kept.view()
        assert view.next_try is not None
        assert 29 <= (view.next_try - view.since).total_seconds() <= 61
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 5))


def test_waits_grow_to_five_minutes() -> None:
    assert 1 <= Registration.wait_s(1) <= 2
    assert all(150 <= Registration.wait_s(n) <= 300 for n in (9, 50, 10_000))
    assert all(30 <= Registration.wait_s(n, refused=True) <= 300 for n in (1, 2, 50))


def account(name: str, **more: object) -> SipAccount:
    return SipAccount(name=name, server=f"sip:{name}.example", register=True, **more)  # type: ignore[arg-type]


@pytest.mark.usefixtures("fast")
def test_accounts_are_kept_one_by_one_and_a_reload_touches_what_changed_alone() -> None:
    async def run() -> None:
        told: list[tuple[RegistrationView, ...]] = []
        agent = Agent(failures=10**6, error=REFUSED, of="bad")
        kept = Registrations(lambda m: told.append(m.views) if isinstance(m, wire.Registered) else None)
        trunk = SipAccount(name="trunk", server="sip:192.0.2.1")
        await kept.apply(agent, [account("good"), account("bad"), trunk])  # type: ignore[arg-type]
        await until(lambda: [v.state for v in kept.views()] == ["registered", "failed", "unregistered"])
        assert [v.account for v in told[-1]] == ["good", "bad", "trunk"]
        assert told[-1][1].problem

        await kept.apply(agent, [account("good"), account("new")])  # type: ignore[arg-type]
        await until(lambda: [v.state for v in kept.views()] == ["registered", "registered"])
        assert agent.tries.count("good") == 1, "what stays as it is is not registered again"
        assert "bad" not in agent.sinks
        await kept.apply(agent, [account("good", password="other"), account("new")])  # type: ignore[arg-type]
        await until(lambda: agent.tries.count("good") == 2)
        assert agent.tries.count("new") == 1
        kept.close()

    asyncio.run(asyncio.wait_for(run(), 5))
