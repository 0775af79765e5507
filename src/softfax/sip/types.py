# SPDX-License-Identifier: GPL-2.0-or-later
"""Types shared by the SIP user agent and its owner."""

from __future__ import annotations

import ipaddress
import re
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from softfax.errors import UsageError
from softfax.outside import clean
from softfax.sip.sdes import SrtpKeys, SrtpPolicy
from softfax.sip.sdp import T38Parameters

if TYPE_CHECKING:
    from softfax.sip.call import Call

__all__ = [
    "ANYWHERE",
    "ANYWHERE_6",
    "AUDIO_REDUNDANCY",
    "CALLS_PER_PROCESS",
    "FILES_ITSELF",
    "FILES_PER_CALL",
    "FILES_WANTED",
    "ONLY_ACCOUNT",
    "AudioMedia",
    "CallHandler",
    "CallerId",
    "CallerPolicy",
    "Codec",
    "PublicAddress",
    "SipAccount",
    "SipConfig",
    "T38Media",
    "T38Policy",
    "Transport",
    "calls_possible",
    "is_numeric",
    "is_unspecified",
    "local_address_towards",
    "parse_listen",
    "same_target",
    "split_uri",
]

Transport = Literal["udp", "tcp", "tls"]
#: An address, or one of IPv4 and one of IPv6.
PublicAddress = str | tuple[str, ...]
Codec = Literal["PCMU", "PCMA"]
CallerPolicy = Literal["p-asserted-identity", "remote-party-id", "from", "anonymous"]
# Addresses of nobody (RFC 5737, RFC 3849): the way to them is the default route.
#: Calls at a time that one user agent has been measured with; PJSIP is built for twice as many (native/pjsip/config_site.h).
CALLS_PER_PROCESS = 1000
#: Descriptors that a process asks for, those of a call (RTP, RTCP, UDPTL, duplicates of the engine's, its file), and the rest.
FILES_WANTED, FILES_PER_CALL, FILES_ITSELF = 16384, 8, 200
DSCP_CS3, DSCP_EF = 24, 46
#: Earlier packets that go with each of G.711 (RFC 2198) where both sides have that.
AUDIO_REDUNDANCY = 1
ANYWHERE, ANYWHERE_6 = "sip:192.0.2.1", "sip:[2001:db8::1]"
#: The name of an account that nobody named, being the only one.
ONLY_ACCOUNT = "account"
_URI = re.compile(
    r"^<?(sips?):(?:([^@<>\s\"]+)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-_]+)(?::([0-9]{1,5}))?([;?][^<>\s]*)?>?$"
)


@dataclass(frozen=True, kw_only=True)
class SipAccount:
    """A PBX or trunk: how it is called, and how its calls are known.

    `server` is its SIP URI: registrar, domain of our own URI, and what numbers are called at. `proxy` is the next hop of every
    request, where that is not the host of the URI called. `auth_user` is the user of digest authentication where it is not
    `user`. `public_address` is what Contact and SDP show instead of the local address; with `stun`, a server HOST[:PORT], it
    is asked for. `keepalive_s` is how often something is sent through NAT while registered, 0 for never.

    `caller` is how a caller's identity is shown: in P-Asserted-Identity (RFC 3325) or Remote-Party-ID with our own URI in From,
    or in From itself; an account without a user and `from_uri` has it in From in any case. `anonymous` suppresses it. `codecs`
    are offered and preferred in this order. A call belongs to the account if it comes to the contact that was registered, or from
    its server, or with `trusted` from those networks alone; `user` and `numbers` decide between accounts that share a server.

    The password answers challenges of the servers alone, for the `realms` named, or without any for the one shown first.

    `tls_certificate` and `tls_private_key` are shown to a server that asks for them, where `transport` is TLS.

    `srtp` is how audio is encrypted (SDES, RFC 4568): `optional` where the far end does too, `required` or no call. Keys stand in
    SDP, so it wants TLS, or `srtp_without_tls`. `options_s` is how often the server is asked whether it is there, 0 for never.
    """

    name: str
    server: str
    user: str = ""
    auth_user: str = ""
    password: str = field(default="", repr=False)
    register: bool = False
    proxy: str = ""
    from_uri: str = ""
    expires_s: int = 300
    transport: Transport = "udp"
    public_address: PublicAddress = ""
    stun: str = ""
    keepalive_s: int = 15
    caller: CallerPolicy = "p-asserted-identity"
    codecs: tuple[Codec, ...] = ("PCMU", "PCMA")
    trusted: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    realms: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_private_key: str = ""
    srtp: SrtpPolicy = "off"
    srtp_without_tls: bool = False
    options_s: int = 0
    audio_redundancy: int = AUDIO_REDUNDANCY


@dataclass(frozen=True, kw_only=True)
class SipConfig:
    """The user agent. `listen` is HOST:PORT, port 0 for any free one. Beyond loopback it listens only where configured.

    It may be one address of IPv4 and one of IPv6; `[::]` alone is 0.0.0.0 too. A far end is called from the one of its version,
    and media are of that version, or of the one that a caller offers.

    `transport` is what calls without an account are placed over. Both UDP and TCP are listened on, at the same port (RFC 3261
    §18), but with `tls` TLS alone. Accounts over TLS beside that, and each client certificate, get a TLS port of their own, any
    free one. A call without an account is led on by 3xx at most `redirects` times. `public_address` is what Contact and SDP show
    instead of the local address. With `trace` the user agent's `on_message` gets every SIP message. Sources that belong to no
    account may have `unacknowledged` calls that wait for their ACK, and `connections` over TCP and TLS. `dscp_sip` and
    `dscp_media` mark what is sent (DSCP, RFC 4594), 0 for nothing.
    """

    listen: str | tuple[str, ...] = "127.0.0.1:0"
    transport: Transport = "udp"
    accounts: tuple[SipAccount, ...] = ()
    public_address: PublicAddress | None = None
    tls_certificate: str | None = None
    tls_private_key: str | None = None
    tls_ca: str | None = None
    tls_verify: bool = True
    max_calls: int = CALLS_PER_PROCESS
    unacknowledged: int = 100
    connections: int = 256
    offer_timeout_s: float = 10.0
    redirects: int = 5
    user_agent: str = ""
    dscp_sip: int = DSCP_CS3
    dscp_media: int = DSCP_EF
    trace: bool = False

    @property
    def first_account(self) -> str:
        """The name of the first account; empty where there is none."""
        return self.accounts[0].name if self.accounts else ""


@dataclass(frozen=True)
class CallerId:
    """Caller ID to show: a number (or a SIP user) and a name, either may be empty. What SIP cannot carry is left out."""

    number: str = ""
    name: str = ""

    @property
    def user(self) -> str:
        """The number as the user of a SIP URI."""
        return re.sub(r"[^0-9A-Za-z+*#._-]", "", self.number)[:64].replace("#", "%23")

    @property
    def is_suppressed(self) -> bool:
        """True if neither number nor name is to be shown: the number is `anonymous`."""
        return self.number.strip().lower() == "anonymous"

    def display(self) -> str:
        """The name as a quoted display name (RFC 3261 §25.1), with a blank after it; empty for none."""
        name = clean(self.name, instead="")[:80].replace("\\", "\\\\").replace('"', '\\"')
        return f'"{name}" ' if name else ""


@dataclass(frozen=True)
class AudioMedia:
    """Audio as negotiated, encrypted with `srtp`. `fd` is a descriptor of the bound RTP socket, the receiver's to close."""

    fd: int
    remote: tuple[str, int]
    payload_type: int
    codec: Codec
    send: bool
    receive: bool
    srtp: SrtpKeys | None = None
    #: Audio in each packet that the far end asks for.
    ptime_ms: int = 20
    #: Of redundant audio (RFC 2198): payload types that we and the far end take, earlier packets with each.
    red: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class T38Media:
    """T.38 as negotiated: where the far end listens, what it said, what we said; `direct`: no modem is between."""

    remote: tuple[str, int]
    parameters: T38Parameters
    local: T38Parameters
    direct: bool = False


@dataclass(frozen=True)
class T38Policy:
    """Answer to an offer of T.38, and our own offer. `local_udptl` returns our bound UDPTL address of a version of IP (of another
    where there is none), in the SIP thread.

    With `first_invite` a call of ours begins with an offer of T.38 alone. Where that is refused, it is placed again with audio,
    if there `may_be_audio`; the first is not reported.
    """

    accept: bool
    parameters: T38Parameters
    local_udptl: Callable[[int], tuple[str, int]]
    first_invite: bool = False
    may_be_audio: bool = True


class CallHandler(Protocol):
    """Owner of a call. All methods are called on the event loop, in the order of the events; nothing follows `ended`."""

    def on_state(self, call: Call, state: str, sip_code: int, reason: str) -> None:
        """`state` is calling, ringing, early, answered or ended."""

    def on_audio(self, call: Call, media: AudioMedia) -> None:
        """Audio is negotiated, first, anew or after T.38; not for a refresh that changes nothing. May precede `answered`."""

    def on_t38(self, call: Call, media: T38Media) -> None:
        """T.38 is negotiated, by either side's offer; again, with the same values, when the far end refreshes."""

    def on_t38_refused(self, call: Call, sip_code: int, reason: str) -> None:
        """Our offer of T.38 came to nothing (408: no answer in time); what was in force goes on."""


def calls_possible() -> int:
    """The calls at a time that a process can have: as many as were measured, or as it may open files for."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if allowed == resource.RLIM_INFINITY:
        return CALLS_PER_PROCESS
    return max(1, min(CALLS_PER_PROCESS, (min(allowed, FILES_WANTED) - FILES_ITSELF) // FILES_PER_CALL))


def split_uri(uri: str) -> tuple[str, str, str, int | None, str]:
    """(scheme, user, host, port, parameters) of a SIP URI. Raises UsageError."""
    match = _URI.match(uri)
    if match is None or (match[4] and not 0 < int(match[4]) < 65536):
        raise UsageError(f"not a SIP URI: {uri!r}", "write it as sip:NUMBER@HOST or sip:NUMBER@HOST:PORT")
    return match[1].lower(), match[2] or "", match[3], int(match[4]) if match[4] else None, match[5] or ""


def same_target(uri: str) -> tuple[str, str, int]:
    """User, host and port of a SIP URI, which identify the called party. Raises UsageError."""
    scheme, user, host, port, _ = split_uri(uri.strip())
    return user.partition(";")[0].lower(), host.lower(), port or (5061 if scheme == "sips" else 5060)


def parse_listen(text: str) -> tuple[str, int]:
    """(host, port) of HOST:PORT, [IPV6]:PORT or :PORT; the host may be empty. Raises UsageError."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[^:\s]*):([0-9]{1,5})", text)
    if match is None or int(match[2]) > 65535:
        raise UsageError(f"not an address to listen on: {text!r}", "write HOST:PORT, port 0 for any free one")
    return match[1].strip("[]"), int(match[2])


def is_numeric(host: str) -> bool:
    """Return True if a host is an address."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_unspecified(host: str) -> bool:
    """Return True if `host` is 0.0.0.0 or ::, which cannot be sent to."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def local_address_towards(uri: str) -> str:
    """The local address from which the host of `uri` is reached: loopback for loopback."""
    _, _, host, port, _ = split_uri(uri)
    host = host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 5060, type=socket.SOCK_DGRAM)[0]
    except OSError:
        # A name that has only NAPTR or SRV records: the way out is the default route's.
        family, address = socket.AF_INET, ("192.0.2.1", 5060)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
