# SPDX-License-Identifier: GPL-2.0-or-later
"""The manager interface on the command line: from a station's configuration, or `--ami HOST:PORT` beside a single fax."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping

from softfax.ami import AmiServer, AmiSettings, User
from softfax.ami.server import StationPort
from softfax.errors import UsageError
from softfax.fax.runtime import FaxRuntime
from softfax.station.beside import Beside

__all__ = ["ami_user", "beside", "serve_ami"]


def ami_user(environ: Mapping[str, str] = os.environ) -> User:
    """The user of `--ami`. Raises UsageError where there is none."""
    name, secret = environ.get("SOFTFAX_AMI_USER", ""), environ.get("SOFTFAX_AMI_SECRET", "")
    if not name or not secret:
        raise UsageError("--ami needs a user", "set SOFTFAX_AMI_USER and SOFTFAX_AMI_SECRET")
    return User(name=name, secret=secret)


@contextlib.asynccontextmanager
async def beside(runtime: FaxRuntime, listen: str) -> AsyncIterator[None]:
    """The manager interface beside the faxes of one command, for the user of the environment."""
    async with serve_ami(Beside(runtime), AmiSettings(listen=listen, users=(ami_user(),))) as server:
        for host, port in server.addresses if server is not None else []:
            print(f"AMI at {host}:{port}", file=sys.stderr)
        yield


@contextlib.asynccontextmanager
async def serve_ami(station: StationPort, settings: AmiSettings | None) -> AsyncIterator[AmiServer | None]:
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
