# SPDX-License-Identifier: GPL-2.0-or-later
"""`--ami HOST:PORT` beside a single fax. What it needs is loaded when it is used."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator

from softfax.fax.runtime import FaxRuntime

__all__ = ["add_ami_option", "ami_beside"]


def add_ami_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--ami`."""
    parser.add_argument(
        "--ami",
        metavar="HOST:PORT",
        help="manager interface (AMI) during the fax; its user in SOFTFAX_AMI_USER and SOFTFAX_AMI_SECRET",
    )


@contextlib.asynccontextmanager
async def ami_beside(runtime: FaxRuntime, listen: str | None) -> AsyncIterator[None]:
    """The manager interface beside the faxes of one command; none without an address to listen on. Raises UsageError."""
    if not listen:
        yield
        return
    from softfax.cli.ami_server import beside

    async with beside(runtime, listen):
        yield
