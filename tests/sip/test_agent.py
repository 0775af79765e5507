# SPDX-License-Identifier: GPL-2.0-or-later
"""The SIP user agent on this machine: real calls, no modem. Each test runs in a process of its own, as PJSIP is one a process."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.certificate import self_signed

pytestmark = pytest.mark.sip

PRELUDE = """
import asyncio, os, socket, sys
from softfax.sip.agent import UserAgent
from softfax.sip.sdp import T38Parameters
from softfax.sip.types import *
from softfax.sip.call import IncomingCall
from softfax.errors import *

class Side:
    def __init__(self, name):
        self.name, self.log, self.changed = name, [], asyncio.Event()
    def note(self, what):
        self.log.append(what); self.changed.set()
    def on_state(self, call, state, code, reason): self.note(f"{state} {code}")
    def on_audio(self, call, media): os.close(media.fd); self.note(f"audio {media.codec}")
    def on_t38(self, call, media): self.note(f"t38 {media.parameters.error_correction} {media.parameters.max_bitrate_bps}" + " direct" * media.direct)
    def on_t38_refused(self, call, code, reason): self.note(f"refused {code}")
    async def until(self, what, seconds=12):
        async def wait():
            while not any(e.startswith(what) for e in self.log):
                self.changed.clear(); await self.changed.wait()
        try:
            await asyncio.wait_for(wait(), seconds)
        except TimeoutError:
            sys.exit(f"{self.name}: no {what}: {self.log}")

def policy(accept=True, **parameters):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.bind(("127.0.0.1", 0))
    return T38Policy(accept, T38Parameters(**parameters), lambda version, keep=sock: sock.getsockname())

async def pair(agent, caller_policy, answerer_policy):
    a, b, calls = Side("caller"), Side("answerer"), []
    def incoming(call):
        calls.append(call); call.answer(t38=answerer_policy); return b
    agent.incoming = incoming
    out = agent.call(f"sip:fax@127.0.0.1:{agent.bound_address[1]}", a, t38=caller_policy)
    await a.until("answered"); await b.until("answered")
    return a, b, out, calls[0]

def run(main):
    async def outer():
        agent = await UserAgent.start(SipConfig(listen="127.0.0.1:0"))
        try:
            await asyncio.wait_for(main(agent), 40)
        finally:
            await agent.close()
    asyncio.run(outer())
"""


def run(script: str, timeout: float = 60) -> str:
    """Runs a script after the prelude; returns its output."""
    code = PRELUDE + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("who", ["out", "inc"])
def test_t38_is_offered_and_taken_by_either_side(who: str) -> None:
    run(f"""
        async def main(agent):
            a, b, out, inc = await pair(agent, policy(error_correction="fec"), policy(max_bitrate_bps=9600, error_correction="fec"))
            assert a.log[-1] == "answered 200" and "audio PCMU" in a.log and "audio PCMU" in b.log
            {who}.offer_t38()
            await a.until("t38"); await b.until("t38")
            assert "t38 fec" in " ".join(a.log) and "t38 fec" in " ".join(b.log)
            out.hangup()
            await a.until("ended"); await b.until("ended")
        run(main)
    """)


def test_a_refusal_leaves_the_call_and_a_second_try_may_work() -> None:
    run("""
        async def main(agent):
            a, b, out, inc = await pair(agent, policy(), policy(accept=False))
            out.offer_t38()
            await a.until("refused 488")
            inc._policy = policy()
            out.offer_t38()
            await a.until("t38"); await b.until("t38")
            assert not any(e.startswith("ended") for e in a.log + b.log)
            inc.hangup()
            await a.until("ended"); await b.until("ended")
        run(main)
    """)


@pytest.mark.parametrize("both", [True, False])
def test_both_know_that_no_modem_is_between(both: bool) -> None:
    run(f"""
        async def main(agent):
            a, b, out, inc = await pair(agent, policy(direct=True), policy(direct={both}))
            inc.offer_t38()
            await a.until("t38"); await b.until("t38")
            for side in (a, b):
                assert side.log[-1].endswith("direct") is {both}, side.log
            out.hangup()
            await b.until("ended")
        run(main)
    """)


def test_glare_is_waited_out() -> None:
    run("""
        async def main(agent):
            a, b, out, inc = await pair(agent, policy(), policy())
            out.offer_t38(); inc.offer_t38()
            await a.until("t38"); await b.until("t38")
            assert not any(e.startswith("refused") for e in a.log + b.log)
            out.hangup()
            await b.until("ended")
        run(main)
    """)


def test_both_may_offer_one_after_the_other() -> None:
    run("""
        async def main(agent):
            a, b, out, inc = await pair(agent, policy(), policy())
            for n in range(6):
                (out if n % 2 else inc).offer_t38()
                while sum(e.startswith("t38") for e in a.log) <= n or sum(e.startswith("t38") for e in b.log) <= n:
                    await asyncio.sleep(0.02)
            out.hangup()
            await b.until("ended")
        run(main)
    """)


def test_refusal_cancel_and_an_answer_that_comes_too_late() -> None:
    run("""
        async def main(agent):
            port = agent.bound_address[1]
            a = Side("refused")
            agent.incoming = lambda call: 486
            agent.call(f"sip:fax@127.0.0.1:{port}", a, t38=policy())
            await a.until("ended 486")
            b, far = Side("cancelled"), Side("far")
            agent.incoming = lambda call: far   # rings for ever
            call = agent.call(f"sip:fax@127.0.0.1:{port}", b, t38=policy())
            await b.until("calling")
            await asyncio.sleep(0.3)
            call.hangup()
            await b.until("ended 487"); await far.until("ended")
        run(main)
    """)


def test_several_calls_at_once() -> None:
    run("""
        async def main(agent):
            sides = []
            def incoming(call):
                side = Side("in"); sides.append(side); call.answer(t38=policy()); return side
            agent.incoming = incoming
            outs = [Side(f"out {n}") for n in range(20)]
            calls = [agent.call(f"sip:fax@127.0.0.1:{agent.bound_address[1]}", s, t38=policy()) for s in outs]
            for s in outs: await s.until("answered")
            for c in calls: c.offer_t38()
            for s in outs: await s.until("t38")
            for c in calls: c.hangup()
            for s in outs + sides: await s.until("ended")
            assert len({c.call_id for c in calls}) == 20
        run(main)
    """)


def test_nobody_there() -> None:
    run("""
        async def main(agent):
            sock = socket.socket(); sock.bind(("127.0.0.1", 0))
            a = Side("caller")
            agent.call(f"sip:fax@127.0.0.1:{sock.getsockname()[1]};transport=tcp", a, t38=policy())
            await a.until("ended", 40)
            print(a.log)
        run(main)
    """)


def test_a_port_in_use_and_a_second_agent_are_clear_errors() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        output = run(f"""
            async def main():
                try:
                    await UserAgent.start(SipConfig(listen="127.0.0.1:{taken.getsockname()[1]}"))
                except PortInUseError as error:
                    print(error)
                agent = await UserAgent.start(SipConfig())
                try:
                    await UserAgent.start(SipConfig())
                except NativeError as error:
                    print(error)
                await agent.close()
                agent = await UserAgent.start(SipConfig())
                print("again", agent.bound_address[0])
                await agent.close()
            asyncio.run(main())
        """)
    lines = output.splitlines()
    assert "is in use; choose another address or port" in lines[0]
    assert "runs in this process already" in lines[1]
    assert lines[2] == "again 127.0.0.1"


def test_what_is_left_of_a_closed_agent_takes_nothing_from_the_next() -> None:
    run("""
        import gc
        gc.disable()
        async def main():
            first = await UserAgent.start(SipConfig(listen="127.0.0.1:0"))
            a = Side("refused")
            first.call("sips:fax@127.0.0.1:5061", a, t38=policy())
            await a.until("ended")
            await first.close()
            second = await UserAgent.start(SipConfig(listen="127.0.0.1:0"))
            del first, a
            gc.collect()
            a, b, out, inc = await pair(second, policy(), policy())
            assert a.log[-1] == "answered 200"
            await second.close()
        asyncio.run(main())
    """)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_other_transports(tmp_path: Path, transport: str) -> None:
    certificate, key = self_signed(tmp_path, "127.0.0.1")
    run(f"""
        async def main():
            config = SipConfig(transport={transport!r}, tls_certificate={str(certificate)!r}, tls_private_key={str(key)!r}, tls_ca={str(certificate)!r})
            agent = await UserAgent.start(config)
            a, b, out, inc = await pair(agent, policy(), policy())
            out.offer_t38()
            await a.until("t38"); await b.until("t38")
            inc.hangup()
            await a.until("ended"); await b.until("ended")
            await agent.close()
        asyncio.run(main())
    """)


def test_a_certificate_that_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "127.0.0.1")
    run(f"""
        async def main():
            agent = await UserAgent.start(SipConfig(transport="tls", tls_certificate={str(certificate)!r}, tls_private_key={str(key)!r}))
            a = Side("caller")
            agent.call(f"sip:fax@127.0.0.1:{{agent.bound_address[1]}}", a, t38=policy())
            await a.until("ended", 40)
            assert not any(e.startswith("answered") for e in a.log), a.log
            await agent.close()
        asyncio.run(main())
    """)


# ---- peers that are not ours, by sipp ------------------------------------------------------------------------------------

LISTENER = """
async def main(agent):
    seen = []
    def incoming(call):
        side = Side("in"); seen.append(side); call.answer(t38=policy()); return side
    agent.incoming = incoming
    print(agent.bound_address[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print("|".join(" ".join(s.log) for s in seen), flush=True)
run(main)
"""


def _invite(body: str) -> str:
    return f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="x">
<send retrans="500"><![CDATA[
INVITE sip:fax@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:fax@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

{body}
]]></send>
<recv response="100" optional="true"/><recv response="180" optional="true"/>
<recv response="EXPECTED" rrs="true"/>
ACK_PART
</scenario>
"""


ACK = """<send><![CDATA[
ACK sip:fax@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send><pause milliseconds="300"/>
<send retrans="500"><![CDATA[
BYE sip:fax@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send><recv response="200"/>"""
HEAD = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
T38_LINE = "m=image 40000 udptl t38\na=T38FaxVersion:0\na=T38FaxRateManagement:transferredTCF\na=T38FaxUdpEC:t38UDPRedundancy\n"
AUDIO_LINE = "m=audio 40002 RTP/AVP 8 0\na=rtpmap:0 PCMU/8000\n"


@pytest.mark.parametrize(
    ("body", "expected", "seen"),
    [
        (HEAD + T38_LINE, "200", "t38 redundancy"),
        (HEAD + AUDIO_LINE + T38_LINE, "200", "audio PCM"),
        (HEAD + AUDIO_LINE, "200", "audio PCM"),
        (HEAD + "m=audio 40002 RTP/AVP 18\n", "488", ""),
        (HEAD + "m=image 40000 udptl t38\na=T38MaxBitRate:x\n", "488", ""),
    ],
)
def test_first_invites_of_others(tmp_path: Path, body: str, expected: str, seen: str) -> None:
    sipp = shutil.which("sipp")
    if sipp is None:
        pytest.fail("sipp is missing (Debian package sip-tester)")
    output = asyncio.run(_against_sipp(sipp, tmp_path, body, expected))

    assert seen in output


async def _against_sipp(sipp: str, tmp_path: Path, body: str, expected: str) -> str:
    scenario = tmp_path / "invite.xml"
    text = _invite(body.strip()).replace("EXPECTED", expected).replace("ACK_PART", ACK if expected == "200" else "")
    scenario.write_text(text)
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PRELUDE + LISTENER,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert agent.stdout is not None
    port = int(await agent.stdout.readline())
    caller = await asyncio.create_subprocess_exec(
        sipp, f"127.0.0.1:{port}", "-sf", str(scenario), "-m", "1", "-i", "127.0.0.1", "-nostdin", "-timeout", "15s",
        "-timeout_error", cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await caller.communicate()
    out, agent_errors = await agent.communicate(b"\n")
    assert agent.returncode == 0, agent_errors.decode()[-2000:]
    assert caller.returncode == 0, errors.decode()[-2000:]
    assert b"Traceback" not in agent_errors
    return out.decode()


@pytest.mark.parametrize("body", [b"complete nonsense", b"v=0\r\nm=image x udptl\r\n", b"\0" * 900, b"v=0\r\n" * 2000])
def test_garbage_for_sdp_is_refused_and_the_agent_lives(body: bytes) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + LISTENER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert agent.stdout is not None
    port = int(agent.stdout.readline())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(5)
        here = far.getsockname()[1]
        head = (
            f"INVITE sip:fax@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bK1\r\n"
            f"From: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:fax@127.0.0.1>\r\nCall-ID: garbage\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:x@127.0.0.1:{here}>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n"
        )
        far.sendto(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, ("127.0.0.1", port))
        reply = far.recv(4096)
    agent.communicate(b"\n", timeout=20)

    assert reply.startswith((b"SIP/2.0 400", b"SIP/2.0 415", b"SIP/2.0 488")), reply
    assert agent.returncode == 0


def test_what_an_agent_that_is_closed_left_in_memory_takes_nothing_from_the_next_one() -> None:
    """The garbage collector finds its accounts and calls at some time, and their numbers are those of others by then."""
    out = run(
        """
        import gc
        async def call_of(agent):
            gc.collect()
            a, b, out, inc = await pair(agent, policy(), policy())
            gc.collect()
            await asyncio.sleep(0.3)
            print(*(side.log[-1].split()[0] == "ended" for side in (a, b)))
        gc.disable()
        for _ in range(3):
            run(call_of)
        """
    )
    assert out.split() == ["False"] * 6
