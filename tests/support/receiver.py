# SPDX-License-Identifier: GPL-2.0-or-later
"""A receiver of callbacks on loopback: records every request, answers as it is told."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Receiver", "Request", "receiver"]


@dataclass(frozen=True)
class Request:
    """One request as it came; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


#: Status, and headers of the answer.
Answer = Callable[[Request], "tuple[int, dict[str, str]]"]


@dataclass
class Receiver:
    """A receiver's address, and what came, in order of arrival. `answer` decides what each request gets."""

    answer: Answer = field(default=lambda request: (204, {}))
    requests: list[Request] = field(default_factory=list)
    url: str = ""


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed says nothing to anybody."""


@contextmanager
def receiver(answer: Answer | None = None) -> Iterator[Receiver]:
    """Runs one for as long as the block lasts."""
    seen = Receiver(answer) if answer is not None else Receiver()
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # whoever sent it was killed meanwhile: it is no request
            request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            with lock:
                status, headers = seen.answer(request)
                seen.requests.append(request)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = _Server(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
