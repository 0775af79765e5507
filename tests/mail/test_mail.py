# SPDX-License-Identifier: GPL-2.0-or-later
"""An e-mail becomes a fax, and its sender hears what became of it: by a real SMTP client, with simulated far ends."""

from __future__ import annotations

import asyncio
import base64
import io
import signal
import smtplib
import subprocess
import sys
from collections.abc import Mapping
from email import policy
from pathlib import Path

import pytest
from PIL import Image

from softfax.errors import DocumentError, DocumentInterruptedError, PagesDiskFullError
from softfax.model import FaxState
from tests.mail.rig import SENDER, TO, Rig, letter, mails, pdf, post_office, running, trusting, until
from tests.support.away import first_puts_fail
from tests.support.certificate import self_signed


async def inside(rig: Rig) -> int:
    return rig.gateway.door.connections


def test_an_email_with_a_pdf_is_faxed_and_its_sender_hears_of_it(tmp_path: Path) -> None:
    message = letter()
    message.add_attachment(pdf("One", "Two"), maintype="application", subtype="pdf", filename="Befund März.pdf")

    async def run() -> None:
        with post_office() as (post, smtp):
            async with running(tmp_path, smtp) as rig:
                code, said = await rig.hand_in(message)
                (fax,) = await rig.ended()
                assert (code, said) == (250, f"2.0.0 taken as fax {fax.id}")
                # A cover page with subject and text, then the two of the document.
                assert (fax.state, fax.pages, fax.to) == (FaxState.DELIVERED, 3, "+493012345")
                assert rig.far_ends.pages == [("ok-12345", 1), ("ok-12345", 2), ("ok-12345", 3)]
                (told,) = await mails(post, 1)
                assert post.envelopes == [("<>", [SENDER])]
                assert told["Subject"] == "Fax delivered: +493012345 (Findings)"
                assert (told["To"], told["Auto-Submitted"]) == (SENDER, "auto-replied")
                assert told["In-Reply-To"] == "<1@clinic.example>"
                report, picture = told.iter_parts()
                assert report.get_content_type() == "multipart/report"
                text, status = report.iter_parts()
                assert "Your fax was delivered." in text.get_content()
                assert "Pages:   3 of 3" in text.get_content()
                assert "Final-Recipient: fax; +493012345\r\nAction: delivered" in status.as_string().replace(
                    "\n", "\r\n"
                )
                with Image.open(io.BytesIO(picture.get_content())) as page:
                    assert (page.format, page.width) == ("PNG", 864)
                # Nothing answers a report, least of all the gateway.
                again = await rig.hand_in(told, sender="")
                assert again[0] == 550

    asyncio.run(run())


def test_a_report_comes_though_the_database_is_away_as_it_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = first_puts_fail(monkeypatch)

    async def run() -> None:
        with post_office() as (post, smtp):
            async with running(tmp_path, smtp) as rig:
                assert (await rig.hand_in(letter()))[0] == 250
                await rig.ended()
                (told,) = await mails(post, 1)
                assert told["Subject"] == "Fax delivered: +493012345 (Findings)"
        assert len(lost) == 2

    asyncio.run(run())


def test_what_cannot_be_read_is_told_and_the_rest_is_faxed(tmp_path: Path) -> None:
    message = letter()
    message.add_attachment(b"%PDF-1.7\nnothing", maintype="application", subtype="pdf", filename="scan.pdf")
    message.add_attachment(pdf("One"), maintype="application", subtype="pdf", filename="good.pdf")
    message.add_attachment(b"PK\x03\x04zzzz", maintype="application", subtype="zip", filename="files.zip")
    message.add_attachment(b"no PDF", maintype="application", subtype="pdf", filename="mangled.pdf")
    hopeless = letter(Message_ID="<2@clinic.example>")
    for name in ("a.zip", "b.zip"):
        hopeless.add_attachment(b"PK\x03\x04zzzz", maintype="application", subtype="zip", filename=name)
    said = [
        "left out: mangled.pdf is not a PDF",
        "left out: scan.pdf is damaged, or not a PDF",
        "left out: files.zip is not a document that can be faxed",
    ]

    async def run() -> None:
        with post_office() as (post, smtp):
            async with running(tmp_path, smtp) as rig:
                code, answer = await rig.hand_in(message)
                (fax,) = await rig.ended()
                assert (code, answer) == (250, f"2.0.0 taken as fax {fax.id}; {'; '.join(said)}")
                # The cover page, and the one document.
                assert (fax.state, fax.pages, list(fax.warnings)) == (FaxState.DELIVERED, 2, said)
                assert fax.result is not None
                assert fax.result["warnings"] == said
                (told,) = await mails(post, 1)
                text = next(part for part in told.walk() if part.get_content_type() == "text/plain").get_content()
                assert all(f"Note:    {line}" in text for line in said)
                code, answer = await rig.hand_in(hopeless)
                assert (code, answer.split(";")[0]) == (554, "5.6.1 a.zip is not a document that can be faxed")
                assert len(await rig.faxes()) == 1

    asyncio.run(run())


def test_what_is_not_faxed_is_refused_in_the_dialogue(tmp_path: Path) -> None:
    broken = letter()
    broken.add_attachment(b"%PDF-1.7\nnothing", maintype="application", subtype="pdf", filename="scan.pdf")
    nothing = letter("", "")
    automatic = letter(Auto_Submitted="auto-replied")
    listed = letter(Precedence="bulk")
    big = letter(text="x" * 70 + "\n")
    big.add_attachment(b"x" * 1_100_000, maintype="application", subtype="pdf", filename="big.pdf")
    signed = b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nMIAG\r\n"

    async def run() -> None:
        async with running(tmp_path, max_message_mb=1, max_recipients=2) as rig:
            said = {
                "stranger": await rig.hand_in(letter(), sender="eve@elsewhere.example"),
                "nobody": await rig.hand_in(letter(), sender=""),
                "two": await rig.hand_in(letter(), sender='"a,b"@clinic.example'),
                "name": await rig.hand_in(letter(), "anna@fax.example"),
                "elsewhere": await rig.hand_in(letter(), "+493012345@other.example"),
                "percent": await rig.hand_in(letter(), "4930%elsewhere@fax.example"),
                "code": await rig.hand_in(letter(), "*21*0900@fax.example"),
                "assigned": await rig.hand_in(letter(), "name=4930@fax.example"),
                "many": await rig.hand_in(letter(), *(f"49301{n}@fax.example" for n in range(3))),
                "broken": await rig.hand_in(broken),
                "nothing": await rig.hand_in(nothing),
                "automatic": await rig.hand_in(automatic),
                "list": await rig.hand_in(listed),
                "big": await rig.hand_in(big),
                "signed": await rig.hand_in(signed),
            }
            assert {name: f"{code} {text}" for name, (code, text) in said.items()} == {
                "stranger": "550 5.7.1 eve@elsewhere.example may not send faxes here",
                "nobody": "550 5.7.1 reports and bounces are not faxed",
                "two": "553 5.1.7 the sender's address is not taken; use a plain one, like name@example.com",
                "name": "550 5.1.1 'anna' is not a fax number; write to NUMBER@fax.example, for example +493012345@fax.example",
                "elsewhere": "550 5.1.1 other.example is not ours; write to NUMBER@fax.example",
                "percent": "550 5.1.1 '4930%elsewhere' is not a fax number; write to NUMBER@fax.example, for example +493012345@fax.example",
                "code": "550 5.1.1 '*21*0900' is not a fax number; write to NUMBER@fax.example, for example +493012345@fax.example",
                "assigned": "550 5.1.1 'name=4930' is not a fax number; write to NUMBER@fax.example, for example +493012345@fax.example",
                "many": "452 4.5.3 2 numbers at a time; send the rest in another",
                "broken": "554 5.6.1 scan.pdf is damaged, or not a PDF; open it and save it again",
                "nothing": "554 5.6.1 the e-mail has neither text nor attachments; attach a document",
                "automatic": "550 5.7.1 automatic e-mails are not faxed (Auto-Submitted: auto-replied)",
                "list": "550 5.7.1 automatic e-mails are not faxed (it comes from a list)",
                "big": "552 5.3.4 the e-mail is larger than 1 MB",
                "signed": "554 5.6.1 the e-mail is signed so that only mail programs can read it; sign it in clear text",
            }
            assert await rig.faxes() == []
            assert list(rig.queue.folder.iterdir()) == []
            # A route to us is left out, as RFC 5321 appendix C has it.
            assert (await rig.hand_in(letter(), "@relay.example:+493012345@fax.example"))[0] == 250
            await rig.queue.forbid("030999", "asked for none")
            assert await rig.hand_in(letter(), "030999@fax.example") == (550, "5.7.1 030999 is on the do-not-fax list")
            assert [fax.to for fax in await rig.ended()] == ["+493012345"]

    asyncio.run(run())


def test_the_same_email_handed_in_again_is_faxed_once(tmp_path: Path) -> None:
    message = letter()
    message.add_attachment(pdf("One"), maintype="application", subtype="pdf", filename="scan.pdf")
    content = message.as_bytes(policy=policy.SMTP)
    numbers = ("+493012345@fax.example", "030777@fax.example", "+49-30-777@fax.example")

    async def twice() -> tuple[int, str]:
        async with running(tmp_path, report="never") as rig:
            first, second = await asyncio.gather(rig.hand_in(content, *numbers), rig.hand_in(content, *numbers))
            assert first == second
            faxes = await rig.ended(2)
            assert sorted(rig.far_ends.calls) == ["ok-12345", "ok-777"]
            assert len({fax.broadcast_id for fax in faxes}) == 1
            assert len(list(rig.queue.folder.iterdir())) == 1
            return first

    async def after_a_restart() -> tuple[int, str]:
        async with running(tmp_path, smtp) as rig:
            # It came another way, which is written above it.
            said = await rig.hand_in(b"Received: from a by b\r\n" + content, *numbers)
            assert len(await rig.faxes()) == 2
            # Another one from the same hand is another fax.
            await rig.hand_in(content.replace(b"<1@", b"<2@"), numbers[0])
            *_, third = await rig.ended(3)
            # Nobody hears now of what ended when nobody was to hear of it.
            (told,) = await mails(post, 1)
            assert told["X-Softfax-Fax-Id"] == third.id

            async def counts() -> Mapping[str, int]:
                return await asyncio.to_thread(rig.reports.counts)

            await until(counts, lambda found: found == {"waiting": 0, "sent": 1, "dead": 0})
            return said

    said = asyncio.run(twice())
    assert said[1].startswith("2.0.0 taken as 2 faxes: ")
    with post_office() as (post, smtp):
        assert asyncio.run(after_a_restart()) == said
        assert len(post.mails) == 1


def test_a_fax_that_fails_is_explained_and_a_report_waits_for_its_server(tmp_path: Path) -> None:
    async def first() -> None:
        async with running(tmp_path, smtp, hostname="fax.clinic.example", report_page="pdf") as rig:
            await rig.hand_in(letter("Grüße", "Привет\n"), "+4930666@fax.example")
            (fax,) = await rig.ended()
            assert (fax.state, len(fax.attempts)) == (FaxState.FAILED, 2)

            async def refused() -> int:
                return post.refused

            await until(refused, bool)

    async def second() -> None:
        async with running(tmp_path, smtp, hostname="fax.clinic.example", report_page="pdf") as rig:
            (told,) = await mails(post, 1)
            report, picture = told.iter_parts()
            text, status = report.iter_parts()
            lines = text.get_content().splitlines()
            assert told["Subject"] == "Fax failed: +4930666 (Grüße)"
            assert lines[0] == "Your fax was not delivered."
            assert lines[1].startswith("The number was busy whenever it was called. Send the fax again later")
            assert "Calls:   2" in lines
            assert "Action: failed" in status.as_string()
            assert "dns; fax.clinic.example" in status.as_string()
            assert picture.get_content_type() == "application/pdf"

            async def sent() -> int:
                return (await asyncio.to_thread(rig.reports.counts))["sent"]

            await until(sent, lambda count: count == 1)

    with post_office() as (post, smtp):
        post.refuse = "451 not now"
        asyncio.run(first())
        post.refuse = ""
        asyncio.run(second())
        assert len(post.mails) == 1


def test_passwords_and_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    users = [
        {"name": "scanner", "password": "correct horse", "addresses": ["scanner@clinic.example"]},
        {"name": "anna", "password": "battery staple"},
    ]

    def login(client: smtplib.SMTP, name: str, password: str) -> None:
        client.starttls(context=trusting(certificate))
        client.login(name, password)

    def without_tls(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.ehlo()
        assert not client.has_extn("auth")
        return client.docmd("AUTH", "PLAIN AHNjYW5uZXIAY29ycmVjdCBob3JzZQ==")

    def with_tls(client: smtplib.SMTP) -> tuple[int, bytes]:
        login(client, "scanner", "correct horse")
        assert client.docmd("MAIL FROM:<anna@clinic.example>")[0] == 550
        client.sendmail("scanner@clinic.example", TO, letter().as_bytes(policy=policy.SMTP))
        return client.docmd("NOOP")

    def wrong(client: smtplib.SMTP) -> tuple[int, bytes]:
        with pytest.raises(smtplib.SMTPAuthenticationError) as error:
            login(client, "scanner", "wrong horse")
        return error.value.smtp_code, error.value.smtp_error  # type: ignore[return-value]

    def right(client: smtplib.SMTP) -> int:
        client.starttls(context=trusting(certificate))
        client.ehlo()
        return client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0anna\0battery staple").decode())[0]

    def from_elsewhere(rig: Rig) -> int:
        with smtplib.SMTP(*rig.gateway.address, timeout=90, source_address=("127.0.0.9", 0)) as client:
            return right(client)

    async def run() -> None:
        # The client comes from no trusted network.
        more = {
            "trusted_networks": ["192.0.2.1"],
            "tls_certificate": certificate,
            "tls_private_key": key,
            "user": users,
        }
        async with running(tmp_path, **more) as rig:
            assert await rig.hand_in(letter()) == (530, "5.7.0 authentication required")
            assert (await rig.talk(without_tls))[0] == 538
            assert (await rig.talk(with_tls))[0] == 250
            (fax,) = await rig.ended()
            assert fax.tags["mail_from"] == "scanner@clinic.example"
            answers = [await rig.talk(wrong) for _ in range(6)]
            assert answers[0] == (535, b"5.7.8 Authentication credentials invalid")
            assert answers[-1] == (454, b"4.7.0 too many wrong passwords; try again later")
            # The right one is no longer told from others, but only at the address that guessed.
            assert await rig.talk(right) == 454
            assert await asyncio.to_thread(from_elsewhere, rig) == 235
            await until(lambda: inside(rig), lambda count: count == 0)

    asyncio.run(run())


def test_only_who_can_be_shown_to_have_sent_it_may_fax(tmp_path: Path) -> None:
    def mail(results: str, sender: str = SENDER, number: int = 1) -> bytes:
        message = letter(From=sender, Message_ID=f"<{number}@x>")
        return b"Authentication-Results: " + results.encode() + b"\r\n" + message.as_bytes(policy=policy.SMTP)

    async def run() -> None:
        async with running(tmp_path, authserv_id="mx.clinic.example") as rig:
            good = "mx.clinic.example; dmarc=pass (p=reject) header.from=clinic.example"
            assert (await rig.hand_in(mail(good)))[0] == 250
            forged = 'mx.clinic.example; spf=pass smtp.mailfrom="x; dmarc=pass header.from=clinic.example"@evil.example'
            for bad in (forged, good.replace("pass", "fail"), good.replace("mx.", "mx2.")):
                assert await rig.hand_in(mail(bad)) == (
                    550,
                    "5.7.26 nothing shows that the e-mail comes from clinic.example (DMARC, DKIM, SPF)",
                )
            assert (await rig.hand_in(mail(good, "eve@elsewhere.example")))[0] == 550
            assert (await rig.hand_in(mail(good, f"{SENDER}, eve@elsewhere.example")))[0] == 550
            assert len(await rig.ended()) == 1

    asyncio.run(run())


def test_an_email_whose_pages_this_machine_cannot_make_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with running(tmp_path) as rig:
            for error, answer in (
                (PagesDiskFullError("no room", "make room"), (452, "4.3.1 the disk is full; try again later")),
                (DocumentInterruptedError("killed"), (451, "4.3.0 killed; try again later")),
                (DocumentError("bad"), (554, "5.6.1 bad")),
            ):

                async def fails(*_: object, error: Exception = error, **__: object) -> None:
                    raise error

                monkeypatch.setattr("softfax.mail.gateway.take", fails)
                assert await rig.hand_in(letter()) == answer

    asyncio.run(run())


def test_limits_on_senders_and_connections(tmp_path: Path) -> None:
    async def run() -> None:
        sender = [{"address": "@clinic.example", "faxes_per_hour": 2, "header": "Praxis", "ident": "49 30 1"}]
        async with running(tmp_path, sender=sender, max_connections=2) as rig:
            lines = await rig.hand_in(b"Subject: x\r\n" + b"\r\n" * 1_000_000)
            assert lines == (554, "5.6.1 the e-mail has too many lines; send its documents as PDF")
            assert rig.gateway.seen["refused"] == 1
            assert [family.name for family in await rig.gateway.metrics()] == ["softfax_mail_messages"]
            assert (await rig.hand_in(letter(), *(f"49301{n}@fax.example" for n in range(3))))[0] == 451
            assert (await rig.hand_in(letter(), "49301@fax.example", "49302@fax.example"))[0] == 250
            assert await rig.hand_in(letter(Message_ID="<2@x>")) == (
                451,
                f"4.7.1 {SENDER} sends 2 faxes an hour; try again later",
            )
            (fax, _) = await rig.faxes()
            assert (fax.header, fax.ident) == ("Praxis", "49 30 1")
            config = rig.station.config
            assert config.mail is not None
            mail = config.mail.model_copy(update={"timeout_s": 2.0})
            rig.station.reload(config.model_copy(update={"mail": mail}))
            first, second = await asyncio.to_thread(rig.client), await asyncio.to_thread(rig.client)
            with pytest.raises(smtplib.SMTPConnectError, match="421"):
                await asyncio.to_thread(rig.client)
            # Who says nothing is sent away.
            await until(lambda: inside(rig), lambda count: count == 0)
            with pytest.raises(smtplib.SMTPServerDisconnected):
                await asyncio.to_thread(first.noop)
            second.close()
            assert (await rig.talk(lambda client: client.noop()))[0] == 250

    asyncio.run(run())


def test_nonsense_gets_an_answer_or_a_closed_door(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        b"\xff\xfe", b"EHLO", b"EHLO x" + b"y" * 5000, b"EHLO x", b"MAIL FROM:" + b"(" * 400, b"MAIL FROM:<\xff@x>",
        b"MAIL FROM:<@>", b"MAIL FROM:<a@b> SIZE=99999999999", b"RCPT TO:<1@x>", b"DATA", b"AUTH PLAIN =", b"STARTTLS",
        b"VRFY \xff", b"MAIL FROM:<anna@clinic.example>", b"RCPT TO:<>", b'RCPT TO:<"\xff"@fax.example>',
        b"RCPT TO:<+4930%00@fax.example>",
    ]  # fmt: skip

    def nonsense(client: smtplib.SMTP) -> list[int]:
        answers = []
        for one in lines:
            client.send(one + b"\r\n")
            answers.append(client.getreply()[0])
        client.send(b"DATA\r\n")
        client.close()
        return answers

    async def run() -> None:
        async with running(tmp_path) as rig:
            expected = [500, 501, 500, 250, 553, 553, 553, 552, 503, 503, 538, 454, 252, 250, 550, 550, 550]
            assert await rig.talk(nonsense) == expected
            assert (await rig.hand_in(letter()))[0] == 250
            await rig.ended()

    asyncio.run(run())
    assert not [record for record in caplog.records if record.exc_info]


def test_an_email_outlives_a_station_that_is_killed_and_comes_again(tmp_path: Path) -> None:
    message = letter()
    message.add_attachment(pdf("One"), maintype="application", subtype="pdf", filename="scan.pdf")
    content = message.as_bytes(policy=policy.SMTP)
    command = [sys.executable, "-m", "tests.mail.killed_gateway", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
                smtplib.SMTP("127.0.0.1", port, timeout=30).sendmail(SENDER, TO, content)
            assert process.wait(30) == -signal.SIGKILL
        finally:
            process.kill()

    async def run() -> None:
        async with running(tmp_path) as rig:
            code, said = await rig.hand_in(content)
            (fax,) = await rig.ended()
            assert (code, said) == (250, f"2.0.0 taken as fax {fax.id}")
            assert (fax.state, fax.pages) == (FaxState.DELIVERED, 2)
            assert rig.far_ends.calls == ["ok-12345"]

    asyncio.run(run())
