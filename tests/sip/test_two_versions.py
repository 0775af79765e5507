# SPDX-License-Identifier: GPL-2.0-or-later
"""A user agent that listens over IPv4 and IPv6: which of them a far end is asked by, and which of them its media are of."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from softfax.reasons import NAME_UNKNOWN, NOT_OVER_IPV6, PORT_UNREACHABLE, REASON_REMEDIES
from tests.sip.far_end import AUDIO, HERE, T38, Agent, FarEnd
from tests.sip.test_names import run_apart
from tests.sip.test_networks import has_ipv6
from tests.sip.test_servers import FAILURES, SERVERS
from tests.support.absent import needs
from tests.support.certificate import self_signed

pytestmark = [pytest.mark.sip, needs(has_ipv6(), "this machine has no IPv6")]

BOTH = 'listen=("127.0.0.1:0", "[::1]:0")'
#: T.38 is taken over either version.
ANSWERS = """
def policy():
    socks = {4: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 6: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)}
    socks[4].bind(("127.0.0.1", 0)); socks[6].bind(("::1", 0))
    return T38Policy(True, T38Parameters(), lambda version: socks[version].getsockname()[:2])
async def main(agent):
    def incoming(call):
        call.answer(t38=policy()); return Side("answerer")
    agent.incoming = incoming
    await asyncio.sleep(0.1)
    print("port of IPv6:", agent.bound_addresses[1][1], flush=True)
    await asyncio.to_thread(sys.stdin.readline)
"""
APART = """
def run(main, *listen, transport="udp"):
    async def outer():
        agent = await UserAgent.start(SipConfig(listen=listen or ("127.0.0.1:0", "[::1]:0"), transport=transport))
        try:
            await main(agent)
        finally:
            await agent.close()
    asyncio.run(outer())
"""


def apart(tmp_path: Path, main: str, listen: str = "") -> str:
    """Runs it in a network of its own, with a name server of its own."""
    return run_apart(tmp_path, SERVERS + APART + textwrap.dedent(main) + f"\nrun(main{listen})\n", 90)


def in_ipv6(sdp: str) -> str:
    return sdp.replace(f"IN IP4 {HERE}", "IN IP6 ::1")


def connections(body: str) -> set[str]:
    """Addresses that media are wanted at."""
    return set(re.findall(r"^c=(.*?)\s*$", body, re.M))


@pytest.fixture
def ours() -> Iterator[dict[str, FarEnd]]:
    """Far ends of one user agent, by the address they call from."""
    agent = Agent(ANSWERS, BOTH)
    port6 = int(agent.hear("port of IPv6").split()[-1])
    yield {HERE: FarEnd(agent.port), "::1": FarEnd(port6, "::1")}
    agent.say("enough")
    agent.output()


@pytest.mark.parametrize("source", [HERE, "::1"])
@pytest.mark.parametrize("sdp", [AUDIO, T38, in_ipv6(AUDIO), in_ipv6(T38)], ids=["audio", "T.38", "audio6", "T.38 6"])
def test_media_are_of_the_version_that_the_offer_names(ours: dict[str, FarEnd], source: str, sdp: str) -> None:
    far = ours[source]
    answer = far.invite(body=sdp)
    far.bye()
    assert connections(answer.body) == connections(sdp)
    assert re.search(rf"<sip:softfax@{re.escape(far.shown)}:{far.port_of_agent}>", answer.header("Contact"))


def test_t38_may_be_of_the_other_version_than_audio_was(ours: dict[str, FarEnd]) -> None:
    far = ours[HERE]
    assert connections(far.invite(body=AUDIO).body) == connections(AUDIO)
    assert connections(far.invite(body=in_ipv6(T38)).body) == connections(in_ipv6(T38))
    far.bye()


def test_a_call_shows_the_version_that_its_target_has() -> None:
    far = {4: FarEnd(), 6: FarEnd(host="::1")}
    agent = Agent(
        f"""
        async def main(agent):
            for uri in ("{far[4].uri}", "{far[6].uri}"):
                side = Side(uri); agent.call(uri, side, t38=policy()); await side.until("ended")
        """,
        BOTH,
    )
    for one in far.values():
        invite = one.expect("INVITE")
        one.respond(invite, "486 Busy Here")
        at = rf"{re.escape(one.shown)}:[0-9]+"
        assert re.match(rf"SIP/2.0/UDP {at};", invite.header("Via"))
        assert re.match(rf"<?sip:softfax@{re.escape(one.shown)}(:[0-9]+)?>?;tag=", invite.header("From"))
        assert re.match(rf"<sip:softfax@{at}[;>]", invite.header("Contact"))
        assert connections(invite.body) == connections(AUDIO if one is far[4] else in_ipv6(AUDIO))
    agent.output()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_each_transport_is_there_over_both(tmp_path: Path, transport: str) -> None:
    certificate, key = map(str, self_signed(tmp_path, "127.0.0.1"))
    # Twice: a connection that is there is used again by the call of its version alone.
    agent = Agent(
        ANSWERS.partition("async def main")[0]
        + textwrap.dedent("""
        async def main(agent):
            sides = []
            def incoming(call):
                sides.append(Side(call.source)); call.answer(t38=policy()); return sides[-1]
            agent.incoming = incoming
            for host, port in agent.bound_addresses * 2:
                a = Side("caller")
                shown = f"[{host}]" if ":" in host else host
                call = agent.call(f"sip:fax@{shown}:{port}", a, t38=policy())
                await a.until("answered")
                call.offer_t38()
                await a.until("t38"); await sides[-1].until("t38")
                call.hangup()
                await a.until("ended"); await sides[-1].until("ended")
            print(*(side.name for side in sides))
        """),
        f"{BOTH}, transport={transport!r}, tls_certificate={certificate!r}, tls_private_key={key!r}, tls_verify=False",
    )
    assert agent.output() == ["127.0.0.1 ::1 127.0.0.1 ::1"]


#: By method: the request of the agent, and its answer by the second server.
ASKED = {
    "REGISTER": 'assert await agent.register("trunk") == 300',
    "OPTIONS": 'assert (await agent.probe("trunk")).code == 200',
    "INVITE": 'log = await ended(agent); assert log == ["calling 0 ", "ended 486 Busy Here"], log',
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "INVITE"])
@pytest.mark.parametrize("first", ["127.0.0.2", "::1"])
def test_the_next_server_is_asked_by_the_other_version(tmp_path: Path, first: str, method: str, failure: str) -> None:
    second = "::1" if first == "127.0.0.2" else "127.0.0.2"
    apart(
        tmp_path,
        f"""
    async def main(agent):
        {FAILURES[failure].replace("127.0.0.2", first)}
        second = Server({second!r}, "200 OK" if {method!r} != "INVITE" else "486 Busy Here")
        zone({first!r}, {second!r})
        await agent.set_accounts([account(register=True)])
        {ASKED[method]}
        assert {method!r} in second.seen, second.seen
        before = list(first.seen)
        second.status = "486 Busy Here"
        log = await ended(agent)
        assert log[-1] == "ended 486 Busy Here", log
        assert list(first.seen) == before, first.seen
    """,
    )


def test_a_host_has_addresses_of_both(tmp_path: Path) -> None:
    apart(
        tmp_path,
        """
    async def main(agent):
        server = Server("127.0.0.2", "486 Busy Here")
        host("pbx.example", "::1", "127.0.0.2")
        side = Told("call")
        agent.call("sip:1@pbx.example:5060", side, t38=policy())
        await side.until("ended", 30)
        assert side.log == ["calling 0 ", "ended 486 Busy Here"], side.log
    """,
    )


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "INVITE"])
def test_a_connection_is_refused_over_one_and_taken_over_the_other(tmp_path: Path, method: str) -> None:
    apart(
        tmp_path,
        f"""
    async def main(agent):
        async def answer(reader, writer):
            text = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
            lines = [l for l in text.split("\\r\\n") if re.match("(Via|From|Call-ID|CSeq|Contact):", l)]
            to = re.search("^To:.*", text, re.M)[0].strip() + ";tag=t"
            status = "486 Busy Here" if text.startswith("INVITE") else "200 OK"
            head = "\\r\\n".join([f"SIP/2.0 {{status}}", *lines, to, "Expires: 300", "Content-Length: 0", "", ""])
            writer.write(head.encode()); await writer.drain()
        server = await asyncio.start_server(answer, "127.0.0.2", 5060)
        host("trunk.example", "::1", "127.0.0.2")
        await agent.set_accounts([account(register=True, transport="tcp")])
        {ASKED[method]}
    """,
    )


def test_a_name_of_the_other_version_alone_is_not_known(tmp_path: Path) -> None:
    printed = apart(
        tmp_path,
        """
    async def main(agent):
        host("six.example", "::1")
        side = Told("call")
        agent.call("sip:1@six.example:5060", side, t38=policy())
        await side.until("ended", 30)
        print(side.log[-1])
    """,
        ', "127.0.0.1:0"',
    )
    assert printed.strip().endswith(NAME_UNKNOWN)


def test_an_address_of_the_other_version_is_told_as_such() -> None:
    agent = Agent(
        """
        class Told(Side):
            def on_state(self, call, state, code, reason): self.note(f"{state} {code} {reason}")
        async def main(agent):
            side = Told("call")
            agent.call("sip:1@[::1]:5060", side, t38=policy())
            await side.until("ended")
            print(side.log[-1])
            await agent.set_accounts([SipAccount(name="six", server="sip:[::1]:5060", user="fax", register=True)])
            try:
                await agent.register("six")
            except SoftfaxError as error:
                print(error)
            print((await agent.probe("six")).reason)
        """
    )
    called, registered, probed = agent.output()
    assert called == f"ended 0 {NOT_OVER_IPV6}"
    assert registered == f"sip:[::1]:5060: {NOT_OVER_IPV6}; {REASON_REMEDIES[NOT_OVER_IPV6]}"
    assert probed == NOT_OVER_IPV6


def test_what_icmp_reports_is_heard_over_both() -> None:
    agent = Agent(
        """
        class Told(Side):
            def on_state(self, call, state, code, reason): self.note(f"{state} {code} {reason}")
        held = []
        async def main(agent):
            sides = []
            for family, host, shown in ((socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET6, "::1", "[::1]")) * 2:
                sock = socket.socket(family, socket.SOCK_DGRAM); sock.bind((host, 0)); sock.connect(sock.getsockname())
                held.append(sock)
                sides.append(Told(shown))
                agent.call(f"sip:fax@{shown}:{sock.getsockname()[1]}", sides[-1], t38=policy())
            for side in sides:
                await side.until("ended", 8)
                print(side.log[-1])
        """,
        BOTH,
    )
    assert agent.output() == [f"ended 503 {PORT_UNREACHABLE}"] * 4
