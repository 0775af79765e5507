# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP: the vectors of RFC 3711, what must not pass, and what a long call needs."""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from softfax.engine.abi import SrtpSuite
from softfax.engine.srtp import SrtpSettings
from softfax.errors import NativeError, UsageError
from tests.support.engine_testing import Srtp

# RFC 3711 B.3: a master key with its salt, and what is derived from it.
MASTER = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139" + "0EC675AD498AFEEBB6960B3AABE6")
CIPHER = "C61E7A93744F39EE10734AFE3FF7A087"
SALT = int("30CBBC08863D8C85D49DB34A9AE1", 16)
AUTH = bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
OTHER = bytes(range(30))
LONG, SHORT = SrtpSuite.AES_CM_128_HMAC_SHA1_80, SrtpSuite.AES_CM_128_HMAC_SHA1_32


@contextmanager
def pair(suite: SrtpSuite = LONG, *, lifetime: int = 0) -> Iterator[tuple[Srtp, Srtp]]:
    a = Srtp(SrtpSettings(suite=suite, tx_key=MASTER, rx_key=OTHER))
    b = Srtp(SrtpSettings(suite=suite, tx_key=OTHER, rx_key=MASTER, rx_lifetime=lifetime))
    try:
        yield a, b
    finally:
        a.close()
        b.close()


def rtp(seq: int, payload: bytes = b"\xab" * 160, ssrc: int = 0xCAFEBABE, head: bytes = b"\x80\x00") -> bytes:
    return (
        head
        + (seq & 0xFFFF).to_bytes(2, "big")
        + (seq * 160).to_bytes(8, "big")[4:]
        + ssrc.to_bytes(4, "big")
        + payload
    )


def by_the_book(packet: bytes, tag: int, roc: int = 0) -> bytes:
    """RFC 3711 §4.1.1 and §4.2 with the derived keys of the RFC, by another implementation of AES."""
    index, ssrc = roc << 16 | int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[8:12], "big")
    iv = SALT << 16 ^ ssrc << 64 ^ index << 16
    command = ["openssl", "enc", "-aes-128-ctr", "-K", CIPHER, "-iv", f"{iv:032x}"]
    done = subprocess.run(command, input=packet[12:], capture_output=True, check=True)
    sealed = packet[:12] + done.stdout
    return sealed + hmac.new(AUTH, sealed + roc.to_bytes(4, "big"), hashlib.sha1).digest()[:tag]


@pytest.mark.parametrize(("suite", "tag"), [(LONG, 10), (SHORT, 4)])
def test_packets_are_as_rfc_3711_says(suite: SrtpSuite, tag: int) -> None:
    with pair(suite) as (a, b):
        packet = rtp(0x1234)
        sealed = a.protect(packet)
        assert sealed == by_the_book(packet, tag)
        assert b.unprotect(sealed) == packet


def test_the_roll_over_counter_goes_on_through_losses_and_disorder() -> None:
    with pair() as (a, b):
        sealed = [(n, a.protect(rtp(n, b"%d" % n))) for n in range(30000, 30000 + 3 * 65536, 3)]
        assert sealed[-1][1] == by_the_book(rtp(sealed[-1][0], b"%d" % sealed[-1][0]), 10, roc=sealed[-1][0] >> 16)
        rng = random.Random(3711)
        kept = [one for one in sealed if rng.random() > 0.3]
        for i in range(0, len(kept) - 4, 4):
            kept[i : i + 4] = rng.sample(kept[i : i + 4], 4)
        assert all(b.unprotect(packet) == rtp(n, b"%d" % n) for n, packet in kept)


def test_a_packet_counts_once() -> None:
    with pair() as (a, b):
        sealed = [a.protect(rtp(n)) for n in range(100)]
        assert b.unprotect(sealed[99]) is not None
        assert b.unprotect(sealed[40]) is not None
        assert b.unprotect(sealed[40]) is None
        assert b.unprotect(sealed[35]) is None  # too old to tell


def test_what_was_changed_on_the_way_is_dropped() -> None:
    with pair() as (a, b):
        sealed = a.protect(rtp(7))
        for at in range(len(sealed)):
            assert b.unprotect(sealed[:at] + bytes([sealed[at] ^ 0x10]) + sealed[at + 1 :]) is None, at
        for size in range(len(sealed)):
            assert b.unprotect(sealed[:size]) is None
        assert b.unprotect(sealed) == rtp(7)
        assert a.unprotect(sealed) is None  # our own key is not the far end's


def test_no_octets_whatever_do_harm() -> None:
    rng = random.Random(1)
    with pair(SHORT) as (a, b):
        for _ in range(20000):
            packet = rng.randbytes(rng.randrange(0, 300))
            if rng.random() < 0.7 and packet:
                packet = bytes([0x80 | packet[0] & 0x3F]) + packet[1:]
            assert b.unprotect(packet) is None
        for head in (b"\x8f\x00", b"\x90\x00", b"\x40\x00"):
            with pytest.raises(NativeError):
                a.protect(rtp(1, b"\xff" * 20, head=head))


def test_sources_and_lifetime_have_limits() -> None:
    with pair(lifetime=20) as (a, b):
        assert [b.unprotect(a.protect(rtp(1, ssrc=n))) is not None for n in range(18)] == [True] * 16 + [False] * 2
        assert [b.unprotect(a.protect(rtp(n, ssrc=3))) is not None for n in range(2, 8)] == [True] * 4 + [False] * 2


def test_a_key_stream_is_never_used_twice() -> None:
    with pair() as (a, _):
        assert a.protect(rtp(9))[12:-10] != a.protect(rtp(9))[12:-10]


def test_keys_of_another_length_are_refused_and_none_is_shown() -> None:
    settings = SrtpSettings(suite=LONG, tx_key=MASTER, rx_key=os.urandom(16))
    assert "key" not in repr(settings)
    with pytest.raises(UsageError):
        settings.to_c()
