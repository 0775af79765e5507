# SPDX-License-Identifier: GPL-2.0-or-later
"""The e-mail about a fax, whatever the fax, its sender and the far end called themselves."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.mail.report import ReportFacts, report
from softfax.model import Cause, Direction, Fax, FaxState

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def made(state: FaxState = FaxState.FAILED, cause: Cause | None = None, subject: str = "", **more: str) -> EmailMessage:
    fax = Fax(
        id="f1", direction=Direction.SEND, state=state, created=AT, updated=AT, ended=AT, to="+493012345", cause=cause,
        pages=1, pages_total=3, reason=more.pop("reason", ""), remote_station_id=more.pop("station", ""),
    )  # fmt: skip
    facts = ReportFacts(fax=fax, subject=subject, **more)
    sent = report(facts, "anna@clinic.example", "fax@clinic.example", None, "png").as_bytes(policy=policy.SMTP)
    return message_from_bytes(sent, policy=policy.default)  # type: ignore[arg-type,return-value]


def text_of(message: EmailMessage) -> str:
    (told,) = message.iter_parts()
    text, _ = told.iter_parts()
    return str(text.get_content()).replace("\r\n", "\n")


def status_of(message: EmailMessage) -> list[str]:
    (told,) = message.iter_parts()
    _, status = told.iter_parts()
    return [line for line in status.as_string().splitlines() if line]


@pytest.mark.parametrize("cause", list(Cause))
def test_every_failure_is_told_in_plain_words(cause: Cause) -> None:
    text = text_of(made(cause=cause, reason="486 Busy here"))
    assert text.startswith("Your fax was not delivered.\n")
    assert "Reason:  486 Busy here" in text
    assert cause is Cause.CANCELLED or len(text.splitlines()[1]) > 30


def test_times_are_those_of_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tehran")
    time.tzset()
    try:
        assert "Sent:    2026-01-02 06:34 +0330" in text_of(made())
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("state", "said", "action"),
    [
        (FaxState.DELIVERED, "Your fax was delivered.", "Action: delivered"),
        (FaxState.CANCELLED, "Your fax was cancelled.", "Action: failed"),
        (FaxState.EXPIRED, "Send it again.", "Action: failed"),
        (FaxState.UNCERTAIN, "It is not known whether your fax arrived; ask the recipient.", "Action: delayed"),
    ],
)
def test_ends(state: FaxState, said: str, action: str) -> None:
    message = made(state)
    assert said in text_of(message)
    assert action in status_of(message)
    assert message["MIME-Version"] == "1.0"
    assert message["Auto-Submitted"] == "auto-replied"


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_nothing_that_others_chose_adds_a_header_or_a_part(
    subject: str, reason: str, station: str, message_id: str, recipient: str
) -> None:
    evil = "\r\nBcc: all@x.example\r\n\r\n--"
    plain = made(reason="x")
    for end in ("", evil):
        message = made(
            subject=subject + end, reason=reason + end, station=station + end, message_id=f"<{message_id}{end}>",
            recipient=recipient + end, hostname="softfax",
        )  # fmt: skip
        assert set(message.keys()) <= {*plain.keys(), "In-Reply-To", "References"}
        assert message["Bcc"] is None
        assert len(list(message.iter_parts())) == 1
        names = {line.partition(":")[0] for line in status_of(message)}
        assert "Bcc" not in names
        text_of(message)
