# SPDX-License-Identifier: GPL-2.0-or-later
"""All that the doctor looks at, in turn."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from softfax.ops.check import check_config
from softfax.ops.doctor import local, network, ports, shared, trial
from softfax.ops.doctor.findings import CheckArea, Finding, Status, failed, ok, skipped

__all__ = ["examine"]

log = logging.getLogger("softfax.ops")


async def examine(
    path: Path | None,
    *,
    call: str = "",
    account: str = "",
    stun: str = "",
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[Finding]:
    """Yields what it finds as it finds it. `call` is a number that a test fax is sent to."""
    checked = check_config(path, environ)
    for one in checked.findings:
        status = Status.FAILED if one.mistake else Status.WARNING
        at = f"line {one.line}: " if one.line else f"{path}: " if one.mistake and path and not one.key else ""
        yield Finding(CheckArea.CONFIGURATION, status, f"{at}{one.problem}", one.remedy)
    config = checked.config
    if config is None or checked.mistaken:
        yield skipped(CheckArea.CONFIGURATION, "the rest is not looked at before the configuration is right")
        return
    right = "there is no configuration file: the defaults hold" if path is None else f"{path} is right"
    yield ok(CheckArea.CONFIGURATION, right)
    running = await ports.station_runs(config)
    looks: tuple[tuple[CheckArea, Callable[[], Awaitable[Iterable[Finding]]]], ...] = (
        (CheckArea.LIBRARIES, lambda: _thread(local.library_findings)),
        (CheckArea.PORTS, lambda: ports.port_findings(config, running)),
        (CheckArea.NETWORK, lambda: network.nat_findings(config, stun)),
        (CheckArea.NETWORK, lambda: network.mail_findings(config)),
        (CheckArea.ACCOUNTS, lambda: network.account_findings(config)),
        (CheckArea.ACCOUNTS, lambda: network.registration_findings(config, running)),
        (CheckArea.DISK, lambda: _thread(lambda: local.disk_findings(config))),
        (CheckArea.DISK, lambda: _thread(lambda: shared.store_findings(config))),
        (CheckArea.RECORDS, lambda: _thread(lambda: local.record_findings(config))),
        (CheckArea.RECORDS, lambda: _thread(lambda: shared.replica_findings(config))),
        (CheckArea.RECORDS, lambda: _thread(lambda: shared.group_findings(config))),
        (CheckArea.CLOCK, lambda: _thread(local.clock_findings)),
        (CheckArea.DOCUMENTS, lambda: _thread(local.document_findings)),
        (CheckArea.LIMITS, lambda: _thread(lambda: local.limit_findings(config))),
    )
    for area, look in looks:
        try:
            for finding in await look():
                yield finding
        except Exception as error:
            log.debug("%s could not be looked at", area, exc_info=error)
            yield failed(area, f"could not be looked at: {type(error).__name__}: {error}", "please report this")
    if call:
        for finding in await trial.call_findings(config, call, account=account):
            yield finding
    else:
        yield skipped(CheckArea.CALL, "no test fax was sent", "softfax doctor --call NUMBER")


async def _thread(look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    return await asyncio.to_thread(lambda: list(look()))
