# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses and transports: one agent that calls itself over each of them."""

from __future__ import annotations

import re
import socket

import pytest

from tests.sip.far_end import AUDIO, HERE, Agent, FarEnd
from tests.sip.test_agent import run
from tests.support.absent import needs

pytestmark = pytest.mark.sip


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_udp_and_tcp_are_heard_at_one_port_whatever_calls_are_placed_over(transport: str) -> None:
    run(f"""
        async def main():
            agent = await UserAgent.start(SipConfig(transport={transport!r}))
            port = agent.bound_address[1]
            b = [Side("udp"), Side("tcp")]
            waiting = list(b)
            def incoming(call):
                call.answer(t38=policy()); return waiting.pop(0)
            agent.incoming = incoming
            for n, wanted in enumerate(("udp", "tcp")):
                a = Side("caller " + wanted)
                call = agent.call(f"sip:fax@127.0.0.1:{{port}};transport={{wanted}}", a, t38=policy())
                await a.until("answered"); await b[n].until("answered")
                call.offer_t38()
                await a.until("t38"); await b[n].until("t38")
                call.offer_audio()
                while b[n].log.count("audio PCMU") < 2 or a.log.count("audio PCMU") < 2:
                    await asyncio.sleep(0.05)
                call.hangup()
                await a.until("ended"); await b[n].until("ended")
            await agent.close()
        asyncio.run(main())
    """)


def test_a_taken_tcp_port_is_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        taken.listen()
        output = run(f"""
            async def main():
                try:
                    await UserAgent.start(SipConfig(listen="{HERE}:{taken.getsockname()[1]}"))
                except PortInUseError as error:
                    print(error)
            asyncio.run(main())
        """)
    assert "is in use" in output


def test_the_port_can_be_listened_on_again_at_once_after_tcp_calls() -> None:
    run("""
        async def main():
            listen = "127.0.0.1:0"
            for _ in range(3):
                agent = await UserAgent.start(SipConfig(listen=listen, transport="tcp"))
                listen = f"127.0.0.1:{agent.bound_address[1]}"
                a, b, out, inc = await pair(agent, policy(), policy())
                inc.hangup()
                await a.until("ended")
                await agent.close()
        asyncio.run(main())
    """)


def test_listening_by_name() -> None:
    output = run("""
        async def main():
            agent = await UserAgent.start(SipConfig(listen="localhost:0"))
            print(agent.bound_address[0])
            await agent.close()
            try:
                await UserAgent.start(SipConfig(listen="nosuchhost.invalid:0"))
            except UsageError as error:
                print(error)
        asyncio.run(main())
    """)
    address, refused = output.splitlines()
    assert address in (HERE, "::1")
    assert "nosuchhost.invalid" in refused


@needs(has_ipv6(), "this machine has no IPv6")
def test_ipv6() -> None:
    run("""
        async def main():
            agent = await UserAgent.start(SipConfig(listen="[::1]:0"))
            b = Side("answerer")
            def incoming(call):
                call.answer(t38=policy6()); return b
            def policy6():
                sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); sock.bind(("::1", 0))
                return T38Policy(True, T38Parameters(), lambda version, keep=sock: sock.getsockname()[:2])
            agent.incoming = incoming
            a = Side("caller")
            call = agent.call(f"sip:fax@[::1]:{agent.bound_address[1]}", a, t38=policy6())
            await a.until("answered"); await b.until("answered")
            call.offer_t38()
            await a.until("t38"); await b.until("t38")
            call.hangup()
            await a.until("ended"); await b.until("ended")
            await agent.close()
        asyncio.run(main())
    """)


@pytest.mark.parametrize(
    ("config", "shown"), [('listen="0.0.0.0:0"', HERE), ('public_address="192.0.2.7"', "192.0.2.7")]
)
def test_t38_is_offered_at_an_address_that_can_be_reached(config: str, shown: str) -> None:
    far = FarEnd()
    agent = Agent(
        f"""
        async def main(agent):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.bind((agent.bound_address[0], 0))
            a = Side("caller")
            call = agent.call("{far.uri}", a, t38=T38Policy(True, T38Parameters(), lambda version: sock.getsockname()))
            await a.until("answered"); call.offer_t38(); await a.until("refused"); await a.until("ended")
        """,
        config,
    )
    far.answer()
    offer = far.expect("INVITE")
    far.respond(offer, "488 Not Acceptable Here")
    far.expect("ACK")
    far.bye()
    agent.output()
    far.close()
    assert re.findall(r"^c=IN IP4 (\S+)", offer.body, re.M) == [shown]


def test_audio_is_offered_where_it_can_be_reached_too() -> None:
    far = FarEnd()
    agent = Agent(
        f'async def main(agent):\n    a = Side("caller")\n    agent.call("{far.uri}", a, t38=policy())\n'
        '    await a.until("ended")\n',
        'listen="0.0.0.0:0"',
    )
    invite = far.expect("INVITE")
    far.respond(invite, "200 OK", body=AUDIO)
    far.expect("ACK")
    far.bye()
    agent.output()
    far.close()
    assert "0.0.0.0" not in invite.body
    assert "0.0.0.0" not in invite.header("Contact") + invite.header("From")
