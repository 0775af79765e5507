# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of the campaign: who calls whom, who sends, by which transport. What must come of each is in the tests."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable

from tests.interop.campaign import Campaign
from tests.interop.outcome import Outcome
from tests.peer.ami import Message
from tests.peer.asterisk import Asterisk, originate
from tests.support.background import REPOSITORY
from tests.support.command import SoftfaxProcess

__all__ = ["CASES", "IDENT"]

IDENT = "SOFTFAX 42"
LISTEN = ("--listen", "127.0.0.1:0")
INCOMING_LIMIT_S = 150.0

Case = Callable[[Campaign, Outcome], Awaitable[object]]


def send(extension: str, *options: str, pages: int = 1, fax: bool = True) -> Case:
    """We call an extension and send. Without `fax` no fax answers there, and Asterisk will report none."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        document = campaign.document(outcome.case, pages)
        outcome.sent = str(document)
        await _send(campaign, outcome, extension, str(document), *options, fax=fax)

    return case


def send_document(extension: str, name: str) -> Case:
    """We call an extension and send one of the sample documents."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        document = REPOSITORY / "samples" / name
        convert = await campaign.softfax(outcome.case, "convert", str(document), "-o", "sent.tif")
        if await convert.wait(60) == 0:
            outcome.sent = str(campaign.folder(outcome.case) / "sent.tif")
        await _send(campaign, outcome, extension, str(document))

    return case


async def _send(
    campaign: Campaign, outcome: Outcome, extension: str, document: str, *options: str, fax: bool = True
) -> None:
    process = await campaign.softfax(
        outcome.case, "send", campaign.peer.uri(extension), document, "--ident", IDENT, *options
    )
    await campaign.finish(outcome, process)
    if fax:
        await _add_peer(campaign, outcome)


async def _add_peer(campaign: Campaign, outcome: Outcome) -> None:
    """Asterisk's view of our call, where the call came to a fax."""
    if outcome.results and any(e.get("state") == "answered" for e in outcome.events):
        await campaign.peer_result(outcome, str(outcome.results[-1].get("call_id", "")))


def digest(case_with: Callable[..., Case], *arguments: str, password: str | None = None) -> Case:
    """Make a case in which the station has to authenticate itself; `password` is a wrong one."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        peer = campaign.peer
        inner = case_with(
            *arguments,
            *("--from", f"sip:{peer.register_user}@127.0.0.1", "--user", peer.register_user),
            *("--password", password or peer.register_password),
        )
        await inner(campaign, outcome)

    return case


def receive(
    endpoint: str, options: str = "fz", *, ecm: bool = True, rate: int = 0, ours: tuple[str, ...] = (), calls: int = 1
) -> Case:
    """Asterisk calls us, as many calls at once as asked for, and sends."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        arguments = ("receive", *LISTEN, "--count", str(calls), "--dir", ".", "--keep-tiff", "--ident", IDENT, *ours)
        process = await campaign.softfax(outcome.case, *arguments)
        uri = f"sip:fax@127.0.0.1:{await process.listening_port()}"
        if "tcp" in endpoint:
            uri += ";transport=tcp"
        document = campaign.document(outcome.case)
        outcome.sent = str(document)
        file = campaign.at_peer(document, outcome.case)
        ends = [
            await originate(
                campaign.ami,
                "send",
                uri,
                f"{outcome.case}-{n}",
                endpoint=endpoint,
                options=options,
                file=file,
                ecm=ecm,
                rate=rate,
            )
            for n in range(calls)
        ]
        await _incoming(campaign, outcome, process, ends)

    return case


async def _incoming(
    campaign: Campaign, outcome: Outcome, process: SoftfaxProcess, ends: list[asyncio.Future[Message]]
) -> None:
    ended = asyncio.gather(*ends)
    await asyncio.wait([ended], timeout=INCOMING_LIMIT_S)
    if ended.done():
        for message in ended.result():
            campaign.take_peer(outcome, message)
    else:
        ended.cancel()
    # It ends by itself after the last fax; where a call failed to come, this gives it the end.
    if any(m.get("Event") == "OriginateResponse" for m in outcome.peers) or not outcome.peers:
        process.interrupt()
    await campaign.finish(outcome, process, 15)
    outcome.received += sorted(map(str, campaign.folder(outcome.case).glob("2*.tif")))


def registered() -> Case:
    """We register, and are called through the registrar."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        peer = campaign.peer
        process = await campaign.softfax(
            outcome.case,
            *("receive", *LISTEN, "--count", "1", "--dir", ".", "--keep-tiff", "--ident", IDENT),
            *("--register", f"sip:127.0.0.1:{peer.sip_port}", "--user", peer.register_user),
            SOFTFAX_PASSWORD=peer.register_password,
        )
        await process.wait_stderr("listening", 20)
        document = campaign.document(outcome.case)
        outcome.sent = str(document)
        end = await originate(
            campaign.ami,
            "send",
            peer.uri("station"),
            outcome.case,
            options="fz",
            file=campaign.at_peer(document, outcome.case),
        )
        await _incoming(campaign, outcome, process, [end])
        outcome.problem += await _contacts_left(campaign)

    return case


async def _contacts_left(campaign: Campaign) -> str:
    """Unregistering leaves no contact."""
    contacts = await campaign.ami.command("pjsip show contacts")
    left = re.findall(r"Contact:\s+station/\S+", contacts)
    return f"still registered: {left}" if left else ""


def register_refused() -> Case:
    """The registrar does not know our password."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        peer = campaign.peer
        process = await campaign.softfax(
            outcome.case,
            *("receive", *LISTEN, "--count", "1", "--dir", "."),
            *("--register", f"sip:127.0.0.1:{peer.sip_port}", "--user", peer.register_user),
            SOFTFAX_PASSWORD="wrong",
        )
        await campaign.finish(outcome, process, 60)

    return case


def fetch(extension: str, *options: str) -> Case:
    """We call an extension that sends, and receive."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        outcome.sent = str(campaign.peer.faxes / "send.tif")
        arguments = ("--dir", ".", "--keep-tiff", "--ident", IDENT, *options)
        process = await campaign.softfax(outcome.case, "receive", "--call", campaign.peer.uri(extension), *arguments)
        await campaign.finish(outcome, process)
        await _add_peer(campaign, outcome)
        outcome.received += sorted(map(str, campaign.folder(outcome.case).glob("2*.tif")))

    return case


def twice(*options: str) -> Case:
    """We call an extension that receives and then sends, by a document of SWML that sends and then receives."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        outcome.sent = str(campaign.document(outcome.case))
        document = campaign.folder(outcome.case) / "twice.yaml"
        document.write_text("sections:\n  main:\n    - send_fax: {document: sent.tif}\n    - receive_fax\n")
        arguments = ("--data", "data", "--dir", ".", "--ident", IDENT, *options)
        process = await campaign.softfax(
            outcome.case, "swml", "run", document.name, "--to", campaign.peer.uri("twice"), *arguments
        )
        await campaign.finish(outcome, process)

    return case


def fetched(endpoint: str, options: str, *ours: str) -> Case:
    """Asterisk calls us and receives what we have ready."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        document = campaign.document(outcome.case)
        outcome.sent = str(document)
        process = await campaign.softfax(
            outcome.case, "send", "--answer", str(document), *LISTEN, "--ident", IDENT, "--timeout", "60", *ours
        )
        uri = f"sip:fax@127.0.0.1:{await process.listening_port()}"
        end = await originate(campaign.ami, "receive", uri, outcome.case, endpoint=endpoint, options=options)
        await _incoming(campaign, outcome, process, [end])

    return case


def interrupted(extension: str, **event: object) -> Case:
    """We send, and the user ends it at the first such event."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        document = campaign.document(outcome.case)
        process = await campaign.softfax(
            outcome.case, "send", campaign.peer.uri(extension), str(document), "--ident", IDENT
        )
        await process.wait_event(90, **event)
        process.interrupt()
        await campaign.finish(outcome, process, 30)
        await _add_peer(campaign, outcome)

    return case


def interrupted_waiting() -> Case:
    """We wait for calls, and the user ends it."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        process = await campaign.softfax(outcome.case, "receive", *LISTEN, "--dir", ".")
        await process.listening_port()
        process.interrupt()
        await campaign.finish(outcome, process, 30)

    return case


def peer_stalls(seconds: float) -> Case:
    """Asterisk, one of its own, sends by G.711 and stands still for a while in the middle of the page."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        document = campaign.document(outcome.case)
        outcome.sent = str(document)
        asterisk = Asterisk(send_file=document)
        peer = await asyncio.to_thread(asterisk.start)
        ami = await peer.manager()
        try:
            process = await campaign.softfax(
                outcome.case, "receive", *LISTEN, "--count", "1", "--dir", ".", "--keep-tiff", "--ident", IDENT
            )
            uri = f"sip:fax@127.0.0.1:{await process.listening_port()}"
            end = await originate(ami, "send", uri, outcome.case, endpoint="out-audio", options="F", ecm=False)
            await process.wait_event(60, event="negotiated")
            await asyncio.sleep(2)
            await _stand_still(peer.pid, seconds)
            await _incoming(campaign, outcome, process, [end])
        finally:
            await ami.close()
            await asyncio.to_thread(asterisk.stop)

    return case


def we_stall(seconds: float) -> Case:
    """We send by G.711 and stand still for a while in the middle of the page."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        document = campaign.document(outcome.case)
        outcome.sent = str(document)
        process = await campaign.softfax(
            outcome.case, "send", campaign.peer.uri("recv-audio-noecm"), str(document), "--ident", IDENT
        )
        await process.wait_event(60, event="negotiated")
        await asyncio.sleep(2)
        await _stand_still(process.process.pid, seconds)
        await campaign.finish(outcome, process)
        await _add_peer(campaign, outcome)

    return case


async def _stand_still(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def rig() -> Case:
    """Asterisk faxes to itself: tells whether it is the peer that is at fault when all else fails."""

    async def case(campaign: Campaign, outcome: Outcome) -> None:
        outcome.sent = str(campaign.peer.faxes / "send.tif")
        uri = campaign.peer.uri("recv")
        end = await originate(campaign.ami, "send", uri, outcome.case, options="fz")
        receiver = campaign.ami.expect(
            lambda m: (
                m.get("UserEvent") == "FaxResult"
                and m.get("RemoteStationID") == campaign.peer.station_id
                and m.get("Direction") == "receive"
            )
        )
        campaign.take_peer(outcome, await end)
        campaign.take_peer(outcome, await asyncio.wait_for(receiver, 60))

    return case


CASES: dict[str, Case] = {
    "rig": rig(),
    # we call and send
    "recv": send("recv", pages=3),
    "recv-pdf": send_document("recv", "letter.pdf"),
    "recv-audio": send("recv-audio", pages=3),
    "recv-noecm": send("recv-noecm"),
    "recv-audio-noecm": send("recv-audio-noecm"),
    "recv-9600": send("recv-9600"),
    "recv-t38only": send("recv-t38only"),
    "recv-fec": send("recv", "--from", "sip:fec@127.0.0.1"),
    "recv-no-correction": send("recv", "--from", "sip:noec@127.0.0.1"),
    "recv-no-t38": send("recv", "--from", "sip:audio@127.0.0.1"),
    "recv-t38-refused": send("recv", "--mode", "audio"),
    "recv-mode-t38": send("recv", "--mode", "t38"),
    "recv-tcp": send("recv", "--transport", "tcp"),
    "recv-digest": digest(send, "recv"),
    "twice": twice(),
    "twice-audio": twice("--mode", "audio"),
    # Asterisk calls and sends
    "redundancy": receive("out"),
    "fec": receive("out-fec"),
    "no-correction": receive("out-noec"),
    "audio": receive("out-audio", "F"),
    "audio-noecm": receive("out-audio", "F", ecm=False),
    "t38-noecm": receive("out", ecm=False),
    "t38-9600": receive("out", rate=9600),
    "tcp": receive("out-tcp", ours=("--transport", "tcp")),
    "several": receive("out", calls=4),
    "mode-audio": receive("out", "f", ours=("--mode", "audio")),
    "mode-t38": receive("out", "f", ours=("--mode", "t38")),
    "registered": registered(),
    # we call and receive
    "fetch": fetch("send"),
    "fetch-audio": fetch("send-audio"),
    # Asterisk calls and receives
    "fetched": fetched("out", "f"),
    "fetched-audio": fetched("out-audio", "F"),
    # one side stands still, as an overloaded machine does: nothing is lost, all of it is late
    "peer-stalls": peer_stalls(0.5),
    "we-stall": we_stall(0.5),
    # no fax comes of these
    "busy": send("busy"),
    "ring": send("ring", "--timeout", "6"),
    "congestion": send("congestion"),
    "decline": send("decline"),
    "unknown": send("no-such-extension"),
    "silence": send("silence", fax=False),
    "voice": send("voice", fax=False),
    "echo": send("echo", fax=False),
    "drop": send("drop", pages=3),
    "t38only-refused": send("recv-t38only", "--mode", "audio"),
    "t38-not-offered": send("recv-audio", "--mode", "t38", "--from", "sip:audio@127.0.0.1"),
    "wrong-password": digest(send, "recv", password="wrong"),
    "register-refused": register_refused(),
    "interrupted-ringing": interrupted("ring", event="call", state="ringing"),
    "interrupted-sending": interrupted("recv", event="negotiated"),
    "interrupted-waiting": interrupted_waiting(),
}
