# SPDX-License-Identifier: GPL-2.0-or-later
"""Inbox, outbox, one fax, one call: found, read, forwarded, printed; ten thousand of them."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.page import sample
from tests.page.conftest import Watch
from tests.page.fake import Fake
from tests.support.served import until


def fax_id(number: int, sent: bool = False) -> str:
    return f"{number + (0x500000 if sent else 0x100000):024x}"


def test_the_inbox_shows_pages_and_what_is_unread(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, "#/inbox")
    expect(page.locator(".tile.unread")).to_have_count(3)
    page.wait_for_function("() => document.querySelectorAll('.tile .paper.ready').length > 5", timeout=60_000)
    expect(page.locator("nav .count").first).to_contain_text("3")
    page.locator(".tile.unread").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(sample.fax(0)["caller"])
    until(lambda: fake.asked_for("PATCH", ".*"))
    assert fake.asked_for("PATCH", ".*") == [{"unread": False}]
    page.keyboard.press("Escape")
    expect(page.locator(".tile.unread")).to_have_count(2)


def test_ten_thousand_faxes(fake: Fake, watch: Watch) -> None:
    for n in range(10_000):
        fake.put(sample.fax(n))
    page = watch.open(fake.url, "#/inbox")
    expect(page.get_by_text("10,000 faxes", exact=True)).to_be_visible()
    most = 0
    for _ in range(8):
        height = page.evaluate(
            "scrollTo(0, document.documentElement.scrollHeight), document.documentElement.scrollHeight"
        )
        # What was scrolled to is drawn, and more is fetched for it.
        page.wait_for_function("height => document.documentElement.scrollHeight > height", arg=height)
        most = max(most, page.locator("[data-fax]").count())
    assert most < 150, "only what can be seen is drawn"
    assert len(fake.asked_for("GET", "/v1/faxes")) >= 8
    # Nothing is shown twice, and day follows day.
    shown = page.locator("[data-fax]").evaluate_all("all => all.map(a => a.dataset.fax)")
    assert len(shown) == len(set(shown)) > 10


def test_a_long_address_keeps_its_beginning_in_either_direction(fake: Fake, watch: Watch) -> None:
    fake.put(sample.fax(0, "send", "delivered", to=f"sip:first-of-all@{'very-long.' * 6}example.com"))
    for locale in ("en-GB", "fa-IR"):
        page = watch.open(fake.url, "#/outbox", locale=locale, viewport={"width": 375, "height": 812})
        expect(page.locator(".line .who")).to_be_visible()
        cut = page.locator(".line .who").evaluate(
            """who => {
              const text = document.createTreeWalker(who, NodeFilter.SHOW_TEXT).nextNode();
              const range = document.createRange();
              const at = text.data.indexOf("first-of-all");
              range.setStart(text, at);
              range.setEnd(text, at + 12);
              const [word, room] = [range.getBoundingClientRect(), who.getBoundingClientRect()];
              const within = (inner, outer) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
              const line = who.closest(".line").getBoundingClientRect();
              const page = { left: 0, right: innerWidth };
              return !within(word, room) || !within(room, line) || !within(line, page);
            }"""
        )
        assert not cut, locale


def test_search_and_filters(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, "#/outbox")
    expect(page.locator("[data-fax]").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("0301112223 client=brandt")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    asked = fake.asked_for("GET", "/v1/faxes")[-1]
    assert asked["q"] == ["0301112223"]
    assert asked["tag.client"] == ["brandt"]
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("button", name="Failed").click()
    expect(page.locator("[data-fax]")).to_have_count(4)
    expect(page.locator("[data-fax]").first).to_contain_text("The line was busy.")
    page.get_by_role("button", name="Dates").click()
    page.get_by_label("From").fill("2030-01-01")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.get_by_role("button", name="Dates").click()
    page.reload()
    expect(page.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "true")


def test_a_list_that_cannot_be_had_is_tried_again(fake: Fake, watch: Watch) -> None:
    fake.fill()
    fake.failing["GET /v1/faxes"] = (500, {"detail": "the database is locked"})
    page = watch.open(fake.url, "#/inbox")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The station had an internal error.")
    expect(alert).to_contain_text("The database is locked.")
    fake.failing.clear()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-fax]").first).to_be_visible()


def test_who_comes_back_from_a_fax_is_where_they_were(fake: Fake, watch: Watch) -> None:
    fake.fill(sent=300)
    page = watch.open(fake.url, "#/outbox?show=delivered")
    line = page.locator(".line").nth(12)
    line.scroll_into_view_if_needed()
    page.mouse.wheel(0, 900)
    page.wait_for_function("() => scrollY > 500")
    line = page.locator(".line:below(:nth-match(.line, 10))").first
    line.click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Outbox")
    # By the address: the wheel may still turn while a line is looked for.
    opened = page.evaluate("location.hash").rpartition("/")[2]
    page.get_by_role("button", name="Back", exact=True).click()
    expect(page.get_by_role("button", name="Delivered")).to_have_attribute("aria-pressed", "true")
    # By what the document says: a browser of many pages has one of them in front.
    page.wait_for_function("(fax) => document.activeElement?.dataset.fax === fax", arg=opened)
    assert page.evaluate("scrollY") > 500
    # What is typed in the search is what is searched for, also after "show all".
    page.get_by_label("Number, name, document or tag").fill("nobody has this")
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_label("Number, name, document or tag")).to_have_value("")


def test_empty_boxes_say_so(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, "#/inbox")
    expect(page.get_by_role("heading", name="No faxes yet")).to_be_visible()
    page.goto(f"{fake.url}#/outbox")
    expect(page.get_by_role("heading", name="Nothing sent yet")).to_be_visible()


def test_what_arrives_appears_by_itself(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, "#/inbox")
    expect(page.locator("[data-fax]").first).to_be_visible()
    fake.put(
        sample.fax(0, id=f"{0xABC:024x}", created=sample.stamp(sample.datetime.now(sample.UTC)), caller="+4940555")
    )
    fake.tell("result", fax_id=f"{0xABC:024x}", success=True)
    expect(page.locator("[data-fax]").first).to_contain_text("+4940555")
    expect(page.locator("nav .count").first).to_contain_text("4")


def test_the_viewer_by_keyboard(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, f"#/fax/{fax_id(3)}")
    where, stage = page.locator(".toolbar .where"), page.locator(".stage-page")
    expect(where.first).to_have_text("1 / 3")
    page.keyboard.press("PageDown")
    expect(where.first).to_have_text("2 / 3")
    page.keyboard.press("End")
    expect(where.first).to_have_text("3 / 3")
    before = stage.evaluate("i => i.getBoundingClientRect().width")
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.wait_for_function(
        "width => document.querySelector('.stage-page').getBoundingClientRect().width > width", arg=before * 1.3
    )
    page.keyboard.press("r")
    expect(stage).to_have_attribute("style", re.compile(r"rotate\(90deg\)"))
    page.keyboard.press("0")
    expect(page.get_by_role("button", name="Whole page")).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert download.value.suggested_filename.endswith(".pdf")
    page.evaluate("window.print = () => { window.printed = document.querySelectorAll('#print img').length; }")
    # Also in the first moments of a page: no g came before it.
    page.evaluate("performance.now = () => 700")
    page.keyboard.press("p")
    page.wait_for_function("() => window.printed === 3")
    page.evaluate("delete performance.now; window.printed = 0")
    page.keyboard.press("Control+p")
    page.wait_for_function("() => window.printed === 3")
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_role("heading", level=1)).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"
    page.emulate_media(media="screen", color_scheme="light")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="Health")).to_be_visible()


def test_a_failure_says_why_and_what_to_do(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, f"#/fax/{fax_id(3, True)}")
    story = page.locator(".fax-story")
    expect(story).to_contain_text("The line was busy.")
    expect(story).to_contain_text("Try again later.")
    # The station's own words are said once, and not there.
    expect(story).not_to_contain_text("486")
    expect(page.locator(".details")).to_contain_text("The line is busy (486 Busy Here).")
    page.get_by_role("button", name="Send the rest").click()
    expect(page.locator(".head .state")).to_contain_text("In the queue")
    page.get_by_role("button", name="Cancel this fax").click()
    expect(page.locator(".head .state")).to_contain_text("Cancelled")


def test_forwarding_as_fax_and_by_mail(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, f"#/fax/{fax_id(3)}")
    page.get_by_role("button", name="Forward").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("To", exact=True).fill("030 555")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Forward").click()
    expect(dialog.get_by_label("To", exact=True)).to_have_value("030 555")
    dialog.get_by_role("button", name="Forward").click()
    expect(page.get_by_text("On its way to").first).to_be_attached()
    assert fake.asked_for("POST", ".*/forward") == [{"to": "030555"}]
    page.get_by_role("button", name="Forward").click()
    dialog.get_by_role("radio", name="By e-mail").check()
    dialog.get_by_label("E-mail address").fill("nobody")
    dialog.get_by_role("button", name="Forward").click()
    expect(dialog.get_by_text("This is not an e-mail address.")).to_be_visible()
    dialog.get_by_label("E-mail address").fill("office@example.org")
    dialog.get_by_role("button", name="Forward").click()
    expect(dialog).to_have_count(0)
    assert fake.asked_for("POST", ".*/forward")[-1] == {"email": "office@example.org"}


def test_tags_and_erasing(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, f"#/fax/{fax_id(3)}")
    page.get_by_role("button", name="Add a tag").click()
    expect(page.get_by_role("textbox")).to_be_focused()
    page.keyboard.type("matter=2026-17")
    page.keyboard.press("Enter")
    expect(page.locator(".tags .chip")).to_have_text("matter=2026-17")
    page.get_by_role("button", name="Erase").click()
    page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    assert fax_id(3) not in fake.faxes
    page.goto(f"{fake.url}#/fax/{fax_id(3)}")
    expect(page.get_by_role("heading", name="Fax not found")).to_be_visible()


def test_who_may_not_is_not_offered_to(fake: Fake, watch: Watch) -> None:
    fake.fill()
    fake.scopes = ["read", "send", "events"]
    page = watch.open(fake.url, f"#/fax/{fax_id(3)}")
    expect(page.get_by_role("button", name="Forward")).to_be_visible()
    expect(page.get_by_role("button", name="Erase")).to_have_count(0)
    fake.scopes = ["read"]
    page.reload()
    expect(page.get_by_role("button", name="Add a tag")).to_have_count(0)
    expect(page.get_by_role("link", name="Call details")).to_be_visible()
    expect(page.get_by_role("button", name="Forward")).to_have_count(0)


def test_who_may_only_read_leaves_a_fax_unread(fake: Fake, watch: Watch) -> None:
    fax = fake.put(sample.fax(0, unread=True))
    fake.scopes = ["read"]
    page = watch.open(fake.url, f"#/fax/{fax['id']}")
    expect(page.get_by_role("link", name="Call details")).to_be_visible()
    page.wait_for_timeout(1500)
    assert fake.asked_for("PATCH", ".*") == []


def test_caller_and_called_are_told_and_the_claim_once(fake: Fake, watch: Watch) -> None:
    fax = fake.put(sample.fax(1, caller="reception", caller_name="", to="fax-room", remote_station_id="+49 89 7654321"))
    page = watch.open(fake.url, f"#/fax/{fax['id']}")
    details = page.locator(".details")
    expect(details).to_contain_text("reception")
    expect(details).to_contain_text("fax-room")
    expect(details.get_by_text("+49 89 7654321")).to_have_count(1)
    # A name that a caller gives itself is not called back, the number of its machine is.
    expect(page.get_by_role("button", name="Fax back")).to_be_visible()


def test_the_inbox_by_mailbox(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, "#/inbox")
    expect(page.get_by_text("26 faxes", exact=True)).to_be_visible()
    page.get_by_label("Mailbox").select_option("reception")
    expect(page.get_by_text("13 faxes", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_label("Mailbox")).to_have_value("reception")
    page.get_by_label("Mailbox").select_option("All mailboxes")
    expect(page.get_by_text("26 faxes", exact=True)).to_be_visible()


def test_tags_of_the_mail_gateway_are_not_shown(fake: Fake, watch: Watch) -> None:
    tags = {"source": "mail", "mail_from": "a@example.org", "mail_message_id": "<x@y>", "matter": "x" * 200}
    fax = fake.put(sample.fax(3, "send", "delivered", tags=tags))
    page = watch.open(fake.url, f"#/fax/{fax['id']}")
    chip = page.locator(".tags .chip")
    expect(chip).to_have_count(1)
    expect(page.locator(".details")).to_contain_text("a@example.org")
    expect(page.get_by_text("<x@y>")).to_have_count(0)
    # The button that removes it stays inside, however long it is.
    outer, inner = chip.bounding_box(), chip.get_by_role("button").bounding_box()
    assert outer
    assert inner
    assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]


def test_the_call_as_ladders(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, f"#/call/{fax_id(3, True)}")
    rows = page.locator(".ladder [data-row]")
    expect(rows).to_have_count(len(sample.TRACE_STEPS))
    page.get_by_role("button", name=re.compile(r"T\.30, from the far end: DIS")).click()
    chosen = page.get_by_role("complementary", name="Decoded fields")
    expect(chosen).to_contain_text("T.4 1D, T.4 2D, T.6")
    page.keyboard.press("ArrowDown")
    expect(chosen).to_contain_text("TSI")
    page.get_by_role("button", name="SIP", exact=True).click()
    expect(rows).to_have_count(sum(step[1] == "sip" for step in sample.TRACE_STEPS))
    expect(page.get_by_text("T.38 packets sent")).to_be_visible()
    for name in ("Text", "pcap"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename.startswith("trace-")


def test_the_trace_shown_is_of_the_attempt_chosen_last(fake: Fake, watch: Watch) -> None:
    fax = fake.put(sample.fax(3, "send", "failed"))
    fax["attempts"] = [fax["attempts"][0] | {"number": n} for n in (1, 2)]
    fake.trace = sample.trace() | {"entries": []}
    page = watch.open(fake.url, f"#/call/{fax['id']}")
    expect(page.get_by_role("heading", name="No trace of this call")).to_be_visible()
    late = []
    page.route(re.compile(r"/trace\?attempt=1$"), lambda route: late.append(route))
    page.get_by_label("Attempt").select_option("1")
    page.get_by_label("Attempt").select_option("2")
    expect(page.get_by_role("heading", name="No trace of this call")).to_be_visible()
    late[0].fulfill(json=sample.trace())
    page.wait_for_timeout(300)
    expect(page.get_by_role("heading", name="No trace of this call")).to_be_visible()


def test_the_call_of_a_gateway_has_three_sides(fake: Fake, watch: Watch) -> None:
    fax = fake.put(sample.fax(1, direction="gateway", caller="5551", to="200"))
    fake.trace = sample.passed_trace()
    page = watch.open(fake.url, f"#/call/{fax['id']}")
    names = page.locator(".ladder-head .lane-side")
    expect(names).to_have_text(["5551", "softfax", "200"] * 2)
    expect(page.locator(".ladder .life")).to_have_count(6)
    expect(page.get_by_role("button", name=re.compile(r"SIP, from us: INVITE"))).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile(r"T\.30, from the one called: DIS"))).to_have_count(1)

    def ends(title: str) -> list[float]:
        line = page.locator(".ladder [data-row]").filter(has_text=title).first.locator("line.arrow")
        return [float(line.get_attribute(name) or 0) for name in ("x1", "x2")]

    sip_near, sip_middle, sip_far, near, _, far = (
        float(one.get_attribute("x1") or 0) for one in page.locator(".ladder .life").all()
    )
    assert ends("INVITE") == [sip_near, sip_middle]
    assert ends("200 OK") == [sip_far, sip_middle]
    assert ends("DIS") == [far, near], "T.30 goes through"
    assert ends("DCS") == [near, far]


def test_the_address_book(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, "#/contacts")
    expect(page.locator(".contact")).to_have_count(5)
    page.get_by_role("button", name="New entry").click()
    page.get_by_label("Name", exact=True).fill("Hotel am Markt")
    page.get_by_label("Fax number").fill("no number")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("not a fax number")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New entry").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Hotel am Markt")
    page.get_by_label("Fax number").fill("+43 1 2345")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".contact")).to_have_count(6)
    page.get_by_role("button", name="Remove Hotel am Markt").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator(".contact")).to_have_count(5)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".contact")).to_have_count(6)
    page.get_by_label("Choose Praxis am See").check()
    page.get_by_label("Choose Hotel am Markt").check()
    page.get_by_role("button", name="Send a fax").last.click()
    expect(page.locator(".chip")).to_have_count(2)
