# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP on the wire: what is offered, answered and refused; packets of a real call."""

from __future__ import annotations

import base64
import re
import socket

import pytest

from softfax.engine.abi import SrtpSuite
from softfax.engine.srtp import SrtpSettings
from tests.sip.far_end import AUDIO, HERE, T38, Agent, FarEnd
from tests.support.engine_testing import Srtp

pytestmark = pytest.mark.sip

SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY = bytes(range(30))
CRYPTO = f"a=crypto:1 {SUITE} inline:{base64.b64encode(KEY).decode()}\r\n"
SECURE = AUDIO.replace("RTP/AVP", "RTP/SAVP") + CRYPTO


def config(far: FarEnd, srtp: str, **more: object) -> str:
    return (
        f'accounts=[SipAccount(name="a", server="sip:{HERE}:{far.port}", trusted=("{HERE}",), srtp="{srtp}", '
        f"**{ {'srtp_without_tls': True, **more}!r})]"
    )


ANSWERS = """
async def main(agent):
    side = Side("b")
    def incoming(call):
        call.answer(t38=policy()); return side
    agent.incoming = incoming
    await side.until("ended", 30)
    print([e for e in side.log if not e.startswith("calling")])
"""


@pytest.mark.parametrize(
    ("srtp", "first", "then"),
    [
        ("required", SECURE, AUDIO),  # a re-INVITE may not leave it
        ("optional", AUDIO + CRYPTO, AUDIO),
    ],
)
def test_an_offer_is_answered_in_its_own_way(far: FarEnd, srtp: str, first: str, then: str) -> None:
    agent = Agent(ANSWERS, config(far, srtp))
    far.port_of_agent = agent.port
    answers = [far.invite(body=first).body]
    assert "m=image" in far.invite(body=T38).body
    answers.append(far.invite(body=first).body)  # back to audio
    if srtp == "required":
        far.request("ACK", cseq=int(far.invite(body=then, status="488").header("CSeq").split()[0]))
    else:
        answers.append(far.invite(body=then).body)
    far.bye()
    lines = [re.findall(r"^(?:m=audio|a=crypto:1).*$", body, re.M) for body in answers]
    assert ("RTP/SAVP" in lines[0][0]) == ("SAVP" in first)
    assert [len(line) for line in lines] == [2, 2, 1][: len(lines)]
    assert len({line[1] for line in lines if len(line) == 2}) == 1  # one key of ours in a call
    assert "ended" in agent.output()[-1]


PLAIN_LINE, SECURE_LINE = AUDIO.partition("m=")[2], SECURE.partition("m=")[2]


@pytest.mark.parametrize(
    ("srtp", "lines", "answer"),
    [
        ("required", (PLAIN_LINE, SECURE_LINE), ["m=audio 0 RTP/AVP", "m=audio # RTP/SAVP"]),
        ("required", (SECURE_LINE, PLAIN_LINE), ["m=audio # RTP/SAVP", "m=audio 0 RTP/AVP"]),
        ("optional", (PLAIN_LINE, SECURE_LINE), ["m=audio 0 RTP/AVP", "m=audio # RTP/SAVP"]),
        ("optional", (SECURE_LINE, PLAIN_LINE), ["m=audio # RTP/SAVP", "m=audio 0 RTP/AVP"]),
        ("off", (SECURE_LINE, PLAIN_LINE), ["m=audio 0 RTP/SAVP", "m=audio # RTP/AVP"]),
    ],
)
def test_of_two_lines_the_one_with_keys_is_taken(
    far: FarEnd,
    srtp: str,
    lines: tuple[str, str],
    answer: list[str],
) -> None:
    agent = Agent(ANSWERS, config(far, srtp))
    far.port_of_agent = agent.port
    response = far.invite(body=AUDIO.partition("m=")[0] + "".join(f"m={line}" for line in lines))
    assert [line.rsplit(" ", line.count(" ") - 2)[0] for line in response.lines] == answer
    assert ("a=crypto:" in response.body) == ("m=audio # RTP/SAVP" in answer)
    far.bye()
    assert agent.output() == ["['audio PCMU', 'answered 200', 'ended 200']"]


@pytest.mark.parametrize(
    ("srtp", "offer", "more"),
    [
        ("required", AUDIO, {}),
        ("required", SECURE, {"srtp_without_tls": False, "transport": "tls"}),  # keys for all to read
    ],
)
def test_what_will_not_do_is_refused(far: FarEnd, srtp: str, offer: str, more: dict[str, object]) -> None:
    agent = Agent("""
async def main(agent):
    agent.incoming = lambda call: print("a call") or 486
    await asyncio.to_thread(sys.stdin.readline)
""", config(far, srtp, **more))  # fmt: skip
    far.port_of_agent = agent.port
    far.request("ACK", cseq=int(far.invite(body=offer, status="488").header("CSeq").split()[0]))
    agent.say("enough")
    assert agent.output() == []


CALLS = """
from softfax.sip import sdes
async def main(agent):
    media = asyncio.get_running_loop().create_future()
    class Caller(Side):
        def on_audio(self, call, got):
            self.note(f"audio {got.srtp is not None}")
            if not media.done(): media.set_result(got)
            else: os.close(got.fd)
    side = Caller("a")
    agent.call(f"sip:far@{agent.accounts[0].server[4:]}", side, t38=policy(), account="a")
    await side.until("ended", 30)
    print([e for e in side.log if e.startswith(("audio", "ended"))])
"""


@pytest.mark.parametrize(
    ("srtp", "answer", "log"),
    [
        ("required", SECURE, ["audio True", "ended 200"]),
        ("optional", AUDIO, ["audio False", "ended 200"]),
        ("required", SECURE.replace("crypto:1", "crypto:7"), ["ended 488"]),
    ],
)
def test_what_we_offer_and_make_of_answers(far: FarEnd, srtp: str, answer: str, log: list[str]) -> None:
    agent = Agent(CALLS, config(far, srtp))
    invite = far.expect("INVITE")
    assert invite.lines[0].startswith(f"m=audio # {'RTP/SAVP' if srtp == 'required' else 'RTP/AVP'} 0 ")
    assert len(re.findall(r"^a=crypto:", invite.body, re.M)) == 2
    far.respond(invite, "200 OK", body=answer)
    far.expect("ACK")
    if log[-1] == "ended 200":
        far.bye()
    else:
        far.respond(far.expect("BYE"), "200 OK")
    assert agent.output() == [str(log)]


FAXES = """
from pathlib import Path
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Role
from softfax.engine.core import Engine
from softfax.model import Direction
async def main(agent):
    runtime = FaxRuntime(Engine(1), agent)
    settings = FaxSettings(direction=Direction.RECEIVE, role=Role.CALLER, document=Path({tiff!r}), mode="audio")
    line = runtime.send(f"sip:far@{{agent.accounts[0].server[4:]}}", settings, account="a")
    await asyncio.to_thread(sys.stdin.readline)
    stats = line.engine.stats()
    print(stats.rtp_rx_packets, stats.srtp_rejected, stats.srtp_replayed)
    line.cancel()
    await line.result
    runtime.engine.close()
"""


def test_packets_of_a_call_are_encrypted_and_forged_ones_do_not_count(far: FarEnd, tmp_path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        rtp.bind((HERE, 0))
        rtp.settimeout(5)
        agent = Agent(FAXES.format(tiff=str(tmp_path / "in.tif")), config(far, "required"))
        invite = far.expect("INVITE")
        theirs = re.search(rf"^a=crypto:1 {SUITE} inline:(\S{{40}})", invite.body, re.M)
        port = re.search(r"^m=audio (\d+)", invite.body, re.M)
        assert theirs is not None
        assert port is not None
        far.respond(invite, "200 OK", body=SECURE.replace("40002", str(rtp.getsockname()[1])))
        far.expect("ACK")
        ours = Srtp(SrtpSettings(suite=SrtpSuite[SUITE], tx_key=KEY, rx_key=base64.b64decode(theirs[1])))
        sealed = rtp.recv(2048)
        assert len(sealed) == 12 + 160 + 10
        opened = ours.unprotect(sealed)
        assert opened is not None
        assert opened[:12] == sealed[:12]
        assert opened[12:] != sealed[12:172]
        plain = [
            b"\x80\x00" + n.to_bytes(2, "big") + (n * 160).to_bytes(4, "big") + b"fax!" + b"\xff" * 160
            for n in range(40)
        ]
        good = [ours.protect(packet) for packet in plain]
        to = (HERE, int(port[1]))
        for packet in [*good[:20], good[3], good[4], *plain[20:], *(p[:-1] + b"\x00" for p in good[20:30]), *good[20:]]:
            rtp.sendto(packet, to)
        rtp.recv(2048)
        rtp.recv(2048)
        rtp.recv(2048)
        ours.close()
        agent.say("enough")
        far.respond(far.expect("BYE"), "200 OK")
        received, rejected, replayed = map(int, agent.output()[0].split())
    assert (received, replayed) == (40, 2)
    assert rejected >= 28  # a tag of ten octets may end in zero by chance
