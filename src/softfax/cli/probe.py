# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax probe`: calls a number and reports what answers: a fax or not, what it can do, over which medium, and how fast."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from softfax.cli.common import add_call_options, destination_uri, interruptible, sip_config
from softfax.cli.lines import json_line
from softfax.cli.options import seconds
from softfax.cli.report import remedy_of
from softfax.documents.tiff import TiffWriter
from softfax.engine.abi import EventType, Signal
from softfax.engine.core import EngineEvent
from softfax.errors import ExitStatus
from softfax.fax import t30
from softfax.fax.active import ActiveFax
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Role, Timeouts
from softfax.model import CallEvent, CallState, Direction, Event, FaxResult
from softfax.options import ModePolicy, check_ident

__all__ = ["add_options", "run"]

#: After its first DIS the far end is heard until it says it again, or for so long.
LISTEN_S = 8.0
#: An answerer that is no fax within this is none.
SILENT_S = 40.0
_MEDIA = {1: "G.711", 2: "T.38"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Calls, listens to what the far end says of itself, and hangs up without sending a page: whether it is a fax, its "
        "identity, modems, resolutions, error correction, T.38, and how long it takes."
    )
    parser.add_argument("destination", metavar="DESTINATION", help="a SIP URI or a number")
    add_call_options(parser)
    parser.add_argument("--from", dest="from_uri", metavar="URI", help="our own SIP URI, the caller's identity")
    parser.add_argument("--proxy", metavar="URI", help="outbound proxy, and the server of plain numbers")
    parser.add_argument("--timeout", metavar="S", type=seconds, default=60.0, help="seconds to wait for an answer (60)")
    parser.add_argument("--mode", choices=["auto", "t38", "audio"], default="auto", help="what is offered (auto)")
    parser.add_argument("--ident", metavar="TEXT", default="", help="our station identity")


@dataclass
class Findings:
    """Frames and tones that were heard, with seconds after the answer."""

    frames: list[tuple[float, str, t30.Frame, bytes]] = field(default_factory=list)
    ced_s: float | None = None
    began_s: float = 0.0
    answered_s: float | None = None
    media: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def dis(self) -> list[tuple[float, str, t30.Frame, bytes]]:
        """Each DIS."""
        return [one for one in self.frames if one[2].name in ("DIS", "DTC")]

    def field_of(self, *names: str) -> str:
        """The text of a frame, empty where none came."""
        return next(
            (f.fields.get("says") or octets[3:].hex() for _, _, f, octets in self.frames if f.name in names), ""
        )

    @property
    def maker(self) -> str:
        """Maker of the machine, by its own facilities; empty where they name none."""
        return next((maker for _, _, f, _ in self.frames if (maker := f.fields.get("maker", ""))), "")

    def take(self, active: ActiveFax, event: EngineEvent, now_s: float) -> None:
        """Note an event of the engine."""
        after_s = now_s - (self.answered_s if self.answered_s is not None else now_s)
        if event.type is EventType.SIGNAL and event.code == 1 and Signal(event.values[0]) is Signal.CED:
            self.ced_s = self.ced_s if self.ced_s is not None else after_s
        if event.type is not EventType.FRAME or event.code != 1:
            return
        self.media = _MEDIA.get(active.engine.stats().media, "")
        self.frames.append((after_s, self.media, t30.decode(event.data), event.data))
        of_medium = [one for one in self.dis() if one[1] == self.media]
        if len(of_medium) > 1:
            self.done.set()


def run(options: argparse.Namespace) -> int:
    """Probe. Exit status 0 if a fax answered, 1 if something else did, 3 if the call failed. Raises SoftfaxError."""
    check_ident(options.ident)
    destination = destination_uri(options.destination, options)
    with tempfile.TemporaryDirectory(prefix="softfax-probe-") as folder:
        page = Path(folder) / "page.tif"
        with TiffWriter(page) as writer:
            writer.add(Image.fromarray(np.ones((64, 1728), dtype=bool)), 204, 196)
        return asyncio.run(_probe(options, destination, page))


async def _probe(options: argparse.Namespace, destination: str, page: Path) -> int:
    found = Findings()
    loop = asyncio.get_running_loop()

    def on_event(event: Event) -> None:
        if isinstance(event, CallEvent) and event.state is CallState.ANSWERED and found.answered_s is None:
            found.answered_s = loop.time()

    settings = FaxSettings(
        direction=Direction.SEND, role=Role.CALLER, document=page, mode=ModePolicy(options.mode), ident=options.ident,
        trace=True, pages_total=1, timeouts=Timeouts(answer_s=options.timeout),
    )  # fmt: skip
    config = sip_config(options, destination)
    async with await FaxRuntime.start(config) as runtime:
        found.began_s = loop.time()
        active = runtime.send(destination, settings, on_event, account=config.first_account)
        # Its DIS goes unanswered, as where the first page is still being made.
        active.engine.document([], more=True)

        def on_engine(event: EngineEvent) -> None:
            found.take(active, event, loop.time())
            active.engine_event(event)

        runtime.watch(active.engine.id, on_engine)
        async with interruptible(active.cancel) as interrupted:
            await _listen(active, found)
            active.cancel()
            result = await active.result
        runtime.watch(active.engine.id, None)
        if interrupted():
            return int(ExitStatus.INTERRUPTED)
    (_say_json if options.json else _say)(destination, found, result)
    if found.answered_s is None:
        return int(ExitStatus.CALL_FAILED)
    return int(ExitStatus.OK if found.dis() else ExitStatus.FAX_FAILED)


async def _listen(active: ActiveFax, found: Findings) -> None:
    """Wait until the DIS has come twice over one medium, the far end has had its time, or the call is over."""
    loop = asyncio.get_running_loop()
    while not active.result.done() and not found.done.is_set():
        await asyncio.sleep(0.1)
        if found.answered_s is None:
            continue
        dis = found.dis()
        since_s = loop.time() - found.answered_s
        if since_s > SILENT_S or (dis and since_s > dis[-1][0] + LISTEN_S):
            return


def _facts(found: Findings) -> list[tuple[str, str]]:
    """Facts for people, in order."""
    dis = found.dis()
    _, media, frame, _ = dis[-1]
    facts = [
        ("identity", found.field_of("CSI", "CIG") or "none given"),
        ("medium", media + ("" if media == "T.38" else ", T.38 was not agreed")),
        (
            "answers as a fax after",
            f"{dis[0][0]:.1f} s" + (f", its tone after {found.ced_s:.1f} s" if found.ced_s else ""),
        ),
    ]
    again = [later[0] - earlier[0] for earlier, later in itertools.pairwise(dis) if later[1] == earlier[1]]
    if again:
        facts.append(("says it again after", f"{again[-1]:.1f} s"))
    if facilities := found.maker or found.field_of("NSF", "NSC"):
        facts.append(("maker" if found.maker else "maker's own features", facilities[:80]))
    return facts + list(frame.fields.items())


def _say(destination: str, found: Findings, result: FaxResult) -> None:
    if found.answered_s is None:
        print(f"{destination} was not reached: {result.status_string}{remedy_of(result)}")
        return
    ringing_s = found.answered_s - found.began_s
    print(f"{destination} answered after {ringing_s:.1f} s")
    if not found.dis():
        print(
            f"no fax was heard: {'its tone, but no DIS' if found.ced_s is not None else 'a person, an announcement or silence'}"
        )
        return
    for name, value in _facts(found):
        print(f"  {name:<24} {value}")


def _say_json(destination: str, found: Findings, result: FaxResult) -> None:
    dis = found.dis()
    print(
        json_line(
            "probe", destination=destination, answered=found.answered_s is not None, fax=bool(dis),
            status=result.status_string if found.answered_s is None else "",
            answer_s=round(found.answered_s - found.began_s, 2) if found.answered_s is not None else None,
            media=dis[-1][1] if dis else "", ced_s=round(found.ced_s, 2) if found.ced_s is not None else None,
            dis_s=[round(one[0], 2) for one in dis], identity=found.field_of("CSI", "CIG"), nsf=found.field_of("NSF", "NSC"),
            maker=found.maker,
            dis=dis[-1][2].fields if dis else {}, dis_octets=dis[-1][3].hex() if dis else "",
        ),
        flush=True,
    )  # fmt: skip
