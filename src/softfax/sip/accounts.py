# SPDX-License-Identifier: GPL-2.0-or-later
"""Accounts on one user agent: whose an incoming call is, how we name ourselves, how a caller is shown. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from softfax.errors import UsageError
from softfax.sip.types import CallerId, SipAccount, split_uri

__all__ = [
    "LINE_PARAMETER",
    "Identity",
    "KnownAccount",
    "Origin",
    "check_accounts",
    "identity",
    "known_networks",
    "network",
    "origin_of",
]

#: The parameter of a registered contact that says whose it is. Its value is drawn anew for each account, so only the registrar
#: and those it tells know it.
LINE_PARAMETER = "line"
ACCOUNTS_MAX = 60
REALM_MAX = 255
_URI_PARTS = re.compile(r"sips?:(?:([^@<>\s]{0,256})@)?(\[[0-9A-Fa-f:.]{2,45}\]|[^:;?<>\s]{1,255})", re.I)

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class KnownAccount:
    """Marks of an account's incoming calls: its contact's `line`, and the addresses and ports of its servers.

    `next_hop` are those of them that its requests go to.
    """

    account: SipAccount
    line: str = ""
    servers: frozenset[tuple[str, int]] = field(default_factory=frozenset)
    next_hop: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    @property
    def addresses(self) -> frozenset[str]:
        """The addresses of its servers."""
        return frozenset(host for host, _ in self.servers)


@dataclass(frozen=True)
class Origin:
    """Origin of a call: an account, or none (empty), and then the account whose user or number it calls."""

    account: str = ""
    called: str = ""


@dataclass(frozen=True)
class Identity:
    """Our identity in an INVITE: the URI in From with its display name, and headers beside it."""

    from_uri: str
    headers: tuple[tuple[str, str], ...] = ()


def network(text: str) -> Network:
    """An address or a network. Raises UsageError."""
    try:
        return ipaddress.ip_network(text.strip().strip("[]"), strict=False)
    except ValueError:
        raise UsageError(f"not an address or network: {text!r}", "write 192.0.2.1 or 192.0.2.0/24") from None


def known_networks(known: Iterable[KnownAccount]) -> tuple[Network, ...]:
    """The addresses of the accounts' servers, and the networks that the accounts trust."""
    all_known = list(known)
    found = [network(address.partition("%")[0]) for one in all_known for address in one.addresses]
    found += [network(text) for one in all_known for text in one.account.trusted]
    return tuple(dict.fromkeys(found))


def check_accounts(accounts: Sequence[SipAccount]) -> None:
    """Raises UsageError for accounts that cannot be used together or at all."""
    names = [account.name for account in accounts]
    for name in names:
        if not name or names.count(name) > 1:
            raise UsageError(f"two accounts are called {name!r}" if name else "an account has no name", "name each")
    if len(names) > ACCOUNTS_MAX:
        raise UsageError(f"{len(names)} accounts are too many", f"use at most {ACCOUNTS_MAX}, or several stations")
    for account in accounts:
        for uri in (account.server, account.proxy, account.from_uri):
            if uri or uri is account.server:
                split_uri(uri)
        for text in account.trusted:
            network(text)
        if any(not realm or "\n" in realm or len(realm) > REALM_MAX for realm in account.realms):
            raise UsageError(f"account {account.name} has a realm that cannot be one", "write it as its server does")
        if account.transport == "tls" and re.search(r";transport=(?!tls\b)", account.server + account.proxy, re.I):
            raise UsageError(
                f'account {account.name} has transport = "tls", and a server or proxy with another',
                "leave ;transport= out of its URIs",
            )
        if not account.codecs or len(set(account.codecs)) != len(account.codecs):
            raise UsageError(f"account {account.name} has no use for these codecs", "name PCMU, PCMA or both, once")
        if account.options_s and account.register:
            raise UsageError(
                f"account {account.name} registers, and asks whether its server is there",
                "leave options_s out: a registration that fails tells it; a shorter expires_s tells it sooner",
            )
        if account.srtp != "off" and account.transport != "tls" and not account.srtp_without_tls:
            raise UsageError(
                f"account {account.name} would tell its SRTP keys to everybody on the way",
                'set transport = "tls", or srtp_without_tls = true where the network is your own',
            )
        if bool(account.tls_certificate) != bool(account.tls_private_key):
            raise UsageError(
                f"account {account.name} has half of a TLS certificate", "name certificate and private key"
            )


# ---- calls in -------------------------------------------------------------------------------------------------------


def origin_of(known: Iterable[KnownAccount], request_uri: str, source: str, hosts: Collection[str] = ()) -> Origin:
    """Return the origin of an INVITE.

    The contact that we registered decides. Else it is an account's if the packet comes from its server or, where it names them,
    from its `trusted` networks (`source`); among several, user and numbers decide. What the text says of its sender never does:
    `hosts`, those named in To and From, only tell apart what is equal.
    """
    user, host, line = _parts(request_uri)
    called = _comparable(user)
    address = _address(source)
    best, best_score, of_others = "", 0, Origin()
    for one in known:
        account = one.account
        if line and line == one.line:
            return Origin(account.name)
        within = max((n.prefixlen for n in map(network, account.trusted) if address and address in n), default=-1)
        of_user = bool(called) and called in {_comparable(account.user), *map(_comparable, account.numbers)} - {""}
        if within < 0 and (account.trusted or address not in map(_address, one.addresses)):
            if of_user and (not of_others.called or account.srtp == "required"):
                of_others = Origin(called=account.name)
            continue
        score = (1000 + within if within >= 0 else 400) + 200 * of_user
        score += 100 * (split_uri(account.server)[2].strip("[]").lower() in {host, *(h.lower() for h in hosts)})
        if score > best_score:
            best, best_score = account.name, score
    return Origin(best) if best else of_others


def _parts(uri: str) -> tuple[str, str, str]:
    """(user, host, line) of a URI as a far end wrote it."""
    match = _URI_PARTS.search(uri[:1024])
    if match is None:
        return "", "", ""
    line = re.search(rf";{LINE_PARAMETER}=([0-9A-Za-z]{{1,64}})(?:[;?>\s]|$)", uri[match.end() : 1024])
    return unquote(match[1] or ""), match[2].strip("[]").lower(), line[1] if line else ""


def _comparable(user: str) -> str:
    """A user or number without what is written differently from place to place."""
    return re.sub(r"[\s().\-+]", "", user.partition(";")[0]).lower()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


# ---- calls out ------------------------------------------------------------------------------------------------------


def identity(account: SipAccount | None, own_uri: str, domain: str, caller: CallerId | None) -> Identity | None:
    """Identity that shows `caller`; None where nothing differs from our own URI.

    A server that knows us by a user gets the caller's number beside From, unless the account says otherwise; else it is in From.
    """
    if (account is not None and account.caller == "anonymous") or (caller is not None and caller.is_suppressed):
        # The server knows who calls, and keeps it to itself (RFC 3323 §4.1.1.3, RFC 3325 §9.3).
        asserted = (
            own_uri if caller is None or caller.is_suppressed or not caller.user else f"sip:{caller.user}@{domain}"
        )
        known = (("P-Asserted-Identity", f"<{asserted}>"),) if account is not None else ()
        return Identity(ANONYMOUS, (("Privacy", "id"), *known))
    if caller is None or not (caller.user or caller.name):
        return None
    known_by_user = account is not None and bool(account.user or account.from_uri) and account.caller != "from"
    asserted = f"sip:{caller.user}@{domain}" if caller.user else own_uri
    shown = f"{caller.display()}<{own_uri if known_by_user else asserted}>"
    if account is None or not known_by_user or not caller.user:
        return Identity(shown)
    if account.caller == "remote-party-id":
        value = f"{caller.display()}<{asserted}>;party=calling;screen=yes;privacy=off"
        return Identity(shown, (("Remote-Party-ID", value),))
    return Identity(shown, (("P-Asserted-Identity", f"{caller.display()}<{asserted}>"),))
