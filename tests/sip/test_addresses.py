# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses that a far end names in Contact, Record-Route and SDP do not make us connect or send where it could not itself."""

from __future__ import annotations

import select
import socket

import pytest

from tests.sip.far_end import AUDIO, HERE, T38, Agent, FarEnd
from tests.sip.test_credentials import server, stranger  # noqa: F401

pytestmark = pytest.mark.sip

ANSWERING = """
async def main(agent):
    sides = []
    def incoming(call):
        side = Side("in"); sides.append((side, call)); call.answer(t38=policy()); return side
    agent.incoming = incoming
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        if line[0] == "hangup":
            sides[-1][1].hangup()
            await sides[-1][0].until("ended", 30)
"""


def test_a_strangers_call_is_ended_where_it_came_from(stranger: FarEnd, server: FarEnd) -> None:  # noqa: F811
    """Whatever its Contact and Record-Route name: an inner TCP service, another port of ours, a name, many hosts at once."""
    inner = socket.create_server((HERE, 0))
    port = inner.getsockname()[1]
    agent = Agent(ANSWERING)
    for number, headers in enumerate(
        [
            (f"Contact: <sip:x@{HERE}:{port};transport=tcp>",),
            (f"Record-Route: <sip:{HERE}:{port};transport=tcp;lr>",),
            (f"Contact: <sip:x@localhost:{server.port}>",),
            ("Contact: <sip:x@239.1.2.3:5060>",),
            (f"Contact: <sip:x@{stranger.host}:22;transport=tcp>",),
        ]
    ):
        stranger.port_of_agent, stranger.remote, stranger.call_id = agent.port, "", f"call{number}"
        stranger.target = f"sip:fax@{HERE}:{agent.port}"
        stranger.invite(*headers, body=AUDIO)
        agent.say("hangup")
        bye = stranger.expect("BYE")
        stranger.respond(bye, "200 OK")
    assert not select.select([inner, server.sock], [], [], 0)[0], "nothing came elsewhere"
    inner.close()
    agent.say("")
    agent.output()


@pytest.mark.parametrize("body", [AUDIO, T38])
def test_media_are_sent_to_one_host_alone_and_not_to_its_services(server: FarEnd, body: str) -> None:  # noqa: F811
    agent = Agent(ANSWERING)
    server.port_of_agent = agent.port
    port = "40002" if body is AUDIO else "40000"
    for number, bad in enumerate(
        [
            body.replace(f"c=IN IP4 {HERE}", "c=IN IP4 239.1.2.3"),
            body.replace(f"c=IN IP4 {HERE}", "c=IN IP4 255.255.255.255"),
            body.replace(f"c=IN IP4 {HERE}", "c=IN IP4 localhost"),
            body.replace(port, "53"),
        ]
    ):
        server.remote, server.call_id, server.target = "", f"call{number}", f"sip:fax@{HERE}:{agent.port}"
        server.expect("488", cseq=server.request("INVITE", body=bad))
        server.request("ACK", cseq=server.cseq)
    # In a call that is up the offer is refused, and the call goes on.
    server.remote, server.call_id, server.target = "", "last", f"sip:fax@{HERE}:{agent.port}"
    server.invite(body=AUDIO)
    for method in ("INVITE", "UPDATE"):
        for bad in (body.replace(f"c=IN IP4 {HERE}", "c=IN IP4 239.1.2.3"), body.replace(port, "53")):
            server.expect("488", cseq=server.request(method, body=bad))
            if method == "INVITE":
                server.request("ACK", cseq=server.cseq)
    server.bye()
    agent.say("")
    agent.output()


def test_an_ended_call_says_so(server: FarEnd) -> None:  # noqa: F811
    """A re-INVITE or UPDATE that comes after the BYE: 481 (RFC 3261 §12.2.2), as for a call that never was."""
    agent = Agent(ANSWERING)
    server.port_of_agent = agent.port
    server.invite(body=AUDIO)
    server.bye()
    for method in ("INVITE", "UPDATE", "INFO", "OPTIONS"):
        server.expect("481", cseq=server.request(method, body=AUDIO if method in ("INVITE", "UPDATE") else ""))
    agent.say("")
    agent.output()
