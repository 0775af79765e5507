# SPDX-License-Identifier: GPL-2.0-or-later
"""One SMTP connection, by aiosmtpd: limits, passwords, and answers that say no more than they have to."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any

from softfax.errors import LocalError

try:
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
except ImportError:
    raise LocalError("faxes by e-mail need a library", "pip install 'softfax[mail]'") from None

if TYPE_CHECKING:
    from softfax.mail.gateway import MailGateway

__all__ = ["make_server"]

log = logging.getLogger("softfax.mail")

COMMANDS_MAX = 5000
AUTH_MAX = 5


class Connection(SMTP):  # type: ignore[misc]
    """aiosmtpd's server, with a limit on how many there are."""

    gateway: MailGateway
    _counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuses one too many. Comes a second time when TLS begins."""
        if not self._counted:
            if self.gateway.connections >= self.gateway.config.max_connections:
                assert isinstance(transport, asyncio.Transport)
                transport.write(b"421 4.7.0 too many connections; try again later\r\n")
                transport.close()
                self.transport = transport
                return
            self._counted = True
            self.gateway.connections += 1
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Nothing is read of a connection that is one too many."""
        if self._counted:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """As aiosmtpd does."""
        return bool(super().eof_received()) if self._counted else False

    def connection_lost(self, error: Exception | None) -> None:
        """A connection less."""
        if self._counted:
            self._counted = False
            self.gateway.connections -= 1
            super().connection_lost(error)


def make_server(gateway: MailGateway, loop: asyncio.AbstractEventLoop, context: ssl.SSLContext | None) -> Connection:
    """The protocol of one connection."""
    config = gateway.config

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
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
            peer = session.peer[0] if session.peer else "somebody"
            log.warning("SMTP login of %r from %s was refused", name[:60].decode(errors="replace"), peer)
        return AuthResult(success=found is not None, handled=False, auth_data=found)

    connection = Connection(
        gateway,
        data_size_limit=config.max_message_mb * 1_000_000,
        enable_SMTPUTF8=True,
        hostname=config.hostname or socket.gethostname(),
        ident="softfax",
        tls_context=context,
        timeout=config.timeout_s,
        auth_require_tls=True,
        authenticator=authenticate if config.user else None,
        command_call_limit={"AUTH": AUTH_MAX, "*": COMMANDS_MAX},
        loop=loop,
    )
    connection.gateway = gateway
    return connection
