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
from softfax.station.passing import Passing


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
    fax: Any = SimpleNamespace()
    asyncio.run(Passing(host)._send_pages(fax, waiting, settings, [make]))
    assert said == [(480, word), ("f", word)]
