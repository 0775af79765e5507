# SPDX-License-Identifier: GPL-2.0-or-later
"""Offers as the world writes them: what is taken, line by line (RFC 3264 §6), and what is refused with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.sip.far_end import AUDIO, HERE, Agent, FarEnd

pytestmark = pytest.mark.sip

ANSWERS = """
ACCEPT = True
async def main(agent):
    sides = {}
    def incoming(call):
        sides[call.call_id] = side = Side("answerer")
        call.answer(t38=policy(accept=ACCEPT)); return side
    agent.incoming = incoming
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for call_id, side in sides.items():
        media = [e.split()[0] for e in side.log if e.startswith(("audio", "t38"))]
        print(call_id, *media)
"""

HEAD = f"v=0\r\no=- 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\n"
NO_ADDRESS = HEAD.replace(f"c=IN IP4 {HERE}\r\n", "")
PCMU = "m=audio 40002 RTP/AVP 0\r\n"
G729 = "m=audio 40004 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
VIDEO = "m=video 40006 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
APPLICATION = "m=application 40008 udp PTT\r\na=fmtp:PTT mc_priority=5\r\n"
T38 = (
    "m=image 40000 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\n"
    "a=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
)
TCP = "m=image 40010 tcp t38\r\na=T38FaxRateManagement:localTCF\r\n"


def image(**attributes: str) -> str:
    """T.38 whose attributes are others; an empty value is an attribute without one."""
    lines = [f"a={name}{':' if value else ''}{value}\r\n" for name, value in attributes.items()]
    return T38.splitlines(keepends=True)[0] + "".join(lines)


@dataclass(frozen=True)
class Offer:
    """An offer, and the lines of its answer: "t38" or "audio" for the one that is taken, "-" for those refused."""

    body: str
    answer: str


FIRST = {
    # beside T.38
    "over tcp as well": Offer(HEAD + T38 + TCP, "t38 -"),
    "video": Offer(HEAD + T38 + VIDEO, "t38 -"),
    "video first": Offer(HEAD + VIDEO + T38, "- t38"),
    "an application": Offer(HEAD + T38 + APPLICATION, "t38 -"),
    "audio we have not": Offer(HEAD + G729 + T38, "- t38"),
    "audio we have, later": Offer(HEAD + PCMU + T38, "audio -"),
    "several of audio": Offer(HEAD + PCMU + PCMU.replace("2 ", "4 ") + T38, "- - t38"),
    "audio in abeyance": Offer(HEAD + PCMU + "a=inactive\r\n" + T38, "- t38"),
    "in abeyance beside audio": Offer(HEAD + PCMU + T38 + "a=inactive\r\n", "audio -"),
    "T.38 twice": Offer(HEAD + T38 + T38.replace("40000", "40020"), "t38 -"),
    "a refused one": Offer(HEAD + "m=image 0 udptl t38\r\n" + T38, "- t38"),
    "all of it": Offer(HEAD + VIDEO + G729 + TCP + T38 + APPLICATION, "- - - t38 -"),
    # names
    "capitals": Offer(HEAD + T38.replace("image", "IMAGE").replace("udptl t38", "UDPTL T38"), "t38"),
    "small attributes": Offer(HEAD + T38.replace("T38Fax", "t38fax"), "t38"),
    "capital attributes": Offer(HEAD + T38.replace("T38Fax", "T38FAX"), "t38"),
    "capital audio": Offer(HEAD + "m=AUDIO 40002 RTP/AVP 97\r\na=RTPMAP:97 pcma/8000\r\n", "audio"),
    # addresses
    "refused without one": Offer(NO_ADDRESS + "m=audio 0 RTP/AVP 8\r\n" + T38 + f"c=IN IP4 {HERE}\r\n", "- t38"),
    "refused without one, last": Offer(NO_ADDRESS + PCMU + f"c=IN IP4 {HERE}\r\nm=video 0 RTP/AVPF 96\r\n", "audio -"),
    "of the line": Offer(HEAD.replace(HERE, "192.0.2.1") + T38 + f"c=IN IP4 {HERE}\r\n", "t38"),
    # audio
    "static types without names": Offer(HEAD + "m=audio 40002 RTP/AVP 8 0 101\r\na=ptime:20\r\na=maxptime:40\r\n", "audio"),
    "events by any number": Offer(HEAD + "m=audio 40002 RTP/AVP 0 126\r\na=rtpmap:126 telephone-event/8000\r\n", "audio"),
    "a number too high": Offer(HEAD + "m=audio 40002 RTP/AVP 4294967296 0\r\n", "audio"),
    "nothing but such numbers": Offer(HEAD + "m=audio 40002 RTP/AVP 300\r\n" + T38, "- t38"),
    "bandwidth": Offer(HEAD + PCMU + "b=AS:64\r\nb=RS:0\r\nb=RR:0\r\n", "audio"),
    "sendonly": Offer(HEAD + T38 + "a=sendonly\r\n", "t38"),
    # forms
    "line feeds alone": Offer((HEAD + T38).replace("\r\n", "\n"), "t38"),
    "blank lines": Offer(HEAD + "\r\n" + T38 + "\r\n\r\n", "t38"),
    "blanks at the end of lines": Offer((HEAD + T38).replace("\r\n", " \r\n"), "t38"),
    "no last end of line": Offer((HEAD + T38).rstrip(), "t38"),
    "no name, no time": Offer(HEAD.replace("s=-\r\n", "").replace("t=0 0\r\n", "") + T38, "t38"),
    "two ports": Offer(HEAD + T38.replace("40000", "40000/2"), "t38"),
    # T.38 as it is described
    "nothing said": Offer(HEAD + image(), "t38"),
    "fill bits": Offer(HEAD + T38 + "a=T38FaxFillBitRemoval\r\na=T38FaxTranscodingMMR:0\r\n", "t38"),
    "fill bits by number": Offer(HEAD + T38 + "a=T38FaxFillBitRemoval:1\r\na=T38FaxTranscodingJBIG:1\r\n", "t38"),
    "tiny datagrams": Offer(HEAD + image(T38FaxMaxDatagram="8", T38FaxUdpEC="t38UDPRedundancy"), "t38"),
    "no size": Offer(HEAD + image(T38FaxMaxDatagram=""), "t38"),
    "unknown correction": Offer(HEAD + image(T38FaxUdpEC="udpRedundancy"), "t38"),
    "a rate with its unit": Offer(HEAD + image(T38MaxBitRate="14400 bps"), "t38"),
    "a version with a point": Offer(HEAD + image(T38FaxVersion="0.0"), "t38"),
}  # fmt: skip

AGAIN = {
    "audio and T.38": Offer(HEAD + PCMU + T38, "- t38"),
    "T.38 over both": Offer(HEAD + T38 + TCP, "t38 -"),
    "T.38 and video": Offer(HEAD + T38 + VIDEO, "t38 -"),
    "audio, T.38 in abeyance": Offer(HEAD + PCMU + T38 + "a=inactive\r\n", "audio -"),
    "the same version": Offer(HEAD + T38, "t38"),
}

REFUSED = {
    "a name": (HEAD.replace(f"c=IN IP4 {HERE}", "c=IN IP4 fax.invalid"), "301"),
    "another family": (HEAD.replace(f"c=IN IP4 {HERE}", "c=IN IP6 ::1"), "300"),
}


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    one = Agent(ANSWERS)
    yield one
    one.kill()


@pytest.fixture
def far(agent: Agent) -> Iterator[FarEnd]:
    far = FarEnd(agent.port)
    yield far
    far.close()


def taken(body: str) -> str:
    """The lines of an answer in the words of the tables."""
    lines = re.findall(r"^m=(\w+) (\d+) (\S+)", body, re.M)
    return " ".join("-" if port == "0" else "t38" if media == "image" else media for media, port, _ in lines)


@pytest.mark.parametrize("name", FIRST)
def test_of_a_first_invite(far: FarEnd, name: str) -> None:
    offer = FIRST[name]
    answer = far.invite(body=offer.body).body
    far.bye()

    assert taken(answer) == offer.answer
    kinds = [line.split()[0][2:].lower() for line in re.findall(r"^m=.*", offer.body, re.M)]
    assert re.findall(r"^m=(\w+)", answer.lower(), re.M) == kinds


@pytest.mark.parametrize("name", AGAIN)
def test_of_a_later_one(far: FarEnd, name: str) -> None:
    far.invite(body=AUDIO)
    answer = far.invite(body=AGAIN[name].body).body
    far.bye()

    assert taken(answer) == AGAIN[name].answer


@pytest.mark.parametrize("media", [PCMU, T38], ids=["audio", "T.38"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_reached_is_refused_and_why(far: FarEnd, name: str, media: str) -> None:
    head, code = REFUSED[name]
    first = far.invite(body=head + media, status="488")
    assert first.header("Warning").startswith(f"{code} ")
    far.request("ACK")

    again = FarEnd(far.port_of_agent)
    again.invite(body=AUDIO)
    later = again.invite(body=head + media, status="488")
    again.request("ACK")
    assert later.header("Warning").startswith(f"{code} ")
    assert taken(again.invite(body=AUDIO).body) == "audio"
    again.bye()
    again.close()


def test_where_t38_is_not_wanted_it_says_so_unless_there_is_audio() -> None:
    ours = Agent(ANSWERS.replace("ACCEPT = True", "ACCEPT = False"))
    far, audio = FarEnd(ours.port), FarEnd(ours.port)
    refused = far.invite(body=HEAD + T38 + VIDEO, status="488")
    far.request("ACK")
    answer = audio.invite(body=FIRST["several of audio"].body).body
    audio.bye()
    ours.say("enough")
    ours.output()
    far.close()
    audio.close()

    assert refused.header("Warning").startswith("304 ")
    assert taken(answer) == "audio - -"


def test_the_owner_is_told_of_what_was_taken() -> None:
    ours = Agent(ANSWERS)
    calls = {}
    for offer in (AGAIN["audio and T.38"], AGAIN["T.38 over both"], AGAIN["audio, T.38 in abeyance"]):
        far = FarEnd(ours.port)
        far.invite(body=AUDIO)
        far.invite(body=offer.body.replace("40002", "40012"))
        far.bye()
        calls[far.call_id] = offer.answer.replace("-", "").strip()
        far.close()
    ours.say("enough")
    told = {line.split()[0]: line.split()[1:] for line in ours.output()}

    assert told == {call: ["audio", media] for call, media in calls.items()}


STAYS = """
async def main(agent):
    calls, side = [], Side("answerer")
    def incoming(call):
        calls.append(call); call.answer(t38=policy()); return side
    agent.incoming = incoming
    await side.until("answered")
    calls[0].stay_in_audio(True)
    print("stays", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await side.until("ended", 30)
"""


def test_in_the_middle_of_a_fax_audio_goes_on() -> None:
    ours = Agent(STAYS)
    far = FarEnd(ours.port)
    far.invite(body=AUDIO)
    ours.hear("stays")
    refused = far.invite(body=HEAD + T38, status="488")
    far.request("ACK")
    both = far.invite(body=HEAD + PCMU + T38)
    ours.say("go on")
    far.bye()
    ours.output()
    far.close()

    assert refused.header("Warning").startswith("304 ")
    assert "under way" in refused.header("Warning")
    assert taken(both.body) == "audio -"
