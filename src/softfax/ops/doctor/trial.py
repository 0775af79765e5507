# SPDX-License-Identifier: GPL-2.0-or-later
"""A short test fax, and what to think of it."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from softfax.errors import SoftfaxError
from softfax.fax.causes import classify
from softfax.fax.causes import remedy as remedy_of
from softfax.model import FaxResult, Mode, ProgressEvent
from softfax.ops.doctor.findings import CheckArea, Finding, failed, ok, warning
from softfax.sip.listening import any_port
from softfax.station import FaxOrder, Station
from softfax.station.config import StationConfig

__all__ = ["call_findings", "verdict"]

CALL_S = 300.0
_PAGE = """\
softfax doctor: test page

Sent {when} by {ident} to {number}.

If you can read this, faxes from here arrive.
"""


async def call_findings(config: StationConfig, number: str, *, account: str = "") -> list[Finding]:
    """Faxes one page to `number` with the configuration's accounts, from a SIP port of its own."""
    with tempfile.TemporaryDirectory(prefix="softfax-doctor-") as folder:
        page = Path(folder) / "test.txt"
        when = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        page.write_text(
            _PAGE.format(when=when, ident=config.fax.options.ident or "softfax", number=number), encoding="utf-8"
        )
        order = FaxOrder(destination=number, documents=(str(page),), account=account, resolution="standard")
        try:
            async with Station(_alone(config, Path(folder))) as station:
                stop = station.watch_progress(lambda update: None)
                call = station.originate(order)
                result = await asyncio.wait_for(call.result, CALL_S)
                stop()
                return list(verdict(result, call.progress))
        except TimeoutError:
            return [failed(CheckArea.CALL, f"{number}: the fax did not end in {CALL_S:.0f} s", "look at a trace")]
        except SoftfaxError as error:
            return [failed(CheckArea.CALL, f"{number}: {error.problem}", error.remedy)]


def _alone(config: StationConfig, folder: Path) -> StationConfig:
    """Configuration for a trial, which reaches no others: no registration, no callbacks, no listeners."""
    changes: dict[str, Any] = {
        "sip": config.sip.model_copy(update={"listen": any_port(config.sip.listen)}),
        "account": tuple(account.model_copy(update={"register_": False}) for account in config.account),
        "fax": config.fax.model_copy(update={"receive": False}),
        "data": config.data.model_copy(update={"dir": folder, "url": ""}),
        "inbox": config.inbox.model_copy(update={"dir": folder / "received"}),
        "callbacks": config.callbacks.model_copy(update={"enabled": False}),
        "ami": None,
        "mail": None,
        "mailbox": (),
    }
    return config.model_copy(update=changes)


def verdict(result: FaxResult, progress: ProgressEvent | None) -> list[Finding]:
    """Finding about the line from a trial fax's result."""
    if not result.success:
        said = result.to_json()
        cause = classify(said)
        remedy = remedy_of(cause, said) if cause is not None else ""
        return [failed(CheckArea.CALL, f"the test fax failed: {result.status_string}", remedy)]
    ecm = "ECM" if result.ecm else "no ECM"
    far = f", far end {result.remote_station_id}" if result.remote_station_id else ""
    how = "T.38" if result.mode is Mode.T38 else "G.711"
    text = f"one page in {result.duration_s:.0f} s over {how}, {result.bitrate} bit/s, {ecm}, {result.encoding}{far}"
    out = [ok(CheckArea.CALL, text)]
    if result.mode is not Mode.T38:
        out.append(
            warning(
                CheckArea.CALL,
                "T.38 was not agreed on: G.711 works, but every lost packet costs image lines",
                "switch T.38 on at the PBX or trunk (Asterisk: t38_udptl = yes), or ask the provider",
            )
        )
    if result.bitrate < 9600:
        out.append(
            warning(
                CheckArea.CALL,
                f"only {result.bitrate} bit/s: the line is poor, or the far end old",
                "try another number",
            )
        )
    if progress is not None and progress.lost:
        recovered = f", {progress.recovered} of them made good" if result.mode is Mode.T38 else ""
        out.append(
            warning(
                CheckArea.CALL,
                f"{progress.lost} of {progress.packets + progress.lost} packets were lost{recovered}",
                "look at the network to the trunk",
            )
        )
    return out
