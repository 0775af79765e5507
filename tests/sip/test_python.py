# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that programs import, and `softfax loopback`: a fax to oneself, in memory and over SIP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import softfax
from softfax.model import Event
from tests.support.command import SoftfaxProcess

pytestmark = pytest.mark.sip


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_text("One short line.\n")
    return path


@pytest.mark.parametrize(("mode", "called"), [("t38", "T38"), ("audio", "audio")])
def test_a_fax_in_memory(letter: Path, mode: str, called: str) -> None:
    done = softfax.loopback([letter], mode=mode)
    result, pages = done

    assert (result.success, result.mode, result.pages, done.identical) == (True, called, 1, True)
    assert pages[0].shape == (2287, 1728)
    with pytest.raises(softfax.SoftfaxError):
        softfax.loopback([letter], mode="pigeon")


def test_a_fax_sent_by_a_program(letter: Path, tmp_path: Path) -> None:
    async def main() -> None:
        receiver = await SoftfaxProcess.start(
            *("receive", "--listen", "127.0.0.1:0", "--dir", "in", "--count", "1", "--timeout", "60"),
            cwd=tmp_path,
        )
        found = await receiver.wait_stderr(r"listening at sip:([^ ]+)", 30)
        assert found, receiver.stderr
        events: list[Event] = []
        result = await softfax.send(f"sip:fax@{found[1]}", [letter], on_event=events.append)
        assert await receiver.wait(30) == 0
        assert (result.success, result["mode"], dict(result)["pages"]) == (True, "T38", 1)
        assert [event["event"] for event in events][-1] == "result"
        assert [event["state"] for event in events if event["event"] == "call"] == ["calling", "answered", "ended"]
        # Who calls has no station identity, and is called as SIP calls them.
        (file,) = (tmp_path / "in").glob("*.pdf")
        assert file.name.split("-")[1] == "softfax"

    asyncio.run(main())


def test_faxes_to_oneself_over_sip(letter: Path, tmp_path: Path) -> None:
    async def main() -> SoftfaxProcess:
        # What other verbs are told does not mislead this one.
        others = {"SOFTFAX_MODE": "auto", "SOFTFAX_NO_ECM": "yes", "SOFTFAX_TIMEOUT": "1"}
        process = await SoftfaxProcess.start("loopback", str(letter), "--dir", "kept", cwd=tmp_path, variables=others)
        own = await asyncio.to_thread(softfax.loopback, [letter], sip=True)
        assert (own.result.success, own.result.mode, own.identical) == (True, "T38", True)
        assert await process.wait(90) == 0, process.stderr
        return process

    done = asyncio.run(main())
    results = sorted((r["mode"], r["success"], r["ecm"]) for r in done.results)
    assert results == [("T38", True, True), ("audio", True, True)]
    assert done.noise == []
    assert "2 of 2 faxes identical, dot by dot" in done.stderr
    assert len(list((tmp_path / "kept").glob("*.pdf"))) == 2
