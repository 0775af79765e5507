# SPDX-License-Identifier: GPL-2.0-or-later
"""Redundant audio (RFC 2198) in SDP: offered and taken beside G.711, wherever the far end puts it, and never instead of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sip.far_end import AUDIO, HERE, Agent, FarEnd

pytestmark = pytest.mark.sip

CALLEE = """
async def main(agent):
    class Callee(Side):
        def on_audio(self, call, media):
            print(media.codec, media.payload_type, media.red); os.close(media.fd)
    side = Callee("b")
    def incoming(call):
        call.answer(t38=policy()); return side
    agent.incoming = incoming
    await side.until("ended", 30)
"""
CALLER = """
async def main(agent):
    class Caller(Side):
        def on_audio(self, call, media):
            print(media.codec, media.payload_type, media.red, flush=True); os.close(media.fd)
    side = Caller("a")
    agent.call("sip:far@127.0.0.1:PORT", side, t38=policy(), account=agent.config.first_account)
    await side.until("ended", 30)
"""
RED = "a=rtpmap:97 red/8000\r\na=fmtp:97 0/0\r\n"


@pytest.fixture
def far() -> Iterator[FarEnd]:
    end = FarEnd()
    yield end
    end.close()


def formats(body: str) -> list[str]:
    (line,) = [line for line in body.splitlines() if line.startswith("m=audio")]
    return line.split()[3:]


@pytest.mark.parametrize(("theirs", "taken"), [("0 97", True), ("97 0", True), ("97 8 0", True), ("0", False)])
def test_an_offer_of_it_is_answered_beside_the_codec(far: FarEnd, theirs: str, taken: bool) -> None:
    agent = Agent(CALLEE)
    far.port_of_agent = agent.port
    answer = far.invite(body=AUDIO.replace("AVP 0", f"AVP {theirs}") + (RED if taken else ""))
    far.bye()

    law = theirs.replace("97", "").split()[0]
    assert formats(answer.body) == [law, "97"] if taken else [law]
    assert ("a=rtpmap:97 red/8000" in answer.body) is taken
    assert (f"a=fmtp:97 {law}/{law}" in answer.body) is taken
    assert agent.output() == [f"{'PCMA' if law == '8' else 'PCMU'} {law} {(97, 97, 1) if taken else None}"]


def test_an_offer_of_it_alone_is_refused(far: FarEnd) -> None:
    agent = Agent(CALLEE.replace('await side.until("ended", 30)', "await asyncio.sleep(3)"))
    far.port_of_agent = agent.port
    far.invite(body=AUDIO.replace("AVP 0", "AVP 97") + RED, status="488")
    assert agent.output() == []


def test_it_may_come_and_go_by_another_offer(far: FarEnd) -> None:
    agent = Agent(CALLEE)
    far.port_of_agent = agent.port
    far.invite(body=AUDIO)
    far.invite(body=AUDIO.replace("AVP 0", "AVP 0 97") + RED)
    far.invite(body=AUDIO)
    far.bye()
    assert agent.output() == ["PCMU 0 None", "PCMU 0 (97, 97, 1)", "PCMU 0 None"]


@pytest.mark.parametrize("answered", ["0", "0 127", "127 0"])
def test_our_offer_has_it_last_and_an_answer_may_leave_it_out(far: FarEnd, answered: str) -> None:
    agent = Agent(CALLER.replace("PORT", str(far.port)))
    offer = far.expect("INVITE")
    red = "a=rtpmap:127 red/8000\r\na=fmtp:127 0/0\r\n" if "127" in answered else ""
    far.respond(offer, "200 OK", body=AUDIO.replace("AVP 0", f"AVP {answered}") + red)
    far.expect("ACK")
    agent.hear(f"PCMU 0 {(127, 127, 1) if red else None}")
    far.bye()
    agent.output()

    assert formats(offer.body)[0] == "0"
    assert formats(offer.body)[-1] == "127"
    assert "a=rtpmap:127 red/8000" in offer.body
    assert "a=fmtp:127 0/0" in offer.body


@pytest.mark.parametrize(("earlier", "said"), [(0, None), (2, "a=fmtp:127 0/0/0")])
def test_an_account_says_how_much_of_it(far: FarEnd, earlier: int, said: str | None) -> None:
    account = f"SipAccount(name='a', server='sip:{HERE}:{far.port}', audio_redundancy={earlier})"
    agent = Agent(CALLER.replace("PORT", str(far.port)), f'{{"accounts": ({account},)}}')
    offer = far.expect("INVITE")
    far.respond(offer, "200 OK", body=AUDIO)
    far.expect("ACK")
    agent.hear("PCMU 0 None")
    far.bye()
    agent.output()

    assert ("red/8000" in offer.body) is (said is not None)
    assert said is None or said in offer.body
