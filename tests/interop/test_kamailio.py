# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Kamailio between two stations: both register with it, and a fax goes through it by T.38 and by G.711."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.command import SoftfaxProcess
from tests.support.debian import unpacked
from tests.support.pages import draw_page, write_fax_tiff

pytestmark = pytest.mark.sip

CONFIG = Path(__file__).parent / "etc" / "kamailio.cfg"
SECRET = {"SOFTFAX_PASSWORD": "secret"}
LIMIT_S = 120.0


@asynccontextmanager
async def kamailio(folder: Path) -> AsyncIterator[str]:
    """Its address."""
    root = await asyncio.to_thread(unpacked, "kamailio")
    (libraries,) = root.glob("usr/lib/*/kamailio")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "kamailio.cfg"
    config.write_text(CONFIG.read_text().replace("@PORT@", str(port)).replace("@MODULES@", f"{libraries}/modules/"))
    process = await asyncio.create_subprocess_exec(
        *(
            str(root / "usr/sbin/kamailio"),
            "-f",
            str(config),
            "-DD",
            "-E",
            "-Y",
            str(folder),
            "-P",
            str(folder / "pid"),
        ),
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
        stderr=(folder / "kamailio.log").open("wb"),
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    assert process.returncode is None, (folder / "kamailio.log").read_text()
                    await asyncio.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def test_faxes_through_a_registrar_and_proxy(tmp_path: Path) -> None:
    page = str(write_fax_tiff(tmp_path / "page.tif", [draw_page("through a proxy")]))

    async def fax(proxy: str, mode: str, number: str) -> None:
        inbox = tmp_path / mode
        register = ("--register", f"sip:{proxy}", "--user", number, "--listen", "127.0.0.1:0", "--count", "1")
        receiver = await SoftfaxProcess.start(
            "receive", *register, "--dir", str(inbox), "--mode", mode, cwd=tmp_path, variables=SECRET
        )
        assert await receiver.wait_stderr("registered at", 30), receiver.stderr
        send = ("send", number, page, "--proxy", f"sip:{proxy}", "--user", "caller", "--mode", mode)
        sender = await SoftfaxProcess.start(*send, cwd=tmp_path, variables=SECRET)
        assert await sender.wait(LIMIT_S) == 0, sender.stderr
        assert await receiver.wait(30) == 0, receiver.stderr
        assert sender.results[0]["mode"] == {"t38": "T38", "audio": "audio"}[mode]
        assert len(list(inbox.glob("*.pdf"))) == 1

    async def wrong_password(proxy: str) -> None:
        wrong = {"SOFTFAX_PASSWORD": "wrong"}
        send = ("send", "801", page, "--proxy", f"sip:{proxy}", "--user", "caller")
        sender = await SoftfaxProcess.start(*send, cwd=tmp_path, variables=wrong)
        assert await sender.wait(30) == 3, sender.stderr

    async def run() -> None:
        async with kamailio(tmp_path) as proxy:
            await asyncio.gather(fax(proxy, "t38", "801"), fax(proxy, "audio", "802"), wrong_password(proxy))

    asyncio.run(run())
