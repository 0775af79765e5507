# SPDX-License-Identifier: GPL-2.0-or-later
"""Far ends that offer, answer, cancel and contradict themselves at random: whatever they do, the user agent lives.

Reproducible by its seed. Run with a build of PJSIP under AddressSanitizer now and then; here the shipped build must go on
answering, keep no call and no descriptor, and raise nothing.
"""

from __future__ import annotations

import random
import select
import time

import pytest

from tests.sip.far_end import AUDIO, HERE, T38, Agent, FarEnd, Message, parse

pytestmark = pytest.mark.sip

DIALOGUES = 35
BOTH = AUDIO + "".join(line + "\r\n" for line in T38.splitlines()[5:])
T38_ATTRIBUTES = [
    *(f"T38FaxVersion:{v}" for v in ("0", "3", "99", "x", "")),
    *(f"T38MaxBitRate:{v}" for v in ("14400", "0", "33600", "x")),
    *(f"T38FaxRateManagement:{v}" for v in ("transferredTCF", "localTCF", "x")),
    *(f"T38FaxMaxDatagram:{v}" for v in ("0", "1", "400", "99999", "x")),
    *(f"T38FaxUdpEC:{v}" for v in ("t38UDPFEC", "t38UDPRedundancy", "x", "")),
    "T38FaxFillBitRemoval",
    "sendonly",
]
AUDIO_ATTRIBUTES = [
    *("rtpmap:97 PCMA/8000", "rtpmap:97", "rtpmap:0 PCMU/8000", "rtpmap:101 telephone-event/8000", "fmtp:101 0-15"),
    *("inactive", "sendonly", "recvonly", "ptime:0", "rtcp:x", "crypto:1 x", "rtcp-mux", "ice-ufrag:x"),
]
RESPONSES = ["200 OK"] * 7 + [f"{code} No" for code in (302, 408, 415, 422, 481, 488, 491, 500, 606)]

SCRIPT = f"""
async def main(agent):
    import random
    rnd, loop, calls = random.Random(1), asyncio.get_running_loop(), set()
    policies = [policy(), policy(accept=False)]
    class Any(Side):
        def on_state(self, call, state, code, reason):
            if state == "answered":
                if rnd.random() < 0.6: loop.call_later(rnd.random() / 3, call.offer_t38)
                if rnd.random() < 0.3: loop.call_later(rnd.random() / 2, call.offer_audio)
                loop.call_later(1.5, call.hangup)
            if state == "ended": calls.discard(call)
            else: calls.add(call)
        def on_t38(self, call, media):
            if rnd.random() < 0.3: call.offer_audio()
        def on_t38_refused(self, call, code, reason):
            if rnd.random() < 0.5: loop.call_later(0.05, call.offer_t38)
    def incoming(call):
        if rnd.random() < 0.1: return 486
        if rnd.random() < 0.2: call.ring()
        call.answer(t38=rnd.choice(policies))
        return Any("x")
    agent.incoming = incoming
    files = len(os.listdir("/proc/self/fd"))
    done = asyncio.Event()
    def read():
        line = sys.stdin.readline().strip()
        if line: agent.call(f"sip:far@{HERE}:{{line}}", Any("o"), t38=rnd.choice(policies))
        else: loop.remove_reader(0); done.set()
    loop.add_reader(0, read)
    await done.wait()
    for call in list(calls): call.hangup()
    await asyncio.sleep(2.5)
    print("calls", len(calls) < 20, "files", len(os.listdir("/proc/self/fd")) - files < 80)
"""


class Chaos:
    """A far end that chooses what to say by chance."""

    def __init__(self, seed: int, agent: Agent) -> None:
        self.rnd, self.agent = random.Random(seed), agent

    def media(self) -> str:
        rnd = self.rnd
        if rnd.random() < 0.5:
            port, protocol = (
                rnd.choice([40000] * 6 + [0, 1, 65535, 65536, -1]),
                rnd.choice(["udptl"] * 5 + ["UDPTL", "tcptl"]),
            )
            line = f"m=image {port} {protocol} {rnd.choice(['t38'] * 6 + ['T38', '', 't38 x'])}\r\n"
            attributes = rnd.sample(T38_ATTRIBUTES, rnd.randint(0, 6))
        else:
            port, protocol = rnd.choice([40002] * 6 + [0, 1]), rnd.choice(["RTP/AVP"] * 5 + ["RTP/SAVP", "udptl"])
            line = f"m=audio {port} {protocol} {rnd.choice(['0', '8', '0 8', '8 0 101', '97', '18', '', 't38'])}\r\n"
            attributes = rnd.sample(AUDIO_ATTRIBUTES, rnd.randint(0, 5))
        return line + "".join(f"a={a}\r\n" for a in attributes)

    def body(self) -> str:
        rnd = self.rnd
        if rnd.random() < 0.5:
            return rnd.choice([AUDIO, T38, BOTH, "", "nonsense"])
        address = rnd.choice([HERE] * 8 + ["0.0.0.0", "fax.invalid", "::1", "224.0.0.1", "", "A" * 80])
        text = AUDIO.split("c=")[0] + f"c=IN IP4 {address}\r\nt=0 0\r\n"
        text += "".join(self.media() for _ in range(rnd.choice([0, 1, 1, 1, 2, 2, 3, 18])))
        letters = list(text)
        if rnd.random() < 0.1:
            for _ in range(6):
                letters[rnd.randrange(len(letters))] = chr(rnd.randrange(256))
        return "".join(letters)

    def react(self, far: FarEnd, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([far.sock], [], [], left)[0]:
            message = parse(*far.sock.recvfrom(65535))
            if message.start.startswith("SIP/2.0"):
                self.take_response(far, message)
            elif message.kind != "ACK":
                self.take_request(far, message)

    def take_response(self, far: FarEnd, message: Message) -> None:
        cseq = message.header("CSeq")
        if "INVITE" in cseq and message.kind >= "200":
            if message.kind == "200":
                far.remote = message.header("To")
            if self.rnd.random() < 0.95:
                far.request("ACK", body=self.body() if self.rnd.random() < 0.3 else "", cseq=int(cseq.split()[0]))

    def take_request(self, far: FarEnd, message: Message) -> None:
        rnd = self.rnd
        far._learn(message)
        if message.kind not in ("INVITE", "UPDATE"):
            far.respond(message, "200 OK")
            return
        if message.kind == "INVITE" and rnd.random() < 0.3:
            far.respond(message, rnd.choice(["100 Trying", "180 Ringing", "183 Progress"]))
        status = rnd.choice(RESPONSES)
        timer = ["Session-Expires: 90;refresher=uac"] if rnd.random() < 0.2 else []
        far.respond(message, status, *timer, body=self.body() if status[0] == "2" else "")

    def dialogue(self) -> None:
        rnd = self.rnd
        far = FarEnd(port_of_agent=self.agent.port)
        if rnd.random() < 0.4:
            self.agent.say(str(far.port))
        else:
            far.request("INVITE", body=self.body())
        self.react(far, 0.15)
        for _ in range(rnd.randint(0, 5)):
            method = rnd.choice(["INVITE"] * 6 + ["UPDATE"] * 2 + ["BYE", "CANCEL", "INFO", "OPTIONS", "PRACK"])
            far.request(method, body=self.body() if method in ("INVITE", "UPDATE") else "")
            self.react(far, rnd.random() / 10)
        far.request("BYE")
        self.react(far, 0.03)
        far.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_far_ends_do_the_user_agent_lives(seed: int) -> None:
    agent = Agent(SCRIPT, "offer_timeout_s=0.5")
    chaos = Chaos(seed, agent)
    for _ in range(DIALOGUES):
        chaos.dialogue()
    far = FarEnd(port_of_agent=agent.port)
    far.expect("200", cseq=far.request("OPTIONS"))
    far.close()
    agent.say("")
    assert agent.output() == ["calls True files True"]
