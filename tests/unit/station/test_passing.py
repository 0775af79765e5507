# SPDX-License-Identifier: GPL-2.0-or-later
"""A call that waits for the pages it fetches is refused whatever keeps them from being made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from softfax.documents.job import PageJob
from softfax.errors import DocumentError, DocumentInterruptedError
from softfax.fax.settings import FaxSettings, Role
from softfax.model import Direction
from softfax.station.calls import Calls
from softfax.station.config import StationConfig
from softfax.station.passing import Passing, PlacedFax


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (DocumentError("it is no document"), "FILE_ERROR"),
        (DocumentInterruptedError("the disk is full"), "INIT_ERROR"),
        (OSError(28, "No space left on device"), "INIT_ERROR"),
    ],
)
def test_a_call_is_refused_when_its_pages_cannot_be_made(error: Exception, word: str) -> None:
    said: list[Any] = []

    def make(folder: Path) -> PageJob:
        raise error

    host: Any = SimpleNamespace(undialled=lambda fax_id, fax, why: said.append((fax_id, why.error)))
    refuse = lambda why, code: said.append((code, why.error))  # noqa: E731
    waiting: Any = SimpleNamespace(session=SimpleNamespace(refuse=refuse))
    settings = FaxSettings(direction=Direction.SEND, role=Role.ANSWERER, document=Path("fax.tif"), fax_id="f")
    fax: Any = SimpleNamespace(gateway=waiting)
    asyncio.run(Passing(host)._send_pages(fax, waiting, settings, [make]))
    assert said == [(480, word), ("f", word)]


def test_an_error_after_a_fax_ends_no_call_that_stays_up() -> None:
    """A document that decides on a call may send several faxes on it."""
    said: list[Any] = []

    class Job:
        tiff = Path("fax.tif")

        def wait_ready(self) -> None:
            """Its pages are made."""

        def close(self) -> None:
            """Fail, as the disk does."""
            raise OSError(5, "Input/output error")

    async def finish(fax_id: str, fax: Any, active: Any, uri: str) -> None:
        fax.ended = True

    async def main() -> None:
        taken = SimpleNamespace(call=SimpleNamespace(remote_uri="sip:1@127.0.0.1"))
        refuse = lambda why, code: said.append((code, why.error))  # noqa: E731
        waiting: Any = SimpleNamespace(
            session=SimpleNamespace(refuse=refuse),
            result=asyncio.get_running_loop().create_future(),
            release=lambda: taken,
        )
        runtime = SimpleNamespace(take_over=lambda *args, **more: SimpleNamespace())
        host: Any = SimpleNamespace(
            running=lambda: runtime, finish=finish, on_event=print, undialled=lambda fax_id, fax, why: None
        )
        settings = FaxSettings(direction=Direction.SEND, role=Role.ANSWERER, document=Path("fax.tif"), fax_id="f")
        make: Any = lambda folder: Job()  # noqa: E731
        fax: Any = SimpleNamespace(gateway=waiting)
        await Passing(host)._send_pages(fax, waiting, settings, [make])
        assert fax.ended

    asyncio.run(main())
    assert not said


def test_a_fault_of_ours_leaves_no_caller_waiting(tmp_path: Path) -> None:
    """Pages cannot be made where the system allows no thread more."""
    told: list[Any] = []
    ended: list[str] = []

    async def fails() -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        config = StationConfig(data={"dir": tmp_path})  # type: ignore[arg-type]
        calls, fax = Calls(config, told.append), PlacedFax("pbx")
        waiting: Any = SimpleNamespace(cancel=lambda: ended.append("waiting"))
        fax.gateway = waiting
        calls.run("f", fax, fails())
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert ended == ["waiting"]
    assert [(one.fax_id, one.error) for one in told] == [("f", "INIT_ERROR")]
