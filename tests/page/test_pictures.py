# SPDX-License-Identifier: GPL-2.0-or-later
"""Every view looks as it did, each against a small picture of it: narrow, between and wide, light and dark, English and Persian.

A difference that is meant: look at the new pictures, then `python -m tests.page.pictures --references` and commit them.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.page import views
from tests.page.conftest import CHROMIUM
from tests.page.fake import Fake
from tests.support.absent import absent

REFERENCES = Path(__file__).parent / "references"
#: Pictures are kept so much smaller, and compared after that: how the edge of a letter is drawn is lost in it.
SHRINK = 4
#: How far a pixel may be from what it was (of 255), and how many of a thousand may be farther.
FAR = 28
FAR_MAX_PER_MILLE = 4.0
#: Both themes and languages, and every width, in four rounds.
LOOKS = ((375, "light", "en-GB"), (768, "dark", "fa-IR"), (1440, "light", "fa-IR"), (1440, "dark", "en-GB"))


def small(png: bytes) -> Image.Image:
    """A picture as it is kept."""
    with Image.open(io.BytesIO(png)) as picture:
        return picture.convert("RGB").reduce(SHRINK)


def difference(was: Image.Image, now: Image.Image) -> float:
    """Count the pixels of a thousand that are far from what they were, in the part both have; a change of height counts as a part
    that is all different."""
    width, height = min(was.width, now.width), min(was.height, now.height)
    box = (0, 0, width, height)
    apart = np.abs(np.asarray(was.crop(box), dtype=np.int16) - np.asarray(now.crop(box), dtype=np.int16)).max(axis=2)
    far = int((apart > FAR).sum()) + abs(was.height - now.height) * width
    return far * 1000 / (width * max(was.height, now.height))


def name_of(view: str, width: int, theme: str) -> Path:
    return REFERENCES / f"{view}-{width}-{theme}.webp"


def pictures(browser: Browser, width: int, theme: str, locale: str) -> dict[str, bytes]:
    """Every view, as PNG."""
    made = {}
    context = views.context(browser, width, theme, locale)
    page = context.new_page()
    with views.steady():
        for view, place, prepare in views.VIEWS:
            # Each view has a station of its own, at a port of its own: what the browser keeps goes by that. The process that draws
            # them is one.
            fake = Fake()
            views.set_scene(fake)
            made[view] = views.show(page, fake.url, place, prepare)
            fake.close()
    context.close()
    return made


@pytest.fixture(scope="module")
def steady_browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    if not CHROMIUM:
        absent("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = views.launch(playwright, tmp_path_factory.mktemp("chromium"), CHROMIUM)
        yield browser
        browser.close()


@pytest.mark.parametrize(("width", "theme", "locale"), LOOKS)
def test_every_view_looks_as_it_did(
    steady_browser: Browser, tmp_path: Path, width: int, theme: str, locale: str
) -> None:
    changed = {}
    for view, png in pictures(steady_browser, width, theme, locale).items():
        kept = name_of(view, width, theme)
        with Image.open(kept) as was:
            apart = difference(was.convert("RGB"), small(png))
        if apart > FAR_MAX_PER_MILLE:
            (tmp_path / f"{view}-{width}-{theme}.png").write_bytes(png)
            changed[view] = round(apart, 1)
    assert not changed, f"pixels of a thousand that differ: {changed}; the new pictures are in {tmp_path}"


def test_every_reference_has_its_view() -> None:
    expected = {name_of(view, width, theme) for view, *_ in views.VIEWS for width, theme, _ in LOOKS}
    assert set(REFERENCES.glob("*")) == expected


def test_what_slips_is_seen() -> None:
    """A button that is a little lower, or of another colour, is a difference; a letter's edge is none."""
    kept = REFERENCES / "send-1440-dark.webp"
    with Image.open(kept) as picture:
        was = picture.convert("RGB")
    assert difference(was, was) == 0
    moved = was.copy()
    moved.paste(was.crop((200, 20, 340, 200)), (200, 24))
    assert difference(was, moved) > FAR_MAX_PER_MILLE
    softer = was.resize((was.width * 2, was.height * 2), Image.Resampling.BICUBIC).reduce(2)
    assert difference(was, softer) < FAR_MAX_PER_MILLE
