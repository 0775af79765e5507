# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys of SRTP in SDP (RFC 4568): offered, answered, agreed. Pure; hostile until parsed.

Kept to what fax needs: AES_CM_128 with HMAC-SHA1 of 80 or 32 bits, one key a line, no MKI, no session parameters but a window.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from softfax.sip import sdp
from softfax.sip.sdp import MediaLine, SdpError

__all__ = ["Crypto", "LocalKeys", "SrtpKeys", "SrtpPolicy", "Suite", "agreed", "check_offer", "crypto_of", "secured"]

Suite = Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"]
SrtpPolicy = Literal["off", "optional", "required"]
SUITES: tuple[Suite, ...] = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
KEY_OCTETS = 30
LIFETIME_MAX = 2**48
PLAIN, SECURE = "RTP/AVP", "RTP/SAVP"
# crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31 WSH=64 (RFC 4568 §9.1); 40 characters of base64 are 30 octets.
_CRYPTO = re.compile(
    r"([0-9]{1,9})\s+(\S{1,64})\s+inline:([A-Za-z0-9+/]{40})(?:\|(?:2\^([0-9]{1,2})|([0-9]{1,15})))?((?:\s+\S{1,64}){0,8})"
)
_WINDOW = re.compile(r"-?WSH=[0-9]{1,4}|-\S+", re.I)


@dataclass(frozen=True)
class Crypto:
    """A line `a=crypto` that can be used. `lifetime` in packets, 0 where it says none."""

    tag: int
    suite: Suite
    key: bytes = field(repr=False)
    lifetime: int = 0


@dataclass(frozen=True)
class SrtpKeys:
    """Keys of a call: master keys with salts, and the number of packets that theirs is good for (0: 2^48)."""

    suite: Suite
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)
    lifetime: int = 0


@dataclass(frozen=True)
class LocalKeys:
    """Our keys of one call, one for each suite, drawn at random; they stay through all its offers and answers."""

    of: dict[Suite, bytes] = field(
        default_factory=lambda: {suite: secrets.token_bytes(KEY_OCTETS) for suite in SUITES}, repr=False
    )

    def line(self, tag: int, suite: Suite) -> str:
        """The attribute that says a key."""
        return f"a=crypto:{tag} {suite} inline:{base64.b64encode(self.of[suite]).decode()}"


# ---- reading ---------------------------------------------------------------------------------------------------------


def crypto_of(value: str) -> Crypto | None:
    """The value of an attribute `crypto`; None for one that cannot be used: another suite, an MKI, several keys, parameters."""
    match = _CRYPTO.fullmatch(value.strip())
    if match is None or match[2] not in SUITES or not all(_WINDOW.fullmatch(p) for p in match[6].split()):
        return None
    try:
        key = base64.b64decode(match[3], validate=True)
    except binascii.Error:
        return None
    lifetime = 2 ** int(match[4]) if match[4] else int(match[5] or 0)
    if len(key) != KEY_OCTETS or lifetime > LIFETIME_MAX or ((match[4] or match[5]) and lifetime == 0):
        return None
    return Crypto(int(match[1]), match[2], key, lifetime)


def _cryptos(line: MediaLine) -> list[Crypto]:
    found = (crypto_of(value) for name, value in line.attributes if name.lower() == "crypto")
    return [crypto for crypto in found if crypto is not None]


def _is_audio(line: MediaLine) -> bool:
    return line.port > 0 and line.media.lower() == "audio"


# ---- offers and answers ------------------------------------------------------------------------------------------------


def secured(policy: SrtpPolicy, local: str, remote: str | None, keys: LocalKeys) -> str:
    """Our description `local` of audio with keys in it: an offer, or the answer to `remote`.

    `required` is offered as RTP/SAVP; `optional` as RTP/AVP with keys beside it, which those who know none pass over. An offer
    is answered in its own way, and of several lines one alone is taken. Raises SdpError for one in the clear where SRTP is
    required, or whose keys cannot be used.
    """
    offered = sdp.parse(remote).media if remote is not None else None
    head, sections = _sections(local)
    ours = [number for number, section in enumerate(sections) if re.match(r"m=audio [1-9]", section[0])]
    if offered is None:
        for number in ours:
            transport = SECURE if policy == "required" else PLAIN
            _put(sections[number], transport, (keys.line(n, s) for n, s in enumerate(SUITES, 1)))
    else:
        ours = [number for number in ours if number < len(offered)]
        taken, crypto = _taken(policy, [(number, offered[number]) for number in ours])
        for number in ours:
            if number != taken:
                _refuse(sections[number], offered[number].transport)
            else:
                _put(
                    sections[number], offered[number].transport, [keys.line(crypto.tag, crypto.suite)] if crypto else []
                )
    return "".join(f"{line}\r\n" for line in [*head, *(line for section in sections for line in section)])


def check_offer(policy: SrtpPolicy, offer: str) -> None:
    """Raises SdpError for an offer of audio of which no line can be answered."""
    _taken(policy, list(enumerate(sdp.parse(offer).media)))


def _taken(policy: SrtpPolicy, lines: list[tuple[int, MediaLine]]) -> tuple[int, Crypto | None]:
    """The line of an offer that is taken, with its key: one with keys before one in the clear; -1 where it has no audio.

    Raises SdpError for the first one where none can be taken.
    """
    problem: SdpError | None = None
    usable: list[tuple[int, Crypto | None]] = []
    for number, line in lines:
        if _is_audio(line):
            try:
                usable.append((number, _chosen(policy, line)))
            except SdpError as error:
                problem = problem or error
    if problem is not None and not usable:
        raise problem
    return min(usable, key=lambda one: one[1] is None, default=(-1, None))


def _sections(text: str) -> tuple[list[str], list[list[str]]]:
    """Split into the lines before the first media line, and those of each media description."""
    head: list[str] = []
    sections: list[list[str]] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            sections.append([])
        if line:
            (sections[-1] if sections else head).append(line)
    return head, sections


def _put(section: list[str], transport: str, lines: Iterable[str]) -> None:
    kind, port, _, formats = section[0].split(" ", 3)
    section[0] = f"{kind} {port} {transport} {formats}"
    section += lines


def _refuse(section: list[str], transport: str) -> None:
    """Refuse a line (RFC 3264 §6)."""
    _put(section, transport, ())
    section[0] = re.sub(r"^m=audio [0-9]+", "m=audio 0", section[0])


def _chosen(policy: SrtpPolicy, theirs: MediaLine) -> Crypto | None:
    """The key of an offer that is taken: the first that can be used; None answers audio in the clear. Raises SdpError."""
    transport = theirs.transport.upper()
    if transport not in (PLAIN, SECURE):
        raise SdpError(f"no such transport: {theirs.transport[:20]}")
    crypto = next(iter(_cryptos(theirs)), None) if policy != "off" else None
    if crypto is None and (transport == SECURE or policy == "required"):
        raise SdpError("audio in the clear, and SRTP is required" if transport == PLAIN else "no key that can be used")
    return crypto


def agreed(policy: SrtpPolicy, local: str, remote: str) -> SrtpKeys | None:
    """The keys that offer and answer have in common; None for audio in the clear. Raises SdpError where that will not do."""
    both = zip(sdp.parse(local).media, sdp.parse(remote).media, strict=False)
    ours, theirs = next((pair for pair in both if all(map(_is_audio, pair))), (None, None))
    if ours is None or theirs is None:
        raise SdpError("no audio")
    for mine in _cryptos(ours):
        for other in _cryptos(theirs):
            if (mine.tag, mine.suite) == (other.tag, other.suite):
                if mine.key == other.key:
                    raise SdpError("the far end says our own key")
                return SrtpKeys(mine.suite, mine.key, other.key, other.lifetime)
    if policy == "required" or SECURE in (ours.transport.upper(), theirs.transport.upper()):
        raise SdpError("no keys were agreed, and SRTP is required")
    return None
