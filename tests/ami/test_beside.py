# SPDX-License-Identifier: GPL-2.0-or-later
"""`--ami` beside a single fax: a client of `softfax send` and one of `softfax receive` see it as Asterisk would show it."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest

from tests.support.background import REPOSITORY
from tests.support.command import SoftfaxProcess

pytestmark = pytest.mark.sip

USER = {"SOFTFAX_AMI_USER": "monitor", "SOFTFAX_AMI_SECRET": "s3cret"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Client:
    """Logs in as soon as there is a server, asks for sessions twice a second, keeps all that is said."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard = ""

    async def run(self) -> None:
        reader, writer = await self._connected()
        writer.write(b"Action: Login\r\nUsername: monitor\r\nSecret: s3cret\r\n\r\n")
        asking = asyncio.create_task(self._ask(writer))
        while data := await reader.read(65536):
            self.heard += data.decode()
        asking.cancel()
        writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(900):
            try:
                return await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.1)
        raise AssertionError("no manager interface came up")

    @staticmethod
    async def _ask(writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(0.5)
            writer.write(b"Action: FAXSessions\r\n\r\n")


async def fax(tmp_path: Path) -> tuple[SoftfaxProcess, SoftfaxProcess, Client, Client]:
    clients = [Client(free_port()), Client(free_port())]
    watching = [asyncio.create_task(client.run()) for client in clients]
    receiver = await SoftfaxProcess.start(
        *("receive", "--listen", "127.0.0.1:0", "--dir", "in", "--count", "1", "--timeout", "60"),
        *("--ami", f"127.0.0.1:{clients[0].port}"),
        cwd=tmp_path,
        variables=USER,
    )
    found = await receiver.wait_stderr(r"listening at (sip:[^ ]+)", 30)
    assert found, receiver.stderr
    sender = await SoftfaxProcess.start(
        *("send", found[1].replace("sip:", "sip:fax@"), str(REPOSITORY / "samples" / "invoice.pdf")),
        *("--mode", "t38", "--ami", f"127.0.0.1:{clients[1].port}"),
        cwd=tmp_path,
        variables=USER,
    )
    await asyncio.gather(sender.wait(90), receiver.wait(90))
    await asyncio.wait(watching, timeout=10)
    return sender, receiver, clients[1], clients[0]


def test_both_sides_of_a_fax_are_seen(tmp_path: Path) -> None:
    sender, receiver, sending, receiving = asyncio.run(fax(tmp_path))

    assert sender.results[0]["success"], sender.stderr
    assert receiver.results[0]["success"], receiver.stderr
    for client, operation, event in ((sending, "send", "SendFAX"), (receiving, "receive", "ReceiveFAX")):
        heard = client.heard.replace("\r\n", "\n")
        assert heard.startswith("Asterisk Call Manager/")
        assert "Message: Authentication accepted" in heard
        assert re.search(rf"Event: FAXSessionsEntry\n(.*\n)*Operation: {operation}\n", heard)
        assert f"Event: {event}\n" in heard
        assert re.search(r"Variable: FAXSTATUS\nValue: SUCCESS", heard)
        assert "Event: Hangup\n" in heard
    assert "s3cret" not in sender.stderr + receiver.stderr
