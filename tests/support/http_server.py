# SPDX-License-Identifier: GPL-2.0-or-later
"""An HTTP server of this machine that answers each path as a test wants, down to single bytes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from tests.support.certificate import self_signed

__all__ = ["Answer", "Server", "answer", "tls_contexts"]

Answer = Callable[[socket.socket], None]


def answer(body: bytes = b"", status: str = "200 OK", *, length: bool = True, **headers: str) -> Answer:
    """A whole answer; header names with `_` for `-`."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if length and "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return lambda sock: sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


class Server:
    """Answers one request a connection; `requests` are those that came, as text. What has no answer gets 404."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.stopped = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def close(self) -> None:
        self.stopped.set()
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock: socket.socket) -> None:
        # Whoever asked may have gone; that is what some tests are about.
        with contextlib.suppress(OSError), sock:
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            data = b""
            while b"\r\n\r\n" not in data:
                more = sock.recv(4096)
                if not more:
                    return
                data += more
            request = data.decode("latin-1")
            self.requests.append(request)
            path = request.split(" ")[1]
            self.answers.get(path, answer(b"no", "404 Not Found"))(sock)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
                sock.recv(1)


def tls_contexts(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a certificate for `name`, and of a client that trusts it."""
    certificate, key = self_signed(folder, name)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))
