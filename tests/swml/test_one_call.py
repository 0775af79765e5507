# SPDX-License-Identifier: GPL-2.0-or-later
"""Two SWML documents, one at each end of a call: their faxes follow one another on it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softfax.model import FaxResult, FaxUpdate
from softfax.station import Station
from softfax.swml.incoming import IncomingSwml
from tests.sip.far_end import HERE
from tests.support.command import SoftfaxProcess
from tests.support.http_server import Server, answer
from tests.support.pages import draw_page, read_tiff, write_fax_tiff

pytestmark = pytest.mark.sip

CALLER = "127.0.0.37"
ANSWERS = """
sections:
  main:
    - receive_fax: {status_url: "%{base}/received"}
    - send_fax: {document: FOLDER/back.tif, identity: "49301"}
    - receive_fax
    - request: {url: "%{base}/%{receive_fax_result}/%{send_fax_result}/%{send_fax_remote_identity}"}
"""
CALLS = """
sections:
  main:
    - send_fax: {document: there.tif, identity: "49302"}
    - receive_fax
    - send_fax: {document: again.tif, identity: "49302"}
    - hangup
"""


@pytest.mark.parametrize(("modes", "mode"), [("audio", "audio"), ("auto", "T38")])
def test_faxes_follow_one_another_on_a_call(tmp_path: Path, modes: str, mode: str) -> None:
    documents = {
        name: write_fax_tiff(tmp_path / f"{name}.tif", [draw_page(name)]) for name in ("there", "back", "again")
    }
    server = Server()
    server.answers["/received"] = answer(b"{}")
    answers = ANSWERS.replace("%{base}", server.url("")).replace("FOLDER", str(tmp_path))
    (tmp_path / "answers.yaml").write_text(answers)
    (tmp_path / "calls.yaml").write_text(CALLS)
    config: dict[str, Any] = {
        "sip": {"listen": f"{HERE}:0"},
        "inbox": {"keep_tiff": True},
        "data": {"dir": tmp_path / "data"},
        "callbacks": {"allow_private": True},
        "account": [{"name": "trunk", "server": f"sip:{CALLER}"}],
        "gateway": [{"name": "swml", "from": ["trunk"], "numbers": ["7"], "swml": str(tmp_path / "answers.yaml")}],
    }

    async def scenario() -> tuple[list[FaxResult], SoftfaxProcess]:
        results: list[FaxResult] = []

        def take(update: FaxUpdate) -> None:
            if isinstance(update.event, FaxResult):
                results.append(update.event)

        async with Station(config, isolated=True) as station:
            IncomingSwml(station)
            station.subscribe(take)
            caller = await SoftfaxProcess.start(
                *("swml", "run", "calls.yaml", "--to", f"sip:7@{HERE}:{station.bound_address[1]}", "--mode", modes),
                *("--listen", f"{CALLER}:0", "--data", "ours", "--dir", "ours/in", "--ident", "49302"),
                cwd=tmp_path,
            )
            assert await caller.wait(200) == 0, caller.stderr
            async with asyncio.timeout(60):
                while not any("/success/" in one for one in server.requests):
                    await asyncio.sleep(0.05)
        return results, caller

    try:
        theirs, caller = asyncio.run(scenario())
    finally:
        server.close()
    ours = caller.results
    assert [(one["direction"], one["success"], one["pages"], one["mode"]) for one in ours] == [
        ("send", True, 1, mode), ("receive", True, 1, mode), ("send", True, 1, mode),
    ]  # fmt: skip
    assert [(one.direction.value, one.success, one.mode.value) for one in theirs] == [
        ("receive", True, mode), ("send", True, mode), ("receive", True, mode),
    ]  # fmt: skip
    assert len({one["call_id"] for one in ours} | {one.call_id for one in theirs}) == 1
    assert "another call" not in caller.stderr
    assert any("/success/success/49302" in one for one in server.requests)
    sent = [documents[name] for name in ("there", "again")]
    for document, result in zip(sent, (theirs[0], theirs[2]), strict=True):
        (received,) = (Path(name).with_suffix(".tif") for name in result.documents)
        assert all(np.array_equal(a, b) for a, b in zip(read_tiff(document), read_tiff(received), strict=True))


TWICE = """
sections:
  main:
    - send_fax: {document: page.tif}
    - send_fax: {document: page.tif}
"""
SENDS = """
sections:
  main:
    - send_fax: {document: FOLDER/page.tif, identity: "49301"}
    - send_fax: {document: FOLDER/page.tif}
"""


def test_a_far_end_that_hangs_up_is_called_again(tmp_path: Path) -> None:
    write_fax_tiff(tmp_path / "page.tif", [draw_page("twice")])
    (tmp_path / "twice.yaml").write_text(TWICE)

    async def scenario() -> SoftfaxProcess:
        receiver = await SoftfaxProcess.start(
            *("receive", "--listen", f"{HERE}:0", "--dir", "in", "--count", "2"), cwd=tmp_path
        )
        to = f"sip:fax@{HERE}:{await receiver.listening_port()}"
        caller = await SoftfaxProcess.start(
            *("swml", "run", "twice.yaml", "--to", to, "--mode", "t38", "--data", "ours"), cwd=tmp_path
        )
        assert await caller.wait(120) == 0, caller.stderr
        return caller

    caller = asyncio.run(scenario())
    assert [one["success"] for one in caller.results] == [True, True]
    assert len({one["call_id"] for one in caller.results}) == 2
    assert "was called again" in caller.stderr


def test_a_caller_is_sent_what_the_document_names(tmp_path: Path) -> None:
    write_fax_tiff(tmp_path / "page.tif", [draw_page("for who calls")])
    (tmp_path / "sends.yaml").write_text(SENDS.replace("FOLDER", str(tmp_path)))
    config: dict[str, Any] = {
        "sip": {"listen": f"{HERE}:0"},
        "data": {"dir": tmp_path / "data"},
        "account": [{"name": "trunk", "server": f"sip:{CALLER}"}],
        "gateway": [{"name": "swml", "from": ["trunk"], "numbers": ["7"], "swml": str(tmp_path / "sends.yaml")}],
    }

    async def scenario() -> list[FaxResult]:
        results: list[FaxResult] = []
        async with Station(config) as station:
            IncomingSwml(station)
            station.subscribe(
                lambda update: results.append(update.event) if isinstance(update.event, FaxResult) else None
            )
            caller = await SoftfaxProcess.start(
                *("receive", "--call", f"sip:7@{HERE}:{station.bound_address[1]}", "--listen", f"{CALLER}:0"),
                *("--mode", "t38", "--dir", ".", "--keep-tiff"),
                cwd=tmp_path,
            )
            assert await caller.wait(120) == 0, caller.stderr
            async with asyncio.timeout(30):
                while len(results) < 2:
                    await asyncio.sleep(0.05)
        return results

    sent, late = asyncio.run(scenario())
    assert (sent.success, sent.direction.value, sent.local_station_id) == (True, "send", "49301")
    assert (late.success, late.error, late.status_string) == (False, "HANGUP", "the call has ended")
    (received,) = tmp_path.glob("2*.tif")
    assert all(np.array_equal(a, b) for a, b in zip(read_tiff(tmp_path / "page.tif"), read_tiff(received), strict=True))
