# SPDX-License-Identifier: GPL-2.0-or-later
"""Media go first on a busy machine: the threads of the engine are put before all else, where the system allows it."""

from __future__ import annotations

import os
import resource
import socket
import time
from pathlib import Path

from softfax.engine.core import Engine, T30Settings

ALLOWED = os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_NICE)[0] >= 30


def media_threads() -> dict[int, int]:
    """Nice values of this process's media threads, by thread."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().strip() == "softfax-media":
            found[int(task.name)] = os.getpriority(os.PRIO_PROCESS, int(task.name))
    return found


def test_threads_for_media_go_first(tmp_path: Path) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with Engine(shards=1) as engine, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as audio:
        before = media_threads()
        audio.bind(("127.0.0.1", 0))
        session = engine.session(T30Settings(caller=False, rx_file=tmp_path / "got.tif"))
        session.start_audio(audio.dup().detach(), audio.getsockname(), codec="PCMU", payload_type=0)
        wanted = -10 if ALLOWED else own
        end = time.monotonic() + 20
        while time.monotonic() < end:
            threads = {task: nice for task, nice in media_threads().items() if task not in before}
            if wanted in threads.values():
                break
            time.sleep(0.02)
        session.close()

    assert list(threads.values()) == [wanted]
    assert os.getpriority(os.PRIO_PROCESS, 0) == own
