# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP messages among the packets of a call, in one pcap file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.fax.pcap import Datagram, merged
from tests.support.pcap import packets_of

SECOND_US = 1_000_000


def datagram(time_us: int, payload: bytes, host: str = "192.0.2.1") -> Datagram:
    return Datagram(time_us, (host, 5060), ("192.0.2.2" if "." in host else "2001:db8::2", 5062), payload)


def test_all_is_in_order_of_time() -> None:
    media = merged([], [datagram(n * SECOND_US, b"media%d" % n) for n in (2, 4, 5)])

    both = merged([media], [datagram(3 * SECOND_US, b"SIP b"), datagram(SECOND_US, b"SIP a", "2001:db8::1")])

    packets = packets_of(both)
    assert [p.payload for p in packets] == [b"SIP a", b"media2", b"SIP b", b"media4", b"media5"]
    assert all(p.checksums_hold for p in packets)
    assert packets[0].source == ("2001:db8::1", 5060)
    assert packets[1].destination == ("192.0.2.2", 5062)


@pytest.mark.parametrize("cut", [0, 10, 24, 30, 60, -1])
def test_a_capture_that_was_broken_off_gives_what_is_whole(cut: int) -> None:
    media = merged([], [datagram(n * SECOND_US, b"media") for n in range(3)])

    payloads = [p.payload for p in packets_of(merged([media[:cut]], [datagram(9 * SECOND_US, b"SIP")]))]

    assert payloads == [b"media"] * (2 if cut == -1 else 0) + [b"SIP"]


@given(st.binary(max_size=300), st.binary(max_size=70), st.text(max_size=20), st.integers(0, 2**40))
def test_whatever_is_given_a_file_comes_out(capture: bytes, payload: bytes, host: str, time_us: int) -> None:
    one = Datagram(time_us, (host, 5060), ("192.0.2.2", 70000), payload)

    packets = packets_of(merged([capture], [one]))

    assert payload in [p.payload for p in packets]
    assert all(p.checksums_hold for p in packets)
