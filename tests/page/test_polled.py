# SPDX-License-Identifier: GPL-2.0-or-later
"""Polling on the page: what is out and how often it was fetched, documents put out and taken back, a fax fetched elsewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.page import sample
from tests.page.conftest import Watch
from tests.page.fake import Fake

PRICES = sample.polled()


def test_what_is_out_is_listed_and_taken_back(fake: Fake, watch: Watch) -> None:
    old = {"id": "", "name": "old", "documents": ["old.pdf"], "until": "2026-01-01T00:00:00Z", "out": False}
    fake.polled = [PRICES, PRICES | old | {"fetched": 0, "last_fetched": None}]
    page = watch.open(fake.url, "#/polled")
    listed = page.get_by_role("main").get_by_role("listitem")
    expect(listed).to_have_count(2)
    for words in ("prices.pdf", "+49301112", "as document 17", "with a password", "fetched 3 times", "out"):
        expect(listed.first).to_contain_text(words)
    for words in ("over", "not fetched yet", "by the configuration"):
        expect(listed.nth(1)).to_contain_text(words)
    expect(listed.nth(1).get_by_role("button")).to_have_count(0)
    listed.first.get_by_role("button", name="Take back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(listed).to_have_count(1)
    expect(page.get_by_role("region", name="Messages")).to_contain_text("prices.pdf was taken back.")


def test_documents_are_put_out(fake: Fake, watch: Watch, tmp_path: Path) -> None:
    letter = tmp_path / "Price list 2027.txt"
    letter.write_text("Apples")
    page = watch.open(fake.url, "#/polled")
    expect(page.get_by_role("heading", name="Nothing is put out.")).to_be_visible()
    page.get_by_role("button", name="Put out documents").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Put out").click()
    expect(dialog.get_by_text("Choose a document.")).to_be_visible()
    dialog.get_by_label("Documents").set_input_files(letter)
    dialog.get_by_label("Number to be called").fill("+49 30 1112")
    dialog.get_by_label("Document number").fill("17")
    dialog.get_by_label("Password").fill("letters")
    dialog.get_by_role("button", name="Put out").click()
    expect(dialog.get_by_text("Use digits, at most 20.")).to_be_visible()
    dialog.get_by_label("Password").fill("4711")
    until = (datetime.now() + timedelta(days=2)).replace(second=0, microsecond=0)
    dialog.get_by_label("Until").fill(until.isoformat(timespec="minutes"))
    dialog.get_by_role("button", name="Put out").click()
    expect(page.get_by_role("region", name="Messages")).to_contain_text("Price-list-2027 can be fetched now.")
    expect(page.get_by_role("main").get_by_role("listitem")).to_contain_text("Price list 2027.txt")
    asked = next(
        body for method, path, body in fake.asked if (method, path) == ("POST", "/v1/polled") and isinstance(body, dict)
    )
    assert (asked["name"], asked["numbers"], asked["poll_document"]) == ("Price-list-2027", ["+49 30 1112"], "17")
    assert datetime.fromisoformat(asked["until"]).astimezone(UTC).minute == until.minute


def test_a_fax_is_fetched_elsewhere(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, "#/polled")
    page.get_by_role("button", name="Fetch a fax").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Fetch", exact=True).click()
    assert dialog.get_by_role("alert").filter(has_text=" ").count() >= 1
    dialog.locator("#polled-number").fill("+49 30 7654321")
    dialog.get_by_label("Document number").fill("17")
    dialog.get_by_role("button", name="Fetch", exact=True).click()
    expect(page.get_by_role("region", name="Messages")).to_contain_text("will be called.")
    asked = next(body for method, path, body in fake.asked if (method, path) == ("POST", "/v1/faxes"))
    assert (asked["poll"], asked["poll_document"]) == (True, "17")


def test_a_fetch_whose_answer_was_lost_is_one_call(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, "#/polled")
    page.get_by_role("button", name="Fetch a fax").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("#polled-number").fill("+49 30 7654321")
    dialog.get_by_label("Document number").fill("۱۷")
    lost = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch())
            route.abort()

    page.route(re.compile(r"/v1/faxes$"), lose)
    dialog.get_by_role("button", name="Fetch", exact=True).click()
    expect(dialog).to_contain_text("The station does not answer.")
    dialog.get_by_role("button", name="Fetch", exact=True).click()
    expect(page.get_by_role("region", name="Messages")).to_contain_text("will be called.")
    assert [asked["poll_document"] for asked in fake.asked_for("POST", "/v1/faxes")] == ["17", "17"]
    assert len(fake.keys) == 1


def test_who_may_only_read_is_offered_nothing(fake: Fake, watch: Watch) -> None:
    fake.scopes = ["read"]
    fake.polled = [PRICES]
    page = watch.open(fake.url, "#/polled")
    expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
