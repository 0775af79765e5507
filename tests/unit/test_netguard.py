# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses that a stranger's URL may lead to."""

from __future__ import annotations

import ipaddress
import itertools
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.errors import UsageError
from softfax.netguard import ForbiddenAddressError, check_address, check_host, connect, resolve_checked

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "192.1.1.1",
    "223.255.255.254",
    "2606:4700::1111",
    "2001:4860:4860::8888",
    "2a00::1",
    "64:ff9b::8.8.8.8",
    "::ffff:8.8.8.8",
]
#: Forbidden unless private ones are allowed.
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "2001:db8::1",
    "3fff::1",
    "2002:7f00:1::1",
    "2001::1",
    "2001:0:7f00:1::",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:c0a8:101",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "5f00::1",
    "4000::1",
]
#: Forbidden whatever is allowed.
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "ff02::1",
    "::ffff:0.0.0.0",
    "::ffff:224.0.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_asked(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", PRIVATE + NEVER)
def test_others_may_not(address: str) -> None:
    with pytest.raises(ForbiddenAddressError) as refused:
        check_address(address)
    assert refused.value.remedy


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_may_if_allowed(address: str) -> None:
    check_address(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_some_may_never(address: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        check_address(address, allow_private=True)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_is_taken_that_python_knows_to_be_special(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    try:
        check_address(str(address))
    except ForbiddenAddressError:
        return
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    special = (address.is_private, address.is_loopback, address.is_link_local, address.is_multicast)
    assert not any(special)
    assert not (address.is_reserved or address.is_unspecified) or str(address).startswith("64:ff9b::")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com."),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fax_1.lan", "fax_1.lan"),
    ],
)
def test_hosts(host: str, name: str) -> None:
    assert check_host(host) == name


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "..",
        "a..b",
        "a b",
        "a\nb",
        "a/b",
        "a\\b",
        "a%b",
        "127%2e0.0.1",
        "-a",
        "a-",
        "x" * 300,
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.1",
        "1.2.3.256",
        "08.8.8.8",
        "0",
        "[::1",
        "::1%lo",
        "fe80::1%25eth0",
        "1:2",
        "a@b",
        "\ud800",
    ],
)
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_host(host)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_a_usage_error(text: str) -> None:
    try:
        name = check_host(text)
    except UsageError:
        return
    assert name.isascii()
    assert not set(name) & set(" /\\@#?%\r\n")
    assert check_host(name) == name


def test_one_forbidden_address_among_public_ones_is_enough() -> None:
    with pytest.raises(ForbiddenAddressError, match=r"bad\.example.*10\.0\.0\.1"):
        resolve_checked("bad.example", 80, resolver=lambda host, port: ["8.8.8.8", "10.0.0.1"])


def test_a_name_is_looked_up_once_and_its_order_kept() -> None:
    asked = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["8.8.8.8", "1.1.1.1", "8.8.8.8"]

    assert resolve_checked("a.example", 80, resolver=resolver) == ["8.8.8.8", "1.1.1.1"]
    assert asked == ["a.example"]


def test_a_name_that_cannot_be_looked_up() -> None:
    def resolver(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(OSError, match="not known"):
        resolve_checked("a.example", 80, resolver=resolver)
    with pytest.raises(OSError, match="no address"):
        resolve_checked("a.example", 80, resolver=lambda host, port: [])


def test_a_resolver_that_does_not_answer() -> None:
    hangs = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        resolve_checked("a.example", 80, timeout_s=0.2, resolver=lambda host, port: hangs.wait(5) and [])  # type: ignore[func-returns-value,return-value]
    assert time.monotonic() - began < 2
    hangs.set()


def test_the_connection_goes_to_the_checked_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answers = iter([["127.0.0.1"], ["10.9.9.9"]])
        link = connect(
            "a.example", port, deadline=time.monotonic() + 5, allow_private=True, resolver=lambda h, p: next(answers)
        )
        assert link.sock.getpeername() == ("127.0.0.1", port)
        assert next(answers) == ["10.9.9.9"]  # never asked for
        link.close()


def test_a_name_that_changes_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public when it is looked at, ours when it is called: no answer is used twice, and none unchecked."""
    dialled = []

    def dial(address: tuple[str, int], timeout: float) -> socket.socket:
        dialled.append(address[0])
        raise OSError("nobody there")

    monkeypatch.setattr(socket, "create_connection", dial)
    answers = itertools.cycle(
        [["8.8.8.8"], ["127.0.0.1"], ["8.8.4.4", "::ffff:10.0.0.1"], ["169.254.169.254"], ["1.1.1.1"]]
    )
    refused = 0
    for _ in range(50):
        try:
            connect("a.example", 80, deadline=time.monotonic() + 5, resolver=lambda host, port: next(answers))
        except ForbiddenAddressError:
            refused += 1
        except OSError:
            pass
    assert refused == 30
    assert set(dialled) == {"8.8.8.8", "1.1.1.1"}


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        link = connect(
            "a.example",
            port,
            deadline=time.monotonic() + 5,
            allow_private=True,
            resolver=lambda h, p: ["127.0.0.2", "127.0.0.1"],
        )
        link.close()
