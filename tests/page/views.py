# SPDX-License-Identifier: GPL-2.0-or-later
"""Every view of the page with the same faxes, the same time and the same fonts, wherever it is drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.page import sample
from tests.page.fake import Fake

NOW = datetime(2026, 3, 11, 10, 21, 30, tzinfo=UTC)
ZONE = "Europe/Berlin"
#: Nothing of the machine's own in how type and colours are drawn.
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-lcd-text",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
)
FONTS = Path(__file__).parents[2] / "src/softfax/documents/fonts"
FONTCONFIG = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <match target="font"><edit name="hinting" mode="assign"><bool>false</bool></edit></match>
  <match target="font"><edit name="antialias" mode="assign"><bool>true</bool></edit></match>
</fontconfig>
"""
WIDTHS = {375: 812, 768: 1024, 1440: 900}
#: A picture ends here, however long its page.
TALL_MAX = 1600
RECEIVED, SENT, FAILED, BROKEN = (f"{n:024x}" for n in (0x100003, 0x500001, 0x500003, 0x100009))
CALL = f"{0xABC:024x}"
LEFT_MS = 400


def set_scene(fake: Fake) -> None:
    """Faxes that came and went, and two calls that are up."""
    fake.fill(14, 12)
    fake.status = sample.status()
    fake.polled = [sample.polled()]
    fake.numbers = [sample.known_number()]
    for direction, number, page in (("send", CALL, 2), ("receive", f"{0xABD:024x}", 1)):
        out = direction == "send"
        fake.put(
            sample.fax(0, direction, "sending" if out else "receiving", id=number, created=sample.stamp(sample.now()),
                       pages_total=3 if out else None, caller="" if out else "+493055512")
        )  # fmt: skip
        fake.calls.append(
            {"fax_id": number, "operation": direction, "state": "Active", "session_number": page, "call_state": "answered",
             "started": sample.stamp(sample.now()), "mode": "T38", "data_rate": 14400, "error_correction_mode": True, "caller": "" if out else "+493055512",
             "image_resolution": "8031x7700", "remote_station_id": "+49 89 7654321", "total_bad_lines": 0,
             "progress": {"direction": direction, "page": page, "bytes": 17000, "page_bytes": 34000 if out else None, "rows": 1200,
                          "pages_total": 3 if out else None, "rate_bps": 14400, "packets": 400, "lost": 0, "recovered": 3, "retries": 0}}
        )  # fmt: skip


def _compose(page: Page) -> None:
    page.locator("#to").fill("+49 30 1234567")
    page.keyboard.press("Enter")
    page.set_input_files('input[data-input="files"]', [sample.SAMPLES / "letter.pdf", sample.SAMPLES / "photo.pdf"])
    page.locator(".leaf .ready").nth(1).wait_for()
    page.wait_for_timeout(LEFT_MS)


def _open_all(page: Page) -> None:
    page.locator("input[role=switch]").check()
    page.locator("details.more summary").click()
    page.locator(".file .leaf .ready").wait_for()
    page.get_by_role("radio").nth(1).check()
    page.wait_for_timeout(LEFT_MS)
    page.mouse.move(0, 0)


def _trouble(page: Page) -> None:
    page.locator("#to").fill("??")
    page.locator("#to").press("Enter")


def _dcs(page: Page) -> None:
    page.locator("svg.ladder [data-row]").filter(has_text="DCS").first.click()


def _arriving(page: Page) -> None:
    """The page that is coming in is fetched before it stands there."""
    page.locator(".arriving img").first.wait_for()


def _press(*selectors: str) -> Callable[[Page], None]:
    def press(page: Page) -> None:
        for selector in selectors:
            page.locator(selector).first.click()

    return press


#: A name, where it is, and what is done there.
VIEWS: tuple[tuple[str, str, Callable[[Page], None] | None], ...] = (
    ("send", "#/send", None),
    ("send-composed", "#/send", _compose),
    ("send-options", "#/send", _open_all),
    ("send-wrong", "#/send", _trouble),
    ("live", "#/live", _arriving),
    ("inbox", "#/inbox", None),
    ("outbox", "#/outbox", None),
    ("nothing", "#/inbox?q=nothing+like+it", None),
    ("received", f"#/fax/{RECEIVED}", None),
    ("sent", f"#/fax/{SENT}", None),
    ("failed", f"#/fax/{FAILED}", None),
    ("broken", f"#/fax/{BROKEN}", None),
    ("missing", "#/fax/none", None),
    ("call", f"#/call/{FAILED}", _dcs),
    ("contacts", "#/contacts", None),
    ("contact", "#/contacts", _press(".head .btn.main")),
    ("erase", f"#/fax/{RECEIVED}", _press(".danger-word")),
    ("forward", f"#/fax/{RECEIVED}", _press(".fax-side .acts > .btn:nth-child(2)")),
    ("numbers", "#/numbers", None),
    ("number", "#/numbers", _press(".polled .btn")),
    ("polled", "#/polled", None),
    ("put-out", "#/polled", _press(".head .btn.main")),
    ("health", "#/health", None),
    ("settings", "#/settings", None),
)


@contextmanager
def steady() -> Iterator[None]:
    """The samples' time stands still."""
    sample.fixed = NOW
    try:
        yield
    finally:
        sample.fixed = None


def launch(playwright: Playwright, folder: Path, chromium: str) -> Browser:
    """A browser that knows the fonts of this repository and no others; its settings go to `folder`."""
    config = folder / "fonts.conf"
    config.write_text(FONTCONFIG.format(fonts=FONTS, cache=folder / "fonts"))
    env: dict[str, str | float | bool] = {**os.environ, "FONTCONFIG_FILE": str(config)}
    return playwright.chromium.launch(executable_path=chromium, args=list(FLAGS), env=env)


def context(browser: Browser, width: int, theme: Any, locale: str) -> BrowserContext:
    made = browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]}, color_scheme=theme, locale=locale, timezone_id=ZONE, reduced_motion="reduce",
        is_mobile=width < 600, has_touch=width < 600,
    )  # fmt: skip
    made.clock.set_fixed_time(NOW)
    return made


def show(page: Page, url: str, place: str, prepare: Callable[[Page], None] | None) -> bytes:
    """A view, as PNG: from its top, as far as a picture goes."""
    page.goto("about:blank")
    page.mouse.move(0, 0)
    page.goto(f"{url}{place}")
    page.wait_for_selector("h1, .empty")
    page.wait_for_function("() => !document.querySelector('.loading')")
    if prepare is not None:
        prepare(page)
    page.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
    # Every picture, and the paper that shows itself once its picture is there.
    page.wait_for_function(
        "() => [...document.images].every((i) => i.complete && (!i.naturalWidth || !i.matches('.paper > img') || i.matches('.ready > img')))"
    )
    page.wait_for_timeout(LEFT_MS)
    size = page.viewport_size
    assert size
    tall = page.evaluate("document.documentElement.scrollHeight")
    height = min(max(tall, size["height"]), TALL_MAX)
    return page.screenshot(
        full_page=True,
        clip={"x": 0, "y": 0, "width": size["width"], "height": height},
        animations="disabled",
        caret="hide",
    )
