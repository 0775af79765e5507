# SPDX-License-Identifier: GPL-2.0-or-later
"""A trunk without registration is asked whether it is there; what changes is said once, and routes go by it."""

from __future__ import annotations

import asyncio

import pytest

from softfax.errors import UsageError
from softfax.reasons import NO_ROUTE
from softfax.sip.accounts import check_accounts
from softfax.sip.requests import RequestAnswer
from softfax.sip.types import SipAccount
from softfax.station import wire
from softfax.station.registrations import Registrations
from softfax.station.routes import Route, available


class Agent:
    """A user agent whose server answers as listed, the last for ever."""

    def __init__(self, *answers: RequestAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def set_accounts(self, accounts: tuple[SipAccount, ...]) -> None:
        pass

    async def probe(self, name: str, timeout_s: float = 8.0) -> RequestAnswer:
        await asyncio.sleep(0)
        self.asked.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_what_changes_is_said_once_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = SipAccount(name="trunk", server="sip:192.0.2.1", options_s=20)
    other = SipAccount(name="other", server="sip:192.0.2.2")

    async def run() -> None:
        agent = Agent(
            RequestAnswer(405),
            RequestAnswer(200),
            RequestAnswer(408, answered=False),
            RequestAnswer(503, NO_ROUTE, answered=False),
            RequestAnswer(200),
        )
        seen: list[wire.Message] = []
        registrations = Registrations(seen.append)
        await registrations.apply(agent, (trunk, other))  # type: ignore[arg-type]
        assert [(v.account, v.state) for v in registrations.views()] == [("trunk", "trying"), ("other", "unregistered")]
        while len(agent.asked) < 8:
            await asyncio.sleep(0)
        states = [message.views[0] for message in seen if isinstance(message, wire.Registered)]
        assert [view.state for view in states] == ["trying", "reachable", "unreachable", "reachable"]
        assert states[2].problem == "sip:192.0.2.1 does not answer (no answer)"
        assert states[2].since >= states[1].since
        assert states[3].problem == ""
        assert [m.text for m in seen if isinstance(m, wire.Notice)] == [
            "no answer from trunk: sip:192.0.2.1 does not answer (no answer); check its address, and whether it knows ours",
            "trunk answers again",
        ]
        assert set(agent.asked) == {"trunk"}
        registrations.close()

    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: real(0))
    asyncio.run(asyncio.wait_for(run(), 10))


def test_calls_go_through_what_is_there_first() -> None:
    dead, live = Route("dead", "sip:1@192.0.2.1"), Route("live", "sip:1@192.0.2.2")
    assert available((dead, live), limits={}, active={}, down={"dead"}) == (live, dead)


def test_an_account_is_registered_or_asked_for_not_both() -> None:
    with pytest.raises(UsageError, match="options_s"):
        check_accounts([SipAccount(name="a", server="sip:a", register=True, user="a", options_s=30)])
