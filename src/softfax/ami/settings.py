# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of the manager interface."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from softfax.ami.access import permissions
from softfax.ami.auth import Networks, User
from softfax.errors import ConfigError
from softfax.tlsfront import load_certificate

if TYPE_CHECKING:
    from softfax.station.config import AmiConfig

__all__ = ["AmiSettings", "address", "from_config", "tls_context"]


@dataclass(frozen=True, kw_only=True)
class AmiSettings:
    """`listen` and `tls_listen` are HOST:PORT, port 0 for any free one, empty for none.

    Limits: `max_clients` connections, `max_unauthenticated` of them not logged in, each for `login_timeout_s`,
    `max_unauthenticated_of_one` from one address (a /64 of IPv6);
    `queue_octets` is what may wait for a client that does not read, before it is disconnected. A failed login is answered
    after `failure_delay_s`; after `max_failures` of them in `failure_window_s` an address is refused for that time.
    `status_events` sends FAXStatus for every fax, as `statusevents=yes` does in Asterisk, not only with option `s`.
    `version` is the Asterisk whose fields and versions are shown, 16 or 22.
    """

    listen: str = "127.0.0.1:5038"
    tls_listen: str = ""
    tls_certificate: Path | None = None
    tls_private_key: Path | None = None
    users: tuple[User, ...] = ()
    status_events: bool = True
    version: int = 16
    max_clients: int = 200
    max_unauthenticated: int = 50
    max_unauthenticated_of_one: int = 10
    login_timeout_s: float = 30.0
    failure_delay_s: float = 1.0
    max_failures: int = 5
    failure_window_s: float = 60.0
    queue_octets: int = 1 << 20
    context: str = "fax"


def from_config(table: AmiConfig) -> AmiSettings:
    """The settings of the table [ami] of a station's configuration. Raises ConfigError."""
    for user in table.user:
        if not user.secret:
            raise ConfigError(f"the AMI user {user.name} has no secret", "set it in [[ami.user]] or SOFTFAX_AMI_SECRET")
    return AmiSettings(
        listen=table.listen,
        tls_listen=table.tls_listen,
        tls_certificate=table.tls_certificate,
        tls_private_key=table.tls_private_key,
        status_events=table.status_events,
        version=table.version,
        users=tuple(
            User(
                name=user.name,
                secret=user.secret,
                read=permissions(user.read),
                write=permissions(user.write),
                networks=Networks(user.deny, user.permit),
            )
            for user in table.user
        ),
    )


def tls_context(settings: AmiSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer, with the configured certificate; None where TLS is not listened on. Raises ConfigError."""
    if not settings.tls_listen:
        return None
    if settings.tls_certificate is None:
        raise ConfigError("AMI over TLS needs a certificate", "set its file, and the private key's if it is another")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        load_certificate(context, settings.tls_certificate, settings.tls_private_key)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"the AMI certificate {settings.tls_certificate} cannot be used ({reason})", "give a PEM file with its key"
        ) from None
    return context


def address(listen: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; the host is an IP address or localhost. Raises ConfigError."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        if host != "localhost":
            ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise ConfigError(f"AMI cannot listen at {listen!r}", "give ADDRESS:PORT, for example 127.0.0.1:5038")
    return host, number
