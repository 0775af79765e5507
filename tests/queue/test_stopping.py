# SPDX-License-Identifier: GPL-2.0-or-later
"""A station that is stopped while it makes pages stops at once and without a word of failure; the fax goes out after the next start."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from softfax.documents.job import RasterJob
from softfax.model import FaxState
from softfax.records.model import Document, FaxRequest
from tests.web.rig import running, until


@pytest.fixture
def slow_server() -> Iterator[str]:
    """Takes connections, and says nothing for as long as the test lasts."""
    listening = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def take() -> None:
        while True:
            try:
                taken.append(listening.accept()[0])
            except OSError:
                return

    threading.Thread(target=take, daemon=True).start()
    with closing(listening):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/letter.pdf"
        listening.shutdown(socket.SHUT_RDWR)
    for one in taken:
        one.close()


@pytest.mark.parametrize("waits_for", ["server", "pages"])
def test_stopped_while_pages_are_made(
    tmp_path: Path,
    slow_server: str,
    waits_for: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "letter.txt").write_text("Hello\n")
    document = Document(url=slow_server) if waits_for == "server" else Document(path=tmp_path / "letter.txt")
    tables: dict[str, Any] = {"fax": {"resolution": "standard", "allow_private_documents": True}}
    made = RasterJob.wait

    async def stopped() -> str:
        if waits_for == "pages":
            monkeypatch.setattr(RasterJob, "wait", lambda job, timeout_s=None: threading.Event().wait(timeout_s or 0.1))
        async with running(tmp_path, **tables) as one:
            (fax,) = await one.queue.submit([FaxRequest(to="sip:ok-1@127.0.0.1", documents=(document,))])
            await until(lambda: one.queue.under_way(fax.id))
            await asyncio.sleep(0.3)
        monkeypatch.setattr(RasterJob, "wait", made)
        return fax.id

    async def again(fax_id: str) -> FaxState:
        async with running(tmp_path, **tables) as one:
            found = await one.queue.get(fax_id)
            assert found is not None
            if waits_for == "pages":
                await until(lambda: one.far_ends.pages)
                await until(lambda: not one.queue.under_way(fax_id))
            found = await one.queue.get(fax_id)
            assert found is not None
            return found.state

    caplog.set_level(logging.WARNING)
    fax_id = asyncio.run(stopped())
    state = asyncio.run(again(fax_id))

    assert state is FaxState.DELIVERED if waits_for == "pages" else state is not FaxState.FAILED
    loud = [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert not loud
