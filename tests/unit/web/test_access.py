# SPDX-License-Identifier: GPL-2.0-or-later
"""Access to the web: who may ask, from where, and how often; without a connection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.peers import network_of
from softfax.station.config.http import HttpConfig
from softfax.web.access import Access, Principal, check_origin
from softfax.web.guard import cookie_of
from softfax.web.limits import Buckets
from softfax.web.problems import Problem

SECRET = "a-secret-of-the-tests"
TOKEN = {"name": "office", "secret": SECRET, "scopes": ["read"]}


def access(**http: Any) -> Access:
    return Access(HttpConfig.model_validate({"token": [TOKEN], **http}), None)


def who(found: Access, peer: str, headers: Mapping[str, str]) -> Principal | None:
    return found.principal(found.requester(peer, "http", headers), headers, "")


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def test_tokens_as_they_are_and_as_hashes() -> None:
    import hashlib

    hashed = {**TOKEN, "secret": "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest()}
    for found in (access(), access(token=[hashed])):
        principal = who(found, "192.0.2.1", bearer(SECRET))
        assert principal is not None
        assert (principal.name, principal.may("read"), principal.may("send"), principal.may("admin")) == (
            "office", True, False, False,
        )  # fmt: skip
        assert who(found, "192.0.2.1", {}) is None
        for wrong in ("", SECRET + "x", SECRET[:-1], "\ud800", hashed["secret"]):
            with pytest.raises(Problem) as error:
                who(found, "192.0.2.9", bearer(wrong))
            assert error.value.status_code == 401


@pytest.mark.parametrize("up_s", [60.0, 1e6])
def test_guesses_wait_and_others_do_not(monkeypatch: pytest.MonkeyPatch, up_s: float) -> None:
    # Also on a machine that was started a minute ago.
    monkeypatch.setattr("softfax.web.access.time", SimpleNamespace(time=time.time, monotonic=lambda: up_s))
    found = access(failed_logins_per_minute=3)
    assert who(found, "192.0.2.1", bearer(SECRET)) is not None
    for _ in range(5):
        with pytest.raises(Problem):
            who(found, "192.0.2.1", bearer("wrong"))
    with pytest.raises(Problem) as error:
        who(found, "192.0.2.1", bearer("wrong"))
    assert error.value.status_code == 429
    assert who(found, "192.0.2.1", bearer(SECRET)) is not None
    assert who(found, "192.0.2.2", bearer(SECRET)) is not None
    # A network of IPv6 is one client: its owner has addresses without end.
    for n in range(3):
        with pytest.raises(Problem):
            who(found, f"2001:db8::{n}", bearer("wrong"))
    with pytest.raises(Problem) as error:
        who(found, "2001:db8::ffff:1", bearer(SECRET))
    assert error.value.status_code == 429


def test_without_tokens_this_machine_by_its_own_name_alone() -> None:
    found = access(token=[])
    near = who(found, "127.0.0.1", {"host": "localhost:8038"})
    assert near is not None
    assert near.may("admin")
    assert who(found, "::1", {"host": "[::1]:8038"}) is not None
    for peer, headers in (
        ("192.0.2.1", {"host": "localhost"}),
        ("127.0.0.1", {"host": "evil.example:8038"}),  # a name that an attacker lets lead here
        ("127.0.0.1", {"host": "localhost.evil.example"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {"host": "localhost", "x-forwarded-for": "192.0.2.1"}),  # a proxy on this machine
        ("127.0.0.1", {"host": "localhost", "forwarded": "for=192.0.2.1"}),
        ("unix", {"host": "localhost"}),
    ):
        with pytest.raises(Problem) as error:
            who(found, peer, headers)
        assert error.value.status_code == 403


def test_a_proxys_word_counts_if_it_is_ours() -> None:
    found = access(
        trusted_proxies=["10.0.0.0/8"], proxy_user_header="X-Remote-User", proxy_user_scopes=["read", "send"]
    )
    said = {"x-remote-user": "ada", "x-forwarded-for": "192.0.2.7, 203.0.113.5, 10.0.0.3"}
    ada = who(found, "10.0.0.2", said)
    assert ada == Principal("ada", frozenset({"read", "send"}), "proxy")
    assert who(found, "192.0.2.1", said) is None
    # The last address that is no proxy of ours; what is left of it anybody may have written.
    assert found.requester("10.0.0.2", "http", said).address == "203.0.113.5"
    assert found.requester("192.0.2.1", "http", said).address == "192.0.2.1"
    assert found.requester("10.0.0.2", "http", {"x-forwarded-for": "not an address"}).address == "10.0.0.2"
    assert found.requester("::ffff:10.0.0.2", "http", {"x-forwarded-proto": "http, https"}).secure
    assert not found.requester("192.0.2.1", "http", {"x-forwarded-proto": "https"}).secure


@pytest.mark.parametrize(
    ("headers", "kind", "good"),
    [
        ({"x-softfax": "1"}, "login", True),
        ({"sec-fetch-site": "same-origin"}, "login", True),
        ({}, "login", False),
        ({"sec-fetch-site": "same-site", "x-softfax": "1"}, "login", False),
        ({"sec-fetch-site": "cross-site"}, "proxy", False),
        ({"origin": "https://evil.example", "host": "fax.example"}, "local", False),
        ({"origin": "http://localhost:8038", "host": "localhost:8038"}, "local", True),
        ({"origin": "null", "host": "localhost"}, "local", False),
        ({}, "local", True),
        ({"sec-fetch-site": "cross-site"}, "token", True),
    ],
)
def test_other_sites_do_nothing_here(headers: dict[str, str], kind: Any, good: bool) -> None:
    principal = Principal("ada", frozenset(), kind)
    check_origin("GET", headers, principal)
    if good:
        check_origin("POST", headers, principal)
    else:
        with pytest.raises(Problem):
            check_origin("POST", headers, principal)


def test_buckets_fill_again() -> None:
    now = [0.0]
    buckets = Buckets(60, 5, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(5)] == [0.0] * 5
    assert buckets.take("a") == 1.0
    assert buckets.take("b") == 0.0
    now[0] = 2.0
    assert [buckets.take("a"), buckets.take("a")] == [0.0, 0.0]
    assert buckets.wait_s("a") == 1.0
    assert Buckets(0).take("a") == 0.0


@given(st.lists(st.floats(0, 10), max_size=60))
def test_no_more_than_the_rate_allows(pauses: list[float]) -> None:
    now, taken = [0.0], 0
    buckets = Buckets(60, 3, clock=lambda: now[0])
    for pause in pauses:
        now[0] += pause
        taken += buckets.take("a") == 0.0
    assert taken <= 3 + now[0] + 1e-6


def test_addresses_that_are_one_client() -> None:
    assert network_of("192.0.2.1") == network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") != network_of("2001:db8:0:1::1")
    assert network_of("whatever") == "whatever"
    assert cookie_of({"cookie": "a=1; softfax=x=y; softfax=z"}, "softfax") == "x=y"
    assert cookie_of({}, "softfax") == ""
