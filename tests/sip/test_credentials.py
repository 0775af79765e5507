# SPDX-License-Identifier: GPL-2.0-or-later
"""An account's password answers its own server alone: who else challenges, and how, gets nothing to guess or relay with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest

from tests.sip.agents import SECRET
from tests.sip.far_end import AUDIO, HERE, Agent, FarEnd, Message

pytestmark = pytest.mark.sip

ELSEWHERE = "127.0.0.9"


@pytest.fixture
def server() -> Iterator[FarEnd]:
    far = FarEnd()
    yield far
    far.close()


@pytest.fixture
def stranger() -> Iterator[FarEnd]:
    far = FarEnd(host=ELSEWHERE)
    yield far
    far.close()


def account(server: FarEnd, more: str = "") -> str:
    return (
        f'accounts=(SipAccount(name="pbx", server="sip:{HERE}:{server.port}", user="fax", password="{SECRET}"{more}),)'
    )


#: Calls and is called as it is told, a line each; ends by itself when the input does.
BUSY = """
async def main(agent):
    sides = []
    def incoming(call):
        side = Side("in")
        sides.append((side, call)); call.answer(t38=policy()); return side
    agent.incoming = incoming
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        if line[0] == "call":
            side = Side("out")
            sides.append((side, agent.call(line[1], side, t38=policy(), account="pbx")))
        elif line[0] == "register":
            try:
                await agent.register("pbx", 5)
            except SoftfaxError as error:
                print(error)
        elif line[0] == "offer":
            await sides[-1][0].until("answered")
            sides[-1][1].offer_t38()
        elif line[0] == "hangup":
            sides[-1][1].hangup()
            await sides[-1][0].until("ended")
"""


def challenge(far: FarEnd, request: Message, *values: str, status: str = "401 Unauthorized") -> None:
    name = "WWW-Authenticate" if status.startswith("401") else "Proxy-Authenticate"
    far.respond(request, status, *(f"{name}: Digest {value}" for value in values))
    if request.kind == "INVITE":
        far.expect("ACK")


def fields(request: Message) -> dict[str, str]:
    """Return the fields of an Authorization, once its digest has proved right; empty where there is none."""
    header = request.header("Authorization") or request.header("Proxy-Authorization")
    value = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
    if value:
        make = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-512-256": lambda b: hashlib.new("sha512_256", b)}

        def digest(text: str) -> str:
            return make[value.get("algorithm", "MD5")](text.encode()).hexdigest()

        middle = f"{value['nonce']}:{value['nc']}:{value['cnonce']}:auth" if "qop" in value else value["nonce"]
        secret = digest(f"{value['username']}:{value['realm']}:{SECRET}")
        assert value["response"] == digest(f"{secret}:{middle}:{digest(request.kind + ':' + value['uri'])}")
    return value


def no_answer(far: FarEnd, agent: Agent, request: Message, *values: str) -> None:
    """The challenge is taken as a refusal: what comes next is the BYE, which gets none either."""
    assert not fields(request)
    challenge(far, request, *values)
    agent.say("hangup")
    bye = far.expect("BYE")
    assert not fields(bye)
    challenge(far, bye, *values, status="407 Proxy Authentication Required")
    with pytest.raises(AssertionError, match="no BYE"):
        far.expect("BYE", 1.5)


def take(far: FarEnd, *headers: str, contact: str = "") -> None:
    """Takes a call that has answered the challenge of its server."""
    invite = far.expect("INVITE")
    far.respond(invite, "200 OK", *headers, *([f"Contact: <{contact}>"] if contact else []), body=AUDIO)


def call_in(far: FarEnd, agent: Agent, *headers: str) -> None:
    """A call of the far end, answered; the agent offers T.38 in it."""
    far.port_of_agent, far.remote, far.target, far.call_id = agent.port, "", "", far.call_id + "x"
    far.target = f"sip:fax@{HERE}:{agent.port}"
    far.invite(*headers, body=AUDIO)
    agent.say("offer")


def test_a_stranger_gets_no_digest_in_a_call_that_he_opened(server: FarEnd, stranger: FarEnd) -> None:
    """The user of the account is called, with the server's realm and with another; From and To name the server."""
    agent = Agent(BUSY, account(server))
    server.port_of_agent = agent.port
    agent.say(f"call sip:1@{HERE}:{server.port}")
    challenge(server, server.expect("INVITE"), 'realm="test", nonce="n"')
    invite = server.expect("INVITE")
    assert fields(invite)["realm"] == "test"
    server.respond(invite, "486 Busy Here")
    server.expect("ACK")
    for realm in ("test", "evil"):
        call_in(stranger, agent, f"P-Asserted-Identity: <sip:fax@{HERE}:{server.port}>")
        no_answer(stranger, agent, stranger.expect("INVITE"), f'realm="{realm}", nonce="n", algorithm=MD5')
    agent.say("")
    agent.output()


def test_the_server_gets_its_answer_also_in_calls_that_it_opened(server: FarEnd) -> None:
    agent = Agent(BUSY, account(server))
    server.port_of_agent = agent.port
    agent.say(f"call sip:1@{HERE}:{server.port}")
    challenge(server, server.expect("INVITE"), 'realm="test", nonce="n"')
    server.respond(server.expect("INVITE"), "486 Busy Here")
    server.expect("ACK")
    call_in(server, agent)
    challenge(server, server.expect("INVITE"), 'realm="test", nonce="m"', status="407 Proxy Authentication Required")
    again = server.expect("INVITE")
    assert fields(again)["nonce"] == "m"
    server.respond(again, "488 Not Acceptable Here")
    server.expect("ACK")
    agent.say("hangup")
    challenge(server, server.expect("BYE"), 'realm="test", nonce="o"')
    bye = server.expect("BYE")
    assert fields(bye)["nonce"] == "o"
    server.respond(bye, "200 OK")
    # Another realm within a call, and whatever comes through a proxy, which may be from the far end behind it.
    call_in(server, agent)
    no_answer(server, agent, server.expect("INVITE"), 'realm="other", nonce="n"')
    call_in(server, agent, f"Record-Route: <sip:{HERE}:{server.port};lr>")
    no_answer(server, agent, server.expect("INVITE"), 'realm="test", nonce="n"')
    agent.say("")
    agent.output()


def test_a_call_that_leads_elsewhere_gets_no_digest_there(server: FarEnd, stranger: FarEnd) -> None:
    """The server's answer names another host, or another port of its own, as Contact."""
    beside = FarEnd()
    agent = Agent(BUSY, account(server))
    for other in (stranger, beside):
        agent.say(f"call sip:1@{HERE}:{server.port}")
        challenge(server, server.expect("INVITE"), 'realm="test", nonce="n"')
        take(server, contact=other.uri)
        other.port_of_agent = agent.port
        other.expect("ACK")
        agent.say("offer")
        no_answer(other, agent, other.expect("INVITE"), 'realm="test", nonce="n"')
    beside.close()
    agent.say("")
    agent.output()


def test_the_best_digest_is_made_and_nonces_are_counted(server: FarEnd) -> None:
    agent = Agent(BUSY, account(server))
    md5, sha, sha512 = (
        f'realm="test", nonce="n", qop="auth-int, auth", algorithm={a}' for a in ("MD5", "SHA-256", "SHA-512-256")
    )
    seen = []
    for offered in (
        (md5, sha),
        (sha, md5),
        (md5,),
        (sha512, sha, md5),
        ('realm="x", nonce="n", algorithm=SHA-256', md5),
    ):
        agent.say(f"call sip:1@{HERE}:{server.port}")
        challenge(server, server.expect("INVITE"), *offered)
        invite = server.expect("INVITE")
        assert len(invite.all("Authorization")) == 1
        seen.append(fields(invite))
        server.respond(invite, "486 Busy Here")
        server.expect("ACK")
    assert [one["algorithm"] for one in seen] == ["SHA-256", "SHA-256", "MD5", "SHA-512-256", "MD5"]
    assert [one["nc"] for one in seen] == [f"0000000{n}" for n in range(1, 6)], "one nonce, counted over all calls"
    assert len({one["cnonce"] for one in seen}) == len(seen)
    # What cannot be answered is refused, and no stale nonce is renewed for ever.
    for value in (
        'realm="test", nonce="n", qop="auth-int"',
        'realm="test", nonce="n", algorithm=MD5-sess',
        f'realm="test", nonce="{"n" * 600}"',
    ):
        agent.say(f"call sip:1@{HERE}:{server.port}")
        challenge(server, server.expect("INVITE"), value)
        with pytest.raises(AssertionError, match="no INVITE"):
            server.expect("INVITE", 1.5)
    agent.say(f"call sip:1@{HERE}:{server.port}")
    for count in range(4):
        challenge(server, server.expect("INVITE"), f'realm="test", nonce="{count}", stale=true')
    with pytest.raises(AssertionError, match="no INVITE"):
        server.expect("INVITE", 1.5)
    agent.say("")
    agent.output()


def test_a_call_through_the_registrar_has_its_realm_or_one_that_is_named(server: FarEnd) -> None:
    for more, answered in (("", "pbx"), (', realms=("pbx", "far end")', "far end")):
        agent = Agent(BUSY, account(server, ", register=True" + more))
        agent.say("register")
        challenge(server, server.expect("REGISTER"), 'realm="pbx", nonce="n"')
        register = server.expect("REGISTER")
        assert fields(register)["realm"] == "pbx"
        server.respond(register, "200 OK", f"Contact: {register.header('Contact')};expires=300")
        agent.say(f"call sip:1@{HERE}:{server.port}")
        challenge(server, server.expect("INVITE"), f'realm="{answered}", nonce="n"')
        invite = server.expect("INVITE")
        assert fields(invite)["realm"] == answered
        server.respond(invite, "486 Busy Here")
        server.expect("ACK")
        agent.say(f"call sip:1@{HERE}:{server.port}")
        challenge(
            server, server.expect("INVITE"), 'realm="evil", nonce="n"', status="407 Proxy Authentication Required"
        )
        with pytest.raises(AssertionError, match="no INVITE"):
            server.expect("INVITE", 1.5)
        agent.say("")
        server.respond(server.expect("REGISTER"), "200 OK")
        agent.output()
