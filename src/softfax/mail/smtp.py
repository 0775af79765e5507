# SPDX-License-Identifier: GPL-2.0-or-later
"""One SMTP connection, by aiosmtpd: limits, passwords, and answers that say no more than they have to."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import ssl
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from softfax.errors import LocalError
from softfax.mail.door import LOGIN_S
from softfax.mail.incoming import Incoming
from softfax.optional import install_remedy

try:
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, syntax
except ImportError:
    raise LocalError("e-mail to fax needs aiosmtpd, which is not installed", install_remedy("aiosmtpd")) from None

if TYPE_CHECKING:
    from softfax.mail.gateway import MailGateway

__all__ = ["Connection", "make_server"]

log = logging.getLogger("softfax.mail")

COMMANDS_MAX = 5000
AUTH_MAX = 5
LINE_MAX = 512
READ_OCTETS = 65_536


class Connection(SMTP):  # type: ignore[misc]
    """aiosmtpd's server, with limits on the number of connections and on the time that a client without a login may stay."""

    def __init__(self, gateway: MailGateway, **more: Any) -> None:
        super().__init__(gateway, **more)
        # aiosmtpd has one for all connections, and each that comes sets back those of the others.
        self.command_size_limits: defaultdict[str, int] = defaultdict(lambda: LINE_MAX)
        self.gateway = gateway
        self.peer = ""
        self.trusted = self._counted = False
        self._unknown: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuses one too many. Comes a second time when TLS begins."""
        if not self._counted and not self._enter(transport):
            return
        super().connection_made(transport)
        # It fails when the client goes in the middle of a command, which is not worth a log entry.
        self._handler_coroutine.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _enter(self, transport: asyncio.BaseTransport) -> bool:
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        door = self.gateway.door
        self.trusted = door.trusts(self.peer)
        assert isinstance(transport, asyncio.Transport)
        if not door.enter(self.peer, trusted=self.trusted):
            transport.write(b"421 4.7.0 too many connections; try again later\r\n")
            transport.close()
            self.transport = transport
            return False
        self._counted = True
        self.gateway.inside.add(self)
        if not self.trusted:
            self._unknown = self.loop.call_later(LOGIN_S, self._who_is_it)
        return True

    def _who_is_it(self) -> None:
        if self.session is None or not self.session.authenticated:
            self.drop()

    def drop(self) -> None:
        """Ends the connection."""
        transport = self._original_transport or self.transport
        if transport is not None:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Refuse a connection beyond the limit, without reading from it."""
        if self._counted:
            super().data_received(data)

    @syntax("DATA")  # type: ignore[untyped-decorator]
    async def smtp_DATA(self, arg: str) -> None:
        """DATA. aiosmtpd looks at every line by itself, which takes a minute and much memory for an e-mail of empty ones."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if not self.envelope.rcpt_tos:
            await self.push("503 Error: need RCPT command")
        elif arg:
            await self.push("501 Syntax: DATA")
        else:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._take_data()

    async def _take_data(self) -> None:
        incoming = Incoming(self.data_size_limit, self.gateway.room)
        try:
            while (rest := incoming.feed(data := await self._reader.read(READ_OCTETS))) is None:
                if not data or incoming.cut:
                    self.drop()
                    return
                await asyncio.sleep(0)
            # Commands sent along with the e-mail come next.
            self._reader._buffer[:0] = rest
            if incoming.problem:
                answer = self.gateway.refused(self.session, self.envelope, incoming.problem)
            else:
                self.envelope.content = self.envelope.original_content = incoming.content()
                answer = await self._call_handler_hook("DATA")
        finally:
            incoming.close()
        self._set_post_data_state()
        await self.push(answer)

    def eof_received(self) -> bool | None:
        """Do as aiosmtpd does."""
        return bool(super().eof_received()) if self._counted else False

    def connection_lost(self, error: Exception | None) -> None:
        """A connection less. Comes twice where TLS could not begin."""
        if not self._counted:
            return
        self._counted = False
        if self._unknown is not None:
            self._unknown.cancel()
        self.gateway.door.leave(self.peer, trusted=self.trusted)
        self.gateway.inside.discard(self)
        super().connection_lost(error)


def make_server(gateway: MailGateway, loop: asyncio.AbstractEventLoop, context: ssl.SSLContext | None) -> Connection:
    """The protocol of one connection."""
    config = gateway.config

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        peer = str(session.peer[0]) if session.peer else "a client"
        if not gateway.door.may_try(peer):
            return AuthResult(
                success=False, handled=False, message="454 4.7.0 too many wrong passwords; try again later"
            )
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        name, password = data.login, data.password
        found = None
        for user in gateway.config.user:
            # Each is compared, so that time tells nobody whose name is known.
            same = hmac.compare_digest(user.name.encode(), name)
            if hmac.compare_digest(user.password.encode(), password) and same:
                found = user.name
        if found is None:
            gateway.door.failed(peer)
            log.warning("SMTP login of %r from %s was refused", name[:60].decode(errors="replace"), peer)
        return AuthResult(success=found is not None, handled=False, auth_data=found)

    return Connection(
        gateway,
        data_size_limit=config.max_message_mb * 1_000_000,
        enable_SMTPUTF8=True,
        hostname=config.hostname or socket.gethostname(),
        ident="softfax",
        tls_context=context,
        timeout=config.timeout_s,
        auth_require_tls=True,
        authenticator=authenticate,
        command_call_limit={"AUTH": AUTH_MAX, "*": COMMANDS_MAX},
        loop=loop,
    )
