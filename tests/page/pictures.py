# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of every view, in both themes and languages, on a desk and on a phone, to be looked at: `python -m tests.page.pictures FOLDER`.

With `--references` those that the tests compare with, against a server that plays a station. With `--docs` the few that stand in the documentation instead. Two stations are started, and faxes go from one to the other meanwhile; takes
about five minutes. They look best where the fonts Inter and Vazirmatn are installed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from softfax.client import Fax, SoftfaxClient
from tests.page import views
from tests.page.conftest import CHROMIUM
from tests.page.sample import SAMPLES
from tests.page.test_pictures import LOOKS, REFERENCES, name_of, small
from tests.page.test_pictures import pictures as every_view
from tests.support.served import CONFIG, Served, serving

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
SIZES: dict[str, dict[str, Any]] = {"desk": {"viewport": {"width": 1280, "height": 860}}, "phone": PHONE}
THEMES = ("light", "dark")
LOCALES = {"": "en-GB", "-fa": "fa-IR"}
SETTLED_MS = 1500
#: When half of a page has come.
HALF_MS = 9000
#: Of the pictures that are compared: small, and no stain that would count as a difference.
QUALITY = 88
#: Enough for the documentation.
COLOURS = 128
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

    def send(self, to: str, names: tuple[str, ...], number: str, ident: str, mode: str = "auto") -> Fax:
        """Takes `names` of the samples. Over T.38 a page is there at once, as nothing paces it between two stations of ours."""
        files = [SAMPLES / name for name in names]
        return self._thread.submit(self._client.send, to, files, ident=ident, mode=mode, **{"from": number}).result()

    def wait(self, fax: Fax) -> Fax:
        """Wait until it has ended."""
        return self._thread.submit(self._client.wait, fax.id, 180.0).result()


def looks() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each language, size and theme: its name, and the options of a context."""
    for language, locale in LOCALES.items():
        for size, options in SIZES.items():
            for theme in THEMES:
                yield f"{language}-{size}-{theme}", options | {"color_scheme": theme, "locale": locale}


def take(browser: Browser, path: Path, url: str, prepare: Callable[[Page], Any] | None = None, **options: Any) -> None:
    """One picture."""
    context = browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **options})
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("h1")
    if prepare is not None:
        prepare(page)
    page.wait_for_timeout(SETTLED_MS)
    page.screenshot(path=path)
    context.close()


def compose(page: Page) -> None:
    """A fax that could be sent."""
    page.set_input_files('input[data-input="files"]', [SAMPLES / "letter.pdf", SAMPLES / "photo.pdf"])
    page.locator(".leaf").nth(1).wait_for()
    page.locator("#to").fill("+49 30 1234567")
    page.keyboard.press("Enter")


def from_the_top(page: Page) -> None:
    """Compose a fax on a phone, seen from the top."""
    compose(page)
    page.evaluate("scrollTo(0, 0)")


def look_at_dcs(page: Page) -> None:
    """A message of the ladder, with its fields."""
    if page.viewport_size and page.viewport_size["width"] < 600:
        page.get_by_role("button", name="T.30", exact=True).click()
    page.locator("svg.ladder [data-row]").filter(has_text="DCS").first.click()


def until_half(page: Page) -> None:
    """A page that is coming in."""
    page.wait_for_selector(".arriving img")
    page.wait_for_timeout(HALF_MS)


def exchange(client: Client, to: str) -> Fax:
    """Faxes from the office to the branch; the last of them."""
    done = None
    for number, ident, names in SENT:
        done = client.wait(client.send(to, names, number, ident))
    assert done is not None
    return done


def tour(browser: Browser, folder: Path, office: Served, branch: Served) -> None:
    """All views of both stations, in all looks."""
    client = Client(office.url)
    to = f"sip:+4930999@{branch.host}"
    done = exchange(client, to)
    failed = client.send("sip:1@127.0.0.1:9", ("report.pdf",), "", "")
    running = client.send(to, ("photo.pdf", "letter.pdf"), "+49301234567", "+49 30 1234567", "audio")
    take(browser, folder / "live-in.png", f"{branch.url}#/live", until_half)
    take(browser, folder / "live-out.png", f"{office.url}#/live", color_scheme="dark", **PHONE)
    client.wait(running)
    views: tuple[tuple[str, str, Callable[[Page], Any] | None], ...] = (
        ("send", office.url, compose),
        ("live", f"{office.url}#/live", None),
        ("inbox", f"{branch.url}#/inbox", None),
        ("outbox", f"{office.url}#/outbox", None),
        ("fax", f"{office.url}#/fax/{done.id}", None),
        ("fax-failed", f"{office.url}#/fax/{failed.id}", None),
        ("call", f"{office.url}#/call/{done.id}", look_at_dcs),
        ("contacts", f"{office.url}#/contacts", None),
        ("health", f"{office.url}#/health", None),
        ("settings", f"{office.url}#/settings", None),
    )
    for name, url, prepare in views:
        for look, options in looks():
            take(browser, folder / f"{name}{look}.png", url, prepare, **options)


def beside(folder: Path, name: str, parts: tuple[str, ...]) -> None:
    """One picture out of several, which are no more."""
    pictures = []
    for part in parts:
        with Image.open(folder / part) as picture:
            pictures.append(picture.convert("RGB"))
        (folder / part).unlink()
    gap = pictures[0].width // 20
    whole = Image.new("RGB", (sum(p.width + gap for p in pictures) - gap, pictures[0].height), "white")
    across = 0
    for picture in pictures:
        whole.paste(picture, (across, 0))
        across += picture.width + gap
    whole.resize((1280, round(whole.height * 1280 / whole.width)), Image.Resampling.LANCZOS).save(folder / name)


def document(browser: Browser, folder: Path, office: Served, branch: Served) -> None:
    """The pictures of the documentation."""

    def desk(height: int) -> dict[str, Any]:
        return {"viewport": {"width": 1280, "height": height}}

    client = Client(office.url)
    to = f"sip:+4930999@{branch.host}"
    done = exchange(client, to)
    running = client.send(to, ("letter.pdf", "photo.pdf"), "+33142685300", "+33 1 42 68 53 00", "audio")
    take(browser, folder / "web-live.png", f"{branch.url}#/live", until_half, **desk(520))
    client.wait(running)
    take(browser, folder / "web-send.png", office.url, compose, **desk(800))
    take(browser, folder / "web-inbox.png", f"{branch.url}#/inbox", color_scheme="dark", **desk(620))
    take(browser, folder / "web-call.png", f"{office.url}#/call/{done.id}", look_at_dcs, **desk(900))
    take(browser, folder / "phone-1.png", office.url, from_the_top, **PHONE)
    take(browser, folder / "phone-2.png", f"{branch.url}#/inbox", color_scheme="dark", locale="fa-IR", **PHONE)
    take(browser, folder / "phone-3.png", f"{office.url}#/fax/{done.id}", **PHONE)
    beside(folder, "web-phone.png", ("phone-1.png", "phone-2.png", "phone-3.png"))
    for path in folder.glob("web-*.png"):
        with Image.open(path) as picture:
            few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def refer() -> int:
    """The pictures that tests compare with, made anew."""
    shutil.rmtree(REFERENCES, ignore_errors=True)
    REFERENCES.mkdir()
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        browser = views.launch(playwright, Path(work), CHROMIUM)
        for width, theme, locale in LOOKS:
            for view, png in every_view(browser, width, theme, locale).items():
                small(png).save(name_of(view, width, theme), quality=QUALITY, method=6)
        browser.close()
    print(f"{len(list(REFERENCES.glob('*')))} pictures in {REFERENCES}")
    return 0


def station(folder: Path, name: str, *, fine: bool) -> AbstractContextManager[Served]:
    """A station; its pages are coarse, which is quick, unless they are for the documentation."""
    folder.mkdir()
    text = CONFIG.format(folder=folder, name=name) + "[trace]\npackets = true\n"
    (folder / "softfax.toml").write_text(text.replace('resolution = "standard"\n', "") if fine else text)
    return serving(folder, name)


def main() -> int:
    """Returns the exit status."""
    if sys.argv[1:] == ["--references"]:
        return refer()
    docs = "--docs" in sys.argv
    rest = [word for word in sys.argv[1:] if word != "--docs"]
    if len(rest) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(rest[0])
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as work,
        station(Path(work) / "office", "OFFICE", fine=docs) as office,
        station(Path(work) / "branch", "BRANCH", fine=docs) as branch,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        (document if docs else tour)(browser, folder, office, branch)
        browser.close()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
