# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that have to be looked up before anything can be listened on or told apart. Nothing here blocks the loop."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace

from softfax.errors import LocalError, UsageError
from softfax.sip.accounts import KnownAccount
from softfax.sip.stun import public_address
from softfax.sip.types import SipAccount, SipConfig, is_numeric, split_uri

__all__ = ["LookUp", "check_tls", "hosts_of", "known_account", "numeric", "towards", "with_servers"]

log = logging.getLogger("softfax.sip")

#: Addresses and ports of a SIP server (RFC 3263) by its name, its port (0: to be looked up too) and transport; may block.
LookUp = Callable[[str, int, str], list[tuple[str, int]]]

#: A start must not wait for a name server that is down.
LOOKUP_S = 3.0


async def numeric(host: str) -> str:
    """The address of a host that may be a name; sockets for media are bound to the same one. Raises UsageError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise UsageError(
            f"no such address to listen on: {host} ({error.strerror})", "write the address itself"
        ) from None
    return str(found[0][4][0])


async def known_account(account: SipAccount, local_hosts: Sequence[str], look_up: LookUp) -> KnownAccount:
    """The account with what must be asked for: our public address by STUN, the addresses of its servers.

    What nobody answers is logged and left out, so that one server that is down does not keep the others from being used.
    Raises UsageError for a certificate that cannot be used.
    """
    if account.tls_certificate:
        whose = f"account {account.name}"
        await asyncio.to_thread(_check_certificate, whose, account.tls_certificate, account.tls_private_key)
    if account.stun and not account.public_address:
        seen = await asyncio.gather(
            *(public_address(account.stun, host) for host in local_hosts), return_exceptions=True
        )
        account = replace(account, public_address=tuple(one for one in seen if isinstance(one, str)))
        for one in seen:
            # A server that has one version of IP has seen what there is to be seen.
            if isinstance(one, BaseException) and not (isinstance(one, LocalError) and account.public_address):
                if not isinstance(one, LocalError):
                    raise one
                log.warning("account %s: %s", account.name, one)
    return await with_servers(account, look_up)


async def with_servers(account: SipAccount, look_up: LookUp) -> KnownAccount:
    """The account with the addresses of its servers, none for a name that is not known."""
    found = await asyncio.gather(
        *(_servers(host, port, account.transport, look_up) for host, port in hosts_of(account))
    )
    # The proxy, which comes last, where there is one.
    return KnownAccount(account, servers=frozenset().union(*found), next_hop=frozenset(found[-1]))


async def towards(uri: str, transport: str, look_up: LookUp) -> list[tuple[str, int]]:
    """Addresses and ports that a SIP URI leads to, in the order in which they are tried; empty for a name that is not known."""
    _, _, host, port, parameters = split_uri(uri)
    named = re.search(r";transport=(udp|tcp|tls)\b", parameters, re.I)
    return await _servers(host.strip("[]"), port or 0, named[1].lower() if named else transport, look_up)


def hosts_of(account: SipAccount) -> list[tuple[str, int]]:
    """Hosts and ports of an account's server and proxy, 0 for a port that is looked up with the name."""
    found: dict[tuple[str, int], None] = {}
    for uri in (account.server, account.proxy):
        if uri:
            _, _, host, port, _ = split_uri(uri)
            host = host.strip("[]")
            default = (5061 if account.transport == "tls" else 5060) if is_numeric(host) else 0
            found[host, port or default] = None
    return list(found)


def check_tls(config: SipConfig) -> None:
    """Check certificates that all connections use, theirs and ours; blocks. Raises UsageError."""
    if config.tls_certificate:
        _check_certificate("TLS", config.tls_certificate, config.tls_private_key or "")
    if config.tls_ca:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(config.tls_ca)
        except OSError as error:
            # An error of OpenSSL has more in its text than people can use.
            why = "no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
            raise UsageError(
                f"the authorities in {config.tls_ca} cannot be used ({why})",
                "name a PEM file of certificates in tls_ca",
            ) from None


def _check_certificate(whose: str, certificate: str, private_key: str) -> None:
    """PJSIP would find out when it connects, and say nothing of it."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(certificate, private_key or None, password="")
    except OSError as error:
        raise UsageError(
            f"{whose} cannot use the certificate {certificate} ({error.strerror or error})",
            "name a certificate and its private key as PEM files that may be read, the key without a password",
        ) from None


async def _servers(host: str, port: int, transport: str, look_up: LookUp) -> list[tuple[str, int]]:
    if is_numeric(host):
        return [(host, port)]
    try:
        return await asyncio.wait_for(asyncio.to_thread(look_up, host, port, transport), LOOKUP_S)
    except (OSError, TimeoutError):
        return []
