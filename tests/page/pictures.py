# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of every view, in both themes, on a desk and on a phone, to be looked at: `python -m tests.page.pictures FOLDER`.

Two stations are started, and faxes go from one to the other meanwhile; takes about three minutes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from softfax.client import Fax, SoftfaxClient
from tests.page.sample import SAMPLES
from tests.support.served import Served, serving

SIZES = {"desk": (1280, 860), "phone": (390, 844)}
THEMES = ("light", "dark")
HEADER = "[trace]\npackets = true\n"
#: Who sends what: number, identification, documents.
SENT = (
    ("+49301234567", "+49 30 1234567", ("form.pdf", "invoice.pdf")),
    ("+442079460123", "+44 20 7946 0123", ("invoice.pdf",)),
    ("+49897654321", "+49 89 7654321", ("letter.pdf",)),
)


class Client:
    """The station's client, in a thread that has no event loop of Playwright's."""

    def __init__(self, url: str) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._client = self._thread.submit(SoftfaxClient, url).result()

    def send(self, to: str, names: tuple[str, ...], number: str, ident: str) -> Fax:
        """Takes `names` of the samples."""
        files = [SAMPLES / name for name in names]
        return self._thread.submit(self._client.send, to, files, ident=ident, **{"from": number}).result()

    def wait(self, fax: Fax) -> Fax:
        """Until it has ended."""
        return self._thread.submit(self._client.wait, fax.id, 180.0).result()


def looks(browser: Browser) -> Iterator[tuple[str, Any]]:
    """Each size and theme: its name, and the options of a context."""
    for size, (width, height) in SIZES.items():
        for theme in THEMES:
            yield f"{size}-{theme}", {"viewport": {"width": width, "height": height}, "color_scheme": theme}


def take(browser: Browser, folder: Path, name: str, url: str, prepare: Any = None, locale: str = "en-GB") -> None:
    """One view in all its looks."""
    for look, options in looks(browser):
        context = browser.new_context(**options, locale=locale, reduced_motion="reduce")
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("h1")
        if prepare is not None:
            prepare(page)
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / f"{name}-{look}.png")
        context.close()


def compose(page: Page) -> None:
    """A fax that could be sent."""
    page.set_input_files('input[data-input="files"]', [SAMPLES / "letter.pdf", SAMPLES / "photo.pdf"])
    page.get_by_role("button", name="Look at page 2 closely").wait_for()
    page.get_by_label("To", exact=True).fill("+49 30 1234567")
    page.keyboard.press("Enter")


def look_at_dcs(page: Page) -> None:
    """A message of the ladder, with its fields."""
    page.locator("svg.ladder [data-row]").filter(has_text="DCS").first.click()


def tour(browser: Browser, folder: Path, office: Served, branch: Served) -> None:
    """Faxes from the office to the branch, and pictures of both."""
    client = Client(office.url)
    to = f"sip:+4930999@{branch.host}"
    for number, ident, names in SENT:
        done = client.wait(client.send(to, names, number, ident))
    failed = client.send("sip:1@127.0.0.1:9", ("report.pdf",), "", "")
    running = client.send(to, ("photo.pdf", "letter.pdf"), "+49301234567", "+49 30 1234567")
    take(browser, folder, "send", office.url, compose)
    take(browser, folder, "live-in", f"{branch.url}#/live", lambda page: page.wait_for_selector(".arriving img"))
    take(browser, folder, "live-out", f"{office.url}#/live")
    client.wait(running)
    for name, url in (
        ("inbox", f"{branch.url}#/inbox"),
        ("outbox", f"{office.url}#/outbox"),
        ("fax", f"{office.url}#/fax/{done.id}"),
        ("fax-failed", f"{office.url}#/fax/{failed.id}"),
        ("contacts", f"{office.url}#/contacts"),
        ("health", f"{office.url}#/health"),
        ("settings", f"{office.url}#/settings"),
    ):
        take(browser, folder, name, url)
    take(browser, folder, "call", f"{office.url}#/call/{done.id}", look_at_dcs)
    take(browser, folder, "inbox-fa", f"{branch.url}#/inbox", locale="fa-IR")
    take(browser, folder, "send-fa", office.url, locale="fa-IR")


def main() -> int:
    """Returns the exit status."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as work,
        serving(Path(work) / "office", "OFFICE", HEADER) as office,
        serving(Path(work) / "branch", "BRANCH", HEADER) as branch,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        tour(browser, folder, office, branch)
        browser.close()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
