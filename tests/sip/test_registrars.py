# SPDX-License-Identifier: GPL-2.0-or-later
"""Registrars: what they answer is what is told, nothing is sent that was not asked for, and a 200 counts for what it lists."""

from __future__ import annotations

import select
import socket
import threading

import pytest

from tests.sip.agents import pbx
from tests.sip.far_end import HERE, Agent, FarEnd, Message

pytestmark = pytest.mark.sip

#: Registers as often as lines come, and prints what came of it.
ASKED = """
async def main(agent):
    lost = asyncio.Event()
    agent.watch_registration("pbx", lambda why: print(f"lost: {why}", flush=True) or lost.set())
    while (line := await asyncio.to_thread(sys.stdin.readline)).strip() != "end":
        try:
            print("registered for", await agent.register("pbx", 8), flush=True)
        except SoftfaxError as error:
            print(type(error).__name__, error.sip_code, error.retry_after_s, error.problem, flush=True)
"""


def registering(far: FarEnd, more: str = "") -> Agent:
    return Agent(ASKED, pbx(far, f", register=True{more}"))


def answered(agent: Agent, far: FarEnd, status: str, *headers: str) -> Message:
    """One REGISTER and its answer; OURS in a header stands for our Contact."""
    agent.say("register")
    register = far.expect("REGISTER")
    ours = register.header("Contact")
    far.respond(register, status, *(header.replace("OURS", ours) for header in headers), contact=False)
    return register


def test_a_200_counts_for_the_binding_it_lists(far: FarEnd) -> None:
    agent = registering(far)
    theirs = "<sip:fax@192.0.2.99:5060>"
    nothing = "RegistrationError 200 0 sip:{}:{} answered 200 and registered nothing ({})"
    for headers, told in (
        (["Contact: OURS;expires=120"], "registered for 120"),
        (["Expires: 90", "Contact: OURS"], "registered for 90"),
        ([f"Contact: {theirs};expires=3000, OURS;expires=61"], "registered for 61"),
        ([f"Contact: {theirs};expires=300"], "it lists other contacts than ours"),
        (["Contact: OURS;expires=0"], "our contact has expired (expires=0)"),
        (["Expires: 0", "Contact: OURS"], "our contact has expired (expires=0)"),
        ([], "it lists no contact"),
    ):
        answered(agent, far, "200 OK", *headers)
        agent.hear(told if told.startswith("registered") else nothing.format(HERE, far.port, told))
    agent.say("end")
    # What it holds is taken back.
    last = far.expect("REGISTER")
    assert last.header("Expires") == "0"
    far.respond(last, "200 OK")
    agent.output()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("503 Maintenance", "RegistrationError 503 120 sip:{}:{} did not accept the registration (503 Maintenance)"),
        ("403 Not you", "AuthenticationError 403 120 sip:{}:{} rejected the user or password (403 Not you)"),
        ("500 Oops", "RegistrationError 500 120 sip:{}:{} did not accept the registration (500 Oops)"),
        ("600 Busy", "RegistrationError 600 120 sip:{}:{} did not accept the registration (600 Busy)"),
    ],
)
def test_a_refusal_is_told_with_its_retry_after_and_nothing_more_is_sent(far: FarEnd, status: str, told: str) -> None:
    agent = registering(far)
    answered(agent, far, status, "Retry-After: 120")
    agent.hear(told.format(HERE, far.port))
    # PJSIP would try again at once, and then every five minutes.
    assert not select.select([far.sock], [], [], 3)[0]
    agent.say("end")
    agent.output()


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (
            "302 Moved",
            ["Contact: <sip:other.example>"],
            "RegistrationError 302 0 sip:{}:{} sends registrations elsewhere (302, to <sip:other.example>)",
        ),
        (
            "401 Unauthorized",
            ['WWW-Authenticate: Digest realm="test", nonce="n", algorithm=MD5, qop="auth-int"'],
            "AuthenticationError 401 0 sip:{}:{} got no answer to its challenge (401): it wants the quality of protection auth-int",
        ),
    ],
)
def test_what_is_not_followed_or_answered_is_told_for_what_it_is(
    far: FarEnd,
    status: str,
    headers: list[str],
    told: str,
) -> None:
    agent = registering(far)
    answered(agent, far, status, *headers)
    agent.hear(told.format(HERE, far.port))
    agent.say("end")
    agent.output()


def test_nothing_is_sent_when_a_registration_that_was_granted_is_due(far: FarEnd) -> None:
    """The owner refreshes it; PJSIP would have done so after two of its three seconds."""
    agent = registering(far, ", keepalive_s=0")
    answered(agent, far, "200 OK", "Contact: OURS;expires=3")
    agent.hear("registered for 3")
    assert not select.select([far.sock], [], [], 4)[0]
    agent.say("end")
    far.respond(far.expect("REGISTER"), "200 OK")
    agent.output()


def test_what_no_server_said_is_not_told_as_one(far: FarEnd) -> None:
    agent = Agent(ASKED, pbx(far, ', register=True, proxy="sip:127.0.0.1;transport=sctp"'))
    agent.say("register")
    agent.hear(f"RegistrationError 0 0 sip:{HERE}:{far.port}: the far end's address asks for a transport that is not")
    agent.say("end")
    agent.output()


def test_a_connection_that_is_closed_is_told_at_once() -> None:
    with socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
        contacts = []

        def registrar() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    text = connection.recv(65535).decode()
                    kept = [
                        line for line in text.split("\r\n") if line.startswith(("Via", "From", "To", "Call-ID", "CSeq"))
                    ]
                    contacts.append(next(line for line in text.split("\r\n") if line.startswith("Contact")))
                    answer = ["SIP/2.0 200 OK", *kept, f"{contacts[-1]};expires=300", "Content-Length: 0", "", ""]
                    connection.sendall("\r\n".join(answer).encode())
                    if len(contacts) == 1:
                        closing.wait(20)
                    else:
                        connection.recv(65535)  # taken back at the end

        closing = threading.Event()
        thread = threading.Thread(target=registrar, daemon=True)
        thread.start()
        agent = Agent(
            ASKED,
            f'accounts=(SipAccount(name="pbx", server="sip:{HERE}:{port}", user="fax", transport="tcp", register=True),)',
        )
        agent.say("register")
        agent.hear("registered for 300")
        closing.set()
        agent.hear("lost: its connection was closed")
        agent.say("register")
        agent.hear("registered for 300")
        agent.say("end")
        agent.output()
        # The port that calls are to come to is listened on, before and after.
        assert all(f":{agent.port}" in contact for contact in contacts), contacts


@pytest.mark.parametrize("more_s", [1, 1 << 32])
def test_a_registrar_that_always_wants_longer_is_asked_a_dozen_times_at_most(far: FarEnd, more_s: int) -> None:
    agent = registering(far)
    agent.say("register")
    asked = 0
    while select.select([far.sock], [], [], 2)[0]:
        register = far.expect("REGISTER")
        asked += 1
        assert asked < 20, "it asks without end"
        wanted_s = min(int(register.header("Expires")) + more_s, (1 << 32) - 1)
        far.respond(register, "423 Interval Too Brief", f"Min-Expires: {wanted_s}", contact=False)
    agent.hear("RegistrationError 423")
    agent.say("end")
    agent.output()
