# SPDX-License-Identifier: GPL-2.0-or-later
"""T.38 in SDP (RFC 3362, T.38 Annex D, RFC 4566): read, answered, offered. Pure; hostile until parsed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

__all__ = [
    "MediaLine",
    "Sdp",
    "SdpError",
    "T38Parameters",
    "answer_t38",
    "check_family",
    "is_direct",
    "numeric_address",
    "offer_t38",
    "parse",
    "t38_line",
    "t38_parameters",
    "t38_remote",
]

TEXT_MAX = 8192
LINES_MAX = 256
MEDIA_MAX = 16
DATAGRAM_MAX = 65535

#: Warn-codes (RFC 3261 §20.43).
INCOMPATIBLE_NETWORK, INCOMPATIBLE_ADDRESS = 300, 301

ErrorCorrectionName = Literal["redundancy", "fec", "none"]
RateManagement = Literal["transferredTCF", "localTCF"]

_EC_BY_VALUE: dict[str, ErrorCorrectionName] = {"t38udpredundancy": "redundancy", "t38udpfec": "fec"}
_VALUE_BY_EC = {"redundancy": "t38UDPRedundancy", "fec": "t38UDPFEC"}
#: An attribute of our own: the address and port of the media.
_DIRECT = "softfax-direct"
_RATES = (2400, 4800, 7200, 9600, 12000, 14400)


class SdpError(ValueError):
    """Malformed SDP, or no media that we can use; `warning` is the warn-code of RFC 3261 §20.43."""

    def __init__(self, text: str, warning: int = 399) -> None:
        super().__init__(text)
        self.warning = warning


@dataclass(frozen=True)
class MediaLine:
    """One m= line with its connection address (None: the session's) and attributes in order."""

    media: str
    port: int
    transport: str
    formats: tuple[str, ...]
    address: str | None
    attributes: tuple[tuple[str, str], ...]

    @property
    def is_t38(self) -> bool:
        """A line of T.38 over UDPTL that is not refused."""
        return self.port > 0 and self.media.lower() == "image" and self.transport.lower() == "udptl"

    @property
    def is_inactive(self) -> bool:
        """True if nothing is to flow either way for now (RFC 4566 §6)."""
        return self.attribute("inactive") is not None

    @property
    def is_held(self) -> bool:
        """True if its side wants nothing sent for now."""
        return self.is_inactive or self.attribute("sendonly") is not None

    def attribute(self, name: str) -> str | None:
        """The first attribute of that name, regardless of case; None where there is none."""
        for key, value in self.attributes:
            if key.lower() == name.lower():
                return value
        return None


@dataclass(frozen=True)
class Sdp:
    """A session description as far as fax needs it."""

    address: str | None
    media: tuple[MediaLine, ...]


@dataclass(frozen=True)
class T38Parameters:
    """T.38 as one side describes itself. `max_datagram` and `max_buffer` in octets, None where not given. `direct`: its T.30 is
    at the address of its media, with no modem between."""

    version: int = 0
    max_bitrate_bps: int = 14400
    rate_management: RateManagement = "transferredTCF"
    max_datagram: int | None = 400
    max_buffer: int | None = None
    error_correction: ErrorCorrectionName = "redundancy"
    fill_bit_removal: bool = False
    transcoding_mmr: bool = False
    transcoding_jbig: bool = False
    direct: bool = False


# ---- reading -------------------------------------------------------------------------------------------------------


def _said(text: str | None, high: int) -> int | None:
    """A number of the far end's about T.38; what follows its digits is passed over. Raises SdpError where there are none."""
    if not text:
        return None
    digits = re.match(r"[0-9]{1,10}(?![0-9])", text)
    if digits is None:
        raise SdpError(f"number out of range: {text[:20]!r}")
    return min(int(digits[0]), high)


def _number(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
        raise SdpError(f"number out of range: {text[:20]!r}")
    return int(text)


def _address(value: str) -> str:
    parts = value.split()
    if len(parts) < 3 or parts[0].upper() != "IN" or parts[1].upper() not in ("IP4", "IP6"):
        raise SdpError("bad connection line", INCOMPATIBLE_NETWORK)
    return parts[2].split("/")[0]


def _media_line(value: str) -> MediaLine:
    parts = value.split()
    if len(parts) < 4:
        raise SdpError("bad media line")
    return MediaLine(parts[0], _number(parts[1].split("/")[0], 0, 65535), parts[2], tuple(parts[3:]), None, ())


def parse(text: str) -> Sdp:
    """Reads a session description. Raises SdpError."""
    if len(text) > TEXT_MAX:
        raise SdpError("SDP too long")
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > LINES_MAX:
        raise SdpError("SDP of too many lines")
    session_address: str | None = None
    common: list[tuple[str, str]] = []
    media: list[MediaLine] = []
    for line in lines:
        if not line.strip():
            continue
        if len(line) < 2 or line[1] != "=":
            raise SdpError("bad line")
        kind, value = line[0], line[2:]
        if kind == "m":
            if len(media) >= MEDIA_MAX:
                raise SdpError("too many media lines")
            media.append(_media_line(value))
        elif kind == "c":
            if media:
                media[-1] = replace(media[-1], address=_address(value))
            else:
                session_address = _address(value)
        elif kind == "a":
            # Some write "a=name: value" or leave the colon out.
            name, _, rest = value.partition(":")
            said = (name.strip(), rest.strip())
            if media:
                media[-1] = replace(media[-1], attributes=(*media[-1].attributes, said))
            elif said[0].lower().startswith("t38"):
                common.append(said)
    # Some say what T.38 is like above the media; what a line says itself comes first.
    return Sdp(
        session_address,
        tuple(replace(m, attributes=(*m.attributes, *common)) if m.media.lower() == "image" else m for m in media),
    )


def t38_line(sdp: Sdp) -> MediaLine | None:
    """The line of T.38 that may be taken, wherever it stands; an inactive one only where there is nothing else."""
    lines = [m for m in sdp.media if m.is_t38]
    others = [m for m in sdp.media if m.port > 0 and m.media.lower() != "image" and not m.is_inactive]
    return next((m for m in lines if not m.is_inactive), lines[0] if lines and not others else None)


def t38_remote(sdp: Sdp, line: MediaLine) -> tuple[str, int]:
    """Address and port for the far end's UDPTL; of nobody while it holds. Raises SdpError unless numeric, unicast."""
    address = numeric_address(sdp, line)
    if line.is_held and not address.is_multicast:
        return "::" if address.version == 6 else "0.0.0.0", line.port
    if address.is_multicast or address.is_unspecified:
        raise SdpError(f"nothing can be sent to {address}")
    return str(address), line.port


def numeric_address(sdp: Sdp, line: MediaLine) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Numeric address of a line's media. Raises SdpError for a name, which would have to be looked up."""
    text = line.address or sdp.address
    try:
        return ipaddress.ip_address(text or "")
    except ValueError:
        named = f"{text[:64]} is a name" if text else "there is no address"
        raise SdpError(f"media is sent to numeric addresses alone, and {named}", INCOMPATIBLE_ADDRESS) from None


def check_family(host: str, ours: Iterable[str]) -> None:
    """Raises SdpError where media at `host` cannot be reached from any address like `ours`."""
    if all((":" in host) != (":" in one) for one in ours):
        families = ("IPv6", "IPv4") if ":" in host else ("IPv4", "IPv6")
        raise SdpError(f"media at {host} is {families[0]}, and this call has {families[1]}", INCOMPATIBLE_NETWORK)


def _flag(line: MediaLine, name: str) -> bool:
    """A boolean attribute: present without a value, or with one other than 0 (both forms are in use)."""
    value = line.attribute(name)
    return value is not None and value not in ("0", "false")


def t38_parameters(line: MediaLine) -> T38Parameters:
    """The far end's parameters, with the defaults of T.38 Annex D where it gives none. Raises SdpError for nonsense."""
    management = (line.attribute("T38FaxRateManagement") or "transferredTCF").lower()
    correction = line.attribute("T38FaxUdpEC")
    bitrate = _said(line.attribute("T38MaxBitRate"), 1_000_000) or 14400
    return T38Parameters(
        version=_said(line.attribute("T38FaxVersion"), 255) or 0,
        max_bitrate_bps=max((r for r in _RATES if r <= bitrate), default=2400),
        rate_management="localTCF" if management == "localtcf" else "transferredTCF",
        max_datagram=_said(line.attribute("T38FaxMaxDatagram"), DATAGRAM_MAX),
        max_buffer=_said(line.attribute("T38FaxMaxBuffer"), 1 << 30),
        error_correction=_EC_BY_VALUE.get((correction or "").lower(), "none"),
        fill_bit_removal=_flag(line, "T38FaxFillBitRemoval"),
        transcoding_mmr=_flag(line, "T38FaxTranscodingMMR"),
        transcoding_jbig=_flag(line, "T38FaxTranscodingJBIG"),
    )


def is_direct(description: Sdp, line: MediaLine) -> bool:
    """True if a line says that T.30 is at its very address. What stands between, a gateway or a relay, has another."""
    return line.attribute(_DIRECT) == f"{line.address or description.address} {line.port}"


# ---- writing -------------------------------------------------------------------------------------------------------


def _head(address: str) -> list[str]:
    family = "IP6" if ":" in address else "IP4"
    return ["v=0", f"o=- 1 1 IN {family} {address}", "s=softfax", f"c=IN {family} {address}", "t=0 0"]


def _t38_lines(local: tuple[str, int], p: T38Parameters) -> list[str]:
    lines = [
        f"m=image {local[1]} udptl t38",
        f"a=T38FaxVersion:{p.version}",
        f"a=T38MaxBitRate:{p.max_bitrate_bps}",
        f"a=T38FaxRateManagement:{p.rate_management}",
    ]
    if p.max_datagram is not None:
        lines.append(f"a=T38FaxMaxDatagram:{p.max_datagram}")
    if p.error_correction != "none":
        lines.append(f"a=T38FaxUdpEC:{_VALUE_BY_EC[p.error_correction]}")
    if p.direct:
        lines.append(f"a={_DIRECT}:{local[0]} {local[1]}")
    return lines


def offer_t38(local: tuple[str, int], parameters: T38Parameters) -> str:
    """An offer of T.38 alone."""
    return "\r\n".join(_head(local[0]) + _t38_lines(local, parameters)) + "\r\n"


def effective(far: T38Parameters, ours: T38Parameters) -> T38Parameters:
    """Parameters for an answer to `far`: no newer version and no higher rate than offered, the offered rate management (T.38
    D.2.3), the offered error correction unless ours is none, our own datagram limit."""
    return replace(
        ours,
        version=min(far.version, ours.version),
        max_bitrate_bps=min(far.max_bitrate_bps, ours.max_bitrate_bps),
        rate_management=far.rate_management,
        error_correction="none" if ours.error_correction == "none" else far.error_correction,
    )


def answer_t38(offer: Sdp, local: tuple[str, int], ours: T38Parameters) -> tuple[str, T38Parameters]:
    """The answer that takes the offer's T.38 line and refuses all others, line by line (RFC 3264 §6), and what it says.

    Raises SdpError if the offer has no T.38 that can be used.
    """
    chosen = t38_line(offer)
    if chosen is None:
        raise SdpError("the offer has no T.38")
    t38_remote(offer, chosen)
    said = effective(t38_parameters(chosen), ours)
    said = replace(said, direct=ours.direct and is_direct(offer, chosen))
    lines = _head(local[0])
    for line in offer.media:
        if line is chosen:
            lines += _t38_lines(local, said)
            if line.is_held:
                lines.append("a=inactive" if line.is_inactive else "a=recvonly")
        else:
            lines.append(f"m={line.media} 0 {line.transport} {' '.join(line.formats)}")
    return "\r\n".join(lines) + "\r\n", said
