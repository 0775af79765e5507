# SPDX-License-Identifier: GPL-2.0-or-later
"""Ends of calls, by whom and why, against far ends that say so, or give us reason to; an answer is acknowledged before the BYE it gets."""

from __future__ import annotations

import pytest

from tests.sip.far_end import AUDIO, HERE, Agent, FarEnd

pytestmark = pytest.mark.sip

TELLING = """
class Telling(Side):
    def on_state(self, call, state, code, reason):
        if state == "ended":
            print(call.end.by, call.end.code, call.end.q850, call.end.retry_after_s, call.end.why or call.end.words, flush=True)
        self.note(f"{state} {code}")
"""


def calling(far: FarEnd) -> Agent:
    return Agent(
        f"{TELLING}\nasync def main(agent):\n    a = Telling('caller')\n"
        f"    call = agent.call('{far.uri}', a, t38=policy())\n    await a.until('ended', 30)\n"
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (AUDIO.replace("RTP/AVP 0", "RTP/AVP 18"), "softfax 415 0 0 SDP negotiation failed"),
        (AUDIO.replace(HERE, "224.0.0.1"), "softfax 488 0 0 nothing is sent to 224.0.0.1"),
        ("v=0\r\nno sdp at all\r\n", "softfax 415 0 0 SDP negotiation failed"),
    ],
)
def test_an_answer_that_cannot_be_used_is_acknowledged_and_ended_by_us(far: FarEnd, answer: str, told: str) -> None:
    agent = calling(far)
    far.respond(far.expect("INVITE"), "200 OK", body=answer)
    seen = [far.any_of("ACK", "BYE"), far.any_of("ACK", "BYE")]
    assert [message.kind for message in seen] == ["ACK", "BYE"]
    far.respond(seen[1], "200 OK")
    (line,) = agent.output()
    assert line.startswith(told), line


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        ("480 Temporarily Unavailable", ['Reason: Q.850;cause=1;text="Unallocated"'], "far-end 0 1 0 Unallocated"),
        ("500 Oops", ["Reason: SIP;cause=500, Q.850;cause=17"], "far-end 0 17 0 "),
        ("503 Full", ["Retry-After: 90", 'Warning: 399 gw "no trunk"'], "far-end 0 0 90 no trunk"),
        ("486 Busy Here", ["Retry-After: 999999"], "far-end 0 0 3600 "),
    ],
)
def test_what_a_refusal_says(far: FarEnd, status: str, headers: list[str], told: str) -> None:
    agent = calling(far)
    far.respond(far.expect("INVITE"), status, *headers)
    assert agent.output() == [told]


def test_what_a_bye_says(far: FarEnd) -> None:
    agent = calling(far)
    far.answer()
    far.request("BYE", 'Reason: Q.850;cause=38;text="Network out of order"')
    assert agent.output() == ["far-end 0 38 0 Network out of order"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (AUDIO.replace(HERE, "224.0.0.1"), "nothing is sent to 224.0.0.1"),
        (AUDIO.replace(f"IN IP4 {HERE}", "IN IP6 ::1"), "IPv6"),
    ],
)
def test_a_call_that_we_refuse_gets_a_warning_and_is_told_to_the_owner(far: FarEnd, body: str, words: str) -> None:
    agent = Agent(
        """
async def main(agent):
    done = asyncio.Event()
    def refused(call, code, why):
        print(call.source, code, why, flush=True)
        done.set()
    agent.on_refused = refused
    agent.incoming = lambda call: 500
    await done.wait()
"""
    )
    far.port_of_agent = agent.port
    response = far.invite(body=body, status="488")
    assert words in response.header("Warning")
    (line,) = agent.output()
    assert line.startswith(f"{HERE} 488 ")
    assert words in line


def test_the_owners_refusal_says_why(far: FarEnd) -> None:
    agent = Agent(
        """
async def main(agent):
    done = asyncio.Event()
    def incoming(call):
        call.refused_for('all "3" channel slots are taken')
        asyncio.get_running_loop().call_later(0.5, done.set)
        return 486
    agent.incoming = incoming
    await done.wait()
"""
    )
    far.port_of_agent = agent.port
    response = far.invite(body=AUDIO, status="486")
    assert response.header("Warning").startswith("399 ")
    assert response.header("Warning").endswith("\"all '3' channel slots are taken\"")
    agent.output()


def test_an_interval_that_is_too_short_is_refused_by_us(far: FarEnd) -> None:
    agent = Agent(
        f"""{TELLING}
async def main(agent):
    b = Telling("answerer")
    def incoming(call):
        call.answer(t38=policy()); return b
    agent.incoming = incoming
    await b.until("ended", 30)
"""
    )
    far.port_of_agent = agent.port
    response = far.invite("Session-Expires: 10", "Supported: timer", body=AUDIO, status="422")
    assert response.header("Min-SE") == "90"
    (line,) = agent.output()
    assert line.startswith("softfax 422 0 0 ")
