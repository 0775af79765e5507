# SPDX-License-Identifier: GPL-2.0-or-later
"""An engine is closed while other threads ask it: each gets an answer or is told that it is closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from softfax.engine.core import Engine
from softfax.errors import UsageError


@pytest.mark.parametrize(
    "ask", [lambda e: list(e.events()), Engine.load, Engine.cpu_s], ids=["events", "load", "cpu_s"]
)
def test_an_engine_may_be_closed_while_it_is_asked(ask: Callable[[Engine], object]) -> None:
    def asking(engine: Engine) -> None:
        try:
            while True:
                ask(engine)
        except UsageError:
            return

    for _ in range(30):
        engine = Engine(shards=1)
        threads = [threading.Thread(target=asking, args=(engine,), daemon=True) for _ in range(3)]
        for one in threads:
            one.start()
        time.sleep(0.002)
        engine.close()
        for one in threads:
            one.join(10)
        assert not any(one.is_alive() for one in threads)
