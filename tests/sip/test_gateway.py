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
    cseq = pair.dial()
    invite = pair.trunk.expect("INVITE")
    pair.trunk.respond(invite, "180 Ringing")
    pair.caller.expect("180", cseq=cseq)
    pair.caller.request("CANCEL", cseq=int(cseq.split()[0]), branch=pair.branch)
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
