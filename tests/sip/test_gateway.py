# SPDX-License-Identifier: GPL-2.0-or-later
"""The two calls of a gateway as their far ends see them: ringing, early media, causes, CANCEL, BYE, T.38, and whose calls pass."""

from __future__ import annotations

import json
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sip.far_end import AUDIO, HERE, T38, FarEnd, Message
from tests.support.station_thread import StationThread

pytestmark = pytest.mark.sip

PBX, TRUNK, STRANGER = "127.0.0.21", "127.0.0.22", "127.0.0.23"
BOTH = AUDIO + T38[T38.index("m=image") :]


class Gateway:
    """A station with a rule from the PBX to the trunk, in a thread of its own; the trunk's socket."""

    def __init__(self, folder: Path) -> None:
        self.trunk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.trunk.bind((TRUNK, 0))
        config = {
            "sip": {"listen": f"{HERE}:0"},
            "data": {"dir": folder},
            "fax": {"receive": False},
            "callbacks": {"enabled": False},
            "account": [
                {"name": "pbx", "server": f"sip:{PBX}"},
                {"name": "trunk", "server": f"sip:{TRUNK}:{self.trunk.getsockname()[1]}"},
            ],
            "gateway": [
                {"name": "out", "from": ["pbx"], "numbers": ["12*"], "accounts": ["trunk"]},
                {"name": "back", "from": ["pbx"], "numbers": ["66"], "to": f"sip:66@{PBX}"},
                {"name": "short", "from": ["pbx"], "numbers": ["77"], "accounts": ["trunk"], "answer_timeout_s": 0.5},
            ],
        }
        self._station = StationThread(config)
        self.port = self._station.port

    def close(self) -> None:
        self._station.close()
        self.trunk.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("gateway"))
    yield running
    running.close()


@dataclass
class Passing:
    """The command at a port, and the trunk's socket."""

    port: int
    trunk: socket.socket


class Pair:
    """A caller behind the PBX, or elsewhere, and the trunk."""

    def __init__(self, gateway: Gateway | Passing, host: str = PBX) -> None:
        self.caller = FarEnd(gateway.port, host)
        self.trunk = FarEnd(gateway.port, TRUNK, gateway.trunk)
        self.branch = "z9hG4bK" + secrets.token_hex(6)

    def dial(self, number: str = "1234", body: str = AUDIO) -> str:
        """Begins a call; its CSeq."""
        self.caller.target = f"sip:{number}@{HERE}:{self.caller.port_of_agent}"
        return self.caller.request("INVITE", body=body, branch=self.branch)

    def up(self, body: str = AUDIO) -> Message:
        """A call that is answered; the INVITE that the trunk got."""
        cseq = self.dial(body=body)
        invite = self.trunk.expect("INVITE")
        self.trunk.respond(invite, "200 OK", body=AUDIO)
        self.trunk.expect("ACK")
        self.take_answer(cseq)
        return invite

    def take_answer(self, cseq: str) -> Message:
        answer = self.caller.expect("200", cseq=cseq)
        self.caller.remote = answer.header("To")
        self.caller.target = answer.header("Contact").strip("<>").partition(">")[0]
        self.caller.request("ACK", cseq=int(cseq.split()[0]))
        return answer

    def give_up(self) -> tuple[str, Message]:
        """Begins a call that rings, and cancels it; its CSeq, and the INVITE that the trunk got."""
        cseq = self.dial()
        invite = self.trunk.expect("INVITE")
        self.trunk.respond(invite, "180 Ringing")
        self.caller.expect("180", cseq=cseq)
        self.caller.request("CANCEL", cseq=int(cseq.split()[0]), branch=self.branch)
        return cseq, invite

    def hang_up(self) -> None:
        self.caller.bye()
        self.trunk.respond(self.trunk.expect("BYE"), "200 OK")
        self.caller.close()


def test_ringing_early_media_and_the_answer_pass(gateway: Gateway) -> None:
    pair = Pair(gateway)
    cseq = pair.dial()
    invite = pair.trunk.expect("INVITE")
    assert invite.start.startswith("INVITE sip:1234@")
    assert "sip:far@" in invite.header("P-Asserted-Identity") + invite.header("From")
    pair.trunk.respond(invite, "180 Ringing")
    assert pair.caller.expect("180", cseq=cseq).body == ""
    pair.trunk.respond(invite, "183 Session Progress", body=AUDIO)
    assert "m=audio" in pair.caller.expect("183", cseq=cseq).body
    pair.trunk.respond(invite, "200 OK", body=AUDIO)
    pair.trunk.expect("ACK")
    pair.take_answer(cseq)
    pair.hang_up()


def test_the_far_end_hangs_up(gateway: Gateway) -> None:
    pair = Pair(gateway)
    pair.up()
    pair.trunk.request("BYE")
    pair.trunk.expect("200", cseq="BYE")
    pair.caller.respond(pair.caller.expect("BYE"), "200 OK")
    pair.caller.close()


@pytest.mark.parametrize(
    ("said", "heard"),
    [("486 Busy Here", "486"), ("404 Not Found", "404"), ("603 Decline", "603"), ("302 Moved", "480")],
)
def test_causes_pass(gateway: Gateway, said: str, heard: str) -> None:
    pair = Pair(gateway)
    cseq = pair.dial()
    invite = pair.trunk.expect("INVITE")
    pair.trunk.respond(invite, said)
    pair.trunk.expect("ACK")
    pair.caller.expect(heard, cseq=cseq)
    pair.caller.request("ACK", cseq=int(cseq.split()[0]), branch=pair.branch)
    pair.caller.close()


def test_a_caller_who_gives_up(gateway: Gateway) -> None:
    pair = Pair(gateway)
    cseq, invite = pair.give_up()
    pair.caller.expect("487", cseq=cseq)
    pair.caller.request("ACK", cseq=int(cseq.split()[0]), branch=pair.branch)
    cancel = pair.trunk.expect("CANCEL")
    pair.trunk.respond(cancel, "200 OK")
    pair.trunk.respond(invite, "487 Request Terminated")
    pair.trunk.expect("ACK")
    pair.caller.close()


def test_nobody_answers(gateway: Gateway) -> None:
    pair = Pair(gateway)
    cseq = pair.dial("77")
    invite = pair.trunk.expect("INVITE")
    pair.trunk.respond(invite, "180 Ringing")
    pair.caller.expect("480", cseq=cseq)
    pair.caller.request("ACK", cseq=int(cseq.split()[0]), branch=pair.branch)
    pair.trunk.respond(pair.trunk.expect("CANCEL"), "200 OK")
    pair.trunk.respond(invite, "487 Request Terminated")
    pair.trunk.expect("ACK")
    pair.caller.close()


@pytest.mark.parametrize(
    ("host", "number", "status"),
    [(PBX, "999", "480"), (STRANGER, "1234", "480"), (PBX, "66", "404")],
    ids=["no rule", "from an address of no account", "back to where it came from"],
)
def test_what_does_not_pass(gateway: Gateway, host: str, number: str, status: str) -> None:
    pair = Pair(gateway, host)
    pair.caller.expect(status, cseq=pair.dial(number))
    with pytest.raises(AssertionError):
        pair.trunk.expect("INVITE", 0.5)
    pair.caller.close()


def test_t38_of_the_caller_is_taken_and_asked_of_the_other_leg(gateway: Gateway) -> None:
    pair = Pair(gateway)
    pair.up()
    cseq = pair.caller.request("INVITE", body=T38)
    assert "m=image" in pair.caller.expect("200", cseq=cseq).body
    pair.caller.request("ACK", cseq=int(cseq.split()[0]))
    offer = pair.trunk.expect("INVITE")
    assert offer.lines[-1] == "m=image # udptl t38"
    pair.trunk.respond(offer, "488 Not Acceptable Here")
    pair.trunk.expect("ACK")
    pair.hang_up()


def test_t38_of_the_answerer_is_taken_and_asked_of_the_caller(gateway: Gateway) -> None:
    pair = Pair(gateway)
    pair.up()
    cseq = pair.trunk.request("INVITE", body=T38)
    assert "m=image" in pair.trunk.expect("200", cseq=cseq).body
    pair.trunk.request("ACK", cseq=int(cseq.split()[0]))
    offer = pair.caller.expect("INVITE")
    assert offer.lines[-1] == "m=image # udptl t38"
    pair.caller.respond(offer, "200 OK", body=T38)
    pair.caller.expect("ACK")
    pair.hang_up()


def test_voice_is_offered_no_t38(gateway: Gateway) -> None:
    pair = Pair(gateway)
    pair.up(BOTH)
    with pytest.raises(AssertionError):
        pair.trunk.expect("INVITE", 4)
    pair.hang_up()


def test_the_command_passes_calls_on() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk:
        trunk.bind((TRUNK, 0))
        command = [
            sys.executable,
            "-m",
            "softfax.cli.main",
            "gateway",
            "--listen",
            f"{HERE}:0",
            "--json",
            "--count",
            "1",
        ]
        command += ["--number", "4711", f"sip:{PBX}", f"sip:{TRUNK}:{trunk.getsockname()[1]}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                line = process.stderr.readline()
                found = re.search(r"listening at sip:[^:]+:([0-9]+) ", line)
                assert found, line + process.stderr.read()
                pair = Pair(Passing(int(found[1]), trunk))
                cseq = pair.dial()
                invite = pair.trunk.expect("INVITE")
                assert invite.start.startswith("INVITE sip:4711@")
                pair.trunk.respond(invite, "486 Busy Here")
                pair.trunk.expect("ACK")
                pair.caller.expect("486", cseq=cseq)
                pair.caller.request("ACK", cseq=int(cseq.split()[0]), branch=pair.branch)
                out, _ = process.communicate(timeout=60)
            finally:
                process.kill()
        pair.caller.close()
    events = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 1
    assert (events[-1]["event"], events[-1]["direction"], events[-1]["error"]) == ("result", "gateway", "BUSY")


# ---- 100rel, session timers, and ends that cross ---------------------------------------------------------------------


def media(body: str, kind: str) -> tuple[str, int]:
    """Address and port of a description's media."""
    found = re.search(rf"m={kind} (\d+)", body)
    host = re.search(r"c=IN IP4 (\S+)", body)
    assert found
    assert host
    return host[1], int(found[1])


@pytest.mark.parametrize("asks", ["caller", "trunk"])
def test_reliable_provisional_responses_are_acknowledged_on_each_leg(gateway: Gateway, asks: str) -> None:
    pair = Pair(gateway)
    pair.caller.target = f"sip:1234@{HERE}:{pair.caller.port_of_agent}"
    needs = ["Require: 100rel"] if asks == "caller" else ["Supported: 100rel"]
    cseq = pair.caller.request("INVITE", *needs, body=AUDIO, branch=pair.branch)
    invite = pair.trunk.expect("INVITE")
    said = ["Require: 100rel", "RSeq: 7"] if asks == "trunk" else []
    pair.trunk.respond(invite, "183 Session Progress", *said, body=AUDIO)
    if asks == "trunk":
        prack = pair.trunk.expect("PRACK")
        assert prack.header("RAck").split()[:2] == ["7", invite.header("CSeq").split()[0]]
        pair.trunk.respond(prack, "200 OK")
    # One after the other: the next provisional response comes once the last is acknowledged.
    due = {"183"} if asks == "trunk" else {"183", "200 of it"}
    while due:
        progress = pair.caller.any_of("180", "183", "200")
        if progress.kind == "200":
            due.discard("200 of it" if "183" not in due else "")
            continue
        due.discard(progress.kind)
        if progress.kind == "183":
            assert "m=audio" in progress.body
        if asks == "caller":
            assert "100rel" in progress.header("Require")
            pair.caller.remote = progress.header("To")
            pair.caller.request("PRACK", f"RAck: {progress.header('RSeq')} {cseq}")
    pair.trunk.respond(invite, "200 OK", body=AUDIO)
    pair.trunk.expect("ACK")
    answer = pair.caller.expect("200", cseq=cseq)
    pair.caller.remote = answer.header("To")
    pair.caller.target = answer.header("Contact").strip("<>").partition(">")[0]
    pair.caller.request("ACK", cseq=int(cseq.split()[0]))
    pair.hang_up()


@pytest.mark.parametrize("leg", ["caller", "trunk"])
@pytest.mark.parametrize("how", ["UPDATE", "INVITE"])
def test_a_refresh_stays_on_its_leg_and_t38_goes_on(gateway: Gateway, leg: str, how: str) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        near.bind((HERE, 0))
        far.bind((HERE, 0))
        pair = Pair(gateway)
        pair.up()
        offers = [T38.replace("40000", str(one.getsockname()[1])) for one in (near, far)]
        cseq = pair.caller.request("INVITE", body=offers[0])
        ours = media(pair.caller.expect("200", cseq=cseq).body, "image")
        pair.caller.request("ACK", cseq=int(cseq.split()[0]))
        offer = pair.trunk.expect("INVITE")
        pair.trunk.respond(offer, "200 OK", body=offers[1])
        pair.trunk.expect("ACK")
        indicators = iter(range(1, 40))

        def passes() -> None:
            """An indicator of the caller's arrives at the trunk."""
            far.settimeout(5.0)
            number = next(indicators)
            # UDPTL: number, a packet of one octet (V.21 preamble), no earlier ones.
            near.sendto(bytes([0, number, 1, 0x06, 0, 0]), ours)
            while (packet := far.recv(2048))[3:4] != b"\x06":
                pass
            assert packet[2] == 1

        passes()
        side, body = (pair.caller, offers[0]) if leg == "caller" else (pair.trunk, offers[1])
        timer = ("Session-Expires: 90;refresher=uac", "Supported: timer")
        cseq = side.request(how, *timer, body=body if how == "INVITE" else "")
        answer = side.expect("200", cseq=cseq)
        if how == "INVITE":
            assert "m=image" in answer.body
            side.request("ACK", cseq=int(cseq.split()[0]))
        passes()
        other = pair.trunk if leg == "caller" else pair.caller
        with pytest.raises(AssertionError, match="none of"):
            other.any_of("INVITE", "UPDATE", "BYE", seconds=0.5)
        pair.hang_up()


def test_both_hang_up_at_once(gateway: Gateway) -> None:
    pair = Pair(gateway)
    pair.up()
    # Neither has seen the other's BYE.
    ours, theirs = pair.caller.request("BYE"), pair.trunk.request("BYE")
    pair.caller.expect("200", cseq=ours)
    pair.trunk.expect("200", cseq=theirs)
    pair.caller.close()


def test_a_caller_who_gives_up_as_the_trunk_answers(gateway: Gateway) -> None:
    pair = Pair(gateway)
    cseq, invite = pair.give_up()
    pair.trunk.respond(invite, "200 OK", body=AUDIO)
    # Whichever comes first, nobody is left with a call that the other side has not.
    final = pair.caller.any_of("487", "200")
    while "CANCEL" in final.header("CSeq"):
        final = pair.caller.any_of("487", "200")
    if final.kind == "487":
        pair.caller.request("ACK", cseq=int(cseq.split()[0]), branch=pair.branch)
        ending = pair.trunk.any_of("BYE", "CANCEL")
        if ending.kind == "CANCEL":
            pair.trunk.respond(ending, "200 OK")
            ending = pair.trunk.expect("BYE")
        pair.trunk.respond(ending, "200 OK")
    else:
        pair.caller.remote = final.header("To")
        pair.caller.request("ACK", cseq=int(cseq.split()[0]))
        pair.trunk.expect("ACK")
        pair.hang_up()
        return
    pair.caller.close()
