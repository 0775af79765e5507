# SPDX-License-Identifier: GPL-2.0-or-later
"""A station with faxes by e-mail, simulated far ends, and a mail server that keeps the reports."""

from __future__ import annotations

import asyncio
import io
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from PIL import Image, ImageDraw

from softfax.delivery.policy import RetryPolicy
from softfax.mail import MailGateway, MailReports
from softfax.model import Fax
from softfax.queue.queue import FaxQueue
from softfax.records.model import FaxFilter, FaxList
from softfax.station import Station
from tests.support.simulated_calls import FarEnds, SimulatedCalls

__all__ = [
    "SENDER",
    "TO",
    "Post",
    "Rig",
    "letter",
    "mails",
    "pdf",
    "post_office",
    "running",
    "trusting",
    "until",
]

LIMIT_S = 90.0
SENDER, TO = "anna@clinic.example", "+493012345@fax.example"
#: Numbers whose end is known.
RULES = [
    {"match": r"\+4930666", "replace": "busy"},
    {"match": r"(?:\+49|0)30(\d+)", "replace": r"ok-\1"},
]


class Post:
    """A mail server. Refuses as long as it is told to."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.refuse = ""
        self.refused = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            self.refused += 1
            return self.refuse
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 taken"


@contextmanager
def post_office() -> Iterator[tuple[Post, dict[str, Any]]]:
    """A mail server, and [smtp] for it."""
    post = Post()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mail = Controller(post, hostname="127.0.0.1", port=port)
    mail.start()
    try:
        yield post, {"host": "127.0.0.1", "port": port, "sender": "fax@clinic.example"}
    finally:
        mail.stop()


class Rig:
    """Things that a test sees."""

    def __init__(
        self, station: Station, queue: FaxQueue, gateway: MailGateway, reports: MailReports, far_ends: FarEnds
    ) -> None:
        self.station, self.queue, self.gateway, self.reports, self.far_ends = station, queue, gateway, reports, far_ends

    def client(self) -> smtplib.SMTP:
        """A connection. Blocks."""
        return smtplib.SMTP(*self.gateway.address, timeout=LIMIT_S)

    async def hand_in(self, message: EmailMessage | bytes, *to: str, sender: str = SENDER) -> tuple[int, str]:
        """Return the gateway's answer to an e-mail: status and text."""

        def talk() -> tuple[int, str]:
            content = message if isinstance(message, bytes) else message.as_bytes(policy=policy.SMTP)
            with self.client() as client:
                client.ehlo("there.example")
                for command in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in to or (TO,))):
                    code, text = client.docmd(command)
                    if code != 250:
                        return code, text.decode()
                code, text = client.data(content)
                return code, text.decode()

        return await asyncio.to_thread(talk)

    async def talk(self, what: Callable[[smtplib.SMTP], Any]) -> Any:
        """Run what a client does, in a thread."""

        def run() -> Any:
            with self.client() as client:
                return what(client)

        return await asyncio.to_thread(run)

    async def faxes(self) -> list[Fax]:
        """All there are with their attempts, the oldest first."""
        found: FaxList = await self.queue.list(FaxFilter())
        return [fax for one in reversed(found.faxes) if (fax := await self.queue.get(one.id)) is not None]

    async def ended(self, count: int = 1) -> list[Fax]:
        """Faxes, once so many have ended."""
        return await until(self.faxes, lambda faxes: len(faxes) == count and all(fax.terminal for fax in faxes))


async def until(look: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
    """Return what is seen once it is enough."""
    async with asyncio.timeout(LIMIT_S):
        while not enough(seen := await look()):
            await asyncio.sleep(0.05)
    return seen


async def mails(post: Post, count: int) -> list[EmailMessage]:
    """E-mails that arrived, once there are so many."""

    async def look() -> list[EmailMessage]:
        return list(post.mails)

    return list(await until(look, lambda found: len(found) >= count))


@asynccontextmanager
async def running(folder: Path, smtp: dict[str, Any] | None = None, **mail: Any) -> AsyncIterator[Rig]:
    """A station that takes e-mail for fax.example from clinic.example."""
    far_ends = FarEnds()
    config = {
        "data": {"dir": folder / "data"},
        "fax": {"header": "Clinic", "resolution": "standard"},
        "account": [{"name": "trunk", "server": "sip:far.example"}],
        "dialing": {"country": "49", "rule": RULES},
        "queue": {"retry_busy_s": [0.05], "attempts": 2},
        "smtp": smtp or {"host": "127.0.0.1", "port": 9},
        "mail": {
            "listen": "127.0.0.1:0",
            "domains": ["fax.example"],
            "sender": [{"address": "@clinic.example"}],
            **mail,
        },
    }
    station = Station(config, calls=partial(SimulatedCalls, far_ends=far_ends))
    queue = FaxQueue(station)
    reports = MailReports(station, queue, RetryPolicy(first_s=0.2, longest_s=0.2, give_up_s=3600))
    gateway = MailGateway(station, queue)
    async with station:
        yield Rig(station, queue, gateway, reports, far_ends)


def pdf(*pages: str) -> bytes:
    """A document, a page for each text."""
    drawn = []
    for text in pages:
        page = Image.new("1", (850, 1100), 1)
        ImageDraw.Draw(page).text((100, 100), text, fill=0)
        drawn.append(page)
    out = io.BytesIO()
    drawn[0].save(out, "PDF", save_all=True, append_images=drawn[1:], resolution=100)
    return out.getvalue()


def letter(
    subject: str = "Findings", text: str = "Dear colleague,\nplease see the pages.\n", **headers: str
) -> EmailMessage:
    """An e-mail of text."""
    message = EmailMessage()
    values = {"From": SENDER, "To": TO, "Subject": subject, "Message-ID": "<1@clinic.example>"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    for name, value in values.items():
        message[name] = value
    message.set_content(text)
    return message


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return a context that trusts a certificate."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    return context
