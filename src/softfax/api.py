# SPDX-License-Identifier: GPL-2.0-or-later
"""softfax for Python programs: send a fax, or try one in memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from softfax.documents.begin import prepare, start
from softfax.documents.tiff import read_pages
from softfax.documents.types import PreparedDocument, RasterSettings
from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineEvent, T30Settings, completion_text
from softfax.engine.line import LineSettings, run_line
from softfax.errors import UsageError
from softfax.fax import outcome
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Role, Timeouts
from softfax.model import Direction, Event, FaxResult, Mode, new_fax_id
from softfax.options import STANDARD, FaxOptions, ModePolicy, Resolution, check_ident, options_of
from softfax.sip.types import SipConfig, local_address_towards

__all__ = ["LoopbackResult", "loopback", "send"]

_LINES = {"t38": "T38", "audio": "PCMU"}


async def send(
    destination: str,
    files: Sequence[str | Path],
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    timeout_s: float = 60.0,
    sip: SipConfig | None = None,
    mode: str = "auto",
    **options: Any,
) -> FaxResult:
    """Faxes documents to a SIP URI and returns how it went.

    `options` are those of `FaxOptions`: `ident`, `header`, `resolution`, `ecm`, `max_rate_bps` and so on. `on_event` gets
    every event as it happens, the result last. Raises DocumentError before anything is dialled, UsageError
    for a bad URI, PortInUseError. A call that fails, or a fax that does, is a result, not an exception.
    """
    asked = FaxOptions(mode=ModePolicy(mode), **options).with_defaults(STANDARD)
    check_ident(asked.ident)
    with tempfile.TemporaryDirectory(prefix="softfax-") as workdir:
        raster = RasterSettings(resolution=asked.resolution or "fine", scan=asked.scan or "auto")
        job = await asyncio.to_thread(start, files, raster, Path(workdir))
        try:
            await asyncio.to_thread(job.wait_ready)
            settings = FaxSettings(
                direction=Direction.SEND,
                role=Role.CALLER,
                document=job.tiff,
                documents=tuple(str(f) for f in files),
                **options_of(asked),
                timeouts=Timeouts(answer_s=timeout_s),
            )
            config = sip or SipConfig(listen=f"{local_address_towards(destination)}:0")
            async with await FaxRuntime.start(config) as runtime:
                return await runtime.send(destination, settings, on_event, job=job, account=config.first_account).result
        finally:
            job.close()


@dataclass(frozen=True)
class LoopbackResult:
    """A fax to oneself: the sender's result, and the pages the receiver wrote (rows by dots, True is black).

    `result, pages = loopback(…)` does as well.
    """

    result: FaxResult
    pages: list[npt.NDArray[np.bool_]]
    identical: bool

    def __iter__(self) -> Iterator[Any]:
        return iter((self.result, self.pages))


def loopback(
    files: Sequence[str | Path],
    *,
    mode: str = "t38",
    ecm: bool = True,
    max_rate_bps: int = 14400,
    resolution: Resolution = "fine",
    line: LineSettings | None = None,
    sip: bool = False,
) -> LoopbackResult:
    """Faxes documents from one engine session to another in memory, thousands of times faster than a call.

    `mode` is `t38` or `audio`; `line` sets loss, jitter and delay. With `sip` it is a call over SIP and UDP on this machine
    instead, which takes as long as one. Raises DocumentError, UsageError.
    """
    if mode not in _LINES:
        raise UsageError(f"no mode: {mode}", "use t38 or audio")
    if sip and line is not None:
        raise UsageError("a call over SIP has the line that there is", "leave out line, or sip")
    with tempfile.TemporaryDirectory(prefix="softfax-") as folder:
        work = Path(folder)
        document = prepare(files, RasterSettings(resolution=resolution), work)
        received = work / "received.tif"
        if sip:
            call = partial(_over_sip, files, document, received, mode=mode, ecm=ecm, max_rate_bps=max_rate_bps)
            # In a thread of its own, since the caller may be on a loop.
            with ThreadPoolExecutor(1) as thread:
                result = thread.submit(lambda: asyncio.run(call())).result()
        else:
            result = _in_memory(
                files, document, received, line or LineSettings(mode=_LINES[mode]), ecm=ecm, max_rate_bps=max_rate_bps
            )
        sent = [dots for _, dots in read_pages(document.tiff)]
        pages = [dots for _, dots in read_pages(received)] if received.exists() else []
    identical = len(sent) == len(pages) and all(np.array_equal(a, b) for a, b in zip(sent, pages, strict=True))
    return LoopbackResult(result, pages, identical)


async def _over_sip(
    files: Sequence[str | Path], document: PreparedDocument, received: Path, *, mode: str, ecm: bool, max_rate_bps: int
) -> FaxResult:
    """Calls this machine's own number; both ends have ended when it returns."""
    common: dict[str, Any] = {"mode": ModePolicy(mode), "ecm": ecm, "max_rate_bps": max_rate_bps}
    sending = FaxSettings(
        direction=Direction.SEND, role=Role.CALLER, document=document.tiff, documents=tuple(str(f) for f in files),
        ident="sender", pages_total=len(document.pages), **common,
    )  # fmt: skip
    receiving = FaxSettings(
        direction=Direction.RECEIVE, role=Role.ANSWERER, document=received, ident="receiver", **common
    )
    async with await FaxRuntime.start(SipConfig(listen="127.0.0.1:0")) as runtime:
        runtime.on_incoming = lambda call: (receiving, lambda event: None)
        host, port = runtime.agent.bound_address
        sender = runtime.send(f"sip:receiver@{host}:{port}", sending, lambda event: None)
        result = await sender.result
        await asyncio.gather(*(line.result for line in runtime.faxes))
        return result


def _in_memory(
    files: Sequence[str | Path],
    document: PreparedDocument,
    received: Path,
    line: LineSettings,
    *,
    ecm: bool,
    max_rate_bps: int,
) -> FaxResult:
    with Engine(shards=1) as engine:
        common: dict[str, Any] = {"ecm": ecm, "max_rate_bps": max_rate_bps}
        sender = engine.session(T30Settings(caller=True, tx_file=document.tiff, ident="sender", **common))
        receiver = engine.session(T30Settings(caller=False, rx_file=received, ident="receiver", **common))
        seconds, _ = run_line(sender, receiver, line)
        events = [e for e in engine.events() if e.session == sender.id]
        sender.close()
        receiver.close()
    mode = Mode.T38 if line.mode == "T38" else Mode.AUDIO
    return _memory_result(events, files, mode, seconds, len(document.pages))


def _memory_result(
    events: Sequence[EngineEvent], files: Sequence[str | Path], mode: Mode, seconds: float, total: int
) -> FaxResult:
    """The sender's result from its engine events."""
    negotiated = next((e for e in reversed(events) if e.type is EventType.NEGOTIATED), None)
    complete = next((e for e in events if e.type is EventType.COMPLETE), None)
    values = negotiated.values if negotiated else (0,) * 8
    code = complete.code if complete else outcome.T30_CALLDROPPED
    end = outcome.from_t30(code, completion_text(code))
    return end.result(
        direction=Direction.SEND,
        fax_id=new_fax_id(),
        duration_s=seconds,
        session=1,
        mode=mode,
        pages=complete.values[0] if complete else 0,
        pages_total=total,
        bitrate=values[0],
        ecm=bool(values[1]),
        encoding=outcome.encoding_name(values[2]),
        resolution=outcome.resolution_name(values[3], values[4]),
        local_station_id="sender",
        remote_station_id=complete.text if complete else "",
        documents=[str(f) for f in files],
    )
