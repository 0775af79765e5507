# SPDX-License-Identifier: GPL-2.0-or-later
"""Dialogues that real far ends have and two of our own never would."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.sip.raw import AUDIO, T38, RawPeer
from tests.sip.test_agent import LISTENER, PRELUDE

pytestmark = pytest.mark.sip


@contextmanager
def agent(script: str = LISTENER) -> Iterator[subprocess.Popen[bytes]]:
    """An agent in a process of its own; its first line is its port, unless the script says otherwise."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def port_of(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def end(process: subprocess.Popen[bytes]) -> str:
    time.sleep(0.3)  # what was just said is still on its way through the agent
    out, err = process.communicate(b"\n", timeout=20)
    assert process.returncode == 0, err.decode()[-2000:]
    assert b"Traceback" not in err
    return out.decode()


def test_to_t38_refreshed_asked_for_and_back_to_audio() -> None:
    with agent() as process, RawPeer(port_of(process)) as far:
        assert "m=audio" in far.invite(far.sdp(AUDIO))
        first = far.invite(far.sdp(T38))
        assert first.startswith("SIP/2.0 200")
        assert "m=image" in first
        refresh = far.invite(far.sdp(T38))  # as a session timer does
        assert refresh.split("m=image")[1] == first.split("m=image")[1]
        without_offer = far.invite(answer=far.sdp(T38))
        assert "m=image" in without_offer
        assert "m=audio" not in without_offer.replace("m=audio 0", "")
        far.request("UPDATE", far.sdp(T38))
        assert "m=image" in far.final()
        both = far.invite(far.sdp(AUDIO.replace("40002", "0"), T38))
        assert "m=audio 0" in both
        assert "udptl" in both
        back = far.invite(far.sdp(AUDIO, T38.replace("40000", "0")))
        assert "m=audio " in back
        assert "m=audio 0" not in back
        far.request("BYE")
        assert far.final().startswith("SIP/2.0 200")
        seen = end(process)

    assert seen.count("t38 redundancy") >= 4
    assert seen.count("audio PCMU") == 2
    assert "ended" in seen


def test_a_re_invite_that_can_not_be_met_disturbs_nothing() -> None:
    with agent() as process, RawPeer(port_of(process)) as far:
        far.invite(far.sdp(AUDIO))
        assert far.invite(far.sdp("m=video 5000 RTP/AVP 99\r\n")).startswith(("SIP/2.0 488", "SIP/2.0 415"))
        assert far.invite(far.sdp(T38.replace("T38FaxVersion:0", "T38FaxVersion:zero"))).startswith("SIP/2.0 488")
        assert far.invite(far.sdp(T38)).startswith("SIP/2.0 200")
        far.request("BYE")
        assert far.final().startswith("SIP/2.0 200")
        end(process)


CALLER = """
    async def main(agent):
        a = Side("caller")
        agent.call(f"sip:fax@127.0.0.1:{sys.argv[1] if len(sys.argv) > 1 else PORT}", a, t38=policy())
        await a.until("ended", 30)
        print("|".join(a.log), flush=True)
    run(main)
"""


def caller(port: int) -> str:
    return CALLER.replace("{sys.argv[1] if len(sys.argv) > 1 else PORT}", str(port))


def test_a_redirection_is_followed() -> None:
    with RawPeer() as first, RawPeer() as second, agent(caller(first.here)) as process:
        request = first.incoming("INVITE")
        first.reply(request, "302 Moved Temporarily", extra=f"Contact: <sip:elsewhere@127.0.0.1:{second.here}>\r\n")
        moved = second.incoming("INVITE")
        assert moved.startswith("INVITE sip:elsewhere@127.0.0.1")
        second.reply(moved, "486 Busy Here")
        second.incoming("ACK")
        assert "ended 486" in end(process)


def test_early_media_ringing_and_an_answer() -> None:
    with RawPeer() as far, agent(caller(far.here)) as process:
        request = far.incoming("INVITE")
        far.reply(request, "183 Session Progress", body=far.sdp(AUDIO))
        far.reply(request, "180 Ringing")
        far.reply(request, "200 OK", body=far.sdp(AUDIO))
        far.incoming("ACK")
        far.to_tag, far.cseq = "", 0
        # The far end hangs up: From and To are its own now.
        local = next(line for line in request.split("\r\n") if line.lower().startswith("from:"))[5:].strip()
        call_id = next(line for line in request.split("\r\n") if line.lower().startswith("call-id:"))
        far.sock.sendto(
            (
                f"BYE sip:x@127.0.0.1:{far.port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{far.here};branch=z9hG4bKbye\r\n"
                f"From: <sip:fax@127.0.0.1:{far.here}>;tag=rawpeer\r\nTo: {local}\r\n{call_id}\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            ("127.0.0.1", far.port),
        )
        log = end(process)

    assert "early 183" in log
    assert "answered 200" in log
    assert log.strip().split("|")[-1].startswith("ended")


def test_an_answer_without_audio_we_have_ends_the_call() -> None:
    with RawPeer() as far, agent(caller(far.here)) as process:
        request = far.incoming("INVITE")
        far.reply(request, "200 OK", body=far.sdp("m=audio 40002 RTP/AVP 18\r\n"))
        far.incoming("ACK")
        bye = far.incoming("BYE")
        far.reply(bye, "200 OK")
        assert "ended" in end(process)
