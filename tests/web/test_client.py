# SPDX-License-Identifier: GPL-2.0-or-later
"""The typed client and the verbs jobs, status, cancel, against a station that runs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from softfax.cli.main import main
from softfax.client import (
    AsyncSoftfaxClient,
    ConflictError,
    NoStationError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    SoftfaxClient,
    ThrottledError,
)
from softfax.errors import DocumentError, UsageError
from tests.web.rig import ADMIN, READER, Running, running_beside


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_beside(tmp_path_factory.mktemp("station"), step_s=0.15) as found:
        yield found


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_text("One\fTwo")
    return path


def test_a_program_sends_waits_and_looks(there: Running, letter: Path) -> None:
    with SoftfaxClient(there.url, token=ADMIN) as station:
        fax = station.send(
            "sip:ok-sync@far.example", [letter], key="k1", tags={"by": "sync"}, resolution="fine", caller="+4930123"
        )
        assert (fax.state, fax.documents, fax.tags, fax.caller) == (
            "queued", ("letter.txt",), {"by": "sync"}, "+4930123",
        )  # fmt: skip
        again = station.send(
            "sip:ok-sync@far.example", [letter], key="k1", tags={"by": "sync"}, resolution="fine", caller="+4930123"
        )
        assert again.id == fax.id
        seen = [event.kind for event in _until_result(station, fax.id)]
        assert seen[0] == "job"
        assert seen[-1] == "result"
        done = station.wait(fax.id, timeout_s=20)
        assert (done.state, done.success, done.terminal, done.pages) == ("delivered", True, True, 2)
        assert done.attempts[0].ended is not None
        assert done.attempts[0].ended > done.created > datetime.now(UTC) - timedelta(minutes=5)
        assert station.document(fax.id).startswith(b"%PDF")
        assert station.page(fax.id, 2, width=100).startswith(b"\x89PNG")
        assert [f.id for f in station.list(tags={"by": "sync"})] == [fax.id]
        assert list(station.list(number="+4930123", state=["failed"], since=done.created)) == []
        assert station.update(fax.id, tags={"by": "somebody"}).tags == {"by": "somebody"}
        assert station.status()["lines"]["max"] >= 1
        upload = station.upload(letter)
        many = station.broadcast(["sip:ok-b1@far.example", "sip:ok-b2@far.example"], documents=[{"upload": upload.id}])
        assert len({f.broadcast_id for f in many}) == 1
        assert {station.wait(f.id, 20).state for f in many} == {"delivered"}
        station.erase(fax.id)
        with pytest.raises(NotFoundError):
            station.get(fax.id)


def _until_result(station: SoftfaxClient, fax_id: str) -> Iterator[Any]:
    for event in station.events(fax_id=fax_id, after=0):
        yield event
        if event.kind == "result":
            return


def test_what_a_station_refuses_has_a_type(there: Running, letter: Path) -> None:
    with SoftfaxClient(there.url, token=ADMIN, tries=1) as station:
        fax = station.send("sip:ok@far.example", [letter], not_before=datetime.now(UTC) + timedelta(hours=1))
        assert station.cancel(fax.id).state == "cancelled"
        for error, ask in (
            (ConflictError, lambda: station.cancel(fax.id)),
            (NotFoundError, lambda: station.get("0" * 24)),
            (RefusedError, lambda: station.send("no number", [letter])),
            (RefusedError, lambda: station.send("sip:ok@far.example", [], resolution="huge")),
            (DocumentError, lambda: station.send("sip:ok@far.example", ["/nowhere/a.pdf"])),
        ):
            with pytest.raises(error):
                ask()
    with SoftfaxClient(there.url, token=READER) as reader, pytest.raises(NotAllowedError, match="reader may not"):
        reader.cancel(fax.id)
    with pytest.raises(UsageError):
        SoftfaxClient("no url")
    with SoftfaxClient(f"http://127.0.0.1:{_free_port()}", tries=2) as nobody, pytest.raises(NoStationError):
        nobody.status()
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        with SoftfaxClient(url, timeout_s=0.2, tries=1) as mute, pytest.raises(NoStationError):
            mute.status()
    assert issubclass(ThrottledError, Exception)


def test_an_asyncio_program_waits_for_many(there: Running, letter: Path) -> None:
    async def run() -> None:
        async with AsyncSoftfaxClient(there.url, token=ADMIN) as station:
            faxes = [await station.send(f"sip:{to}@far.example", [letter]) for to in ("ok-1", "refused-1", "cut1-1")]
            done = await asyncio.gather(*(station.wait(fax.id, 20) for fax in faxes))
            assert [fax.state for fax in done] == ["delivered", "failed", "delivered"]
            later = datetime.now(UTC) + timedelta(hours=1)
            fax = await station.send("sip:ok@far.example", [letter], not_before=later)
            with pytest.raises(TimeoutError):
                await station.wait(fax.id, 0.3)
            assert (await station.retry(faxes[1].id)).state == "waiting"
            assert len([fax async for fax in station.list(limit=2)]) == 2

    asyncio.run(run())


# ---- the verbs -----------------------------------------------------------------------------------------------------------

Softfax = Callable[..., tuple[int, str, str]]


@pytest.fixture
def softfax(there: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Softfax:
    """Runs a verb: exit status, standard output, standard error."""
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    monkeypatch.setenv("SOFTFAX_URL", there.url)
    monkeypatch.setenv("SOFTFAX_TOKEN", ADMIN)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*argv: str) -> tuple[int, str, str]:
        status = main(argv)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_jobs_lists_shows_and_follows(there: Running, letter: Path, softfax: Softfax) -> None:
    with SoftfaxClient(there.url, token=ADMIN) as station:
        fax = station.send("sip:ok-jobs@far.example", [letter], tags={"matter": "jobs"})
        status, out, _ = softfax("jobs", fax.id[:10], "--follow")
        assert (status, "delivered" in out, "page 2 sent" in out) == (0, True, True)
        # One that has ended is over at once, and the exit status says how it went.
        assert softfax("jobs", fax.id, "--follow")[0] == 0
        failed = station.send("sip:refused@far.example", [letter])
        assert softfax("jobs", failed.id, "--follow")[0] == 1
        status, out, err = softfax("jobs", "--tag", "matter=jobs", "--since", "1h", "--sent")
        assert (status, err) == (0, "")
        head, row = out.splitlines()
        assert head.split() == ["id", "when", "with", "state", "pages", "document"]
        assert fax.id[:12] in row
        assert "delivered" in row
        status, out, _ = softfax("jobs", "--tag", "matter=jobs", "--json")
        assert [json.loads(line)["id"] for line in out.splitlines()] == [fax.id]
        status, out, _ = softfax("jobs", fax.id[:8])
        assert (status, "call 1" in out, "matter=jobs" in out) == (0, True, True)
        status, out, _ = softfax("jobs", fax.id, "--json")
        assert json.loads(out)["attempts"][0]["number"] == 1
        status, out, err = softfax("jobs", "--search", "nobody-is-called-so")
        assert (status, out, err) == (0, "", "no faxes\n")


def test_status_and_cancel(there: Running, letter: Path, softfax: Softfax) -> None:
    with SoftfaxClient(there.url, token=ADMIN) as station:
        status, out, _ = softfax("status")
        assert status == 0
        assert "slots" in out
        assert "GB free" in out
        status, out, _ = softfax("status", "--json")
        assert json.loads(out)["sessions"] == []
        later = datetime.now(UTC) + timedelta(hours=1)
        one, two = (station.send("sip:ok@far.example", [letter], not_before=later) for _ in range(2))
        status, out, _ = softfax("cancel", one.id[:12], two.id)
        assert (status, out.count("cancelled")) == (0, 2)
        status, out, err = softfax("cancel", one.id, "f" * 24)
        assert (status, out, len(err.splitlines())) == (1, "", 2)
        assert "has ended" in err
        assert "there is no fax" in err


def test_mistakes_are_one_line_with_a_remedy(
    there: Running, letter: Path, softfax: Softfax, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def said(status: int, words: str, *argv: str) -> None:
        found = softfax(*argv)
        assert (found[0], found[1], len(found[2].splitlines())) == (status, "", 1), found
        assert words in found[2]

    with SoftfaxClient(there.url, token=ADMIN) as station:
        fax_id = station.send("sip:ok@far.example", [letter]).id
    said(2, "is not the id of a fax", "jobs", "12")
    said(2, "no fax of the last thousand begins with", "jobs", "00000000000000000000000")
    said(2, "there is no fax", "jobs", "0" * 24)
    said(2, "--since last week is not a time", "jobs", "--since", "last week")
    said(2, "state", "jobs", "--state", "quiet")
    said(2, "above 0", "jobs", "--limit", "0")
    said(2, "write it as NAME=VALUE", "jobs", "--tag", "x")
    monkeypatch.setenv("SOFTFAX_TOKEN", "wrong-wrong-wrong")
    for verb in (["jobs"], ["status"], ["cancel", fax_id], ["jobs", "--follow"]):
        said(3, "The token is wrong", *verb)
    monkeypatch.setenv("SOFTFAX_TOKEN", READER)
    said(3, "it takes cancel", "cancel", fax_id)
    monkeypatch.delenv("SOFTFAX_URL")
    config = tmp_path / "softfax.toml"
    config.write_text(f'[http]\nlisten = "127.0.0.1:{_free_port()}"\n')
    for verb in (["jobs"], ["status"], ["cancel", fax_id], ["jobs", "--follow"]):
        said(3, "no station answers at http://127.0.0.1", *verb, "--config", str(config))
    said(2, "not the URL of a station", "status", "--url", "here")


def test_an_ambiguous_short_id_is_said_so(there: Running, softfax: Softfax, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["abcd" + "0" * 20, "abcd" + "1" * 20])
    monkeypatch.setattr("softfax.queue.taking.new_fax_id", lambda: next(ids))
    with SoftfaxClient(there.url, token=ADMIN) as station:
        later = datetime.now(UTC) + timedelta(hours=1)
        for _ in range(2):
            station.send("sip:ok@far.example", cover={"to": "Ada"}, not_before=later)
    for verb in ("jobs", "cancel"):
        status, out, err = softfax(verb, "abcd")
        assert (status, out, err) == (2, "", "softfax: several faxes begin with abcd; write more of the id\n")
    assert softfax("cancel", "abcd0", "abcd1")[0] == 0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
