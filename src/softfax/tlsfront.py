# SPDX-License-Identifier: GPL-2.0-or-later
"""The beginning of TLS on a connection that was accepted. asyncio's own servers do not count connections until the handshake is
over, so that strangers who begin one and fall silent use up all files a process may open.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from softfax.peers import Places

__all__ = ["TlsFront", "load_certificate"]

HANDSHAKE_S = 15.0


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Gives a certificate and its key to a context. Raises OSError, of which ssl.SSLError is one.

    OpenSSL would ask at the terminal for the password of a key that has one, and wait: such a key is refused.
    """
    context.load_cert_chain(certificate, key, password="")


class TlsFront(asyncio.Protocol):
    """Does the handshake, then leaves the connection to a protocol made by `inner`. One that finds no place is cut."""

    def __init__(
        self,
        inner: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext,
        places: Places,
        handshake_s: float = HANDSHAKE_S,
    ) -> None:
        self._inner, self._context, self._places, self._handshake_s = inner, context, places, handshake_s
        self._task: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._ended = self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins the handshake."""
        assert isinstance(transport, asyncio.Transport)
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._places.take(peer):
            transport.abort()
            return
        # What comes first is of the handshake.
        transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._begin(transport, peer))

    async def _begin(self, transport: asyncio.Transport, peer: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            secure = await loop.start_tls(
                transport, self, self._context, server_side=True, ssl_handshake_timeout=self._handshake_s
            )
        except (OSError, asyncio.CancelledError):
            transport.abort()
            return
        finally:
            self._places.leave(peer)
        if secure is None or self._lost:
            transport.abort()
            return
        inner = self._inner()
        assert isinstance(inner, asyncio.Protocol)
        secure.set_protocol(inner)
        inner.connection_made(secure)
        # What came along with the end of the handshake.
        if self._early:
            inner.data_received(bytes(self._early))
        if self._ended:
            inner.eof_received()

    def data_received(self, data: bytes) -> None:
        """Keeps what comes before the other protocol is there: no more than TLS reads at a time."""
        self._early += data

    def eof_received(self) -> bool:
        """Keeps that too; the connection is left open for the other protocol."""
        self._ended = True
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Ends without the other protocol."""
        self._lost = True
