# SPDX-License-Identifier: GPL-2.0-or-later
"""Our address as a STUN server sees it, and nothing that somebody else says."""

from __future__ import annotations

import asyncio
import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.errors import LocalError, UsageError
from softfax.sip import stun
from softfax.sip.names import known_account
from softfax.sip.types import SipAccount

TRANSACTION = bytes(range(12))


def answer(*attributes: bytes, transaction: bytes = TRANSACTION, kind: int = 0x0101) -> bytes:
    body = b"".join(attributes)
    return struct.pack("!HHI12s", kind, len(body), stun.MAGIC, transaction) + body


def xor_mapped(address: str, transaction: bytes = TRANSACTION) -> bytes:
    packed = ipaddress.ip_address(address).packed
    mask = struct.pack("!I", stun.MAGIC) + transaction
    value = bytes((0, 1 if len(packed) == 4 else 2, 0x21, 0x12)) + bytes(
        a ^ b for a, b in zip(packed, mask, strict=False)
    )
    return struct.pack("!HH", 0x0020, len(value)) + value


SOFTWARE = struct.pack("!HH", 0x8022, 5) + b"test\0\0\0\0"
MAPPED = struct.pack("!HH", 0x0001, 8) + bytes((0, 1, 0, 80, 192, 0, 2, 3))


def test_what_a_server_answers() -> None:
    assert stun.mapped_address(answer(SOFTWARE, xor_mapped("203.0.113.9")), TRANSACTION) == "203.0.113.9"
    assert stun.mapped_address(answer(xor_mapped("2001:db8::7")), TRANSACTION) == "2001:db8::7"
    assert stun.mapped_address(answer(MAPPED), TRANSACTION) == "192.0.2.3"
    assert stun.mapped_address(answer(MAPPED, xor_mapped("203.0.113.9")), TRANSACTION) == "203.0.113.9"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        answer(),
        answer(xor_mapped("203.0.113.9"), transaction=bytes(12)),
        answer(xor_mapped("203.0.113.9"), kind=0x0111),
        answer(xor_mapped("203.0.113.9"))[:-3],
        answer(struct.pack("!HH", 0x0020, 60000)),
    ],
)
def test_what_is_no_answer(datagram: bytes) -> None:
    assert stun.mapped_address(datagram, TRANSACTION) is None


@given(st.binary(max_size=200))
def test_any_octets_are_an_address_or_nothing(octets: bytes) -> None:
    for datagram in (octets, answer(octets)):
        found = stun.mapped_address(datagram, TRANSACTION)
        assert found is None or ipaddress.ip_address(found)


def test_servers_as_they_are_written() -> None:
    assert stun.stun_server("stun.example") == ("stun.example", 3478)
    assert stun.stun_server("stun.example:19302") == ("stun.example", 19302)
    assert stun.stun_server("[2001:db8::1]:3479") == ("2001:db8::1", 3479)
    assert stun.stun_server("2001:db8::1") == ("2001:db8::1", 3478)
    for wrong in ("", "a b", "stun.example:x", "stun.example:70000", ":3478"):
        with pytest.raises(UsageError):
            stun.stun_server(wrong)


class Server(asyncio.DatagramProtocol):
    """Answers the second request; the first gets somebody else's answer."""

    def __init__(self, silent: bool) -> None:
        self.silent, self.requests = silent, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.requests += 1
        if self.silent:
            return
        transaction = data[8:20] if self.requests > 1 else bytes(12)
        self.transport.sendto(  # type: ignore[attr-defined]
            answer(xor_mapped("203.0.113.9", transaction), transaction=transaction), addr
        )


@pytest.mark.parametrize("silent", [False, True])
def test_a_server_is_asked_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch, silent: bool) -> None:
    monkeypatch.setattr(stun, "WAITS_S", (0.05, 0.05, 1.0) if not silent else (0.02, 0.02))

    async def run() -> None:
        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Server(silent), local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        if silent:
            with pytest.raises(LocalError, match="does not answer; check its address, or set public_address"):
                await stun.public_address(f"127.0.0.1:{port}", "127.0.0.1")
        else:
            assert await stun.public_address(f"127.0.0.1:{port}", "127.0.0.1") == "203.0.113.9"
        assert server.requests == 2
        transport.close()

    asyncio.run(run())


def test_an_account_has_the_address_of_the_version_that_its_stun_server_has(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> tuple[str, ...]:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Server(silent=False), local_addr=("127.0.0.1", 0)
        )
        host, port = transport.get_extra_info("sockname")
        account = SipAccount(name="a", server="sip:192.0.2.1", stun=f"{host}:{port}")
        try:
            known = await known_account(account, ("127.0.0.1", "::1"), lambda host, port, transport: [])
        finally:
            transport.close()
        assert isinstance(known.account.public_address, tuple)
        return known.account.public_address

    assert asyncio.run(scenario()) == ("203.0.113.9",)
    assert not caplog.records, "the version that the server has not is no trouble"
