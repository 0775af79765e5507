# SPDX-License-Identifier: GPL-2.0-or-later
"""Trunks with scripted servers: one that is gone is a trunk that failed, whatever it does instead of answering; hold, privacy, and
numbers with a context."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from softfax.fax.causes import classify
from softfax.model import Cause, FaxResult
from softfax.reasons import CONNECTION_REFUSED, PORT_UNREACHABLE, SERVER_SILENT
from softfax.station import FaxOrder, Station
from softfax.station.routes import fails_over
from tests.sip.far_end import AUDIO, HERE, T38, Agent, FarEnd

pytestmark = pytest.mark.sip


def config(folder: Path, account: dict[str, object]) -> dict[str, object]:
    return {"sip": {"listen": f"{HERE}:0"}, "data": {"dir": folder / "data"}, "account": [account]}


@contextmanager
def server(kind: str) -> Iterator[int]:
    """The port of a server that is gone in one way or another."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "refused" else socket.SOCK_DGRAM) as sock:
        sock.bind((HERE, 0))
        if kind == "closed":
            sock.connect(sock.getsockname())  # nobody else gets the port, and the kernel refuses what comes
        yield sock.getsockname()[1]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("closed", PORT_UNREACHABLE), ("refused", CONNECTION_REFUSED), ("silent", SERVER_SILENT)],
)
def test_a_server_that_is_gone_is_a_trunk_that_failed(tmp_path: Path, kind: str, reason: str) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("One short line.\n")
    account = {"name": "gone", "transport": "tcp" if kind == "refused" else "udp"}

    async def send(port: int) -> FaxResult:
        async with Station(config(tmp_path, {**account, "server": f"sip:{HERE}:{port}"})) as station:
            return await station.originate(FaxOrder(destination="100", documents=(str(letter),))).result

    with server(kind) as port:
        result = asyncio.run(send(port))
    assert (result.status_string, classify(result.to_json())) == (reason, Cause.UNREACHABLE)
    assert fails_over(result.sip_code, answered=False)


HELD = """
async def main(agent):
    class Callee(Side):
        def on_t38(self, call, media):
            print(media.remote[0], flush=True)
    side = Callee("b")
    def incoming(call):
        call.answer(t38=policy()); return side
    agent.incoming = incoming
    await side.until("ended", 30)
"""


def test_a_far_end_that_holds_t38_is_sent_nothing_until_it_takes_it_up_again(far: FarEnd) -> None:
    agent = Agent(HELD)
    far.port_of_agent = agent.port
    far.invite(body=AUDIO)
    answers = [far.invite(body=T38 + more).body for more in ("", "a=sendonly\r\n", "a=inactive\r\n", "")]
    far.bye()
    assert ["image 0" in answer for answer in answers] == [False] * 4
    assert [re.findall(r"^a=(recvonly|inactive)", answer, re.M) for answer in answers] == [
        [],
        ["recvonly"],
        ["inactive"],
        [],
    ]
    assert agent.output() == [HERE, "0.0.0.0", "0.0.0.0", HERE]


@pytest.mark.parametrize(("privacy", "caller"), [("id", "anonymous"), ("none", "+49307")])
def test_a_private_caller_is_anonymous_and_a_local_number_has_its_context(
    tmp_path: Path,
    far: FarEnd,
    privacy: str,
    caller: str,
) -> None:
    asserted = ("P-Asserted-Identity: <sip:+49307@trunk.example>", f"Privacy: {privacy}")

    async def run() -> tuple[str, str]:
        account = {"name": "trunk", "server": "sip:192.0.2.10", "trusted": [HERE]}
        async with Station({**config(tmp_path, account), "fax": {"receive": False}}) as station:
            told = asyncio.get_running_loop().create_future()
            station.subscribe(lambda update: told.done() or told.set_result(update.context))
            far.port_of_agent = station.bound_address[1]
            far.target = f"sip:301234;phone-context=+49@{HERE}:{far.port_of_agent}"
            await asyncio.to_thread(far.invite, *asserted, body=AUDIO, status="480")
            context = await asyncio.wait_for(told, 10)
            return context.caller_number, context.called_number

    assert asyncio.run(run()) == (caller, "+49301234")


def test_a_caller_of_ours_who_is_anonymous_is_named_to_the_server_alone(far: FarEnd) -> None:
    agent = Agent(
        """
from softfax.sip.types import CallerId
async def main(agent):
    side = Side("a")
    agent.call("sip:1@trunk.example", side, t38=policy(), account="t", caller=CallerId("+49301", "Clinic"))
    await side.until("ended", 30)
""",
        f'accounts=[SipAccount(name="t", server="sip:{HERE}:{far.port}", proxy="sip:{HERE}:{far.port}", caller="anonymous")]',
    )
    invite = far.expect("INVITE")
    far.respond(invite, "486 Busy Here")
    agent.output()
    assert invite.header("Privacy") == "id"
    assert "+49301@" in invite.header("P-Asserted-Identity")
    assert "anonymous.invalid" in invite.header("From")
    assert "Clinic" not in invite.header("From") + invite.header("Contact")
