# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits on SMTP clients: permitted networks, connections at a time, and password attempts."""

from __future__ import annotations

from softfax.mail.door import Door


def door(most: int = 3, now: list[float] | None = None) -> Door:
    clock = now or [0.0]
    return Door(lambda: ("192.0.2.0/24", "2001:db8::/32"), lambda: most, lambda: clock[0])


def test_addresses_of_trusted_networks() -> None:
    trusted = ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "2001:db8::1%eth0")
    assert all(door().trusts(address) for address in trusted)
    assert not any(door().trusts(address) for address in ("192.0.3.1", "::1", "", "x", "::ffff:192.0.3.1"))


def test_strangers_do_not_keep_out_the_mail_server() -> None:
    there = door()
    assert [there.enter(f"198.51.100.{n}", trusted=False) for n in range(4)] == [True, True, True, False]
    assert [there.enter("192.0.2.7", trusted=True) for _ in range(4)] == [True, True, True, False]
    assert there.connections == 6
    there.leave("198.51.100.0", trusted=False)
    assert there.enter("198.51.100.9", trusted=False)
    for n in (1, 2, 9):
        there.leave(f"198.51.100.{n}", trusted=False)
    for _ in range(3):
        there.leave("192.0.2.7", trusted=True)
    assert there.connections == 0


def test_one_stranger_has_few_connections() -> None:
    there = door(100)
    # All of a /64 are one.
    assert [there.enter(f"2001:db9::{n}", trusted=False) for n in range(7)].count(True) == 5
    assert there.enter("2001:db9:0:1::1", trusted=False)


def test_wrong_passwords_wear_off() -> None:
    now = [0.0]
    there = door(now=now)
    for _ in range(10):
        assert there.may_try("198.51.100.1")
        there.failed("198.51.100.1")
    assert not there.may_try("198.51.100.1")
    assert there.may_try("198.51.100.2")
    now[0] = 61.0
    assert there.may_try("198.51.100.1")
