# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose an incoming call is, how a caller is shown, and which accounts make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.errors import UsageError
from softfax.sip import CallerId, SipAccount
from softfax.sip.accounts import KnownAccount, account_of, check_accounts, identity, is_known, known_networks


def known(name: str, *, line: str = "", addresses: tuple[str, ...] = (), **more: Any) -> KnownAccount:
    return KnownAccount(SipAccount(name=name, server=f"sip:{name}.example", **more), line, frozenset(addresses))


PBX = known("pbx", line="1f", user="fax", register=True)
OTHER = known("other", line="2e", user="fax", register=True)
TRUNK = known("trunk", trusted=("192.0.2.0/24", "2001:db8::/32"))
NARROW = known("narrow", trusted=("192.0.2.8/30",))
DIDS = known("dids", numbers=("+49 30 1234", "1235"), addresses=("198.51.100.1",))
ALL = (PBX, OTHER, TRUNK, NARROW, DIDS)


@pytest.mark.parametrize(
    ("uri", "source", "hosts", "name"),
    [
        ("sip:fax@10.0.0.1:5060;line=2e", "203.0.113.1", (), "other"),
        ("sip:fax@10.0.0.1:5060;transport=tcp;line=1f;ob", "192.0.2.9", (), "pbx"),
        ("sip:fax@10.0.0.1", "203.0.113.1", (), "pbx"),  # the first of equals
        ("sip:fax@10.0.0.1", "203.0.113.1", ("other.example",), "other"),
        ("sip:fax@other.example", "203.0.113.1", (), "other"),
        ("sip:493099@10.0.0.1", "192.0.2.77", (), "trunk"),
        ("sip:493099@10.0.0.1", "192.0.2.9", (), "narrow"),  # the smaller network
        ("sip:493099@10.0.0.1", "::ffff:192.0.2.9", (), "narrow"),
        ("sip:493099@[::1]", "2001:db8::5", (), "trunk"),
        ("sip:+49301234@10.0.0.1", "203.0.113.1", (), "dids"),
        ("sip:49301234;phone-context=x@10.0.0.1", "203.0.113.1", (), "dids"),
        ("sip:%2B49301234@10.0.0.1", "203.0.113.1", (), "dids"),
        ("sip:anything@10.0.0.1", "198.51.100.1", (), "dids"),  # from its server
        ("sip:49301234@10.0.0.1", "192.0.2.77", (), "trunk"),  # where from counts more than what for
        ("sip:493099@10.0.0.1", "203.0.113.1", ("trunk.example",), ""),  # who says where it comes from is not believed
        ("sip:493099@10.0.0.1;line=zz", "203.0.113.1", (), ""),
        ("sip:10.0.0.1", "203.0.113.1", (), ""),
        ("tel:+49301234", "", (), ""),
        ("", "", (), ""),
    ],
)
def test_whose_a_call_is(uri: str, source: str, hosts: tuple[str, ...], name: str) -> None:
    assert account_of(ALL, uri, source, hosts) == name


def test_an_account_without_a_line_is_not_found_by_an_empty_one() -> None:
    assert account_of([known("x", line="")], "sip:a@b;line=", "203.0.113.1") == ""


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_nothing_that_comes_is_more_than_an_answer(uri: str, source: str, hosts: list[str]) -> None:
    assert account_of(ALL, uri, source, hosts) in {"", *(one.account.name for one in ALL)}


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
    known = [KnownAccount(trunk, line="token1", addresses=frozenset({"192.0.2.10", "fe80::1%eth0"}))]
    networks = {"192.0.2.10/32", "fe80::1/128", "198.51.100.0/24", "2001:db8::/32"}
    assert {str(one) for one in known_networks(known)} == networks
    for source in ("192.0.2.10", "198.51.100.7", "2001:db8::7", "::ffff:192.0.2.10"):
        assert is_known(known, "sip:fax@here", source), source
    for source in ("192.0.2.11", "203.0.113.1", "2001:db9::1", "", "nonsense"):
        assert not is_known(known, "sip:trunk@192.0.2.10", source)
        assert is_known(known, "sip:fax@here;line=token1", source)
        assert not is_known(known, "sip:fax@here;line=token2", source)
