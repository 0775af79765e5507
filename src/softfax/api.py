# SPDX-License-Identifier: GPL-2.0-or-later
"""softfax for Python programs: send a fax, or try one in memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from softfax.documents import RasterSettings, Resolution, prepare, read_pages, start
from softfax.engine import Engine, EngineEvent, EventType, LineSettings, T30Settings, run_line
from softfax.errors import UsageError
from softfax.fax import outcome
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, ModePolicy, Role, Timeouts, check_ident
from softfax.model import Direction, Event, FaxResult, Mode, new_fax_id
from softfax.sip import SipConfig, local_address_towards

__all__ = ["LoopbackResult", "loopback", "send"]


async def send(
    destination: str,
    files: Sequence[str | Path],
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    mode: str = "auto",
    ident: str = "",
    header: str = "",
    resolution: Resolution = "fine",
    ecm: bool = True,
    max_rate_bps: int = 14400,
    timeout_s: float = 60.0,
    sip: SipConfig | None = None,
) -> FaxResult:
    """Faxes documents to a SIP URI and returns how it went.

    `on_event` gets every event as it happens, the result last. Raises DocumentError before anything is dialled, UsageError
    for a bad URI, PortInUseError. A call that fails, or a fax that does, is a result, not an exception.
    """
    check_ident(ident)
    with tempfile.TemporaryDirectory(prefix="softfax-") as workdir:
        raster = RasterSettings(resolution=resolution)
        job = await asyncio.to_thread(start, files, raster, Path(workdir))
        try:
            await asyncio.to_thread(job.wait_ready)
            settings = FaxSettings(
                direction=Direction.SEND,
                role=Role.CALLER,
                document=job.tiff,
                documents=tuple(str(f) for f in files),
                mode=ModePolicy(mode),
                ident=ident,
                header=header,
                ecm=ecm,
                max_rate_bps=max_rate_bps,
                timeouts=Timeouts(answer_s=timeout_s),
            )
            config = sip or SipConfig(listen=f"{local_address_towards(destination)}:0")
            async with await FaxRuntime.start(config) as runtime:
                return await runtime.send(destination, settings, on_event, job=job, account=config.first_account).result
        finally:
            job.close()


@dataclass(frozen=True)
class LoopbackResult:
    """A fax over the in-memory line: the sender's result, and the pages the receiver wrote (rows by dots, True is black)."""

    result: FaxResult
    pages: list[npt.NDArray[np.bool_]]
    identical: bool


def loopback(
    files: Sequence[str | Path],
    *,
    mode: str = "t38",
    ecm: bool = True,
    max_rate_bps: int = 14400,
    resolution: Resolution = "fine",
    line: LineSettings | None = None,
) -> LoopbackResult:
    """Faxes documents from one engine session to another in memory, thousands of times faster than a call.

    `mode` is `t38` or `audio`; `line` sets loss, jitter and delay. Raises DocumentError, UsageError.
    """
    modes = {"t38": "T38", "audio": "PCMU"}
    if mode not in modes:
        raise UsageError(f"no mode: {mode}", "use t38 or audio")
    with tempfile.TemporaryDirectory(prefix="softfax-") as folder:
        work = Path(folder)
        document = prepare(files, RasterSettings(resolution=resolution), work)
        received = work / "received.tif"
        with Engine(shards=1) as engine:
            common: dict[str, Any] = {"ecm": ecm, "max_rate_bps": max_rate_bps}
            sender = engine.session(T30Settings(caller=True, tx_file=document.tiff, ident="sender", **common))
            receiver = engine.session(T30Settings(caller=False, rx_file=received, ident="receiver", **common))
            seconds, _ = run_line(sender, receiver, line or LineSettings(mode=modes[mode]))
            events = [e for e in engine.events() if e.session == sender.id]
            sender.close()
            receiver.close()
        sent = [dots for _, dots in read_pages(document.tiff)]
        pages = [dots for _, dots in read_pages(received)] if received.exists() else []
    identical = len(sent) == len(pages) and all(np.array_equal(a, b) for a, b in zip(sent, pages, strict=True))
    result = _memory_result(events, files, Mode.T38 if mode == "t38" else Mode.AUDIO, seconds, len(sent))
    return LoopbackResult(result, pages, identical)


def _memory_result(
    events: Sequence[EngineEvent], files: Sequence[str | Path], mode: Mode, seconds: float, total: int
) -> FaxResult:
    """The sender's result from its engine events."""
    from softfax.engine import completion_text

    negotiated = next((e for e in reversed(events) if e.type is EventType.NEGOTIATED), None)
    complete = next((e for e in events if e.type is EventType.COMPLETE), None)
    values = negotiated.values if negotiated else (0,) * 8
    code = complete.code if complete else outcome.T30_CALLDROPPED
    end = outcome.from_t30(code, completion_text(code))
    return FaxResult(
        session=1,
        direction=Direction.SEND,
        success=end.success,
        status="SUCCESS" if end.success else "FAILED",
        error=end.error,
        status_string=end.text,
        result_code=end.code,
        mode=mode,
        pages=complete.values[0] if complete else 0,
        pages_total=total,
        bitrate=values[0],
        ecm=bool(values[1]),
        encoding=outcome.encoding_name(values[2]),
        resolution=outcome.resolution_name(values[3], values[4]),
        local_station_id="sender",
        remote_station_id=complete.text if complete else "",
        bad_rows=0,
        duration_s=round(seconds, 3),
        documents=[str(f) for f in files],
        call_id="",
        fax_id=new_fax_id(),
    )
