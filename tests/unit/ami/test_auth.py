# SPDX-License-Identifier: GPL-2.0-or-later
"""Users, networks, the throttle, permission classes."""

from __future__ import annotations

import pytest

from softfax.ami.access import Permission, event_mask, permissions, privilege
from softfax.ami.auth import Networks, User, Users, md5_key
from softfax.errors import ConfigError
from softfax.peers import Throttle


@pytest.mark.parametrize(
    ("deny", "permit", "host", "allowed"),
    [
        ((), (), "192.0.2.1", True),
        (("0.0.0.0/0",), ("192.0.2.0/24",), "192.0.2.1", True),
        (("0.0.0.0/0",), ("192.0.2.0/255.255.255.0",), "192.0.3.1", False),
        (("0.0.0.0/0",), ("127.0.0.1",), "::ffff:127.0.0.1", True),
        (("::/0",), ("2001:db8::/32",), "2001:db8::1%eth0", True),
        (("::/0",), (), "2001:db8::1", False),
        (("0.0.0.0/0",), (), "not an address", False),
    ],
)
def test_networks(deny: tuple[str, ...], permit: tuple[str, ...], host: str, allowed: bool) -> None:
    assert Networks(deny, permit).allow(host) is allowed


def test_a_network_that_is_none() -> None:
    with pytest.raises(ConfigError, match="no network: 'here'"):
        Networks(["here"])


def test_secrets_and_keys() -> None:
    users = Users([User("Fax", "söcret"), User("empty", "")])
    assert users.with_secret("fAX", "söcret", "127.0.0.1")
    assert not users.with_secret("fax", "söcre", "127.0.0.1")
    assert not users.with_secret("empty", "", "127.0.0.1")
    key = md5_key("123", "söcret")
    assert users.with_key("fax", key.upper(), "123", "127.0.0.1")
    assert not users.with_key("fax", md5_key("", "söcret"), "", "127.0.0.1")
    assert not users.with_key("empty", md5_key("123", ""), "123", "127.0.0.1")
    assert "söcret" not in repr(users._users)


def test_the_throttle_forgets_and_is_bounded() -> None:
    throttle = Throttle(failures=3, window_s=60, addresses=100)
    for second in range(3):
        assert not throttle.refuses("192.0.2.1", second)
        throttle.failed("192.0.2.1", second)
    assert throttle.refuses("192.0.2.1", 59)
    assert not throttle.refuses("192.0.2.1", 60)
    assert not throttle.refuses("192.0.2.2", 3)
    throttle.succeeded("192.0.2.1")
    assert not throttle.refuses("192.0.2.1", 3)
    for number in range(3):
        throttle.failed(f"2001:db8::{number + 1}", 0)
    assert throttle.refuses("2001:db8::ffff", 1)
    for number in range(1000):
        throttle.failed(f"198.51.{number // 250}.{number % 250}", 0)
    assert len(throttle._seen) == 100


def test_classes_by_name() -> None:
    assert permissions("system, CALL,originate") == Permission.SYSTEM | Permission.CALL | Permission.ORIGINATE
    assert permissions(["all"]) == Permission.ALL
    assert permissions("") == permissions("none") == Permission(0)
    with pytest.raises(ConfigError, match="no such AMI permission"):
        permissions("root")


def test_masks_and_privileges() -> None:
    assert event_mask("") is None
    assert event_mask("4096") == Permission.ORIGINATE
    assert event_mask("call,user") == Permission.CALL | Permission.USER
    assert event_mask("9" * 5000) is not None
    assert privilege(Permission.CALL) == "call,all"
    assert privilege(Permission.SYSTEM | Permission.REPORTING) == "system,reporting,all"
    assert privilege(Permission(0)) == "<none>"
