# SPDX-License-Identifier: GPL-2.0-or-later
"""Accounts: whose an incoming call is, how a caller is shown, and which accounts make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.errors import UsageError
from softfax.sip.accounts import KnownAccount, Origin, check_accounts, identity, known_networks, origin_of
from softfax.sip.types import CallerId, SipAccount


def known(name: str, *, line: str = "", addresses: tuple[str, ...] = (), **more: Any) -> KnownAccount:
    servers = frozenset((address, 5060) for address in addresses)
    return KnownAccount(SipAccount(name=name, server=f"sip:{name}.example", **more), line, servers)


PBX = known("pbx", line="1f", user="fax", register=True, addresses=("198.51.100.7",))
OTHER = known("other", line="2e", user="fax", register=True, addresses=("198.51.100.7", "2001:db8:1::7"))
TRUNK = known("trunk", trusted=("192.0.2.0/24", "2001:db8::/48"), addresses=("198.51.100.9",))
NARROW = known("narrow", trusted=("192.0.2.8/30",))
DIDS = known("dids", numbers=("+49 30 1234", "1235"), addresses=("198.51.100.1", "198.51.100.2"))
SECURE = known("secure", user="sec", numbers=("1235",), srtp="required", transport="tls", addresses=("198.51.100.3",))
ALL = (PBX, OTHER, TRUNK, NARROW, DIDS, SECURE)
STRANGER = "203.0.113.1"


@pytest.mark.parametrize(
    ("uri", "source", "hosts", "name"),
    [
        ("sip:fax@10.0.0.1:5060;line=2e", STRANGER, (), "other"),
        ("sip:fax@10.0.0.1:5060;transport=tcp;line=1f;ob", "192.0.2.9", (), "pbx"),
        ("sip:fax@10.0.0.1", "198.51.100.7", (), "pbx"),  # the first of equals
        ("sip:fax@10.0.0.1", "198.51.100.7", ("other.example",), "other"),
        ("sip:fax@other.example", "198.51.100.7", (), "other"),
        ("sip:fax@10.0.0.1", "2001:db8:1:0::7", (), "other"),
        ("sip:493099@10.0.0.1", "192.0.2.77", (), "trunk"),
        ("sip:493099@10.0.0.1", "192.0.2.9", (), "narrow"),  # the smaller network
        ("sip:493099@10.0.0.1", "::ffff:192.0.2.9", (), "narrow"),
        ("sip:493099@[::1]", "2001:db8::5", (), "trunk"),
        ("sip:+49301234@10.0.0.1", "198.51.100.2", (), "dids"),
        ("sip:anything@10.0.0.1", "198.51.100.1", (), "dids"),  # from its server
        ("sip:49301234@10.0.0.1", "192.0.2.77", (), "trunk"),  # where from counts more than what for
    ],
)
def test_whose_a_call_is(uri: str, source: str, hosts: tuple[str, ...], name: str) -> None:
    assert origin_of(ALL, uri, source, hosts) == Origin(name)


@pytest.mark.parametrize(
    ("uri", "source", "hosts", "called"),
    [
        ("sip:fax@10.0.0.1", STRANGER, ("pbx.example",), "pbx"),
        ("sip:fax@10.0.0.1", "198.51.100.9", (), "pbx"),  # a server of another account, which names other networks
        ("sip:+49301234@10.0.0.1", STRANGER, (), "dids"),
        ("sip:49301234;phone-context=x@10.0.0.1", STRANGER, (), "dids"),
        ("sip:%2B49301234@10.0.0.1", STRANGER, (), "dids"),
        ("sip:1235@10.0.0.1", STRANGER, (), "secure"),  # the one that asks for most
        ("sip:493099@10.0.0.1", STRANGER, ("trunk.example",), ""),  # who says where it comes from is not believed
        ("sip:493099@10.0.0.1;line=zz", STRANGER, (), ""),
        ("sip:10.0.0.1", STRANGER, (), ""),
        ("tel:+49301234", "", (), ""),
        ("", "", (), ""),
    ],
)
def test_a_strangers_call_is_of_no_account_whatever_number_it_is_for(
    uri: str, source: str, hosts: tuple[str, ...], called: str
) -> None:
    assert origin_of(ALL, uri, source, hosts) == Origin(called=called)


def test_an_account_without_a_line_is_not_found_by_an_empty_one() -> None:
    assert origin_of([known("x", line="")], "sip:a@b;line=", STRANGER) == Origin()


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_nothing_that_comes_is_more_than_an_answer(uri: str, source: str, hosts: list[str]) -> None:
    found = origin_of(ALL, uri, source, hosts)
    assert {found.account, found.called} <= {"", *(one.account.name for one in ALL)}


OWN = "sip:fax@pbx.example"


@pytest.mark.parametrize(
    ("account", "caller", "from_uri", "headers"),
    [
        (None, CallerId("+49301", "A"), '"A" <sip:+49301@pbx.example>', {}),
        (None, CallerId("", "A"), f'"A" <{OWN}>', {}),
        ({"user": "fax"}, CallerId("1", ""), f"<{OWN}>", {"P-Asserted-Identity": "<sip:1@pbx.example>"}),
        ({"user": "fax", "caller": "from"}, CallerId("1", ""), "<sip:1@pbx.example>", {}),
        ({"caller": "remote-party-id"}, CallerId("1", ""), "<sip:1@pbx.example>", {}),
        (
            {"from_uri": OWN, "caller": "remote-party-id"},
            CallerId("1", "A"),
            f'"A" <{OWN}>',
            {"Remote-Party-ID": '"A" <sip:1@pbx.example>;party=calling;screen=yes;privacy=off'},
        ),
        ({"user": "fax"}, CallerId("", "A"), f'"A" <{OWN}>', {}),
    ],
)
def test_how_a_caller_is_shown(
    account: dict[str, Any] | None, caller: CallerId, from_uri: str, headers: dict[str, str]
) -> None:
    made = SipAccount(name="x", server="sip:pbx.example", **account) if account is not None else None
    shown = identity(made, OWN, "pbx.example", caller)
    assert shown is not None
    assert (shown.from_uri, dict(shown.headers)) == (from_uri, headers)


def test_nobody_in_particular_is_shown_as_we_are() -> None:
    assert identity(None, OWN, "pbx.example", None) is None
    assert identity(None, OWN, "pbx.example", CallerId()) is None


@pytest.mark.parametrize(
    ("accounts", "problem"),
    [
        ([{"name": "a"}, {"name": "a"}], "two accounts are called 'a'"),
        ([{"name": ""}], "an account has no name"),
        ([{"name": f"a{n}"} for n in range(61)], "61 accounts are too many"),
        ([{"name": "a", "server": ""}], "not a SIP URI: ''"),
        ([{"name": "a", "proxy": "pbx"}], "not a SIP URI: 'pbx'"),
        ([{"name": "a", "trusted": ("pbx.example",)}], "not an address or network: 'pbx.example'"),
        ([{"name": "a", "realms": ("",)}], "account a has a realm that cannot be one"),
        (
            [{"name": "a", "transport": "tls", "proxy": "sip:pbx;transport=udp;lr"}],
            "and a server or proxy with another",
        ),
        ([{"name": "a", "codecs": ()}], "account a has no use for these codecs"),
        ([{"name": "a", "codecs": ("PCMU", "PCMU")}], "account a has no use for these codecs"),
        ([{"name": "a", "tls_certificate": "x.pem"}], "account a has half of a TLS certificate"),
    ],
)
def test_accounts_that_make_no_sense(accounts: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        check_accounts([SipAccount(**{"server": "sip:pbx.example", **one}) for one in accounts])


def test_a_password_is_not_printed() -> None:
    assert "secret" not in repr(SipAccount(name="a", server="sip:x", password="secret"))


def test_calls_from_the_servers_and_trusted_networks_of_accounts_are_known() -> None:
    trunk = SipAccount(name="trunk", server="sip:192.0.2.10", trusted=("198.51.100.0/24", "2001:db8::/32"))
    known = [KnownAccount(trunk, line="token1", servers=frozenset({("192.0.2.10", 5060), ("fe80::1%eth0", 5060)}))]
    networks = {"192.0.2.10/32", "fe80::1/128", "198.51.100.0/24", "2001:db8::/32"}
    assert {str(one) for one in known_networks(known)} == networks


def test_a_number_that_is_suppressed_is_asserted_to_the_server_alone() -> None:
    own, domain = "sip:fax@pbx.example", "pbx.example"
    always = SipAccount(name="x", server="sip:pbx.example", user="fax", caller="anonymous")
    usually = SipAccount(name="x", server="sip:pbx.example", user="fax")
    shown = identity(always, own, domain, CallerId("+49301", "Clinic"))
    assert shown is not None
    assert shown.from_uri == '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert shown.headers == (("Privacy", "id"), ("P-Asserted-Identity", "<sip:+49301@pbx.example>"))
    for account in (always, usually):
        shown = identity(account, own, domain, CallerId("anonymous"))
        assert shown is not None
        assert shown.headers == (("Privacy", "id"), ("P-Asserted-Identity", f"<{own}>"))
    # Without an account there is nobody to assert it to.
    shown = identity(None, own, domain, CallerId("Anonymous"))
    assert shown is not None
    assert shown.headers == (("Privacy", "id"),)
