# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax trace`: decodes a captured fax call: SIP and T.30, pages as pictures, and what went wrong, in words."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from softfax.captured.calls import CapturedCall, calls_of
from softfax.captured.fax import CapturedEntry
from softfax.captured.legs import join_legs
from softfax.captured.packets import datagrams
from softfax.cli.lines import counted, json_line
from softfax.cli.options import add_shared_options
from softfax.engine.listener import write_page
from softfax.errors import ExitStatus, NativeError, UsageError, unread_remedy

__all__ = ["add_options", "run"]

FILE_BYTES_MAX = 2 << 30
_ARROWS = {0: "-->", 1: "<--", None: "   "}
_SIDES = {0: "caller", 1: "answerer", None: ""}
LEGS = ("caller", "callee")
#: Arrows of a gateway's two calls: from and to the machine that called, and the one that was called.
_LEG_ARROWS = (
    {0: "|-->|   |", 1: "|<--|   |", None: "|   |   |"},
    {0: "|   |-->|", 1: "|   |<--|", None: "|   |   |"},
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Reads a capture (pcap or pcapng) and shows each fax call in it, over T.38 or G.711: what the two sides said, caller on "
        "the left, the pages that came, and what went wrong. Two calls that a gateway has joined are one, in three columns. SIP "
        "over UDP is read, media without it too."
    )
    parser.add_argument("file", metavar="FILE", help="the capture")
    parser.add_argument("--pages", metavar="DIR", help="write the pages there, as PNG")
    add_shared_options(parser)


def run(options: argparse.Namespace) -> int:
    """Show the calls. Exit status 0 if every fax in them was delivered, 1 if one was not. Raises UsageError."""
    path = Path(options.file)
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise UsageError(f"{path.name} has more than {FILE_BYTES_MAX >> 30} GB", "save the call alone")
        calls = calls_of(datagrams(path.read_bytes()))
    except OSError as error:
        remedy = unread_remedy(error, "name a capture that is there")
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy) from None
    if not calls:
        raise UsageError(f"there is no call in {path.name}", "capture SIP over UDP, RTP and UDPTL of the call")
    numbers = {id(call): number for number, call in enumerate(calls, 1)}
    for legs in join_legs(calls):
        pages = [_write_pages(one, Path(options.pages), numbers[id(one)]) if options.pages else [] for one in legs]
        if options.json:
            for call, of_call, leg in zip(legs, pages, LEGS if len(legs) == 2 else ("",), strict=True):
                other = next((numbers[id(one)] for one in legs if one is not call), None)
                _show_json(call, numbers[id(call)], of_call, leg, other)
        elif len(legs) == 2:
            _show_legs(legs, [numbers[id(one)] for one in legs], pages)
        else:
            _show(legs[0], numbers[id(legs[0])], pages[0])
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
    confirmed = counted(sum(page.verdict == "confirmed" for page in call.fax.pages), "page")
    if call.fax.delivered:
        return f"delivered: {confirmed} confirmed, at {call.fax.rate}"
    if call.fax.commanded:
        return f"not delivered: {confirmed} confirmed before it ended"
    return "no fax was sent in it" if call.media or call.answered_us is None else "what was faxed is not in the capture"


def _show(call: CapturedCall, number: int, pages: list[str]) -> None:
    _show_head(call, number)
    entries = call.entries
    print()
    for entry in entries:
        _show_entry(entry, entries[0].time_us, _ARROWS[entry.side])
    _show_end(call.faults, pages)


def _show_legs(legs: Sequence[CapturedCall], numbers: Sequence[int], pages: Sequence[list[str]]) -> None:
    for call, number in zip(legs, numbers, strict=True):
        _show_head(call, number)
    print(f"  call {numbers[0]} goes on as call {numbers[1]}\n")
    print("           caller, gateway, callee")
    said = [(entry, _LEG_ARROWS[leg][entry.side]) for leg, call in enumerate(legs) for entry in call.entries]
    said.sort(key=lambda one: one[0].time_us)
    for entry, arrow in said:
        _show_entry(entry, said[0][0].time_us, arrow)
    faults = [f"call {n}: {text}" for n, call in zip(numbers, legs, strict=True) for text in call.faults]
    _show_end(faults, [name for of_call in pages for name in of_call])


def _show_head(call: CapturedCall, number: int) -> None:
    print(f"call {number}: {call.call_id}")
    if call.caller:
        print(f"  from {call.caller} to {call.called}")
    for side, ident in sorted(call.fax.idents.items()):
        print(f"  the {_SIDES[side]} says it is {ident}")
    print(f"  {', '.join(sorted(call.media)) or 'no media'}; {_outcome(call)}")


def _show_entry(entry: CapturedEntry, began_us: int, arrow: str) -> None:
    detail = f"  ({entry.detail})" if entry.detail else ""
    print(f"{(entry.time_us - began_us) / 1e6:9.3f}  {arrow} {entry.title}{detail}")


def _show_end(faults: Sequence[str], pages: Sequence[str]) -> None:
    print()
    print("what went wrong:" if faults else "nothing went wrong")
    for fault in faults:
        print(f"  - {fault}")
    for page in pages:
        print(f"  page: {page}")
    print()


def _show_json(call: CapturedCall, number: int, pages: list[str], leg: str, joined: int | None) -> None:
    entries = call.entries
    began = entries[0].time_us if entries else 0
    for entry in entries:
        print(json_line("entry", call=number, t_s=round((entry.time_us - began) / 1e6, 3), side=_SIDES[entry.side],
                        kind=entry.kind, title=entry.title, detail=entry.detail), flush=True)  # fmt: skip
    print(
        json_line(
            "call", call=number, leg=leg, joined=joined, call_id=call.call_id, caller=call.caller, called=call.called,
            media=sorted(call.media),
            delivered=call.fax.delivered, rate=call.fax.rate,
            identities={_SIDES[side]: ident for side, ident in call.fax.idents.items()},
            pages=[{"number": p.number, "verdict": p.verdict, "bytes": len(p.data)} for p in call.fax.pages],
            pictures=pages, faults=call.faults,
        ),
        flush=True,
    )  # fmt: skip
