# SPDX-License-Identifier: GPL-2.0-or-later
"""One SIP OPTIONS (RFC 3261 §11) without a user agent: whether a server answers, over which address, and what time it has.

The building and reading of messages is pure.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from softfax.outside import clean

__all__ = ["Answer", "options_request", "probe", "read_answer"]

MESSAGE_BYTES_MAX = 65535
#: When the request is sent again over UDP (RFC 3261 §17.1.2.1, timer E), in seconds.
WAITS_S = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Answer:
    """A final response. Header names are in lower case, the first of a name counts."""

    code: int
    reason: str
    headers: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0


def options_request(target: str, local: tuple[str, int], transport: str, branch: str) -> bytes:
    """OPTIONS to a URI's user at its host; `branch` is ours to know the answer by."""
    host = f"[{local[0]}]" if ":" in local[0] else local[0]
    lines = [
        f"OPTIONS {target} SIP/2.0",
        f"Via: SIP/2.0/{transport.upper()} {host}:{local[1]};branch=z9hG4bK{branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:softfax@{host}>;tag={branch[:8]}",
        f"To: <{target}>",
        f"Call-ID: {branch}@softfax",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:softfax@{host}:{local[1]};transport={transport}>",
        "Accept: application/sdp",
        "User-Agent: softfax doctor",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def read_answer(data: bytes, branch: str) -> Answer | None:
    """A final response to that request; None for anything else."""
    head = data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").replace("\r\n ", " ").replace("\r\n\t", " ")
    first, *lines = head.split("\r\n")
    status = re.fullmatch(r"SIP/2\.0 ([2-6]\d\d) ?(.*)", first)
    if status is None:
        return None
    headers: dict[str, str] = {}
    for line in lines[:200]:
        name, colon, value = line.partition(":")
        if colon:
            name = name.strip().lower()
            headers.setdefault("via" if name == "v" else name, value.strip())
    if f"z9hG4bK{branch}" not in headers.get("via", ""):
        return None
    reason = clean(status[2][:80])
    return Answer(int(status[1]), reason, headers)


class _Listening(asyncio.DatagramProtocol):
    def __init__(self, branch: str) -> None:
        self.branch = branch
        self.answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = read_answer(data[:MESSAGE_BYTES_MAX], self.branch)
        if answer is not None and not self.answered.done():
            self.answered.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc)


async def probe(
    target: str,
    address: tuple[str, int],
    transport: Literal["udp", "tcp", "tls"],
    *,
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    server_name: str = "",
    timeout_s: float = 5.0,
) -> Answer:
    """Asks a server. Raises OSError (also TimeoutError), ssl.SSLError where nothing comes back."""
    began = time.monotonic()
    branch = secrets.token_hex(12)
    asking = (
        _udp(target, address, branch)
        if transport == "udp"
        else _stream(target, address, branch, transport, tls, server_name)
    )
    answer = await asyncio.wait_for(asking, timeout_s)
    return Answer(answer.code, answer.reason, answer.headers, time.monotonic() - began)


async def _udp(target: str, address: tuple[str, int], branch: str) -> Answer:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Listening(branch), remote_addr=address)
    try:
        local = transport.get_extra_info("sockname")[:2]
        for wait_s in (*WAITS_S, 60.0):
            transport.sendto(options_request(target, local, "udp", branch))
            done, _ = await asyncio.wait([protocol.answered], timeout=wait_s)
            if done:
                return protocol.answered.result()
        raise TimeoutError
    finally:
        transport.close()
        protocol.answered.cancel()


async def _stream(
    target: str,
    address: tuple[str, int],
    branch: str,
    transport: str,
    tls: Callable[[], ssl.SSLContext],
    server_name: str,
) -> Answer:
    context = tls() if transport == "tls" else None
    reader, writer = await asyncio.open_connection(
        *address, ssl=context, server_hostname=server_name or address[0] if context else None
    )
    try:
        writer.write(options_request(target, writer.get_extra_info("sockname")[:2], transport, branch))
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            answer = read_answer(head, branch)
            if answer is not None:
                return answer
            length = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,5})", head)
            await reader.readexactly(int(length[1]) if length else 0)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise ConnectionResetError("it closed the connection") from None
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
