# SPDX-License-Identifier: GPL-2.0-or-later
"""A received fax reaches the folder, the e-mail, the webhook, the store, the printer and the program of its mailbox, also late."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller

from softfax.database import jobs
from softfax.delivery.policy import RetryPolicy
from softfax.fax.facts import PageMark
from softfax.fax.outcome import Outcome
from softfax.mailboxes import MailboxError, Mailboxes, service, targets
from softfax.model import CallEvent, CallState, Direction, FaxContext, FaxResult, FaxState, FaxUpdate, new_fax_id
from softfax.queue.queue import FaxQueue
from softfax.station import Station, making, wire
from softfax.station.config.mailboxes import CommandTarget, EmailTarget, SmtpConfig
from tests.support.away import first_puts_fail
from tests.support.pages import draw_page, write_fax_tiff
from tests.support.receiver import receiver
from tests.support.simulated_calls import FarEnds, SimulatedCalls

LIMIT_S = 90.0
PDF = b"%PDF-1.4 a fax\n"


class Post:
    """A mail server. Refuses as long as it is told to."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refuse = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return self.refuse
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


def _mail_server(post: Post) -> Controller:
    """At a port that was free a moment ago: it cannot take any."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mail = Controller(post, hostname="127.0.0.1", port=port)
    mail.start()
    return mail


@asynccontextmanager
async def running(folder: Path, **tables: Any) -> AsyncIterator[tuple[Station, FaxQueue, Mailboxes]]:
    config = {"data": {"dir": folder / "data"}, "callbacks": {"allow_private": True}, **tables}
    station = Station(config, calls=partial(SimulatedCalls, far_ends=FarEnds()))
    queue = FaxQueue(station)
    mailboxes = Mailboxes(station, queue, RetryPolicy(first_s=0.2, longest_s=0.2, give_up_s=3600))
    async with station:
        yield station, queue, mailboxes


async def receive(station: Station, queue: FaxQueue, mailbox: str, **more: Any) -> str:
    """A fax arrives, as the station's events tell it."""
    context = FaxContext(
        fax_id=new_fax_id(), direction=Direction.RECEIVE, outgoing=False, session_number=1, unique_id="1.1",
        channel="PJSIP/x-1", caller_number="0221555", called_number="030123", mailbox=mailbox,
    )  # fmt: skip
    pdf = station.config.inbox_dir / f"20260101-{context.fax_id}.pdf"
    pdf.parent.mkdir(parents=True, exist_ok=True)
    pdf.write_bytes(PDF)
    station.publish(FaxUpdate(context, CallEvent(state=CallState.ANSWERED)))
    result = making.failed(context, Outcome(True, "NO_ERROR", "OK", 0), 1.0)
    values = {"success": True, "pages": 2, "documents": [str(pdf)], "remote_station_id": "Ärzte", **more}
    station.publish(FaxUpdate(context, FaxResult(**{**result.__dict__, **values})))
    async with asyncio.timeout(LIMIT_S):
        while (fax := await queue.get(context.fax_id)) is None or not fax.terminal:
            await asyncio.sleep(0.02)
    assert (fax.state, fax.unread, fax.mailbox) == (FaxState.RECEIVED, True, mailbox)
    return context.fax_id


async def settled(mailboxes: Mailboxes) -> dict[str, int]:
    async with asyncio.timeout(LIMIT_S):
        while (counts := await asyncio.to_thread(mailboxes.counts))["waiting"] or not counts["done"] + counts["dead"]:
            await asyncio.sleep(0.05)
    return counts


def test_a_database_that_is_away_is_no_failed_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery for which nothing can be read is repeated, and the fax says nothing of it."""
    monkeypatch.setattr(jobs, "REPEATED_S", 0.1)
    box = {"name": "desk", "folder": [{"dir": str(tmp_path / "box")}]}
    asked = []

    async def run() -> None:
        async with running(tmp_path, mailbox=[box]) as (station, queue, mailboxes):
            get = queue.store.get

            def away(fax_id: str) -> Any:
                if threading.current_thread().name.startswith("softfax-") and len(asked) < 2:
                    asked.append(fax_id)
                    raise sa.exc.OperationalError("SELECT", {}, Exception("server closed the connection"))
                return get(fax_id)

            monkeypatch.setattr(queue.store, "get", away)
            fax_id = await receive(station, queue, "desk")
            assert (await settled(mailboxes))["done"] == 1
            assert station.database is not None
            with station.database.engine.connect() as connection:
                tried = connection.execute(sa.text("SELECT attempts FROM softfax_mailbox_deliveries")).scalars().all()
            fax = await queue.get(fax_id)
            assert fax is not None
            assert (len(asked), tried, fax.reason) == (2, [1], "")

    asyncio.run(run())


def test_what_was_delivered_while_the_database_was_away_is_not_delivered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "REPEATED_S", 0.1)
    post, lost = Post(), []
    release = jobs.JobTable.release

    def away(table: jobs.JobTable, job: jobs.Job, due: float = 0.0, **values: Any) -> bool:
        if values.get("state") == "done" and len(lost) < 2:
            lost.append(job)
            raise sa.exc.OperationalError("UPDATE", {}, Exception("server closed the connection"))
        return release(table, job, due, **values)

    monkeypatch.setattr(jobs.JobTable, "release", away)
    mail = _mail_server(post)

    async def run() -> None:
        smtp = {"host": "127.0.0.1", "port": mail.port, "sender": "fax@clinic.example"}
        boxes = [{"name": "desk", "email": [{"to": "desk@clinic.example"}]}]
        async with running(tmp_path, smtp=smtp, mailbox=boxes) as (station, queue, mailboxes):
            await receive(station, queue, "desk")
            assert (await settled(mailboxes))["done"] == 1

    try:
        asyncio.run(run())
    finally:
        mail.stop()
    assert (len(lost), len(post.mails)) == (2, 1)


def test_a_fax_reaches_its_mailbox_though_the_database_is_away_as_it_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fax waits for the database to be back."""
    box = {"name": "desk", "folder": [{"dir": str(tmp_path / "box")}]}
    lost = first_puts_fail(monkeypatch)

    async def run() -> None:
        async with running(tmp_path, mailbox=[box]) as (station, queue, mailboxes):
            fax_id = await receive(station, queue, "desk")
            assert (await settled(mailboxes))["done"] == 1
            assert (len(lost), [fax_id in file.name for file in (tmp_path / "box").iterdir()]) == (2, [True])

    asyncio.run(run())


class _Store(BaseHTTPRequestHandler):
    taken: list[tuple[str, dict[str, str], bytes]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_every_target_of_a_mailbox_gets_the_fax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    printed = tmp_path / "printed"
    (programs / "lp").write_text(f'#!/bin/sh\necho "$@" > {printed}\n')
    (programs / "lp").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    post = Post()
    mail = _mail_server(post)
    store = ThreadingHTTPServer(("127.0.0.1", 0), type("_OneStore", (_Store,), {"taken": []}))
    threading.Thread(target=store.serve_forever, daemon=True).start()

    async def run(url: str) -> None:
        mailbox = {
            "name": "sales",
            "numbers": ["030123"],
            "folder": [{"dir": tmp_path / "sales"}],
            "email": [{"to": "sales@clinic.example", "subject": "فکس از {station} ({pages})"}],
            "webhook": [{"url": f"{url}/hook", "document": True, "secret": "s"}],
            "s3": [{"endpoint": f"127.0.0.1:{store.server_port}", "bucket": "faxes", "prefix": "in/", "tls": False,
                    "access_key": "k", "secret_key": "s", "region": "r"}],
            "printer": [{"name": "office"}],
            "command": [{"argv": ["/bin/sh", "-c", f'cat > "{tmp_path}/facts"; echo "$SOFTFAX_FAX_PAGES" "$SOFTFAX_FAX_CALLER" > "{tmp_path}/said"']}],
        }  # fmt: skip
        smtp = {"host": "127.0.0.1", "port": mail.port, "sender": "fax@clinic.example"}
        async with running(tmp_path, mailbox=[mailbox], smtp=smtp) as (station, queue, mailboxes):
            fax_id = await receive(station, queue, "sales")
            assert await settled(mailboxes) == {"waiting": 0, "done": 6, "dead": 0}
            async with asyncio.timeout(LIMIT_S):
                while not there.requests:
                    await asyncio.sleep(0.05)
            assert [p.read_bytes() for p in (tmp_path / "sales").iterdir()] == [PDF]
            (letter,) = post.mails
            assert (letter["To"], letter["From"], letter["Subject"]) == (
                "sales@clinic.example",
                "fax@clinic.example",
                "فکس از Ärzte (2)",
            )
            (attached,) = letter.iter_attachments()
            assert attached.get_content() == PDF
            assert "0221555" in letter.get_body().get_content()
            body = json.loads(there.requests[0].body)
            assert (body["event"], body["fax"]["id"], body["document"][:4]) == ("received", fax_id, "JVBE")
            assert "softfax-signature" in there.requests[0].headers
            ((path, headers, stored),) = store.RequestHandlerClass.taken  # type: ignore[attr-defined]
            assert path.startswith("/faxes/in/20260101-")
            assert headers["Authorization"].startswith("AWS4-HMAC-SHA256")
            assert PDF in stored
            assert "-d office" in printed.read_text()
            assert (tmp_path / "said").read_text() == "2 0221555\n"
            assert json.loads((tmp_path / "facts").read_text())["id"] == fax_id
            # A fax of nobody's stays in the inbox alone.
            await receive(station, queue, "")
            await mailboxes.forward(await queue.get(fax_id), "boss@clinic.example")  # type: ignore[arg-type]
            async with asyncio.timeout(LIMIT_S):
                while len(post.mails) < 2:
                    await asyncio.sleep(0.05)
            assert post.mails[1]["To"] == "boss@clinic.example"

    with receiver() as there:
        try:
            asyncio.run(run(there.url))
        finally:
            mail.stop()
            store.shutdown()


def test_what_fails_is_tried_until_it_works_also_after_a_restart(tmp_path: Path) -> None:
    post = Post()
    post.refuse = "451 not now"
    mail = _mail_server(post)
    smtp = {"host": "127.0.0.1", "port": mail.port}
    mailbox = [
        {"name": "a", "email": [{"to": "a@x.example"}]},
        {"name": "b", "command": [{"argv": ["/no/such/program"]}]},
    ]

    async def first() -> str:
        async with running(tmp_path, mailbox=mailbox, smtp=smtp) as (station, queue, _):
            fax_id = await receive(station, queue, "a")
            async with asyncio.timeout(LIMIT_S):
                while not (fax := await queue.get(fax_id)) or not fax.reason:
                    await asyncio.sleep(0.05)
            assert fax.reason.startswith("not delivered to a email: 127.0.0.1")
            assert "451" in fax.reason
            return fax_id

    async def second() -> None:
        post.refuse = ""
        async with running(tmp_path, mailbox=mailbox, smtp=smtp) as (_, _, mailboxes):
            assert await settled(mailboxes) == {"waiting": 0, "done": 1, "dead": 0}
            assert len(post.mails) == 1

    async def third() -> None:
        post.refuse = "550 no such user"
        async with running(tmp_path, mailbox=mailbox, smtp=smtp) as (station, queue, mailboxes):
            await receive(station, queue, "a")
            async with asyncio.timeout(LIMIT_S):
                while (await asyncio.to_thread(mailboxes.counts))["waiting"]:
                    await asyncio.sleep(0.05)

    try:
        asyncio.run(first())
        asyncio.run(second())
        asyncio.run(third())
    finally:
        mail.stop()


@pytest.mark.parametrize(
    ("code", "said", "final"),
    [
        (550, "5.1.1 no such user", True),
        (552, "5.3.4 message too big", True),
        (451, "4.7.1 greylisted", False),
        # What an administrator can put right.
        (530, "Must issue a STARTTLS command first", False),
        (554, "5.7.1 Relay access denied", False),
    ],
)
def test_a_mail_server_that_will_change_its_mind_is_asked_again(code: int, said: str, final: bool) -> None:
    class Says(Post):
        async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
            return f"{code} {said}"

    mail = _mail_server(Says())
    message = EmailMessage()
    message["From"], message["To"] = "fax@clinic.example", "anna@clinic.example"
    try:
        with pytest.raises(MailboxError, match=said) as raised:
            targets.send(message, SmtpConfig(port=mail.port))
        # What the doctor asks: it answers, and takes no login.
        targets.greet(SmtpConfig(port=mail.port))
        with pytest.raises(MailboxError, match="check \\[smtp\\]"):
            targets.greet(SmtpConfig(port=mail.port, user="fax", password="secret"))
    finally:
        mail.stop()
    assert raised.value.final is final


@pytest.mark.parametrize(
    ("station", "caller", "name", "told"),
    [
        ("+49 89 7", "+49897", "Ada", "From:   +49 89 7 (Ada, +49897)"),
        ("", "+49897", "", "From:   +49897"),
        ("", "", "", "From:   unknown (no number)"),
    ],
)
def test_an_email_says_once_whom_a_fax_is_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, station: str, caller: str, name: str, told: str
) -> None:
    sent: list[EmailMessage] = []
    monkeypatch.setattr(targets, "send", lambda message, smtp: sent.append(message))
    pdf = tmp_path / "fax.pdf"
    pdf.write_bytes(b"%PDF-1.7")
    fax = {"id": new_fax_id(), "created": "2026-11-29T10:00:00.000000Z", "remote_station_id": station, "caller": caller,
           "caller_name": name, "to": "77", "pages": 1, "state": "received", "reason": "", "mailbox": "sales"}  # fmt: skip
    targets.email(EmailTarget(to="ada@clinic.example"), SmtpConfig(), targets.Item(fax=fax, pdf=pdf))
    body = sent[0].get_body()
    assert body is not None
    assert body.get_content().splitlines()[0] == told
    assert sent[0]["Subject"] == f"Fax from {station or caller or 'unknown'}, 1 page"


def test_a_program_is_done_when_it_ends_and_ended_with_all_it_started(tmp_path: Path) -> None:
    fax = dict.fromkeys(("caller", "caller_name", "to", "remote_station_id", "mailbox", "pages", "state"), "")
    item = targets.Item(fax={"id": "1", "created": "2026-07-01T22:30:00Z", **fax}, pdf=tmp_path / "x.pdf")

    def run(script: str, timeout_s: float = LIMIT_S) -> None:
        targets.run_program(CommandTarget(argv=("/bin/sh", "-c", script), timeout_s=timeout_s), item)

    # What it leaves running has its output still open.
    run(f"sleep 60 & echo $! > {tmp_path}/left")
    os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)
    with pytest.raises(MailboxError, match=r"ended with 3 \(no paper"):
        run("echo no paper >&2; exit 3")
    with pytest.raises(MailboxError, match="took longer"):
        run(f"sleep 60 & echo $! > {tmp_path}/child; wait", 0.5)
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    # A signal is on its way until the kernel has run the one it is for: then it is a zombie, or gone.
    limit = time.monotonic() + 20
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while child.read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}:
            assert time.monotonic() < limit, "what it started goes on"
            time.sleep(0.01)


def test_a_program_that_takes_for_ever_holds_up_no_other_target(tmp_path: Path) -> None:
    script = f"while [ ! -e {tmp_path}/done ]; do sleep 0.1; done"
    slow = {"name": "slow", "numbers": ["1"], "command": [{"argv": ["/bin/sh", "-c", script], "timeout_s": 600}]}
    quick = {"name": "quick", "numbers": ["2"], "folder": [{"dir": tmp_path / "quick"}]}

    async def run() -> None:
        async with running(tmp_path, mailbox=[slow, quick]) as (station, queue, mailboxes):
            for _ in range(service.WORKERS + 2):
                await receive(station, queue, "slow")
            fax_id = await receive(station, queue, "quick")
            async with asyncio.timeout(LIMIT_S):
                while not list((tmp_path / "quick").glob(f"*{fax_id}.pdf")):
                    await asyncio.sleep(0.05)
            assert (await asyncio.to_thread(mailboxes.counts))["waiting"] >= service.WORKERS + 2
            (tmp_path / "done").touch()
            assert (await settled(mailboxes))["done"] == service.WORKERS + 3

    asyncio.run(run())


def test_a_fax_recorded_right_before_a_crash_still_reaches_its_mailbox(tmp_path: Path) -> None:
    mailbox = [{"name": "a", "folder": [{"dir": tmp_path / "a"}]}]

    async def first() -> str:
        async with running(tmp_path, mailbox=mailbox) as (station, queue, _):
            # The station ends between the record of the fax and that of its deliveries.
            queue.on_received = [lambda fax, result: asyncio.sleep(3600)]
            return await receive(station, queue, "a")

    async def second() -> None:
        async with running(tmp_path, mailbox=mailbox) as (_, _, mailboxes):
            assert await settled(mailboxes) == {"waiting": 0, "done": 1, "dead": 0}

    async def third() -> None:
        async with running(tmp_path, mailbox=mailbox) as (_, _, mailboxes):
            assert await settled(mailboxes) == {"waiting": 0, "done": 1, "dead": 0}

    fax_id = asyncio.run(first())
    asyncio.run(second())
    asyncio.run(third())
    assert [fax_id in path.name for path in (tmp_path / "a").iterdir()] == [True]


def test_what_was_under_way_when_a_station_was_killed_is_done_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.mailboxes.killed_station import mailboxes_of

    start = Mailboxes.start

    async def late(mailboxes: Mailboxes) -> None:
        """Start after the other parts of the station."""
        await asyncio.sleep(1)
        await start(mailboxes)

    command = [sys.executable, "-m", "tests.mailboxes.killed_station", str(tmp_path)]
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + LIMIT_S
            while not (tmp_path / "tries").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            process.kill()
    (tmp_path / "go").touch()
    monkeypatch.setattr(Mailboxes, "start", late)

    async def run() -> None:
        async with running(tmp_path, mailbox=mailboxes_of(tmp_path)) as (_, _, mailboxes):
            assert await settled(mailboxes) == {"waiting": 0, "done": 1, "dead": 0}

    asyncio.run(run())
    assert (tmp_path / "tries").read_text() == "tried\ntried\n"
    assert "could not be delivered" not in caplog.text


@pytest.mark.parametrize(("subaddress", "mailbox"), [("17", "orders"), ("99", "sales"), (None, "sales")])
def test_a_subaddress_leads_to_its_mailbox(tmp_path: Path, subaddress: str | None, mailbox: str) -> None:
    folders = {name: {"dir": tmp_path / name} for name in ("sales", "orders")}
    tables = [
        {"name": "sales", "numbers": ["030123"], "folder": [folders["sales"]]},
        {"name": "orders", "subaddresses": ["17", "18"], "folder": [folders["orders"]]},
    ]

    async def scenario() -> None:
        told: list[FaxUpdate] = []
        async with running(tmp_path, mailbox=tables) as (station, queue, mailboxes):
            station.subscribe(told.append)
            fax_id, uri, report = new_fax_id(), "sip:0221555@far.example", station._report
            report(
                wire.Arrived(
                    fax_id=fax_id,
                    account="",
                    remote_uri=uri,
                    caller=uri,
                    called="030123",
                    ident="station",
                    mailbox="sales",
                )
            )
            call = station.find(fax_id)
            assert call is not None
            report(wire.FaxEvent(fax_id=fax_id, event=CallEvent(state=CallState.ANSWERED, sip_code=200)))
            write_fax_tiff(station.config.inbox_dir / f".{fax_id}.tif", [draw_page("received")])
            result = making.failed(call.context, Outcome(True, "NO_ERROR", "OK", 0), 1.0)
            result = dataclasses.replace(result, success=True, pages=1, subaddress=subaddress)
            report(wire.Ended(fax_id=fax_id, result=result, remote_uri=uri, marks=(PageMark(True, 0),)))
            async with asyncio.timeout(LIMIT_S):
                while (fax := await queue.get(fax_id)) is None or not fax.terminal:
                    await asyncio.sleep(0.02)
            await settled(mailboxes)
        assert fax.mailbox == mailbox
        (last,) = (update for update in told if isinstance(update.event, FaxResult))
        assert last.context.mailbox == mailbox
        assert len(list((tmp_path / mailbox).glob("*.pdf"))) == 1
        other = "orders" if mailbox == "sales" else "sales"
        assert not (tmp_path / other).exists() or not list((tmp_path / other).iterdir())

    asyncio.run(scenario())
