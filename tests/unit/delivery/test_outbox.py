# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks as a receiver sees them: order, retries, signatures, dead letters and their replay."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from softfax.cli.main import main
from softfax.database.database import Database, database_url
from softfax.delivery.outbox import OutboxSettings
from softfax.delivery.policy import RetryPolicy, sign
from softfax.delivery.targets import CallbackTarget
from softfax.errors import LocalError, UsageError
from tests.support.outbox import OwnOutbox
from tests.support.receiver import Request, receiver
from tests.support.served import until

FAST = RetryPolicy(first_s=0.05, longest_s=0.1, give_up_s=60.0)


@contextmanager
def an_outbox(
    folder: Path, policy: RetryPolicy = FAST, known: tuple[CallbackTarget, ...] = (), *, allow_private: bool = True
) -> Iterator[OwnOutbox]:
    settings = OutboxSettings(retry=policy, allow_private=allow_private, timeout_s=2.0)
    outbox = OwnOutbox(Database(database_url(folder)), settings, known=known)
    outbox.begin()
    try:
        yield outbox
    finally:
        outbox.stop()


def put(outbox: OwnOutbox, target: CallbackTarget, event: str, fax: str = "fax1", path_suffix: str = "") -> bool:
    body = json.dumps({"event": event}).encode()
    return outbox.put(target, fax_id=fax, event_id=event, body=body, path_suffix=path_suffix).result(10)


def is_signed(request: Request, secret: str) -> bool:
    """Return True if a request was signed by this secret just now."""
    header = request.headers["softfax-signature"]
    at = int(header.removeprefix("t=").partition(",")[0])
    return sign(secret, request.body, at) == header and abs(time.time() - at) < 300


def events(requests: list[Request]) -> list[str]:
    return [request.headers["softfax-event-id"] for request in requests]


def test_an_error_that_says_nothing_ends_no_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as there, an_outbox(tmp_path) as outbox:
        write, failures = outbox.store.put, iter([TimeoutError()])

        def put_later(*given: Any) -> Any:
            if error := next(failures, None):
                raise error
            return write(*given)

        monkeypatch.setattr(outbox.store, "put", put_later)
        assert put(outbox, CallbackTarget(url=there.url), "e1")
        until(lambda: there.requests)


@pytest.mark.parametrize("status", [204, 410], ids=["delivered", "given up"])
def test_what_was_posted_while_the_database_was_away_is_not_posted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with receiver(lambda request: (status, {})) as there, an_outbox(tmp_path) as outbox:
        ended, failures = outbox.store.ended, iter(["locked", "locked"])

        def away(*args: Any) -> None:
            for problem in failures:
                raise sa.exc.OperationalError("UPDATE", {}, sqlite3.OperationalError(problem))
            ended(*args)

        monkeypatch.setattr(outbox.store, "ended", away)
        assert put(outbox, CallbackTarget(url=there.url), "e1")
        until(lambda: not outbox.store.counts()["waiting"])
        assert events(there.requests) == ["e1"]


def test_a_request_is_json_signed_and_named(tmp_path: Path) -> None:
    with receiver() as there, an_outbox(tmp_path) as outbox:
        target = CallbackTarget(url=f"{there.url}/hook?a=b", user="me", password="pw", secret="shh")
        assert put(outbox, target, "e1")
        until(lambda: there.requests)
        request = there.requests[0]
        assert request.path == "/hook?a=b"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["softfax-fax-id"] == "fax1"
        assert request.headers["authorization"] == "Basic bWU6cHc="
        assert is_signed(request, "shh")


def test_the_same_event_is_queued_once_for_each_target(tmp_path: Path) -> None:
    with receiver() as there, an_outbox(tmp_path) as outbox:
        one, two = CallbackTarget(url=f"{there.url}/1"), CallbackTarget(url=f"{there.url}/2")
        assert [put(outbox, one, "e1"), put(outbox, one, "e1"), put(outbox, two, "e1")] == [True, False, True]
        until(lambda: len(there.requests) == 2)
        assert not put(outbox, one, "e1")
        time.sleep(0.3)
        assert sorted(request.path for request in there.requests) == ["/1", "/2"]


def test_later_events_of_a_fax_wait_and_other_faxes_do_not(tmp_path: Path) -> None:
    failing = True

    def answer(request: Request) -> tuple[int, dict[str, str]]:
        return (503, {}) if failing and request.headers["softfax-event-id"] == "a1" else (200, {})

    with receiver(answer) as there, an_outbox(tmp_path) as outbox:
        target = CallbackTarget(url=there.url)
        for event, fax in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")):
            put(outbox, target, event, fax)
        until(lambda: "b2" in events(there.requests) and events(there.requests).count("a1") > 1)
        assert "a2" not in events(there.requests)
        failing = False
        until(lambda: "a2" in events(there.requests))
        # The receiver has it a moment before that is noted.
        until(lambda: outbox.store.counts() == {"waiting": 0, "delivered": 4, "dead": 0})


def test_a_refused_event_is_dead_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing = True

    def answer(request: Request) -> tuple[int, dict[str, str]]:
        return (404, {}) if refusing and request.headers["softfax-event-id"] == "e1" else (200, {})

    config = tmp_path / "softfax.toml"
    config.write_text(f'[data]\ndir = "{tmp_path}"\n')
    with receiver(answer) as there, an_outbox(tmp_path) as outbox:
        target = CallbackTarget(url=there.url)
        put(outbox, target, "e1")
        put(outbox, target, "e2")
        until(lambda: events(there.requests) == ["e1", "e2"])
        (dead,) = outbox.dead()
        assert (dead.event_id, dead.attempts, dead.last_status, dead.last_error) == ("e1", 1, 404, "404 Not Found")
        assert main(["deliveries", "list", "--json", "--config", str(config)]) == 0
        assert json.loads(capsys.readouterr().out)["event_id"] == "e1"
        assert main(["deliveries", "list", "--config", str(config)]) == 0
        head, line = capsys.readouterr().out.splitlines()
        assert head.split() == ["number", "when", "fax", "attempts", "to", "why"]
        assert line.split()[0::2] == [str(dead.number), dead.fax_id, there.url, "Not"]
        assert line.index(there.url) == head.index("to"), "in columns"
        refusing = False
        assert main(["deliveries", "replay", str(dead.number), "--config", str(config)]) == 0
        until(lambda: events(there.requests) == ["e1", "e2", "e1"])
        until(lambda: not outbox.dead())
        assert main(["deliveries", "show", "nothing", "--config", str(config)]) == 2


def test_after_its_time_an_event_is_given_up_and_the_next_has_its_try(tmp_path: Path) -> None:
    answers = iter([503] * 1000)
    policy = RetryPolicy(first_s=0.05, longest_s=0.05, give_up_s=1.0)
    with receiver(lambda request: (next(answers), {})) as there, an_outbox(tmp_path, policy) as outbox:
        target = CallbackTarget(url=there.url)
        put(outbox, target, "e1")
        put(outbox, target, "e2")
        until(lambda: len(outbox.dead()) == 2)
        assert [dead.event_id for dead in outbox.dead()] == ["e1", "e2"]
        assert "e2" in events(there.requests)


def test_what_waits_goes_on_after_a_restart(tmp_path: Path) -> None:
    with receiver(lambda request: (503, {})) as there:
        with an_outbox(tmp_path) as outbox:
            target = CallbackTarget(url=there.url, password="kept in the file")
            for n in range(5):
                put(outbox, target, f"e{n}")
            until(lambda: there.requests)
        there.answer = lambda request: (200, {})
        there.requests.clear()
        with an_outbox(tmp_path):
            until(lambda: len(there.requests) == 5)
        assert events(there.requests) == [f"e{n}" for n in range(5)]
    assert (tmp_path / "softfax.sqlite").stat().st_mode & 0o77 == 0


def test_secrets_of_configured_targets_are_not_stored(tmp_path: Path) -> None:
    with receiver() as there:
        target = CallbackTarget(url=there.url, user="me", password="top-password", secret="top-secret")
        with an_outbox(tmp_path, known=(target,)) as outbox:
            put(outbox, target, "e1")
            until(lambda: there.requests)
        assert is_signed(there.requests[0], "top-secret")
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"top-secret" not in stored
    assert b"top-password" not in stored


def test_private_addresses_and_redirects_are_refused(tmp_path: Path) -> None:
    with receiver(lambda request: (302, {"Location": "http://127.0.0.1:1/"})) as there:
        with an_outbox(tmp_path / "closed", allow_private=False) as outbox:
            put(outbox, CallbackTarget(url=there.url), "e1")
            until(outbox.dead)
            assert "not a public address" in outbox.dead()[0].last_error
            assert "allow_private" in outbox.dead()[0].last_error
        assert not there.requests
        with an_outbox(tmp_path / "open") as outbox:
            put(outbox, CallbackTarget(url=there.url), "e1")
            until(outbox.dead)
            assert outbox.dead()[0].last_status == 302
        assert len(there.requests) == 1


def test_putting_does_not_wait_for_the_disk_and_has_limits(tmp_path: Path) -> None:
    with receiver() as there, an_outbox(tmp_path) as outbox:
        target = CallbackTarget(url=there.url)
        with closing(sqlite3.connect(tmp_path / "softfax.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # nobody else can write now
            future = [outbox.put(target, fax_id=f"f{n % 10}", event_id=f"e{n}", body=b"{}" * 100) for n in range(1000)][
                -1
            ]
            assert not future.done()
            other.execute("ROLLBACK")
        assert future.result(20)
        with pytest.raises(UsageError, match="too large"):
            outbox.put(target, fax_id="f", event_id="e", body=b"x" * (2 << 20))


def test_a_database_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "softfax.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(LocalError, match="is not a database; move it away, or put a backup back"):
        OwnOutbox(Database(database_url(tmp_path))).begin()
    with pytest.raises(UsageError, match="no database softfax knows"):
        database_url(tmp_path, "mysql://x/y")


def test_the_secret_of_all_signs_for_targets_without_one(tmp_path: Path) -> None:
    with receiver() as there:
        settings = OutboxSettings(retry=FAST, allow_private=True, secret="of all")
        outbox = OwnOutbox(Database(database_url(tmp_path)), settings)
        outbox.begin()
        try:
            put(outbox, CallbackTarget(url=f"{there.url}/a"), "e1", "fax1")
            put(outbox, CallbackTarget(url=f"{there.url}/b", secret="its own"), "e2", "fax2")
            until(lambda: len(there.requests) == 2)
        finally:
            outbox.stop()
        for request in there.requests:
            secret = "of all" if request.path == "/a" else "its own"
            assert is_signed(request, secret)


def test_a_receiver_that_is_gone_is_left_alone(tmp_path: Path) -> None:
    with receiver(lambda request: (410, {})) as there, an_outbox(tmp_path) as outbox:
        target = CallbackTarget(url=f"{there.url}/gone")
        for fax in range(3):
            put(outbox, target, f"e{fax}", f"fax{fax}")
            until(lambda fax=fax: len(outbox.dead()) == fax + 1)
        assert len(there.requests) == 1
        assert {dead.last_status for dead in outbox.dead()} == {410}
        outbox.reload(outbox.settings, ())
        put(outbox, target, "again", "fax9")
        until(lambda: len(there.requests) == 2)
