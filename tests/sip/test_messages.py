# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP messages of any length, over UDP and TCP, and those that are shorter than they say."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.sip.far_end import HERE, T38, Agent, FarEnd, parse
from tests.sip.test_floods import ANSWERS

pytestmark = pytest.mark.sip

LONGEST = 65_535


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    one = Agent(ANSWERS)
    try:
        yield one.port
        one.say("enough")
        one.output()
    finally:
        one.kill()


def message(method: str, size: int, body: str = "", length: int | None = None) -> bytes:
    """A request of so many octets, by a header that makes it so long; `length` is what Content-Length says."""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    head = (
        f"{method} sip:fax@{HERE} SIP/2.0\r\nVia: SIP/2.0/TCP {HERE}:9;branch=z9hG4bK{size};rport\r\nFrom: <sip:a@b>;tag=t{size}\r\n"
        f"To: <sip:fax@b>\r\nCall-ID: c{size}\r\nCSeq: 1 {method}\r\nContact: <sip:a@{HERE}:9>\r\nMax-Forwards: 70\r\n"
    )
    tail = f"{kind}Content-Length: {len(body) if length is None else length}\r\n\r\n{body}"
    padding = size - len(head) - len(tail)
    lines = ""
    while padding > 0:
        # Lines of a length that leaves none too short to be a header.
        octets = padding if padding <= 1000 else min(1000, padding - 20)
        lines += "X-Long: " + "x" * (octets - 10) + "\r\n"
        padding -= octets
    return (head + lines + tail).encode()


def over_tcp(port: int, request: bytes, answers: int = 1) -> list[str]:
    """The status of each final response; ends early where the connection does."""
    with socket.create_connection((HERE, port), timeout=20) as sock:
        sock.sendall(request)
        text, found = "", []
        while len(found) < answers:
            octets = sock.recv(65536)
            if not octets:
                return [*found, "closed"]
            text += octets.decode()
            found = [line.split()[1] for line in text.splitlines() if line.startswith("SIP/2.0 ")]
            found = [code for code in found if code[0] != "1"]
        return found


@pytest.mark.parametrize("octets", [3_900, 4_700, 20_000, 65_000])
def test_a_long_invite_over_udp_is_answered_as_a_short_one(port: int, octets: int) -> None:
    far = FarEnd(port)
    try:
        headers = [f"Identity: {'x' * 900}" for _ in range((octets - 600) // 912)]
        response = far.invite(*headers, body=T38)
        assert response.lines == ["m=image # udptl t38"]
        far.bye()
    finally:
        far.close()


@pytest.mark.parametrize("octets", [4_001, 30_000, LONGEST])
def test_a_long_message_over_tcp_is_answered(port: int, octets: int) -> None:
    request = message("OPTIONS", octets)
    assert len(request) == octets
    assert over_tcp(port, request + message("OPTIONS", 400), 2) == ["200", "200"]


def test_one_that_is_too_long_over_tcp_is_told_so_and_ends_the_connection(port: int) -> None:
    assert over_tcp(port, message("OPTIONS", LONGEST + 2), 2) == ["513", "closed"]
    assert over_tcp(port, message("OPTIONS", 3 * LONGEST), 2) == ["513", "closed"]
    assert over_tcp(port, message("OPTIONS", 400)) == ["200"]


def test_a_body_shorter_than_its_content_length_is_refused(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.bind((HERE, 0))
        sock.sendto(message("INVITE", 700, T38, len(T38) + 1).replace(b"/TCP", b"/UDP"), (HERE, port))
        assert parse(*sock.recvfrom(65535)).kind == "400"


def test_what_follows_the_body_in_a_datagram_is_none_of_it(port: int) -> None:
    far = FarEnd(port)
    try:
        extra = b"m=audio 9 RTP/AVP 0\r\n"
        far.sock.sendto(
            message("INVITE", 700, T38).replace(b"/TCP", b"/UDP").replace(b"c700", b"beyond") + extra, (HERE, port)
        )
        response = far.expect("200", cseq="INVITE")
        assert response.lines == ["m=image # udptl t38"]
    finally:
        far.close()
