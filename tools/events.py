#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the examples of docs/events.md from a real fax: one sent to another station over SIP, at the pace of any far end, with an
AMI client looking on.

.venv/bin/python tools/events.py      writes the part of the page between its marks anew
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from marked import DOCS, between

from softfax.ami import AmiServer
from softfax.model import Direction, FaxContext, FaxResult, FaxUpdate, PageEvent
from softfax.station import FaxOrder, Station, StationConfig
from softfax.station.config import AmiConfig
from softfax.vocabularies import callbacks

REPOSITORY = Path(__file__).resolve().parent.parent
IDENT, HEADER = "+49 30 1234567", "Praxis am See"


async def one_fax(work: Path) -> tuple[list[tuple[FaxUpdate, str]], str]:
    """A fax of one page, its updates each with what AMI said until the next, and the AMI answer about its session."""
    receiver = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "softfax.cli.main", "receive", "--listen", "127.0.0.1:0", "--count", "1"),
        *("--dir", str(work / "in"), "--ident", "+49 89 7654321", "--json"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert receiver.stderr is not None
    line = (await receiver.stderr.readline()).decode()
    uri = re.findall(r"sip:(\S+) ", line)[0]
    config = StationConfig(
        sip={"listen": "127.0.0.1:0", "direct": False},
        data={"dir": work},
        callbacks={"enabled": False},
        fax={"ident": IDENT},
    )  # type: ignore[arg-type]
    ami = AmiConfig(listen="127.0.0.1:0", user=({"name": "docs", "secret": "docs"},))  # type: ignore[arg-type]
    seen: list[tuple[FaxUpdate, str]] = []
    async with Station(config) as station:
        server = AmiServer(station, ami)
        await server.start()
        host, port = server.addresses[0]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"Action: Login\r\nUsername: docs\r\nSecret: docs\r\n\r\n")
        heard = bytearray()

        async def listen() -> None:
            while chunk := await reader.read(65536):
                heard.extend(chunk)

        listener = asyncio.create_task(listen())
        await asyncio.sleep(0.3)
        heard.clear()
        station.subscribe(lambda update: seen.append((update, "")))
        order = FaxOrder(
            destination=f"sip:+49897654321@{uri}",
            documents=(str(REPOSITORY / "samples" / "invoice.pdf"),),
            header=HEADER,
            caller_number="+49301234567",
        )
        call = station.originate(order)
        while not any(isinstance(update.event, PageEvent) for update, _ in seen) and not call.ended:
            await asyncio.sleep(0.1)
            if call.session.state == "Active" and b"FAXSession" not in heard:
                number = str(call.context.session_number).encode()
                writer.write(b"Action: FAXSession\r\nSessionNumber: " + number + b"\r\n\r\n")
                await asyncio.sleep(0.2)
        await call.result
        await asyncio.sleep(0.5)
        writer.close()
        listener.cancel()
        await server.close()
    await receiver.wait()
    return seen, heard.decode()


def blocks(ami: str) -> dict[str, list[str]]:
    """Return the blocks that AMI sent, by the name of the event."""
    out: dict[str, list[str]] = {}
    for block in ami.replace("\r\n", "\n").split("\n\n"):
        found = re.match(r"Event: (\S+)", block)
        if found:
            out.setdefault(found[1], []).append(block.strip())
    return out


def fenced(text: str, kind: str = "") -> str:
    """Return text as a code block."""
    return "\n".join(["```" + kind, text, "```", ""])


def pretty(value: Any) -> str:
    """JSON as people read it."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def tidy(text: str, work: Path) -> str:
    """Without folders of this run."""
    return text.replace(str(REPOSITORY) + "/", "").replace(str(work), "/var/lib/softfax")


def incoming(context: FaxContext, result: FaxResult) -> FaxUpdate:
    """Return the fax as the receiver's station tells it."""
    received = replace(
        context, direction=Direction.RECEIVE, outgoing=False, entry_point="pbx", documents=(), fax_id="0c1d" * 6
    )
    ended = replace(
        result,
        direction=Direction.RECEIVE,
        local_station_id=result.remote_station_id,
        remote_station_id=IDENT,
        documents=["/var/lib/softfax/received/20261121T083015Z-+49301234567-0c1d0c1d0c1d0c1d0c1d0c1d.pdf"],
        fax_id="0c1d" * 6,
    )
    return FaxUpdate(received, ended)


def written(seen: list[tuple[FaxUpdate, str]], ami: str) -> str:
    """The examples, in order."""
    said = blocks(ami)
    updates = [update for update, _ in seen]
    parts = []
    for kind, title in (
        ("call", "The call"), ("session", "The fax session"), ("negotiated", "Negotiated"), ("page", "A page"),
        ("result", "The end"),
    ):  # fmt: skip
        events = [u for u in updates if u.event.event == kind]
        update = next((u for u in events if getattr(u.event, "state", "") == "Active"), events[0])
        parts.append(f"### {title}\n\nsoftfax (`--json`; a callback of dialect `json` has ids and numbers besides):\n")
        parts.append(fenced(json.dumps(update.event.to_json(), ensure_ascii=False), "json"))
        names = {"call": ("Newchannel", "DialEnd"), "session": ("FAXSession",), "negotiated": ("FAXStatus",),
                 "result": ("SendFAX", "Hangup")}.get(kind, ())  # fmt: skip
        for name in names:
            if name in said:
                parts += [f"AMI, `{name}`:\n", fenced(said[name][-1])]
        for dialect in ("signalwire", "simotel"):
            for one in callbacks(dialect, update):
                parts += [f"{dialect}:\n", fenced(pretty(one.body), "json")]
    last = updates[-1]
    assert isinstance(last.event, FaxResult)
    received = incoming(last.context, last.event)
    parts.append("### The end, on the receiving side\n")
    for dialect in ("signalwire", "simotel"):
        parts += [f"{dialect}:\n", fenced(pretty(callbacks(dialect, received)[-1].body), "json")]
    return "\n".join(parts)


def main() -> None:
    """Writes the page."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        seen, ami = asyncio.run(one_fax(work))
        examples = tidy(written(seen, ami), work)
    page = DOCS / "events.md"
    page.write_text(between(page.read_text(), "<!-- made by tools/events.py -->", examples))


if __name__ == "__main__":
    main()
