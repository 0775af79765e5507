# SPDX-License-Identifier: GPL-2.0-or-later
"""A station as it is served, with its queue, API and events, one of whose processes for calls is crashed from the far end."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from functools import partial
from pathlib import Path

import pytest

from softfax.client import SoftfaxClient
from softfax.fax import outcome
from tests.support.served import CONFIG, Served, get, serving, until

pytestmark = [pytest.mark.sip, pytest.mark.xdist_group("serve")]

LIMIT_S = 120.0
TWO_PROCESSES = "[workers]\ncount = 2\n"


def free_ports() -> int:
    """A port that is free, as is the next but one."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                two.bind(("127.0.0.1", port + 2))
                return port


def listen(url: str, events: list[tuple[str, str]]) -> None:
    """Append what the stream of events says to `events`, in a thread: the fax, and what happened."""

    def read() -> None:
        with SoftfaxClient(url) as there:
            for event in there.events():
                events.append((event.fax_id, event.kind))

    threading.Thread(target=read, daemon=True).start()


def test_a_frame_from_the_far_end_costs_the_calls_of_one_process(tmp_path: Path) -> None:
    """The short FCD frame, with the guard taken out, crashes spandsp in the process that receives it."""
    letter = tmp_path / "letter.txt"
    letter.write_text("\f".join("A page of a few words." for _ in range(8)))
    short = tmp_path / "short.txt"
    short.write_text("One page.")
    port = free_ports()
    (tmp_path / "victim").mkdir()
    text = CONFIG.format(folder=tmp_path / "victim", name="VICTIM") + TWO_PROCESSES
    text = text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{port}"\ndirect = false', 1)
    (tmp_path / "victim" / "softfax.toml").write_text(text)
    events: list[tuple[str, str]] = []
    with (
        serving(tmp_path / "victim", "", variant="unguarded") as victim,
        serving(tmp_path / "good", "GOOD") as good,
        serving(tmp_path / "hostile", "HOSTILE", variant="hostile") as hostile,
        SoftfaxClient(victim.url) as here,
        SoftfaxClient(hostile.url) as there,
    ):
        listen(victim.url, events)
        # One in each process.
        faxes = [here.send(f"sip:{n}@{good.host}", [letter]).id for n in (1, 2)]
        until(lambda: _pages_begin(victim, faxes), LIMIT_S)
        assert [worker["calls"] for worker in here.status()["workers"]] == [1, 1]
        attack = there.send(f"sip:1@127.0.0.1:{port + 2}", [short], retry={"attempts": 1}).id
        victim.wait(r"the process for calls ended \(signal 11, SIGSEGV\), 2 calls are lost", LIMIT_S)
        # Queue, API and events go on meanwhile, and the process is there again.
        third = here.send(f"sip:3@{good.host}", [short]).id
        assert get(f"{victim.url}healthz")
        until(lambda: [w["state"] for w in here.status()["workers"]] == ["running", "running"], LIMIT_S)
        assert [w["restarts"] for w in here.status()["workers"]] == [0, 1]
        ended = {fax_id: here.wait(fax_id, timeout_s=LIMIT_S) for fax_id in (*faxes, third)}
        assert sorted(ended[fax_id].state for fax_id in faxes) == ["delivered", "uncertain"]
        assert ended[third].state == "delivered"
        lost = next(fax for fax in ended.values() if fax.state == "uncertain")
        assert (lost.cause, lost.result and lost.result["result_code"]) == ("crash", outcome.CRASHED)
        # The call from the far end has its end too: what had come of it is kept, and it is told.
        (received,) = [fax for fax in here.list() if fax.direction == "receive"]
        assert (received.state, received.cause) == ("failed", "crash")
        for fax_id in (*faxes, third, received.id):
            until(partial(_told_once, events, fax_id))
        # By policy of whoever sends it: again, from the first page that was not confirmed, and marked.
        here.retry(lost.id)
        again = here.wait(lost.id, timeout_s=LIMIT_S)
        assert (again.state, [attempt.resent for attempt in again.attempts]) == ("delivered", [False, True])
        assert again.attempts[1].first_page == lost.pages + 1
        # A sound far end is answered where the crash was.
        assert there.wait(attack, timeout_s=LIMIT_S).state != "delivered"
        with SoftfaxClient(good.url) as sound:
            fax = sound.send(f"sip:1@127.0.0.1:{port + 2}", [short])
            assert sound.wait(fax.id, timeout_s=LIMIT_S).state == "delivered"


def _told_once(events: list[tuple[str, str]], fax_id: str) -> bool:
    return events.count((fax_id, "result")) == 1


def _pages_begin(victim: Served, faxes: list[str]) -> bool:
    """Return True if all are negotiated and have pages to send yet."""
    begun = 0
    for fax_id in faxes:
        events = json.loads(get(f"{victim.url}v1/faxes/{fax_id}/events"))["events"]
        begun += any(event["event"] == "negotiated" for event in events)
    return begun == len(faxes)
