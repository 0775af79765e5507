# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls to what ICMP reports as unreachable end at once and say so; one error, and a far end that answered, end nothing."""

from __future__ import annotations

import pytest

from softfax.reasons import (
    CERTIFICATE_UNTRUSTED,
    CONNECTION_CLOSED,
    CONNECTION_REFUSED,
    CONNECTION_TIMED_OUT,
    NO_TRANSPORT,
    PORT_UNREACHABLE,
)
from tests.sip.far_end import HERE, Agent, FarEnd
from tests.sip.test_agent import run
from tests.sip.test_networks import has_ipv6
from tests.support.absent import needs

pytestmark = pytest.mark.sip

CLOSED = """
class Ended(Side):
    def on_state(self, call, state, code, reason):
        self.note(f"{state} {code} {reason}")

held = []

def closed_port(host="127.0.0.1", shared=False):
    # Nobody else gets the port, and the kernel refuses what comes: a socket connected to itself hears nothing else.
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, 0))
    sock.connect(sock.getsockname())
    held.append(sock)
    return sock.getsockname()[1]
"""


@pytest.mark.parametrize("host", [HERE, pytest.param("::1", marks=needs(has_ipv6(), "this machine has no IPv6"))])
def test_a_call_to_a_closed_port_ends_with_the_reason(host: str) -> None:
    shown = f"[{host}]" if ":" in host else host
    # A call that gets no response waits 32 s: the prelude's waiting is shorter.
    output = run(
        CLOSED
        + f"""
async def main():
    agent = await UserAgent.start(SipConfig(listen="{shown}:0"))
    a = Ended("caller")
    agent.call(f"sip:fax@{shown}:{{closed_port({host!r})}}", a, t38=policy())
    await a.until("ended")
    print(a.log[-1])
    await agent.close()
asyncio.run(main())
"""
    )
    assert output.strip() == f"ended 503 {PORT_UNREACHABLE}"


def test_a_connection_that_is_refused_is_told_in_the_same_way() -> None:
    output = run(
        CLOSED
        + """
async def main(agent):
    a = Ended("caller")
    with socket.socket() as sock:  # bound, and not listened on
        sock.bind(("127.0.0.1", 0))
        agent.call(f"sip:fax@127.0.0.1:{sock.getsockname()[1]};transport=tcp", a, t38=policy())
        await a.until("ended")
    print(a.log[-1])
run(main)
"""
    )
    assert output.strip() == f"ended 503 {CONNECTION_REFUSED}"


def test_what_keeps_tls_from_coming_about_is_told() -> None:
    output = run(
        CLOSED
        + """
import struct, subprocess, tempfile

def certificate(folder):
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=elsewhere -keyout key.pem -out cert.pem"
    subprocess.run(words.split(), check=True, cwd=folder, capture_output=True)
    return f"{folder}/cert.pem", f"{folder}/key.pem"

async def ended(agent, uri):
    a = Ended("caller")
    agent.call(uri, a, t38=policy())
    await a.until("ended")
    print(a.log[-1])

async def main():
    plain = await UserAgent.start(SipConfig(listen="127.0.0.1:0"))
    await ended(plain, "sips:fax@127.0.0.1:5061")
    await plain.close()
    with tempfile.TemporaryDirectory() as folder:
        names = certificate(folder)
        both = await UserAgent.start(SipConfig(listen="127.0.0.1:0", transport="tls", tls_certificate=names[0], tls_private_key=names[1], tls_ca=names[0]))
        await ended(both, f"sip:fax@127.0.0.1:{both.bound_address[1]};transport=tls")
        for at_once in (0, 1):  # with FIN, and with RST
            def gone(reader, writer):
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", at_once, 0))
                writer.close()
            listener = await asyncio.start_server(gone, "127.0.0.1", 0)
            await ended(both, f"sip:fax@127.0.0.1:{listener.sockets[0].getsockname()[1]};transport=tls")
            listener.close()
        await both.close()
asyncio.run(main())
"""
    )
    assert output.splitlines() == [
        f"ended 0 {NO_TRANSPORT}",
        f"ended 503 {CERTIFICATE_UNTRUSTED}",
        f"ended 503 {CONNECTION_CLOSED}",
        f"ended 503 {CONNECTION_CLOSED}",
    ]


def test_an_address_that_swallows_packets_is_told_as_unreachable() -> None:
    # A listener whose places are taken drops what else would connect, as a firewall does.
    output = run(
        CLOSED
        + """
async def main(agent):
    a = Ended("caller")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(sock.getsockname())
        agent.call(f"sip:fax@127.0.0.1:{sock.getsockname()[1]};transport=tcp", a, t38=policy())
        await a.until("ended")
    print(a.log[-1])
run(main)
"""
    )
    assert output.strip() == f"ended 503 {CONNECTION_TIMED_OUT}"


def test_other_calls_are_not_disturbed() -> None:
    run(
        CLOSED
        + """
async def main(agent):
    # One that is up, and many that begin while errors come in for as many closed ports.
    a, b, out, inc = await pair(agent, policy(), policy())
    answered, lost, sides = [], [], []
    def incoming(call):
        side = Side("answerer"); sides.append(side)
        call.answer(t38=policy()); return side
    agent.incoming = incoming
    for n in range(12):
        good, bad = Side(f"good {n}"), Ended(f"bad {n}")
        answered.append(good); lost.append(bad)
        agent.call(f"sip:fax@127.0.0.1:{closed_port()}", bad, t38=policy())
        agent.call(f"sip:fax@127.0.0.1:{agent.bound_address[1]}", good, t38=policy())
    for bad in lost:
        await bad.until("ended 503 nothing listens")
    for good in answered:
        await good.until("answered")
    out.offer_t38()
    await a.until("t38"); await b.until("t38")
    assert not any(e.startswith("ended") for side in (a, b, *answered) for e in side.log)
run(main)
"""
    )


def test_a_far_end_that_answered_before_its_port_closed_is_waited_for() -> None:
    far = FarEnd()
    agent = Agent(
        CLOSED
        + f"""
async def main(agent):
    loop, line = asyncio.get_running_loop(), sys.stdin.readline
    first = Ended("first")
    call = agent.call("{far.uri}", first, t38=policy())
    await loop.run_in_executor(None, line)
    await asyncio.sleep(0.2)  # the 100 is read
    for n in range(2):
        other = Ended("other")
        agent.call("{far.uri}", other, t38=policy())
        await other.until("ended 503 nothing listens")
    assert not any(e.startswith("ended") for e in first.log), first.log
    print("waits")
"""
    )
    invite = far.expect("INVITE")
    far.respond(invite, "100 Trying")
    far.sock.connect(far.sock.getsockname())  # what comes from elsewhere is refused from here on
    agent.say("closed")

    assert agent.output() == ["waits"]
    far.close()


def test_one_error_ends_nothing() -> None:
    # Nothing listens as the INVITE is first sent; then something does.
    output = run(
        CLOSED
        + """
async def goes_on(agent):
    a, port, first = Ended("caller"), closed_port(shared=True), asyncio.Event()
    agent.on_message = lambda sent, far, text: first.set()
    call = agent.call(f"sip:fax@127.0.0.1:{port}", a, t38=policy())
    await first.wait()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        far.bind(("127.0.0.1", port))
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            for _ in range(2):
                text = (await asyncio.wait_for(loop.sock_recv(far, 65535), 5)).decode()
                assert text.startswith("INVITE")
        except TimeoutError:
            return False  # too slow: it was sent twice before anything listened
        return not any(e.startswith("ended") for e in a.log)
async def main(agent):
    for _ in range(5):
        if await goes_on(agent):
            print("goes on")
            return
async def outer():
    agent = await UserAgent.start(SipConfig(listen="127.0.0.1:0", trace=True))
    await main(agent)
    await agent.close()
asyncio.run(outer())
"""
    )
    assert output.strip() == "goes on"


def test_registration_and_options_are_told_as_well() -> None:
    output = run(
        CLOSED
        + f"""
async def main():
    server = f"sip:{HERE}:{{closed_port()}}"
    print(server)
    account = dict(server=server, user="fax")
    accounts = (SipAccount(name="pbx", register=True, **account), SipAccount(name="trunk", register=False, **account))
    agent = await UserAgent.start(SipConfig(listen="{HERE}:0", accounts=accounts))
    try:
        await agent.register("pbx", 20)
    except RegistrationError as error:
        print(error)
    answer = await agent.probe("trunk", 20)
    print(answer.code, answer.reason, answer.answered)
    await agent.close()
asyncio.run(main())
"""
    )
    server, registration, options = output.splitlines()
    assert f"{server}: {PORT_UNREACHABLE}" in registration
    assert "check the address and the port" in registration
    assert options == f"503 {PORT_UNREACHABLE} False"
