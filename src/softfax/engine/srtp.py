# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP (RFC 3711): the keys of a call."""

from __future__ import annotations

import ctypes as c
from dataclasses import dataclass, field

from softfax.engine.abi import SrtpConfig, SrtpSuite
from softfax.errors import UsageError

__all__ = ["KEY_OCTETS", "SrtpSettings"]

#: Master key and salt of AES_CM_128 (RFC 4568 §6.2).
KEY_OCTETS = 30


@dataclass(frozen=True, kw_only=True)
class SrtpSettings:
    """The keys of a call, master key and salt, 30 octets each: ours to send with, the far end's to receive with.

    The far end's is good for `rx_lifetime` packets, 0 for as many as RFC 3711 allows.
    """

    suite: SrtpSuite
    tx_key: bytes = field(repr=False)
    rx_key: bytes = field(repr=False)
    rx_lifetime: int = 0

    def to_c(self) -> SrtpConfig:
        """The C struct; raises UsageError for keys of another length."""
        if len(self.tx_key) != KEY_OCTETS or len(self.rx_key) != KEY_OCTETS:
            raise UsageError(f"an SRTP key has {KEY_OCTETS} octets")
        octets = c.c_uint8 * KEY_OCTETS
        return SrtpConfig(int(self.suite), octets(*self.tx_key), octets(*self.rx_key), self.rx_lifetime)
