# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP (RFC 3711) as the engine does it: the keys of a call, and packets by themselves."""

from __future__ import annotations

import ctypes as c
import errno
from dataclasses import dataclass, field

from softfax.engine._abi import SrtpConfig, SrtpSuite, check, library
from softfax.errors import UsageError

__all__ = ["KEY_OCTETS", "Srtp", "SrtpSettings"]

#: Master key and salt of AES_CM_128 (RFC 4568 §6.2).
KEY_OCTETS = 30
_TAG_MAX = 10


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


class Srtp:
    """One side of a call without a session: what a session does with its packets."""

    def __init__(self, settings: SrtpSettings) -> None:
        self._lib = library()
        self._handle = c.c_void_p()
        check(self._lib.sfx_srtp_create(c.byref(settings.to_c()), c.byref(self._handle)), "preparing SRTP")

    def close(self) -> None:
        """Forgets the keys."""
        handle, self._handle = self._handle, c.c_void_p()
        self._lib.sfx_srtp_destroy(handle)

    def protect(self, packet: bytes) -> bytes:
        """An RTP packet, encrypted and authenticated. Raises NativeError for what is no RTP."""
        buffer = c.create_string_buffer(packet, len(packet) + _TAG_MAX)
        size = self._lib.sfx_srtp_protect(self._handle, buffer, len(packet), len(buffer))
        check(min(size, 0), "encrypting a packet")
        return buffer.raw[:size]

    def unprotect(self, packet: bytes) -> bytes | None:
        """The RTP packet in an SRTP packet; None for one that is not authentic, or was seen before."""
        buffer = c.create_string_buffer(packet, len(packet) or 1)
        size = self._lib.sfx_srtp_unprotect(self._handle, buffer, len(packet))
        if size in (-errno.EBADMSG, -errno.EALREADY):
            return None
        check(min(size, 0), "decrypting a packet")
        return buffer.raw[:size]
