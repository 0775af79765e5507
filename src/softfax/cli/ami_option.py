# SPDX-License-Identifier: GPL-2.0-or-later
"""The manager interface on the command line: from a station's configuration, or `--ami HOST:PORT` beside a single fax."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import AsyncIterator, Mapping

from softfax.ami import AmiServer, AmiSettings, Networks, User, permissions
from softfax.errors import UsageError
from softfax.station import Station
from softfax.station.config import AmiConfig

__all__ = ["add_ami_option", "ami_settings", "ami_user", "serve_ami"]


def add_ami_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--ami`."""
    parser.add_argument(
        "--ami",
        metavar="HOST:PORT",
        help="manager interface (AMI) during the fax; its user in SOFTFAX_AMI_USER and SOFTFAX_AMI_SECRET",
    )


def ami_settings(config: AmiConfig) -> AmiSettings:
    """[ami] as the server takes it. Raises ConfigError."""
    users = tuple(
        User(
            name=user.name,
            secret=user.secret,
            read=permissions(user.read),
            write=permissions(user.write),
            networks=Networks(user.deny, user.permit),
        )
        for user in config.user
    )
    return AmiSettings(
        listen=config.listen,
        tls_listen=config.tls_listen,
        tls_certificate=config.tls_certificate,
        tls_private_key=config.tls_private_key,
        users=users,
        status_events=config.status_events,
    )


def ami_user(environ: Mapping[str, str] = os.environ) -> User:
    """The user of `--ami`. Raises UsageError where there is none."""
    name, secret = environ.get("SOFTFAX_AMI_USER", ""), environ.get("SOFTFAX_AMI_SECRET", "")
    if not name or not secret:
        raise UsageError("--ami needs a user", "set SOFTFAX_AMI_USER and SOFTFAX_AMI_SECRET")
    return User(name=name, secret=secret)


@contextlib.asynccontextmanager
async def serve_ami(station: Station, settings: AmiSettings | None) -> AsyncIterator[AmiServer | None]:
    """The manager interface for as long as the block lasts; none without settings. Raises PortInUseError, ConfigError."""
    if settings is None:
        yield None
        return
    server = AmiServer(station, settings)
    await server.start()
    try:
        yield server
    finally:
        await server.close()
