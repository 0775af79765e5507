# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses that SIP is listened for at: which may stand together, and what each is for."""

from __future__ import annotations

import pytest

from softfax.errors import UsageError
from softfax.sip.listening import any_port, by_version, check_public, listen_addresses, listen_of, public_of, shown


@pytest.mark.parametrize(
    ("listen", "addresses"),
    [
        ("127.0.0.1:5060", [("127.0.0.1", 5060)]),
        (":5060", [("", 5060)]),
        ("0.0.0.0:5060", [("0.0.0.0", 5060)]),
        (["0.0.0.0:5060", "[::]:5070"], [("0.0.0.0", 5060), ("::", 5070)]),
        (("[::1]:0", "127.0.0.1:0"), [("::1", 0), ("127.0.0.1", 0)]),
        # All addresses of this machine are those of both versions, as for other programs.
        ("[::]:5060", [("::", 5060), ("0.0.0.0", 5060)]),
        (["[::0]:5060"], [("::0", 5060), ("0.0.0.0", 5060)]),
        (["[::]:5060", "192.0.2.1:5060"], [("::", 5060), ("192.0.2.1", 5060)]),
    ],
)
def test_addresses_to_listen_on(listen: str | list[str], addresses: list[tuple[str, int]]) -> None:
    assert listen_addresses(listen) == addresses


@pytest.mark.parametrize(
    ("listen", "problem"),
    [
        ([], "there is no address to listen on"),
        (["127.0.0.1:5060", "127.0.0.1:5060"], "127.0.0.1:5060 and 127.0.0.1:5060 are both IPv4"),
        (["[::1]:5060", "[::]:5070"], "[::1]:5060 and [::]:5070 are both IPv6"),
        (["a:1", "b:2", "c:3"], "3 addresses to listen on"),
        (["127.0.0.1:5060", "[::1]:99999"], "not an address to listen on: '[::1]:99999'"),
        ("5060", "not an address to listen on: '5060'"),
    ],
)
def test_what_cannot_be_listened_on_is_one_line_with_a_remedy(listen: str | list[str], problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        listen_addresses(listen)
    assert raised.value.problem == problem
    assert raised.value.remedy


def test_names_of_one_version_are_found_out_once_they_are_addresses() -> None:
    assert listen_addresses(["localhost:1", "here.example:2"])
    with pytest.raises(UsageError, match="are both IPv6"):
        by_version([("::1", 1), ("2001:db8::1", 2)])


def test_processes_have_a_port_each_for_each_address() -> None:
    assert listen_of(["127.0.0.1:5060", "[::1]:0"], 2) == ("127.0.0.1:5064", "[::1]:0")
    assert any_port("[::]:5060") == ("[::]:0", "0.0.0.0:0")
    assert shown([("127.0.0.1", 5060), ("::1", 5062)]) == "127.0.0.1:5060 and [::1]:5062"


@pytest.mark.parametrize(
    ("address", "ipv4", "ipv6"),
    [
        ("", "", ""),
        (None, "", ""),
        ("203.0.113.7", "203.0.113.7", ""),
        ("[2001:db8::7]", "", "2001:db8::7"),
        ("fax.example", "fax.example", "fax.example"),
        (("203.0.113.7", "2001:db8::7"), "203.0.113.7", "2001:db8::7"),
    ],
)
def test_each_version_shows_a_public_address_of_its_own(address: str | None, ipv4: str, ipv6: str) -> None:
    assert (public_of(address, 4), public_of(address, 6)) == (ipv4, ipv6)


def test_two_public_addresses_of_one_version_are_refused() -> None:
    assert check_public(("203.0.113.7", "2001:db8::7")) == ("203.0.113.7", "2001:db8::7")
    with pytest.raises(UsageError, match=r"203\.0\.113\.7 and fax\.example are both shown over IPv4"):
        check_public(("203.0.113.7", "fax.example"))
