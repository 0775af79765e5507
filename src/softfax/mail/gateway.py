# SPDX-License-Identifier: GPL-2.0-or-later
"""The SMTP server whose addresses are fax numbers. An e-mail that is accepted is a fax on disk before 250 is said.

What can be known then is refused in the dialogue: who may not send, what is no number, what cannot be drawn as pages. The pages
are made before the answer, and are those that are sent.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import ssl
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, Metric

from softfax.database.away import is_away
from softfax.database.database import Database
from softfax.diskspace import DiskFloor, is_full
from softfax.documents.foreign import draws_web_pages
from softfax.documents.letters.message import Letter, MailError, MessageLimits, read_message
from softfax.errors import (
    ConfigError,
    DiskFullError,
    DocumentError,
    DocumentInterruptedError,
    DoNotFaxError,
    LocalError,
    PagesDiskFullError,
    PortInUseError,
    SoftfaxError,
    UsageError,
)
from softfax.mail.addresses import Recipient, is_sender, parse_recipient, passed, sender_rule
from softfax.mail.door import Door
from softfax.mail.incoming import Room
from softfax.mail.taking import Mail, take
from softfax.model import Fax
from softfax.outside import clean
from softfax.queue.queue import FaxQueue
from softfax.station import Station, StationConfig
from softfax.station.config.mail import MailConfig, MailSenderConfig
from softfax.tlsfront import load_certificate

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session

    from softfax.mail.smtp import Connection

__all__ = ["MailGateway", "SmtpRefusal"]

log = logging.getLogger("softfax.mail")

HOUR_S = 3600.0
SENDERS_MAX = 10_000
LINE_MAX = 400
#: How a warning about an attachment begins.
LEFT_OUT = "left out"
FULL = "the disk is full; try again later"
#: E-mails of the largest size that may be on their way in, or being read, at a time.
INCOMING_MAX = 4
STOP_S = 10.0


class SmtpRefusal(Exception):
    """An answer of the server that is no consent: SMTP status, enhanced status (RFC 3463), text."""

    def __init__(self, code: int, status: str, text: str) -> None:
        super().__init__(text)
        self.line = line(code, status, text)


def line(code: int, status: str, text: str) -> str:
    """An answer: one line of ASCII."""
    return f"{code} {status} {_ascii(text)[:LINE_MAX]}"


def _ascii(text: str) -> str:
    return clean(" ".join(text.split())).encode("ascii", "replace").decode()


class MailGateway:
    """A part of a station beside its queue: `MailGateway(station, queue)` adds it; `[mail]` has to be there."""

    def __init__(self, station: Station, queue: FaxQueue) -> None:
        if station.config.mail is None:
            raise ConfigError("there is no [mail]", "add the table")
        self.station, self.queue = station, queue
        self.seen: Counter[str] = Counter()
        self.door = Door(lambda: self.config.trusted_networks, lambda: self.config.max_connections)
        self.inside: set[Connection] = set()
        self.room = Room(INCOMING_MAX * station.config.mail.max_message_mb * 1_000_000)
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._used: defaultdict[str, deque[float]] = defaultdict(deque)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Semaphore(station.config.mail.conversions)
        self._floor = DiskFloor((station.config.data.dir,), station.config.retention.min_free_mb)
        self._stopping = False
        station.add(self)

    @property
    def config(self) -> MailConfig:
        """[mail] as it is now. A station keeps the table, and where it listens, while it runs."""
        assert self.station.config.mail is not None
        return self.station.config.mail

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, database: Database) -> None:
        """Do nothing: an e-mail becomes faxes of the queue, and nothing else is kept."""

    async def start(self) -> None:
        """Listens. Raises PortInUseError, ConfigError."""
        from softfax.mail.smtp import make_server

        config = self.config
        self._context = await asyncio.to_thread(_tls, config)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: make_server(self, loop, self._context), *config.address)
        except OSError as error:
            why = "it is taken" if error.errno == errno.EADDRINUSE else _strerror(error)
            raise PortInUseError(
                f"SMTP cannot listen at {config.listen} ({why})", "change [mail] listen, or stop what listens there"
            ) from None
        self.station.on_reload.append(self._reload)
        log.info("SMTP at %s:%s", *self.address)

    def _reload(self, config: StationConfig) -> None:
        """The certificate may be another; everything else is looked up when it is needed."""
        if config.mail is None:
            return
        try:
            self._context = _tls(config.mail)
        except ConfigError as error:
            log.error("the certificate of e-mail stays as it was: %s", error)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the listener."""
        if self._server is None:
            raise LocalError("SMTP does not run", "enter the station first")
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def stop(self) -> None:
        """Takes no more e-mail; what is being taken is taken or refused."""
        self._stopping = True
        if self._reload in self.station.on_reload:
            self.station.on_reload.remove(self._reload)
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)
            # The answers are on their way.
            await asyncio.sleep(0)
        for connection in list(self.inside):
            connection.drop()

    async def close(self) -> None:
        """Do nothing: nothing is left to write."""

    # ---- the dialogue: what aiosmtpd asks -----------------------------------------------------------------------

    async def handle_EHLO(
        self, _: Any, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Answer EHLO. AUTH is offered only where logins are possible."""
        session.host_name = hostname
        return [said for said in responses if self.config.user or not said.startswith("250-AUTH")]

    async def handle_MAIL(self, _: Any, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """MAIL FROM."""
        try:
            if self._stopping:
                raise SmtpRefusal(421, "4.3.2", "the station is stopping; try again later")
            self._let_in(session)
            if address in ("", "<>"):
                raise SmtpRefusal(550, "5.7.1", "reports and bounces are not faxed")
            if not is_sender(address):
                raise SmtpRefusal(
                    553, "5.1.7", "the sender's address is not taken; use a plain one, like name@example.com"
                )
            self._rule(address, session)
        except SmtpRefusal as refusal:
            return self._refused(session, envelope, refusal, address)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender ok"

    async def handle_RCPT(self, _: Any, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """RCPT TO."""
        try:
            if len(envelope.rcpt_tos) >= self.config.max_recipients:
                raise SmtpRefusal(
                    452, "4.5.3", f"{self.config.max_recipients} numbers at a time; send the rest in another"
                )
            rule = self._rule(envelope.mail_from or "", session)
            self._count(envelope.mail_from or "", rule, len(envelope.rcpt_tos) + 1)
            recipient = parse_recipient(address, self.config.domains)
            self.station.rules.routes(recipient.number, rule.account)
        except DoNotFaxError as error:
            return self._refused(session, envelope, SmtpRefusal(550, "5.7.1", error.problem))
        except SmtpRefusal as refusal:
            return self._refused(session, envelope, refusal)
        except UsageError as error:
            return self._refused(session, envelope, SmtpRefusal(550, "5.1.1", str(error)))
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 number ok"

    async def handle_DATA(self, _: Any, session: Session, envelope: Envelope) -> str:
        """The e-mail. Goes on if the client hangs up: it may have been accepted, and comes again under the same key."""
        if self._stopping:
            return self._refused(
                session, envelope, SmtpRefusal(421, "4.3.2", "the station is stopping; try again later")
            )
        task = asyncio.ensure_future(self._data(session, envelope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def handle_exception(self, error: Exception) -> str:
        """A mistake of the client's, or of ours."""
        log.warning("an SMTP command failed (%s)", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
        return "451 4.3.0 the command failed; try again later"

    # ---- what is asked of each ----------------------------------------------------------------------------------

    def _let_in(self, session: Session) -> None:
        if not session.authenticated and not (session.peer and self.door.trusts(str(session.peer[0]))):
            raise SmtpRefusal(530, "5.7.0", "authentication required")

    def _rule(self, address: str, session: Session) -> MailSenderConfig:
        rule = sender_rule(address, self.config.sender)
        user = next((u for u in self.config.user if session.authenticated and u.name == session.auth_data), None)
        if session.authenticated and user is None:
            raise SmtpRefusal(530, "5.7.0", "authentication required")
        if user is not None and user.addresses:
            own = [MailSenderConfig(address=one) for one in user.addresses]
            rule = rule if sender_rule(address, own) is not None else None
        if rule is None:
            raise SmtpRefusal(550, "5.7.1", f"{address} may not send faxes here")
        return rule

    def _count(self, address: str, rule: MailSenderConfig, more: int, *, used: int = 0) -> None:
        """Raises SmtpRefusal where a sender may not send so many more in this hour; `used` are counted."""
        now = time.monotonic()
        times = self._used[address.lower()]
        while times and times[0] < now - HOUR_S:
            times.popleft()
        if rule.faxes_per_hour and len(times) + more > rule.faxes_per_hour:
            raise SmtpRefusal(451, "4.7.1", f"{address} sends {rule.faxes_per_hour} faxes an hour; try again later")
        if rule.faxes_per_hour:
            times.extend([now] * used)
        if not times:
            del self._used[address.lower()]
        if len(self._used) > SENDERS_MAX:
            del self._used[next(iter(self._used))]

    def _genuine(self, letter: Letter, session: Session) -> None:
        """With `authserv_id`, who stands in From has to have sent it."""
        if not self.config.authserv_id or session.authenticated:
            return
        if len(letter.senders) != 1:
            raise SmtpRefusal(550, "5.7.1", "the e-mail has to have one sender in From")
        self._rule(letter.senders[0], session)
        domain = letter.senders[0].rpartition("@")[2]
        if not passed(letter.results, self.config.authserv_id, domain):
            raise SmtpRefusal(550, "5.7.26", f"nothing shows that the e-mail comes from {domain} (DMARC, DKIM, SPF)")

    async def _data(self, session: Session, envelope: Envelope) -> str:
        try:
            faxes = await self._accept(session, envelope)
        except SmtpRefusal as refusal:
            return self._refused(session, envelope, refusal)
        except DoNotFaxError as error:
            return self._refused(session, envelope, SmtpRefusal(550, "5.7.1", str(error)))
        except PagesDiskFullError:
            return self._refused(session, envelope, SmtpRefusal(452, "4.3.1", FULL))
        except DocumentInterruptedError as error:
            return self._refused(session, envelope, SmtpRefusal(451, "4.3.0", f"{error}; try again later"))
        except (MailError, DocumentError) as error:
            return self._refused(session, envelope, SmtpRefusal(554, "5.6.1", str(error)))
        except UsageError as error:
            return self._refused(session, envelope, SmtpRefusal(554, "5.5.0", str(error)))
        except Exception as error:
            if is_full(error) or isinstance(error, DiskFullError):
                return self._refused(session, envelope, SmtpRefusal(452, "4.3.1", FULL))
            if not isinstance(error, (SoftfaxError, OSError)):
                log.exception("an e-mail from %s could not be taken", envelope.mail_from)
                error = LocalError("the database does not take it now" if is_away(error) else "softfax failed")
            return self._refused(session, envelope, SmtpRefusal(451, "4.3.0", f"{error}; try again later"))
        self.seen["accepted"] += 1
        for fax in faxes:
            log.info("e-mail from %s is fax %s to %s", envelope.mail_from, fax.id, fax.to)
        ids = " ".join(fax.id for fax in faxes[:8])
        taken = f"taken as fax {ids}" if len(faxes) == 1 else f"taken as {len(faxes)} faxes: {ids}"
        left_out = [one for one in (faxes[0].warnings if faxes else ()) if one.startswith(LEFT_OUT)]
        return line(250, "2.0.0", "; ".join([taken, *left_out]))

    async def _accept(self, session: Session, envelope: Envelope) -> list[Fax]:
        config, sender = self.config, envelope.mail_from or ""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        problem = await asyncio.to_thread(self._floor.problem)
        if problem:
            log.error("no e-mail is taken: %s", problem)
            what = "the disk is full" if "full" in problem else "the station cannot keep it"
            raise SmtpRefusal(452, "4.3.1", f"{what}; try again later")
        limits = MessageLimits(parts=config.max_parts, image_bytes=config.ignore_images_kb * 1000,
                               html=draws_web_pages())  # fmt: skip
        async with self._turn:
            letter = await asyncio.to_thread(read_message, content, limits)
            mail = self._mail(session, sender, envelope.rcpt_tos, letter, content)
            return await take(self.queue, config, mail)

    def _mail(self, session: Session, sender: str, addresses: Iterable[str], letter: Letter, content: bytes) -> Mail:
        """Raises SmtpRefusal, UsageError."""
        if letter.automatic:
            raise SmtpRefusal(550, "5.7.1", f"automatic e-mails are not faxed ({letter.automatic})")
        self._genuine(letter, session)
        rule = self._rule(sender, session)
        recipients: dict[str, tuple[Recipient, str]] = {}
        for address in addresses:
            recipient = parse_recipient(address, self.config.domains)
            recipients.setdefault(self.station.rules.number_key(recipient.number), (recipient, address))
        self._count(sender, rule, len(recipients), used=len(recipients))
        return Mail(sender=sender, recipients=tuple(recipients.values()), letter=letter, content=content, rule=rule)

    def _refused(self, session: Session, envelope: Envelope, refusal: SmtpRefusal, sender: str = "") -> str:
        return self.refused(session, envelope, refusal.line, sender)

    def refused(self, session: Session, envelope: Envelope, answer: str, sender: str = "") -> str:
        """Counts and logs an e-mail that is not taken; returns the answer."""
        self.seen["refused"] += 1
        peer = session.peer[0] if session.peer else "a sender"
        shown = _ascii(sender or envelope.mail_from or "")[:80] or "no sender"
        log.warning("e-mail of %s (%s) was refused: %s", shown, peer, answer)
        return answer

    async def metrics(self) -> Iterable[Metric]:
        """`softfax_mail_messages_total{result}`: accepted, refused."""
        family = CounterMetricFamily("softfax_mail_messages", "E-mails that came to be faxed.", labels=["result"])
        for result in ("accepted", "refused"):
            family.add_metric([result], self.seen[result])
        return [family]


def _tls(config: MailConfig) -> ssl.SSLContext | None:
    """Raises ConfigError."""
    if config.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        load_certificate(context, config.tls_certificate, config.tls_private_key)
    except (OSError, ValueError) as error:
        problem = _problem(config.tls_certificate, config.tls_private_key, error)
        raise ConfigError(
            f"the certificate of [mail] cannot be used ({problem})",
            "name a PEM certificate, and the key without password that belongs to it",
        ) from None
    return context


def _problem(certificate: Path, key: Path | None, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return {"KEY_VALUES_MISMATCH": "the key belongs to another"}.get(
            error.reason or "", "it or its key is not a PEM file"
        )
    for path in (certificate, key):
        try:
            if path is not None:
                path.open("rb").close()
        except OSError as why:
            return f"{path}: {why.strerror}"
    return str(error)


def _strerror(error: OSError) -> str:
    """asyncio puts the address into it once more."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
