# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax trace`: decodes a captured fax call: SIP and T.30, pages as pictures, and what went wrong, in words."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from PIL import Image

from softfax.captured.calls import CapturedCall, calls_of
from softfax.captured.packets import datagrams
from softfax.cli.lines import json_line
from softfax.engine.listener import write_page
from softfax.errors import ExitStatus, NativeError, UsageError

__all__ = ["DEFAULTS", "add_options", "run"]

DEFAULTS: dict[str, Any] = {"json": False}
FILE_BYTES_MAX = 2 << 30
_ARROWS = {0: "-->", 1: "<--", None: "   "}
_SIDES = {0: "caller", 1: "answerer", None: ""}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Reads a capture (pcap or pcapng) and shows each fax call in it, over T.38 or G.711: what the two sides said, caller on "
        "the left, the pages that came, and what went wrong. SIP over UDP is read, media without it too."
    )
    parser.add_argument("file", metavar="FILE", help="the capture")
    parser.add_argument("--pages", metavar="DIR", help="write the pages there, as PNG")
    parser.add_argument("--json", action="store_true", default=None, help="one JSON object a line on standard output")
    parser.add_argument("--config", metavar="FILE", help="configuration file (TOML)")


def run(options: argparse.Namespace) -> int:
    """Show the calls. Exit status 0 if every fax in them was delivered, 1 if one was not. Raises UsageError."""
    path = Path(options.file)
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise UsageError(f"{path.name} has more than {FILE_BYTES_MAX >> 30} GB", "save the call alone")
        calls = calls_of(datagrams(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a capture that is there") from None
    if not calls:
        raise UsageError(f"there is no call in {path.name}", "capture SIP over UDP, RTP and UDPTL of the call")
    for number, call in enumerate(calls, 1):
        pages = _write_pages(call, Path(options.pages), number) if options.pages else []
        (_show_json if options.json else _show)(call, number, pages)
    return int(ExitStatus.OK if all(call.fax.delivered for call in calls) else ExitStatus.FAX_FAILED)


def _write_pages(call: CapturedCall, folder: Path, number: int) -> list[str]:
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for index, page in enumerate(call.fax.pages, 1):
        tiff = folder / f"call{number}-page{index}.tif"
        try:
            write_page(tiff, page.data, encoding=page.encoding, width=page.width, x_dpm=page.x_dpm, y_dpm=page.y_dpm)
            with Image.open(tiff) as image:
                image.convert("L").save(tiff.with_suffix(".png"), "PNG")
            written.append(str(tiff.with_suffix(".png")))
        except (NativeError, OSError, SyntaxError, ValueError):
            call.faults.append(f"Page {index} cannot be decoded: its data are damaged.")
        tiff.unlink(missing_ok=True)
    return written


def _outcome(call: CapturedCall) -> str:
    confirmed = sum(page.verdict == "confirmed" for page in call.fax.pages)
    if call.fax.delivered:
        return f"delivered: {confirmed} page{'s' * (confirmed != 1)} confirmed, at {call.fax.rate}"
    if call.fax.commanded:
        return f"not delivered: {confirmed} page{'s' * (confirmed != 1)} confirmed before it ended"
    return "no fax was sent in it" if call.media or call.answered_us is None else "what was faxed is not in the capture"


def _show(call: CapturedCall, number: int, pages: list[str]) -> None:
    entries = call.entries
    began = entries[0].time_us if entries else 0
    print(f"call {number}: {call.call_id}")
    if call.caller:
        print(f"  from {call.caller} to {call.called}")
    for side, ident in sorted(call.fax.idents.items()):
        print(f"  the {_SIDES[side]} says it is {ident}")
    print(f"  {', '.join(sorted(call.media)) or 'no media'}; {_outcome(call)}\n")
    for entry in entries:
        detail = f"  ({entry.detail})" if entry.detail else ""
        print(f"{(entry.time_us - began) / 1e6:9.3f}  {_ARROWS[entry.side]} {entry.title}{detail}")
    print()
    print("what went wrong:" if call.faults else "nothing went wrong")
    for fault in call.faults:
        print(f"  - {fault}")
    for page in pages:
        print(f"  page: {page}")
    print()


def _show_json(call: CapturedCall, number: int, pages: list[str]) -> None:
    entries = call.entries
    began = entries[0].time_us if entries else 0
    for entry in entries:
        print(json_line("entry", call=number, t_s=round((entry.time_us - began) / 1e6, 3), side=_SIDES[entry.side],
                        kind=entry.kind, title=entry.title, detail=entry.detail), flush=True)  # fmt: skip
    print(
        json_line(
            "call", call=number, call_id=call.call_id, caller=call.caller, called=call.called, media=sorted(call.media),
            delivered=call.fax.delivered, rate=call.fax.rate,
            identities={_SIDES[side]: ident for side, ident in call.fax.idents.items()},
            pages=[{"number": p.number, "verdict": p.verdict, "bytes": len(p.data)} for p in call.fax.pages],
            pictures=pages, faults=call.faults,
        ),
        flush=True,
    )  # fmt: skip
