# SPDX-License-Identifier: GPL-2.0-or-later
"""Sending: what is dropped is seen as pages at once, what is typed is never lost, what is wrong is said in place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page import sample
from tests.page.conftest import Watch
from tests.page.fake import Fake


def attach(page: Page, *names: str) -> None:
    page.set_input_files('input[data-input="files"]', [sample.SAMPLES / name for name in names])


def to(page: Page, number: str) -> None:
    page.get_by_label("To", exact=True).fill(number)
    page.keyboard.press("Enter")


def test_from_a_document_to_its_delivery(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf", "invoice.pdf")
    expect(page.get_by_role("button", name="Look at page 2 closely")).to_be_visible()
    expect(page.get_by_text("2 pages")).to_be_visible()
    to(page, "+49 30 1234567")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_role("heading", name="Your fax is on its way")).to_be_visible()
    (order,) = fake.asked_for("POST", "/v1/faxes")
    assert order["to"] == "+49301234567"
    assert [fake.uploads[d["upload"]][0] for d in order["documents"]] == ["letter", "invoice"]
    (fax_id,) = (f for f in fake.faxes if fake.faxes[f]["state"] == "queued")
    fake.faxes[fax_id]["state"] = "delivered"
    fake.tell("job", fax_id=fax_id, state="delivered")
    expect(page.get_by_role("heading", name="Delivered")).to_be_visible()
    page.get_by_role("button", name="Another fax").click()
    expect(page.get_by_role("heading", name="Drop a document here")).to_be_visible()


def test_starting_over_can_be_undone(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    expect(page.get_by_role("button", name="Look at page 1 closely")).to_be_visible()
    to(page, "+49 30 1234567")
    page.get_by_role("button", name="Start over").click()
    expect(page.get_by_role("heading", name="Drop a document here")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("article", name="letter.pdf")).to_contain_text("1 page")
    expect(page.locator(".chip")).to_have_count(1)


def test_numbers_typed_with_commas_are_sent_as_they_stand(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    expect(page.get_by_role("button", name="Look at page 1 closely")).to_be_visible()
    page.get_by_label("To", exact=True).fill("030 1234567, 089 7654321")
    page.get_by_role("button", name="Send to 2 numbers").click()
    expect(page.get_by_role("heading", name="2 faxes are on their way")).to_be_visible()
    (order,) = fake.asked_for("POST", "/v1/faxes")
    assert order["to"] == ["0301234567", "0897654321"]


def test_a_dropped_file_is_taken(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    data = (sample.SAMPLES / "invoice.png").read_bytes()
    page.evaluate(
        """([bytes, name]) => {
        const given = new DataTransfer();
        given.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
        for (const type of ["dragenter", "dragover", "drop"]) window.dispatchEvent(new DragEvent(type, { dataTransfer: given, cancelable: true, bubbles: true }));
    }""",
        [list(data), "invoice.png"],
    )
    expect(page.get_by_role("article", name="invoice.png")).to_contain_text("1 page")


def test_the_preview_shows_every_dot(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    page.get_by_role("button", name="Look at page 1 closely").click()
    page.keyboard.press("1")
    picture = page.locator(".stage-page")
    expect(picture).to_have_class(re.compile("crisp"))
    width = sample.raster("letter")[0].width
    assert picture.evaluate(
        "i => i.decode().then(() => [i.naturalWidth, Math.round(i.getBoundingClientRect().width)])"
    ) == [width, width]
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_numbers_are_completed_from_the_address_book(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    field = page.get_by_label("To", exact=True)
    field.press_sequentially("brand")
    expect(page.locator("#to-list").get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_contain_text("Kanzlei Brandt & Co")
    page.keyboard.press("Backspace")
    expect(page.locator(".chip")).to_have_count(0)


@pytest.mark.parametrize(
    ("typed", "said"),
    [("tomorrow at ten", "not a fax number"), ("+49 30 1+2", "only stand at the beginning"), ("sip:", "incomplete")],
)
def test_what_is_no_number_is_said_and_kept(fake: Fake, watch: Watch, typed: str, said: str) -> None:
    page = watch.open(fake.url)
    to(page, typed)
    expect(page.locator("#to-problem")).to_contain_text(said)
    expect(page.get_by_label("To", exact=True)).to_have_value(typed)
    attach(page, "letter.pdf")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_text("Correct the number first.")).to_be_visible()
    assert not fake.asked_for("POST", "/v1/faxes")


def test_an_extension_by_its_name(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    expect(page.get_by_text("1 page", exact=True).first).to_be_visible()
    to(page, "recv")
    expect(page.locator(".chip")).to_contain_text("recv")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_role("heading", name="Your fax is on its way")).to_be_visible()
    assert fake.asked_for("POST", "/v1/faxes")[0]["to"] == "recv"


def test_a_name_of_the_address_book_is_not_dialled(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    expect(page.get_by_text("1 page", exact=True).first).to_be_visible()
    page.get_by_label("To", exact=True).fill("praxis")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_text("Choose the recipient from the list first.")).to_be_visible()
    assert not fake.asked_for("POST", "/v1/faxes")
    page.locator("#to-list [role=option]").first.click()
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_role("heading", name="Your fax is on its way")).to_be_visible()
    assert fake.asked_for("POST", "/v1/faxes")[0]["to"] == "+49301234567"


def test_the_list_is_open_for_who_comes_back(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    field = page.get_by_label("To", exact=True)
    field.fill("praxis")
    found = page.locator("#to-list [role=option]").first
    expect(found).to_be_visible()
    field.blur()
    field.focus()
    page.wait_for_timeout(500)
    expect(found).to_be_visible()
    field.blur()
    expect(found).to_be_hidden()
    field.focus()
    found.click()
    expect(page.locator(".chip")).to_have_count(1)


def test_the_keyboard_comes_to_the_recipient_before_the_pages(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf", "invoice.pdf")
    expect(page.get_by_role("button", name="Look at page 2 closely")).to_be_visible()
    page.get_by_role("button", name="Start over").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_label("To", exact=True)).to_be_focused()


def test_options_say_what_the_station_does_unasked(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    page.get_by_text("More options").click()
    expect(page.get_by_role("radio", name="Fine", exact=True)).to_be_checked()
    for label, usual in (
        ("Error correction", "on (default)"),
        ("Attempts", "8 times (default)"),
        ("Mode", "Automatic (default)"),
    ):
        expect(page.get_by_label(label).locator("option").first).to_have_text(usual)
    expect(page.get_by_label("Header line")).to_have_attribute("placeholder", "Praxis am See")
    expect(page.get_by_text("Otherwise it is given up after 2 d.")).to_be_visible()


def test_a_phone_is_not_told_to_drop(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, is_mobile=True, has_touch=True, viewport={"width": 375, "height": 812})
    expect(page.get_by_role("heading", name="Add a document")).to_be_visible()
    expect(page.get_by_text("Drop", exact=False)).to_have_count(0)


def test_a_list_of_numbers(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    page.get_by_role("button", name="Paste a list").click()
    page.get_by_label("One number per line").fill("Praxis am See; +49 30 1234567\n030/765 43 21\nno number here\n")
    expect(page.get_by_text("1 entry is not a number: no number here")).to_be_visible()
    page.get_by_role("button", name="Add 2 numbers").click()
    page.get_by_role("button", name="Send to 2 numbers").click()
    expect(page.get_by_role("heading", name="2 faxes are on their way")).to_be_visible()
    assert fake.asked_for("POST", "/v1/faxes")[0]["to"] == ["+49301234567", "0307654321"]
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("[data-fax]")).to_have_count(2)


def test_cover_page_later_and_options(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    to(page, "030 1234567")
    page.get_by_role("switch", name="Cover page").check()
    page.get_by_label("Subject").fill("Offer")
    expect(page.get_by_role("button", name="Look at page 2 closely")).to_be_visible()
    expect(page.locator(".file").first).to_contain_text("Cover page")
    page.get_by_role("radio", name="Later").check()
    page.get_by_label("Not before").fill("2027-03-01T08:30")
    page.get_by_text("More options").click()
    page.get_by_label("Attempts").select_option("3")
    page.get_by_label("Straighten and clean scans").select_option(label="off")
    page.get_by_role("radio", name="Superfine").check()
    expect(page.get_by_role("button", name="Look at page 2 closely")).to_be_visible()
    page.get_by_label("Then fetch").select_option("on")
    page.get_by_label("Document number").fill("price list")
    expect(page.get_by_text("Use digits, at most 20.")).to_be_visible()
    page.get_by_role("button", name="Send later").click()
    expect(page.get_by_label("Document number")).to_be_focused()
    page.get_by_label("Document number").fill("۱۷")
    page.get_by_label("Password").fill("4711")
    page.get_by_role("button", name="Send later").click()
    expect(page.get_by_role("heading", name="Your fax is on its way")).to_be_visible()
    (order,) = fake.asked_for("POST", "/v1/faxes")
    assert order["cover"] == {"subject": "Offer", "to_number": "0301234567"}
    assert order["not_before"].startswith("2027-03-01T")
    assert order["retry"] == {"attempts": 3}
    assert (order["resolution"], order["scan"]) == ("superfine", "off")
    assert (order["poll"], order["poll_document"], order["poll_password"]) == (True, "17", "4711")
    assert fake.asked_for("POST", "/v1/uploads")[-1] == {"resolution": ["superfine"], "scan": ["off"]}


def test_a_file_that_is_no_document(fake: Fake, watch: Watch, tmp_path: Path) -> None:
    page = watch.open(fake.url)
    wrong = tmp_path / "setup.exe"
    wrong.write_bytes(b"MZ" + bytes(5000))
    page.set_input_files('input[data-input="files"]', [wrong])
    alert = page.locator(".file").get_by_role("alert")
    expect(alert).to_contain_text("This file cannot be faxed.")
    expect(alert).to_contain_text("ave it as PDF", ignore_case=True)
    to(page, "030123")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_text("One of the documents cannot be sent.")).to_be_visible()
    page.get_by_role("button", name="Continue without it").click()
    expect(page.locator(".chip")).to_have_count(1)


def test_a_file_of_300_mb_is_not_even_sent(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    page.evaluate("""() => {
        const given = new DataTransfer();
        const file = new File(["x"], "film.pdf");
        Object.defineProperty(file, "size", { value: 300e6 });
        given.items.add(file);
        const event = new Event("drop", { cancelable: true });
        event.dataTransfer = { types: ["Files"], files: [file] };
        window.dispatchEvent(event);
    }""")
    expect(page.locator(".file").get_by_role("alert")).to_contain_text("This file is 300 MB; the limit is 100 MB.")
    assert not fake.asked_for("POST", "/v1/uploads")


def test_what_the_station_refuses_is_said_beside_the_button(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    expect(page.get_by_text("1 page", exact=True).first).to_be_visible()
    to(page, "999")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".send-foot").get_by_role("alert").last).to_contain_text("999 is on the do-not-fax list")
    expect(page.locator(".chip")).to_have_count(1)


def test_a_number_that_cannot_be_called_is_told_without_words_of_the_configuration(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    expect(page.get_by_text("1 page", exact=True).first).to_be_visible()
    to(page, "998")
    page.get_by_role("button", name="Send").click()
    told = page.locator(".send-foot").get_by_role("alert").last
    expect(told).to_contain_text("The station cannot call this number.")
    expect(told).to_contain_text("The person who runs the station has to connect it")
    expect(told).not_to_contain_text("account]]")


@pytest.mark.parametrize("font", ["", "Liberation Mono"])
@pytest.mark.parametrize("width", [375, 768, 1440])
def test_what_an_option_is_can_be_read(fake: Fake, watch: Watch, width: int, font: str) -> None:
    page = watch.open(fake.url)
    if font:
        # Where there is no other, a wide one is taken.
        page.evaluate(
            "rule => { const sheet = new CSSStyleSheet(); sheet.insertRule(rule); document.adoptedStyleSheets = [sheet]; }",
            f"body, select {{ font-family: {font} !important; }}",
        )
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("details.more summary").click()
    expect(page.locator("details.more select").nth(1)).to_contain_text("Automatic (default)")
    cut = page.locator("details.more select").evaluate_all("""(selects) => selects.flatMap((select) => {
        const style = getComputedStyle(select);
        const pen = document.createElement("canvas").getContext("2d");
        pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
        const arrow = 20;
        const room = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - arrow;
        const text = select.selectedOptions[0].text;
        return pen.measureText(text).width > room ? [`${text}: ${pen.measureText(text).width} > ${room}`] : [];
    })""")
    assert cut == []


def test_a_reload_loses_nothing(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    to(page, "030 1234567")
    page.get_by_label("To", exact=True).fill("not yet a number")
    page.get_by_role("switch", name="Cover page").check()
    page.get_by_label("Message", exact=True).fill("Please call back.")
    expect(page.get_by_role("button", name="Look at page 2 closely")).to_be_visible()
    fake.uploads.clear()
    page.reload()
    expect(page.get_by_label("To", exact=True)).to_have_value("not yet a number")
    expect(page.get_by_label("Message", exact=True)).to_have_value("Please call back.")
    expect(page.locator(".chip")).to_contain_text("0301234567")
    # The station has forgotten the pages; the browser has kept the document.
    expect(page.get_by_role("button", name="Look at page 2 closely")).to_be_visible()
    page.wait_for_function("() => document.querySelectorAll('.paper.ready').length === 2")
    assert len(fake.asked_for("POST", "/v1/uploads")) == 2


def test_a_session_that_ends_in_the_middle(fake: Fake, watch: Watch) -> None:
    fake.token = "right"
    page = watch.open(fake.url)
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The token is not correct.")).to_be_visible()
    expect(page.get_by_label("Token")).to_be_focused()
    page.get_by_label("Token").fill("right")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    attach(page, "letter.pdf")
    expect(page.get_by_text("1 page", exact=True).first).to_be_visible()
    to(page, "030 1234567")
    fake.sessions.clear()
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    expect(page.locator(".chip")).to_contain_text("0301234567")
    page.get_by_label("Token").fill("right")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your fax is on its way")).to_be_visible()
    assert len(fake.keys) == 1


def test_the_station_goes_away_while_it_is_sent(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    expect(page.get_by_text("1 page", exact=True).first).to_be_visible()
    to(page, "030 1234567")
    # The request arrives, its answer does not: asked again with the same key, it is one fax.
    lost = []

    def lose(route: object) -> None:
        if not lost:
            lost.append(route.fetch())  # type: ignore[attr-defined]
            route.abort()  # type: ignore[attr-defined]
        else:
            route.continue_()  # type: ignore[attr-defined]

    page.route(re.compile(r"/v1/faxes$"), lose)
    page.get_by_role("button", name="Send now").click()
    expect(page.locator(".send-foot")).to_contain_text("The station does not answer.")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_role("heading", name="Your fax is on its way")).to_be_visible()
    assert len(fake.asked_for("POST", "/v1/faxes")) == 2
    assert len(fake.keys) == len(fake.faxes) == 1


def test_cancelling_at_once(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    attach(page, "letter.pdf")
    expect(page.get_by_text("1 page", exact=True).first).to_be_visible()
    to(page, "030 1234567")
    page.get_by_role("button", name="Send now").click()
    page.get_by_role("button", name="Cancel this fax").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
