# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes that go in one call to a real Asterisk, each confirmed by itself; Asterisk makes one file of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from softfax.client.models import Fax
from tests.interop.joining import send_in_one_call
from tests.peer.ami import Message
from tests.peer.asterisk import PeerAddress
from tests.support.pages import draw_page, page_differences, read_tiff, write_fax_tiff

pytestmark = [pytest.mark.peer, pytest.mark.sip]

LIMIT_S = 240.0


async def _joined(
    asterisk: PeerAddress, folder: Path, to: str, mode: str, documents: list[Path]
) -> tuple[list[Fax], Path]:
    """The faxes, and the file that Asterisk made of their call."""
    ami = await asterisk.manager("user")
    try:
        faxes = await asyncio.to_thread(send_in_one_call, folder, asterisk.uri(to), documents, mode, LIMIT_S)
        calls = {fax.result.call_id for fax in faxes if fax.result}

        def matches(message: Message) -> bool:
            return message.get("UserEvent") == "FaxResult" and message.get("CallID") in calls

        later = ami.expect(matches)
        found = next(filter(matches, ami.history), None) or await asyncio.wait_for(later, 30)
        return faxes, asterisk.outside(found["File"])
    finally:
        await ami.close()


@pytest.mark.parametrize(("to", "mode"), [("recv", "T38"), ("recv-audio", "audio")])
def test_three_faxes_in_one_call(tmp_path: Path, asterisk: PeerAddress, to: str, mode: str) -> None:
    pages = [[draw_page(f"Fax {n + 1} {mode}", rows=1100)] * (1 + n % 2) for n in range(3)]
    documents = [write_fax_tiff(tmp_path / f"{n}.tif", each) for n, each in enumerate(pages)]

    faxes, file = asyncio.run(_joined(asterisk, tmp_path / "station", to, mode.lower(), documents))

    assert [(fax.state, fax.pages, fax.result and fax.result.mode) for fax in faxes] == [
        ("delivered", len(each), mode) for each in pages
    ]
    assert Counter(attempt.joined for fax in faxes for attempt in fax.attempts)[faxes[0].id] >= 2
    assert len({fax.result.call_id for fax in faxes if fax.result}) == 1
    assert page_differences([page for each in pages for page in each], read_tiff(file)) == ""
