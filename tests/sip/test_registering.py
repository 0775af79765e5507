# SPDX-License-Identifier: GPL-2.0-or-later
"""The user agent registers: its digest, its end, and what is said of a registrar that refuses or is silent."""

from __future__ import annotations

import pytest

from tests.sip.agents import CHALLENGE, SECRET, check_digest, pbx
from tests.sip.far_end import Agent, FarEnd, Message

pytestmark = pytest.mark.sip


def register(far: FarEnd, nonce: str) -> Message:
    """Challenges a REGISTER, checks the second, accepts it."""
    first = far.expect("REGISTER")
    far.respond(first, "401 Unauthorized", f"WWW-Authenticate: {CHALLENGE.format(nonce)}")
    second = far.expect("REGISTER")
    check_digest(second.header("Authorization"), "REGISTER", nonce)
    far.respond(
        second, "200 OK", f"Contact: {second.header('Contact')};expires=300", f"Expires: {second.header('Expires')}"
    )
    return second


def registering(far: FarEnd, then: str = "") -> Agent:
    return Agent(
        f'async def main(agent):\n    try:\n        await agent.register("pbx", 4)\n        print("registered"){then}\n'
        "    except SoftfaxError as error:\n        print(type(error).__name__, error)\n",
        pbx(far, ", register=True"),
    )


def test_registers_with_digest_and_takes_it_back_at_the_end(far: FarEnd) -> None:
    agent = registering(far)
    assert register(far, "n1").header("Expires") == "300"
    # The nonce has gone stale meanwhile: the second registration is challenged too.
    assert register(far, "n2").header("Expires") == "0"
    assert agent.output() == ["registered"]


@pytest.mark.parametrize("status", ["403 Forbidden", "401 Unauthorized"])
def test_a_wrong_password_is_said_so(far: FarEnd, status: str) -> None:
    agent = registering(far)
    far.respond(far.expect("REGISTER"), "401 Unauthorized", f"WWW-Authenticate: {CHALLENGE.format('n')}")
    far.respond(far.expect("REGISTER"), status, f"WWW-Authenticate: {CHALLENGE.format('n')}")
    (line,) = agent.output()
    assert line.startswith("AuthenticationError")
    assert "check user and password of account pbx" in line
    assert SECRET not in line


def test_a_silent_registrar_is_an_error(far: FarEnd) -> None:
    (line,) = registering(far).output()
    assert line.startswith("RegistrationError")
