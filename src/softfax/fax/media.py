# SPDX-License-Identifier: GPL-2.0-or-later
"""Media as SIP negotiates them, in the words of a fax session and the engine; UDPTL sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

from softfax.engine.abi import ErrorCorrection, SrtpSuite
from softfax.engine.core import RedSettings, UdptlSettings
from softfax.engine.srtp import SrtpSettings
from softfax.errors import LocalError
from softfax.fax.ports import AudioPath
from softfax.fax.settings import T38Preferences
from softfax.model import CallState
from softfax.sip.listening import version_of
from softfax.sip.sdes import SrtpKeys
from softfax.sip.sdp import T38Parameters
from softfax.sip.types import AudioMedia, T38Media

__all__ = ["CALL_STATES", "UdptlSockets", "audio_path", "t38_parameters", "udp_socket", "udptl_settings"]

CALL_STATES = {
    "calling": CallState.CALLING,
    "ringing": CallState.RINGING,
    "early": CallState.RINGING,
    "answered": CallState.ANSWERED,
    "ended": CallState.ENDED,
}
#: Octets that one of ours takes: whole frames with three earlier ones, in one packet of Ethernet.
DIRECT_DATAGRAM = 1400
_CORRECTION = {
    "redundancy": ErrorCorrection.REDUNDANCY,
    "fec": ErrorCorrection.FEC,
    "none": ErrorCorrection.NONE,
}


def audio_path(media: AudioMedia) -> AudioPath:
    """Audio for the engine. On hold (RFC 3264 §8.4) nothing is sent to nowhere."""
    srtp = _srtp_settings(media.srtp) if media.srtp is not None else None
    host, port = media.remote
    if not media.send:
        host = "::" if ":" in host else "0.0.0.0"
    red = RedSettings(*media.red) if media.red is not None else None
    return AudioPath(media.fd, (host, port), media.codec, media.payload_type, media.ptime_ms, red, srtp)


def udptl_settings(media: T38Media, redundancy: int) -> UdptlSettings:
    """Settings by both SDPs, offer and answer: an answer may say less than the offer."""
    far, local = media.parameters, media.local
    correction = "none" if local.error_correction == "none" else far.error_correction
    return UdptlSettings(
        version=min(far.version, local.version),
        error_correction=_CORRECTION[correction],
        redundancy=redundancy,
        max_datagram=DIRECT_DATAGRAM if media.direct else far.max_datagram or 0,
        max_rate_bps=min(far.max_bitrate_bps, local.max_bitrate_bps),
        local_tcf=local.rate_management == "localTCF",
        no_pacing=media.direct,
    )


def t38_parameters(wanted: T38Preferences, max_rate_bps: int, *, direct: bool = False) -> T38Parameters:
    """Our parameters of T.38, in an offer or an answer; `direct` where T.30 is ours."""
    return T38Parameters(
        version=wanted.version,
        max_bitrate_bps=min(max_rate_bps, wanted.max_rate_bps),
        max_datagram=wanted.max_datagram,
        error_correction=wanted.error_correction,
        direct=direct and wanted.direct,
    )


class UdptlSockets:
    """Sockets for UDPTL, one for each version of IP that SIP is listened for at: the far end's offer says which is used."""

    def __init__(self, hosts: Iterable[str], dscp: int) -> None:
        self._sockets: dict[int, socket.socket] = {}
        try:
            for host in hosts:
                self._sockets[version_of(host)] = udp_socket(host, dscp)
        except LocalError:
            self.close()
            raise

    def local(self, version: int) -> tuple[str, int]:
        """The address of the one of a version of IP, or of another where there is none; from any thread."""
        sock = self._sockets.get(version) or next(iter(self._sockets.values()), None)
        if sock is None:
            raise LocalError("no UDPTL socket")
        host, port = sock.getsockname()[:2]
        return str(host), int(port)

    def towards(self, host: str) -> int:
        """A descriptor of the one that `host` is reached by, the caller's to close. Raises OSError."""
        return os.dup(self._sockets[version_of(host)].fileno())

    @property
    def descriptors(self) -> list[int]:
        """Descriptors of them."""
        return [sock.fileno() for sock in self._sockets.values()]

    def close(self) -> None:
        """Close them."""
        for sock in self._sockets.values():
            sock.close()


def udp_socket(host: str, dscp: int) -> socket.socket:
    """A bound UDP socket for UDPTL on any free port of `host`, whose packets are marked with a DSCP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
        sock.bind((host, 0))
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise LocalError(f"no UDP port for T.38 on {host} ({error.strerror})", "check the listening address") from None
    return sock


def _srtp_settings(keys: SrtpKeys) -> SrtpSettings:
    return SrtpSettings(suite=SrtpSuite[keys.suite], tx_key=keys.ours, rx_key=keys.theirs, rx_lifetime=keys.lifetime)
