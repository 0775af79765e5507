# SPDX-License-Identifier: GPL-2.0-or-later
"""[sip], [[account]], [dialing] and [[route]]: where SIP is spoken, PBXs and trunks, and which of them a number goes through."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from softfax.errors import UsageError, said
from softfax.fax.settings import T38Preferences
from softfax.options import Rate
from softfax.sip.accounts import check_accounts
from softfax.sip.listening import check_public, listen_addresses
from softfax.sip.sdes import SrtpPolicy
from softfax.sip.stun import stun_server
from softfax.sip.types import (
    AUDIO_REDUNDANCY,
    CallerPolicy,
    Codec,
    SipAccount,
    Transport,
    split_uri,
)
from softfax.station.config.base import Misplaced, Networks, Prefix, Table, address_here, alike, matching
from softfax.station.routes import DialPlan, NumberFormat, RewriteRule, RouteEntry, Trunk

__all__ = [
    "AccountConfig",
    "DialingConfig",
    "RouteConfig",
    "RuleConfig",
    "SipTable",
    "Slots",
    "T38Config",
    "check_routing",
    "no_such_account",
]

#: A number in E.164 or as it is dialled, or a name that is called.
Did = Annotated[
    str,
    matching(
        r"\+[ ()./-]*(?:[0-9][ ()./-]*){1,15}|[0-9*#][0-9*# ()./-]{0,40}|[A-Za-z0-9._-]{1,64}",
        "write a number, like +49301234567",
    ),
]
#: Our address as others reach it, or one for each version of IP.
PublicAddress = Annotated[str, address_here] | tuple[Annotated[str, address_here], ...]


def _one_each(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return said(lambda: check_public(value))


MaxDatagram = Field(400, ge=72, le=2048, description="largest UDPTL datagram we say we take, in octets")


@dataclass(frozen=True, kw_only=True)
class Slots:
    """Channel slots: in all, for calls that come in, for those from addresses of no account, and of these for those that wait for
    their ACK."""

    calls: int
    incoming: int
    unknown: int
    unacknowledged: int


class SipTable(Table):
    """[sip]: the address at which the station listens for SIP, and how it speaks there."""

    listen: str | tuple[str, ...] = Field(
        "127.0.0.1:5060",
        description="HOST:PORT of SIP, port 0 for any free one; loopback by default. Or one of IPv4 and one of IPv6;"
        " [::] alone is 0.0.0.0 too",
    )
    transport: Transport = Field("udp", description="transport of calls whose account names none")
    public_address: PublicAddress = Field(
        "", description="our address as far ends see it, behind NAT; or one of IPv4 and one of IPv6"
    )
    tls_certificate: Path | None = Field(None, description="our certificate (PEM), to answer calls over TLS")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    tls_ca: Path | None = Field(
        None, description="certificates that those of far ends are checked against (the system's)"
    )
    tls_verify: bool = Field(True, description="check the far end's certificate")
    max_calls: int = Field(100, ge=1, le=2000, description="calls at a time, at most 1000 a process; more get 486")
    sending_calls: int | None = Field(
        None, ge=0, le=2000, description="of these, kept for faxes that are sent (a tenth of max_calls)"
    )
    unknown_calls: int | None = Field(
        None, ge=0, le=2000,
        description="of these, calls from addresses of no account; 0 refuses them (half of max_calls; all without accounts, none"
        " where an account has trusted)",
    )  # fmt: skip
    unacknowledged_calls: int | None = Field(
        None, ge=1, le=1000,
        description="calls from addresses of no account that wait for their ACK; a network (/24 or /64) has three quarters of it,"
        " an address half (a quarter of max_calls, at least 4)",
    )  # fmt: skip
    connections: int = Field(
        256, ge=1, le=1000,
        description="connections over TCP and TLS from addresses of no account; a network has a quarter of it, an address a"
        " sixteenth",
    )  # fmt: skip
    dscp_sip: int = Field(24, ge=0, le=63, description="DSCP of SIP messages (CS3); 0 for none")
    dscp_media: int = Field(46, ge=0, le=63, description="DSCP of audio and T.38 (EF); 0 for none")
    direct: bool = Field(
        True, description="T.38 as fast as the network goes, between softfaxes with nothing between them"
    )
    user_agent: str = Field("", max_length=80, description="what we call ourselves in User-Agent (softfax/VERSION)")

    def slots(self, *, accounts: bool, trusted: bool) -> Slots:
        """The channel slots; `accounts`: there are some to keep slots for; `trusted`: one says where its calls come from."""
        sending = self.max_calls // 10 if self.sending_calls is None else self.sending_calls
        unknown = self.unknown_calls
        if unknown is None:
            unknown = 0 if trusted else max(1, self.max_calls // 2) if accounts else self.max_calls
        waiting = self.unacknowledged_calls or max(4, self.max_calls // 4)
        return Slots(
            calls=self.max_calls,
            incoming=max(0, self.max_calls - sending),
            unknown=min(unknown, self.max_calls),
            unacknowledged=waiting,
        )

    @field_validator("listen")
    @classmethod
    def _listen(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        said(lambda: listen_addresses(value))
        return value

    _public = field_validator("public_address")(_one_each)

    @field_validator("user_agent")
    @classmethod
    def _user_agent(cls, value: str) -> str:
        if not value.isascii() or not (value == "" or value.isprintable()):
            raise ValueError("use printable ASCII")
        return value


class T38Config(Table):
    """[account.t38]: T.38 with this PBX or trunk."""

    use: Literal["offer", "accept", "never"] = Field(
        "offer", description="offer: ours and the far end's; accept: the far end's alone; never: G.711 alone"
    )
    first_invite: bool = Field(False, description="offer T.38 in the first INVITE; refused, the call is placed again")
    offer_after_s: float = Field(0.5, ge=0, le=60, description="when called: seconds from the answer until we offer it")
    version: int = Field(0, ge=0, le=3, description="the newest T38FaxVersion")
    error_correction: Literal["redundancy", "fec", "none"] = Field("redundancy", description="of UDPTL")
    redundancy: int = Field(3, ge=0, le=7, description="how many earlier packets each packet repeats")
    max_datagram: int = MaxDatagram
    max_rate: Rate = Field(14400, description="highest rate over T.38 in bit/s")
    unencrypted: bool = Field(False, description="T.38, which nothing encrypts, also where srtp is required")

    def preferences(self) -> T38Preferences:
        """Preferences of a fax."""
        return T38Preferences(
            offer=self.use == "offer",
            accept=self.use != "never",
            first_invite=self.first_invite and self.use == "offer",
            answered_after_s=self.offer_after_s,
            version=self.version,
            error_correction=self.error_correction,
            redundancy=self.redundancy,
            max_datagram=self.max_datagram,
            max_rate_bps=self.max_rate,
        )


class RuleConfig(Table):
    """[[account.rule]] or [[dialing.rule]]: how a number is written instead; the first that matches counts."""

    match: str = Field(max_length=200, description="regular expression that the whole number has to match")
    replace: str = Field(max_length=200, description=r"what it becomes; \1 is the first group")

    @model_validator(mode="after")
    def _valid(self) -> Self:
        said(lambda: RewriteRule(self.match, self.replace).check())
        return self


class AccountConfig(Table):
    """[[account]]: a PBX or trunk that calls go through."""

    name: str = Field("", max_length=40, description="what orders and channel names call it (the server's host)")
    server: str = Field(description="SIP URI of the PBX or trunk: where numbers are called")
    user: str = Field("", max_length=128, description="user for digest authentication, and our name in SIP")
    auth_user: str = Field("", max_length=128, description="user for digest authentication, where it is another")
    password: str = Field(
        "", repr=False, description="its password; better in SOFTFAX_PASSWORD or SOFTFAX_PASSWORD_NAME"
    )
    register_: bool = Field(False, alias="register", description="register there, to be called through it")
    from_uri: str = Field("", description="our own SIP URI (sip:USER@SERVER)")
    proxy: bool | str = Field(
        True, description="send all calls through the server, also those to SIP URIs elsewhere; or through this URI"
    )
    expires_s: int = Field(300, ge=60, le=86400, description="how long a registration is asked for")
    transport: Transport | None = Field(None, description="udp, tcp or tls (as in [sip])")
    tls_certificate: Path | None = Field(None, description="certificate (PEM) shown to a server that asks for one")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    public_address: PublicAddress = Field(
        "", description="our address as this server sees it, behind NAT; or one of IPv4 and one of IPv6"
    )
    stun: str = Field("", description="STUN server HOST[:PORT] that is asked for our public address")
    keepalive_s: int = Field(
        15,
        ge=0,
        le=3600,
        description="seconds between empty lines that keep NAT open, while registered over UDP; 0 for none",
    )
    caller: CallerPolicy = Field(
        "p-asserted-identity", description="where the caller's number is shown; anonymous: nowhere"
    )
    srtp: SrtpPolicy = Field(
        "off", description="encrypt audio: off; optional: if the server does too; required: or no call"
    )
    srtp_without_tls: bool = Field(
        False, description="SRTP keys may go without TLS, so that everybody on the way can read them"
    )
    options_s: int = Field(
        0, ge=0, le=3600, description="without registration: seconds between OPTIONS that ask for it, 0 for none"
    )
    codecs: tuple[Codec, ...] = Field(("PCMU", "PCMA"), description="PCMU, PCMA: which, and in what order")
    audio_redundancy: int = Field(
        AUDIO_REDUNDANCY,
        ge=0,
        le=3,
        description="how many earlier packets go with each of G.711 (RFC 2198), where the far end has that too; 0: not offered",
    )
    numbers: tuple[Did, ...] = Field((), description="numbers (DIDs) that belong to it")
    called: str = Field(
        "auto",
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$",
        description="where calls in have the number called: request-uri, or a header, as to, p-called-party-id or diversion; "
        "auto: the request, or where it only has the user that registers, P-Called-Party-ID, then To",
    )
    trusted: Networks = Field(
        (), description="addresses and networks its calls come from; calls from elsewhere are not its own"
    )
    realms: tuple[str, ...] = Field(
        (), max_length=8, description="realms of challenges that get its password (the one its server shows first)"
    )
    max_calls: int = Field(0, ge=0, le=2000, description="calls at a time through it, in and out; 0 for no limit")
    number_format: NumberFormat = Field(
        "e164",
        description="how it wants numbers: e164 +49301, digits 49301, international 0049301, national 0301, dialled",
    )
    rule: tuple[RuleConfig, ...] = Field((), max_length=100, description="what is still written otherwise")
    t38: T38Config = T38Config()

    _public = field_validator("public_address")(_one_each)

    @field_validator("server", "from_uri")
    @classmethod
    def _uri(cls, value: str) -> str:
        return value and said(lambda: split_uri(value)) and value

    @field_validator("proxy")
    @classmethod
    def _proxy(cls, value: bool | str) -> bool | str:
        return said(lambda: split_uri(value)) and value if isinstance(value, str) else value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_.-]*", value):
            raise ValueError("use letters, digits and _.-")
        return value

    @field_validator("stun")
    @classmethod
    def _stun(cls, value: str) -> str:
        return value and said(lambda: stun_server(value)) and value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.register_ and not (self.user or self.from_uri):
            raise Misplaced("there is no user to register as; add user, the extension at the PBX")
        # What [sip] says instead is checked with it.
        said(lambda: check_accounts([self.sip_account(SipTable(transport=self.transport or "tls"))]))
        return self

    @property
    def label(self) -> str:
        """Its name, or its server's host."""
        return self.name or split_uri(self.server)[2].strip("[]")

    def sip_account(self, sip: SipTable) -> SipAccount:
        """Settings for the user agent."""
        return SipAccount(
            name=self.label,
            server=self.server,
            user=self.user,
            auth_user=self.auth_user,
            password=self.password,
            register=self.register_,
            proxy=self.proxy if isinstance(self.proxy, str) else self.server if self.proxy else "",
            from_uri=self.from_uri,
            expires_s=self.expires_s,
            transport=self.transport or sip.transport,
            public_address=self.public_address,
            stun=self.stun,
            keepalive_s=self.keepalive_s,
            caller=self.caller,
            codecs=self.codecs,
            trusted=self.trusted,
            realms=self.realms,
            numbers=self.numbers,
            tls_certificate=str(self.tls_certificate or ""),
            tls_private_key=str(self.tls_private_key or ""),
            srtp=self.srtp,
            srtp_without_tls=self.srtp_without_tls,
            options_s=self.options_s,
            audio_redundancy=self.audio_redundancy,
        )

    def t38_preferences(self) -> T38Preferences:
        """Preferences of a fax for T.38: nothing encrypts it, so where SRTP is required there is none unless it is allowed."""
        wanted = self.t38.preferences()
        if self.srtp == "required" and not self.t38.unencrypted:
            wanted = replace(wanted, offer=False, accept=False, first_invite=False)
        return wanted

    def trunk(self) -> Trunk:
        """Values for routing."""
        return Trunk(
            name=self.label,
            server=self.server,
            number_format=self.number_format,
            rules=tuple(RewriteRule(r.match, r.replace) for r in self.rule),
            max_calls=self.max_calls,
            everything=bool(self.proxy),
        )


class DialingConfig(Table):
    """[dialing]: how numbers are dialled here, so that every trunk can get them as it wants them."""

    country: Annotated[str, matching(r"[1-9]?[0-9]{0,3}", 'write its digits, like "49"')] = Field(
        "", description="our country's code, like 49; without it numbers stay"
    )
    national_prefix: Annotated[str, matching(r"[0-9*#]{0,4}", 'write what is dialled, like "0"')] = Field(
        "0", description="what is dialled before an area code"
    )
    international_prefix: Annotated[str, matching(r"[0-9*#]{1,5}", 'write what is dialled, like "00"')] = Field(
        "00", description="what is dialled for abroad"
    )
    rule: tuple[RuleConfig, ...] = Field((), max_length=100, description="what is written otherwise before all else")

    def plan(self) -> DialPlan:
        """Values for routing."""
        return DialPlan(
            country=self.country,
            national_prefix=self.national_prefix,
            international_prefix=self.international_prefix,
            rules=tuple(RewriteRule(r.match, r.replace) for r in self.rule),
        )


class RouteConfig(Table):
    """[[route]]: which accounts numbers go through; the longest prefix that fits counts, then the lowest cost."""

    prefix: Prefix = Field("", description="how the number begins, like +49; empty for all others")
    accounts: tuple[str, ...] = Field(min_length=1, max_length=20, description="accounts, the first one first")
    cost: float = Field(0.0, ge=0, le=1e6, description="routes of the same prefix are taken from the lowest")

    def route(self) -> RouteEntry:
        """Values for routing."""
        return RouteEntry(prefix=self.prefix, accounts=self.accounts, cost=self.cost)


def check_routing(sip: SipTable, accounts: Sequence[AccountConfig], routes: Sequence[RouteConfig]) -> None:
    """Check what can only be seen with all tables at hand. Raises ValueError."""
    names = [account.label for account in accounts]
    alike(names, "account", "account")
    for index, account in enumerate(accounts):
        try:
            check_accounts([account.sip_account(sip)])
        except UsageError as error:
            raise Misplaced(str(error), "account", index) from None
    said(lambda: check_accounts([account.sip_account(sip) for account in accounts]))
    for index, route in enumerate(routes):
        for number, name in enumerate(route.accounts):
            if name not in names:
                raise Misplaced(no_such_account(name, names), "route", index, "accounts", number)


def no_such_account(name: str, names: Sequence[str]) -> str:
    """Message about a name that no account has."""
    close = difflib.get_close_matches(name, names, n=1)
    remedy = f"did you mean {close[0]}?" if close else f"use one of {', '.join(names)}" if names else "add [[account]]"
    return f"there is no account {name}; {remedy}"
