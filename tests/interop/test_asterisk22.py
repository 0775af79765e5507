# SPDX-License-Identifier: GPL-2.0-or-later
"""An Asterisk of Debian testing (22) beside the one of the other tests (16): both ways, over T.38 and G.711, dot for dot."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.cases import IDENT, LISTEN
from tests.peer.ami import Message
from tests.peer.asterisk import Asterisk, PeerAddress, originate
from tests.peer.chroot import NEWER_SUITES
from tests.support.absent import absent
from tests.support.command import SoftfaxProcess
from tests.support.pages import draw_page, page_differences, read_tiff, write_fax_tiff

pytestmark = [pytest.mark.peer, pytest.mark.sip]

FAX_S = 150.0


@pytest.fixture(scope="module")
def newer() -> Iterator[PeerAddress]:
    if os.geteuid() != 0:
        absent("the Asterisk peer lives in a chroot: run as root")
    with Asterisk(suites=NEWER_SUITES) as address:
        assert int(address.version.split(".")[0]) >= 22
        yield address


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return write_fax_tiff(tmp_path / "sent.tif", [draw_page("one of two"), draw_page("two of two")])


async def send(newer: PeerAddress, document: Path, extension: str, folder: Path) -> tuple[SoftfaxProcess, Path]:
    """We call it and send; returns what it received."""
    ami = await newer.manager()
    try:
        ended = ami.expect(lambda m: m.get("UserEvent") == "FaxResult" and m.get("Direction") == "receive")
        process = await SoftfaxProcess.start("send", newer.uri(extension), str(document), "--ident", IDENT, cwd=folder)
        assert await process.wait(FAX_S) == 0, process.stderr
        result: Message = await asyncio.wait_for(ended, 30)
    finally:
        await ami.close()
    assert result["Status"] == "SUCCESS"
    return process, newer.outside(result["File"])


async def receive(newer: PeerAddress, document: Path, options: str, folder: Path) -> tuple[SoftfaxProcess, Path]:
    """Let it call us and send; return what came."""
    process = await SoftfaxProcess.start(
        *("receive", *LISTEN, "--count", "1", "--dir", ".", "--keep-tiff", "--ident", IDENT), cwd=folder
    )
    uri = f"sip:fax@127.0.0.1:{await process.listening_port()}"
    shutil.copy(document, newer.faxes / f"{folder.name}.tif")
    ami = await newer.manager()
    try:
        file = f"{newer.folder}/fax/{folder.name}.tif"
        ended = await originate(ami, "send", uri, folder.name, options=options, file=file)
        assert await process.wait(FAX_S) == 0, process.stderr
        assert (await asyncio.wait_for(ended, 30))["Status"] == "SUCCESS"
    finally:
        await ami.close()
    (received,) = folder.glob("2*.tif")
    return process, received


@pytest.mark.parametrize(("extension", "mode"), [("recv", "T38"), ("recv-audio", "audio")])
def test_it_receives(newer: PeerAddress, document: Path, tmp_path: Path, extension: str, mode: str) -> None:
    process, received = asyncio.run(send(newer, document, extension, tmp_path))
    assert process.results[-1]["mode"] == mode
    assert page_differences(read_tiff(document), read_tiff(received)) == ""


@pytest.mark.parametrize(("options", "mode"), [("fz", "T38"), ("F", "audio")])
def test_it_sends(newer: PeerAddress, document: Path, tmp_path: Path, options: str, mode: str) -> None:
    process, received = asyncio.run(receive(newer, document, options, tmp_path))
    assert process.results[-1]["mode"] == mode
    assert page_differences(read_tiff(document), read_tiff(received)) == ""
