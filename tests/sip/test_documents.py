# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents over real calls: pages made anew for a station with a small machine, a cover page, a header line."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pypdfium2 as pdfium
import pytest

from softfax.documents.tiff import read_pages
from tests.support.command import SoftfaxProcess

pytestmark = pytest.mark.sip


async def send_to_small_machine(tmp_path: Path, mode: str) -> tuple[list[dict], list[tuple[int, int]]]:  # type: ignore[type-arg]
    receiver = await SoftfaxProcess.start(
        *("receive", "--listen", "127.0.0.1:0", "--dir", "in", "--count", "1", "--timeout", "60"),
        *("--max-resolution", "standard", "--max-paper", "a4"),
        cwd=tmp_path,
    )
    found = await receiver.wait_stderr(r"listening at (sip:[^ ]+)", 20)
    assert found, receiver.stderr
    sender = await SoftfaxProcess.start(
        *("send", found[1].replace("sip:", "sip:fax@"), "a3.pdf", "--resolution", "superfine", "--mode", mode),
        *("--cover", "--header", "Praxis am See"),
        cwd=tmp_path,
    )
    await asyncio.gather(sender.wait(90), receiver.wait(90))
    assert sender.results[0]["success"], sender.stderr
    assert sender.results[0]["pages"] == sender.results[0]["pages_total"] == 2
    (pdf,) = receiver.results[0]["documents"]
    return sender.events, [(info.width, round(info.y_dpi)) for info, _ in read_pages(tmp_path / pdf)]


def test_a_small_machine_gets_pages_it_can_print(tmp_path: Path) -> None:
    document = pdfium.PdfDocument.new()
    document.new_page(842, 1191)
    for mode in ("t38", "audio"):
        (tmp_path / mode).mkdir()
        document.save(tmp_path / mode / "a3.pdf")

    async def both() -> list:  # type: ignore[type-arg]
        return await asyncio.gather(*(send_to_small_machine(tmp_path / mode, mode) for mode in ("t38", "audio")))

    for events, pages in asyncio.run(both()):
        assert pages == [(1728, 98), (1728, 98)]
        resolutions = [e["resolution"] for e in events if e["event"] == "negotiated"]
        assert set(resolutions) == {"204x98"}
        assert re.match(r"[0-9a-f]{24}$", events[-1]["fax_id"])
