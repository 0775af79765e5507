# SPDX-License-Identifier: GPL-2.0-or-later
"""softfax at one end of the benchmark: one process with all the calls, as a station would have them.

`python -m bench.station send|receive …` says on standard output, a JSON object a line: {"ready": port} once it is up,
{"fax": …} for each fax as it ends, {"engine_cpu_s": …} when all have. Sending begins with a line on standard input;
both end with the end of it, so that the process can be looked at in between.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

from softfax.fax.active import ActiveFax
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Role, T38Preferences
from softfax.model import CallEvent, CallState, Direction, Event, FaxResult
from softfax.options import ModePolicy
from softfax.sip.call import IncomingCall
from softfax.sip.types import SipConfig


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


class Watch:
    """The events of one fax: how long its call was up, and how it ended."""

    def __init__(self, file: Path, over: Callable[[], None]) -> None:
        self.file = file
        self.over = over
        self.answered = self.ended = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case CallEvent(state=CallState.ANSWERED):
                self.answered = event.time.timestamp()
            case CallEvent(state=CallState.ENDED):
                self.ended = event.time.timestamp()
            case FaxResult():
                seconds = (self.ended or event.time.timestamp()) - self.answered if self.answered else 0.0
                say(
                    fax=str(self.file),
                    success=event.success,
                    text=event.status_string,
                    mode=event.mode,
                    seconds=seconds,
                )
                self.over()


class Bench:
    def __init__(self, runtime: FaxRuntime, options: argparse.Namespace) -> None:
        self.runtime = runtime
        self.options = options
        self.left = options.count
        self.numbers = itertools.count(1)
        self.done = asyncio.Event()

    def settings(self, role: Role, file: Path) -> FaxSettings:
        sending = role is Role.CALLER
        return FaxSettings(
            direction=Direction.SEND if sending else Direction.RECEIVE,
            role=role,
            document=file,
            mode=ModePolicy(self.options.mode),
            ident="SENDER" if sending else "RECEIVER",
            pages_total=self.options.pages if sending else None,
            t38=T38Preferences(direct=False),  # paced, as with any other machine
        )

    def over(self) -> None:
        self.left -= 1
        if not self.left:
            say(engine_cpu_s=self.runtime.engine.cpu_s())
            self.done.set()

    def answer(self, call: IncomingCall) -> tuple[FaxSettings, Watch]:
        del call
        file = Path(self.options.folder) / f"{next(self.numbers)}.tif"
        return self.settings(Role.ANSWERER, file), Watch(file, self.over)

    async def send(self) -> list[ActiveFax]:
        file = Path(self.options.file)
        lines = []
        for _ in range(self.options.count):
            watch = Watch(file, self.over)
            lines.append(self.runtime.send(self.options.to, self.settings(Role.CALLER, file), watch))
            await asyncio.sleep(self.options.stagger)
        return lines


async def run(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    async with await FaxRuntime.start(SipConfig(listen=f"{options.listen}:0")) as runtime:
        bench = Bench(runtime, options)
        runtime.on_incoming = bench.answer
        say(ready=runtime.agent.bound_address[1])
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        if options.verb == "send" and await reader.readline():
            await bench.send()
        await reader.read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["send", "receive"])
    parser.add_argument("--mode", choices=["t38", "audio"], required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--listen", default="127.0.0.1", help="the address")
    parser.add_argument("--to", help="send: the SIP URI")
    parser.add_argument("--file", help="send: the fax TIFF")
    parser.add_argument("--pages", type=int, help="send: how many pages it has")
    parser.add_argument("--stagger", type=float, default=0.1, help="send: seconds between calls")
    parser.add_argument("--folder", help="receive: where the TIFFs go")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
