# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of numbers on the page: looked at, changed, forgotten."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.page import sample
from tests.page.conftest import Watch
from tests.page.fake import Fake


def test_what_is_known_of_a_number_is_shown_changed_and_forgotten(fake: Fake, watch: Watch) -> None:
    bad = {"number": "+49309", "last_cause": "training", "training_failed": "2026-03-01T10:00:00Z", "max_rate": None}
    fake.numbers = [sample.known_number(), sample.known_number() | bad | {"joined": None}]
    page = watch.open(fake.url, "#/contacts")
    page.get_by_role("link", name="Called numbers").click()
    listed = page.get_by_role("main").get_by_role("listitem")
    expect(listed).to_have_count(2)
    for words in ("+49301234567", "12 calls, 11 delivered", "T.38", "Error correction", "at most", "in one call"):
        expect(listed.first).to_contain_text(words)
    expect(listed.nth(1)).to_contain_text("training failed")
    listed.nth(1).get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Mode").select_option("audio")
    dialog.get_by_label("Highest rate").select_option("9600")
    dialog.get_by_label("Several faxes").select_option("off")
    dialog.get_by_role("button", name="Save").click()
    expect(listed.nth(1)).to_contain_text("G.711")
    asked = next(body for method, path, body in fake.asked if (method, path) == ("POST", "/v1/numbers"))
    assert asked == {"number": "+49309", "mode": "audio", "max_rate": 9600, "joined": "off"}
    listed.first.get_by_role("button", name="Change").click()
    dialog.get_by_role("button", name="Forget").click()
    expect(listed).to_have_count(1)
    expect(page.get_by_role("region", name="Messages")).to_contain_text("was forgotten.")
