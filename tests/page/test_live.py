# SPDX-License-Identifier: GPL-2.0-or-later
"""Running calls as they run, and breaks of the connection that nobody has to notice."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.page import sample
from tests.page.conftest import Watch
from tests.page.fake import Fake

FAX = f"{0xABC:024x}"


def begin(fake: Fake, direction: str = "send") -> None:
    now = sample.stamp(sample.datetime.now(sample.UTC))
    state = "sending" if direction == "send" else "receiving"
    fake.put(
        sample.fax(
            0, direction, state, id=FAX, created=now, pages_total=3 if direction == "send" else None, to="+49301234567"
        )
    )
    fake.calls.append(
        {
            "fax_id": FAX,
            "operation": direction,
            "state": "Initialized",
            "direction": direction,
            "session_number": 1,
            "call_state": "calling",
        }
    )
    fake.tell("call", fax_id=FAX, state="calling")


def progress(fake: Fake, page: int = 1, bytes_: int = 17000, **values: Any) -> None:
    sample_ = {
        "direction": "send",
        "page": page,
        "bytes": bytes_,
        "page_bytes": 34000,
        "pages_total": 3,
        "rate_bps": 14400,
        "packets": 400,
    }
    fake.tell("progress", numbered=False, fax_id=FAX, **{**sample_, **values})


def test_a_call_from_its_first_ring_to_its_end(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, "#/live")
    expect(page.get_by_role("heading", name="No calls")).to_be_visible()
    begin(fake)
    card = page.get_by_role("article", name="To ⁦+49301234567⁩")
    expect(card).to_contain_text("Calling")
    fake.calls[0]["call_state"] = "ringing"
    fake.tell("call", fax_id=FAX, state="ringing")
    expect(card).to_contain_text("Ringing")
    fake.tell(
        "negotiated",
        fax_id=FAX,
        mode="T38",
        bitrate=14400,
        ecm=True,
        encoding="T.6",
        resolution="204x196",
        remote_station_id="+49 89 7654321",
    )
    for said in ("T.38", "14,400 bit/s", "+49 89 7654321", "Sending"):
        expect(card).to_contain_text(said)
    progress(fake, lost=3, recovered=2, retries=1)
    expect(card).to_contain_text("Page 1 of 3")
    expect(card).to_contain_text("17 kB of 34 kB")
    expect(card).to_contain_text("3 of 400 packets lost, 2 recovered")
    bar = card.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "17")
    fake.tell(
        "page", fax_id=FAX, direction="send", number=1, bytes=34000, rows=2287, bad_rows=0, seconds=19.0, quality="good"
    )
    progress(fake, page=2)
    expect(bar).to_have_attribute("aria-valuenow", "50")
    fake.faxes[FAX] |= {"state": "delivered", "pages": 3, "ended": sample.stamp(sample.datetime.now(sample.UTC))}
    fake.calls.clear()
    fake.tell("result", fax_id=FAX, success=True, pages=3)
    expect(page.get_by_role("heading", name="Just ended")).to_be_visible()
    expect(page.locator(".ended")).to_contain_text("Delivered")


def test_a_page_is_drawn_as_it_comes(fake: Fake, watch: Watch) -> None:
    begin(fake, "receive")
    fake.live_rows = 300
    page = watch.open(fake.url, "#/live")
    expect(page.get_by_text("The first lines are coming")).to_be_visible()
    assert not fake.asked_for("GET", ".*/live.png")
    progress(fake, direction="receive", page_bytes=None, pages_total=None, rows=300)
    picture = page.locator(".arriving img")
    expect(picture).to_be_visible()
    height = picture.evaluate("i => i.naturalHeight")
    fake.live_rows = 900
    page.wait_for_function("h => document.querySelector('.arriving img').naturalHeight > h", arg=height)
    # A page nobody looks at is not asked for.
    page.goto(f"{fake.url}#/health")
    page.wait_for_timeout(200)
    asked = len(fake.asked_for("GET", ".*/live.png"))
    page.wait_for_timeout(1600)
    assert len(fake.asked_for("GET", ".*/live.png")) == asked


def test_cancelling_a_running_call(fake: Fake, watch: Watch) -> None:
    begin(fake)
    page = watch.open(fake.url, "#/live")
    page.get_by_role("button", name="Cancel this fax").click()
    expect(page.get_by_role("heading", name="No calls")).to_be_visible()
    assert fake.faxes[FAX]["state"] == "cancelled"


def test_a_break_leaves_no_gap(fake: Fake, watch: Watch) -> None:
    begin(fake)
    page = watch.open(fake.url, "#/live")
    expect(page.locator(".call")).to_contain_text("Calling")
    fake.tell("negotiated", fax_id=FAX, mode="T38", bitrate=9600, ecm=True, remote_station_id="")
    expect(page.locator(".call")).to_contain_text("9,600 bit/s")
    seen = len(fake.events)
    fake.drop()
    # This happens while nobody listens.
    fake.tell(
        "page", fax_id=FAX, direction="send", number=1, bytes=34000, rows=2287, bad_rows=0, seconds=19.0, quality="good"
    )
    fake.tell("negotiated", fax_id=FAX, mode="T38", bitrate=4800, ecm=True, remote_station_id="")
    expect(page.locator(".call")).to_contain_text("4,800 bit/s")
    expect(page.locator(".pagebar i.good")).to_have_count(1)
    assert fake.last_ids[0] == ""
    assert fake.last_ids[-1] == str(seen)


def test_the_station_is_started_again(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, "#/health")
    expect(page.get_by_text("Connected to the station")).to_be_visible()
    page.context.set_offline(True)
    fake.drop()
    expect(page.get_by_text("The station does not answer.").first).to_be_visible()
    page.goto(f"{fake.url}#/inbox")
    expect(page.get_by_role("alert")).to_contain_text("The station does not answer.")
    page.context.set_offline(False)
    expect(page.locator("[data-fax]").first).to_be_visible()
    expect(page.get_by_text("What you have written is kept")).to_have_count(0)


def test_health(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, "#/health")
    expect(page.get_by_role("heading", name="Health")).to_be_visible()
    for said in (
        "trunk is not registered.",
        "403 Forbidden",
        "41 of 43 faxes",
        "3 of 8",
        "381 GB free",
        "3 d 1 h",
        "softfax 0.9.0",
    ):
        expect(page.get_by_role("main")).to_contain_text(said)
    page.get_by_text("As a table").click()
    expect(page.get_by_role("row")).to_have_count(15)
    fake.status["registrations"][1]["state"] = "registered"
    fake.drop()
    expect(page.get_by_text("All is well")).to_be_visible()
