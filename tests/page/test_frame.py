# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for every view: nothing for axe to find, both themes, both directions, a narrow screen, a small first load."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.page import sample
from tests.page.conftest import Watch
from tests.page.fake import Fake
from tests.page.test_live import begin, progress
from tests.page.test_send import attach

#: As it is sent, compressed; the views that are fetched at leisure with it.
FIRST_LOAD_MAX = 130_000
RECEIVED, FAILED = f"{0x100003:024x}", f"{0x500003:024x}"
PLACES = (
    "#/send",
    "#/live",
    "#/inbox",
    "#/outbox",
    f"#/fax/{RECEIVED}",
    f"#/fax/{FAILED}",
    f"#/call/{FAILED}",
    "#/contacts",
    "#/health",
    "#/settings",
)
#: What each opens: a view, and what is pressed in it.
DIALOGS = (
    ("a list to paste", "#/send", ".recipients .under .btn"),
    ("an entry of the address book", "#/contacts", ".head .btn.main"),
    ("taking an entry out", "#/contacts", ".contact .btn:last-child"),
    ("forwarding", f"#/fax/{RECEIVED}", ".acts .btn:has-text('Forward'), .acts .btn:has-text('بازارسال')"),
    ("erasing", f"#/fax/{RECEIVED}", ".danger-word"),
)


def settle(page: Page) -> None:
    page.wait_for_selector("h1")
    page.wait_for_function("() => !document.querySelector('.loading')", timeout=90_000)
    page.wait_for_timeout(150)


def findings(page: Page) -> list[str]:
    results = Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{v['id']}: {v['help']} {[n['html'][:160] for n in v['nodes'][:3]]}" for v in results.response["violations"]
    ]


@pytest.mark.parametrize(("theme", "locale"), [("light", "en-GB"), ("dark", "fa-IR")])
def test_axe_finds_nothing(fake: Fake, watch: Watch, theme: str, locale: str) -> None:
    fake.fill()
    begin(fake)
    # axe is put into the page by the test, which the page's policy would refuse.
    page = watch.open(fake.url, context=watch.context(bypass_csp=True, color_scheme=theme, locale=locale))
    progress(fake)
    found = {}
    for place in PLACES:
        page.goto(f"{fake.url}{place}")
        settle(page)
        found[place] = findings(page)
    page.goto(f"{fake.url}#/send")
    attach(page, "letter.pdf")
    page.locator(".leaf").first.wait_for()
    page.locator("input[role=switch]").check()
    page.locator("details.more summary").click()
    page.locator("#to").fill("praxis")
    expect(page.locator("#to-list [role=option]").first).to_be_visible()
    found["send, all open"] = findings(page)
    page.locator(".leaf-open").last.click()
    page.wait_for_selector(".stage-page.ready")
    found["preview"] = findings(page)
    page.keyboard.press("Escape")
    for name, place, opens in DIALOGS:
        page.goto(f"{fake.url}{place}")
        settle(page)
        page.locator(opens).first.click()
        expect(page.locator("dialog[open]")).to_be_visible()
        found[name] = findings(page)
        # The focus is in the dialog, stays there, and goes back where it was.
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            )
        page.keyboard.press("Escape")
        expect(page.locator(opens).first).to_be_focused()
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_be_visible()
    found["shortcuts"] = findings(page)
    assert not {place: some for place, some in found.items() if some}


def test_axe_finds_nothing_at_the_login(fake: Fake, watch: Watch) -> None:
    fake.token = "right"
    page = watch.open(fake.url, context=watch.context(bypass_csp=True))
    expect(page.get_by_role("dialog", name="Log in")).to_be_visible()
    assert not findings(page)
    expect(page.get_by_label("Token")).to_be_focused()


@pytest.mark.parametrize("lang", ["en", "fa"])
def test_nothing_sticks_out_at_320_pixels(fake: Fake, watch: Watch, lang: str) -> None:
    fake.fill()
    begin(fake)
    page = watch.open(
        fake.url,
        context=watch.context(viewport={"width": 320, "height": 640}, is_mobile=True, has_touch=True, locale=lang),
    )
    progress(fake)
    for place in PLACES:
        page.goto(f"{fake.url}{place}")
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, place
        # What is touched is large enough to be hit.
        small = page.evaluate("""() => [...document.querySelectorAll('button, .btn, .tabs a')].filter((e) => e.checkVisibility() && !e.closest('.chip, .ladder'))
            .map((e) => [e.getBoundingClientRect(), e.outerHTML.slice(0, 80)]).filter(([r]) => r.height < 24 || r.width < 24).map(([, html]) => html)""")
        assert not small, (place, small)
    page.goto(f"{fake.url}#/send")
    settle(page)
    expect(page.locator('input[capture="environment"]')).to_have_count(1)


@pytest.mark.parametrize("lang", ["en-US", "fa-IR"])
def test_a_long_address_and_sixty_pages_fit_a_phone(fake: Fake, watch: Watch, lang: str) -> None:
    address = "sip:a-very-long-name-of-an-extension@a-host.with-a-long-name.department.hospital.example.org:5080"
    fax = fake.put(sample.fax(0, "send", to=address, pages=60, pages_total=60))
    phone = watch.context(viewport={"width": 320, "height": 640}, is_mobile=True, has_touch=True, locale=lang)
    page = watch.open(fake.url, f"#/fax/{fax['id']}", context=phone)
    where = page.locator(".where").first
    expect(where).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator(".toolbar").evaluate("(bar) => bar.scrollWidth <= bar.clientWidth")
    box = where.bounding_box()
    assert box is not None
    assert box["height"] < 28  # one line


def test_persian_runs_from_right_to_left(fake: Fake, watch: Watch) -> None:
    fake.fill()
    page = watch.open(fake.url, "#/inbox", locale="fa-IR")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.get_by_role("heading", level=1)).to_have_text("دریافتی‌ها")
    expect(page.get_by_text("۲۶ فکس").first).to_be_visible()
    rail, main = page.locator(".rail").bounding_box(), page.locator("main").bounding_box()
    assert rail
    assert main
    assert rail["x"] > main["x"]
    page.goto(f"{fake.url}#/settings")
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    expect(page.locator("html")).to_have_attribute("dir", "ltr")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_the_theme_is_kept(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, "#/settings", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("radio", name="Dark").check()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    page.wait_for_selector("h1")
    assert page.evaluate(ground) == dark
    page.get_by_role("radio", name="As the system").check()
    assert page.evaluate(ground) == light


def test_the_first_load_is_small(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    settle(page)
    page.wait_for_function("() => performance.getEntriesByType('resource').some((e) => e.name.endsWith('settings.js'))")
    assert fake.sent_bytes < FIRST_LOAD_MAX, fake.sent_bytes


def test_a_login_and_out_again(fake: Fake, watch: Watch) -> None:
    fake.token = "right"
    fake.fill()
    page = watch.open(fake.url, "#/inbox")
    page.get_by_label("Token").fill("right")
    page.keyboard.press("Enter")
    expect(page.locator("[data-fax]").first).to_be_visible()
    page.goto(f"{fake.url}#/settings")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()


def test_behind_the_login_nothing_is_said_to_be_broken(fake: Fake, watch: Watch) -> None:
    fake.token = "right"
    page = watch.open(fake.url)
    expect(page.get_by_role("dialog", name="Log in")).to_be_visible()
    expect(page.locator(".foot .link")).to_have_text("Not logged in")
    expect(page.locator(".dot.lost")).to_have_count(0)


def test_a_dialog_dims_the_whole_page(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url, "#/contacts")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name="New entry").click()
    # The room that is kept for a scrollbar is the root's, which no backdrop covers.
    assert page.evaluate(ground) != before
    page.keyboard.press("Escape")
    page.wait_for_function(f"before => {ground} === before", arg=before)


def test_the_focus_follows_the_view(fake: Fake, watch: Watch) -> None:
    page = watch.open(fake.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.get_by_role("link", name="Inbox").click()
    expect(page.get_by_role("main")).to_be_focused()
    expect(page).to_have_title("Inbox · softfax")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("main")).to_be_focused()
