# SPDX-License-Identifier: GPL-2.0-or-later
"""A browser for the page's tests: Debian's, one for each module (its event loop would be in the way of others). What it must never do (break the policy, ask another host, fail with
an error) fails the test that saw it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.page.fake import Fake
from tests.support.absent import absent

CHROMIUM = os.environ.get("SOFTFAX_CHROMIUM") or shutil.which("chromium") or ""
LATE_MS = 60_000
expect.set_options(timeout=LATE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        absent("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    fake = Fake()
    yield fake
    fake.close()


class Watch:
    """Opens pages and writes down what goes wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.wrong: list[str] = []
        self.expected: list[str] = ["Failed to load resource"]
        self.contexts: list[BrowserContext] = []

    def context(self, **options: Any) -> BrowserContext:
        options = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB", "reduced_motion": "reduce", **options}
        context = self.browser.new_context(**options)
        context.set_default_timeout(LATE_MS)
        self.contexts.append(context)
        return context

    def open(self, url: str, place: str = "", context: BrowserContext | None = None, **options: Any) -> Page:
        page = (context or self.context(**options)).new_page()
        host = urlsplit(url).netloc

        def asked(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != host:
                self.wrong.append(f"asked {request.url}")

        page.on("request", asked)
        page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.wrong.append(f"{e.message}\n{e.stack}"))
        page.goto(f"{url}{place}")
        page.wait_for_selector("h1")
        return page

    def check(self) -> None:
        wrong = [line for line in self.wrong if not any(part in line for part in self.expected)]
        assert not wrong, "\n".join(wrong)


@pytest.fixture
def watch(browser: Browser) -> Iterator[Watch]:
    watch = Watch(browser)
    yield watch
    for context in watch.contexts:
        context.close()
    watch.check()
