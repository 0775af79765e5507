# SPDX-License-Identifier: GPL-2.0-or-later
"""The page against running stations: a fax sent from one and seen to arrive at the other, a busy number, a call that is cancelled,
a station that dies under a page."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page import sample
from tests.page.conftest import Watch
from tests.support.served import CONFIG, Served, serving

pytestmark = pytest.mark.sip

TOKEN = "a-token-of-tests-alone"
RING_MS, FAX_MS = 20_000, 60_000


@dataclass
class Two:
    """An office, whose page asks for a token, and a branch."""

    office: Served
    branch: Served


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("stations")
    token = f'[[http.token]]\nname = "desk"\nsecret = "{TOKEN}"\nscopes = ["admin"]\n[trace]\npackets = true\n'
    office_folder = folder / "office"
    office_folder.mkdir()
    # At the pace of a modem, so that there is something to see.
    paced = CONFIG.format(folder=office_folder, name="OFFICE").replace("[sip]\n", "[sip]\ndirect = false\n")
    (office_folder / "softfax.toml").write_text(paced + token)
    with serving(office_folder, "OFFICE") as office, serving(folder / "branch", "BRANCH") as branch:
        yield Two(office, branch)


@contextlib.contextmanager
def busy_number() -> Iterator[str]:
    """A SIP far end that is always busy."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        there.settimeout(0.2)
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                try:
                    data, far = there.recvfrom(65536)
                except TimeoutError:
                    continue
                text = data.decode()
                if not text.startswith("INVITE"):
                    continue
                kept = [line for line in text.split("\r\n") if re.match(r"(Via|From|Call-ID|CSeq):", line, re.I)]
                to = next(line for line in text.split("\r\n") if line.lower().startswith("to:"))
                lines = ["SIP/2.0 486 Busy Here", *kept, f"{to};tag=busy", "Content-Length: 0", "", ""]
                there.sendto("\r\n".join(lines).encode(), far)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"sip:4711@127.0.0.1:{there.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def log_in(page: Page) -> None:
    page.get_by_label(re.compile("token", re.I)).fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Connected to the station")).to_be_visible()


def order(page: Page, number: str, *names: str) -> None:
    """Types a fax and sends it."""
    page.set_input_files('input[data-input="files"]', [sample.SAMPLES / name for name in names])
    expect(page.get_by_role("button", name="Look at page 1 closely")).to_be_visible(timeout=RING_MS)
    page.get_by_label("To", exact=True).fill(number)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_role("heading", name="Your fax is on its way")).to_be_visible(timeout=RING_MS)


def test_a_fax_is_sent_and_seen_to_arrive(two: Two, watch: Watch) -> None:
    office = watch.open(two.office.url)
    log_in(office)
    there = watch.context()
    branch = watch.open(two.branch.url, "#/live", there)
    expect(branch.get_by_role("heading", name="No calls")).to_be_visible()
    order(office, f"sip:100@{two.branch.host}", "invoice.pdf")
    card = branch.get_by_role("article")
    expect(card).to_be_visible(timeout=RING_MS)
    expect(card).to_contain_text("T.38", timeout=FAX_MS)
    expect(card).to_contain_text("OFFICE", timeout=FAX_MS)
    picture = card.locator(".arriving img")
    expect(picture).to_be_visible(timeout=RING_MS)
    # The connection breaks in the middle: nobody has to do anything, nothing is missing afterwards.
    there.set_offline(True)
    time.sleep(2.5)
    there.set_offline(False)
    expect(branch.get_by_role("heading", name="No calls")).to_be_visible(timeout=FAX_MS)
    branch.goto(f"{two.branch.url}#/inbox")
    expect(branch.get_by_text("OFFICE").first).to_be_visible()
    expect(branch.get_by_text("New", exact=True)).to_have_count(1)
    expect(office.get_by_role("heading", name="Delivered")).to_be_visible(timeout=RING_MS)

    # Call details, as an engineer looks at it.
    office.goto(f"{two.office.url}#/outbox")
    office.get_by_role("link", name=re.compile("To .*100.*Delivered")).first.click()
    office.get_by_role("link", name="Call details").click()
    ladder = office.get_by_role("group", name="Messages of the call")
    for said in ("INVITE", "CNG", "CED", "DIS", "DCS", "TCF", "CFR", "PPS-EOP", "MCF", "DCN", "BYE"):
        expect(ladder.get_by_role("button", name=re.compile(rf": {said}\b")).first).to_be_visible()
    ladder.get_by_role("button", name=re.compile(": DCS")).first.click()
    expect(office.get_by_label("Decoded fields")).to_contain_text("14400")
    expect(office.get_by_text("T.38 packets received")).to_be_visible()
    with office.expect_download() as download:
        office.get_by_role("link", name="pcap").click()
    assert Path(download.value.path()).read_bytes()[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")


def test_a_busy_number_and_a_call_that_is_cancelled(two: Two, watch: Watch) -> None:
    page = watch.open(two.office.url)
    log_in(page)
    with busy_number() as number:
        order(page, number, "form.pdf")
        expect(page.get_by_text(re.compile("busy", re.I)).first).to_be_visible(timeout=RING_MS)
        page.goto(f"{two.office.url}#/outbox")
        waiting = page.get_by_role("link", name=re.compile("To .*4711.*Will try again"))
        expect(waiting).to_contain_text("The line was busy.")
        expect(waiting.locator(".paper.ready")).to_be_visible()
        waiting.click()
        page.get_by_role("button", name=re.compile("Cancel")).first.click()
        expect(page.get_by_text("Cancelled").first).to_be_visible(timeout=RING_MS)
    page.goto(f"{two.office.url}#/send")
    page.reload()
    order(page, f"sip:100@{two.branch.host}", "letter.pdf")
    page.goto(f"{two.office.url}#/live")
    card = page.get_by_role("article")
    expect(card).to_contain_text(re.compile("T.38"), timeout=FAX_MS)
    card.get_by_role("button", name="Cancel this fax").click()
    expect(page.get_by_role("heading", name="No calls")).to_be_visible(timeout=RING_MS)
    page.goto(f"{two.office.url}#/outbox")
    expect(page.get_by_text("Cancelled").first).to_be_visible()
    seen = watch.open(two.branch.url, "#/inbox")
    expect(seen.get_by_text(re.compile("Failed|Broke|Incomplete|not complete", re.I)).first).to_be_visible(
        timeout=RING_MS
    )


def test_a_station_that_dies_under_a_page(tmp_path: Path, watch: Watch) -> None:
    with serving(tmp_path / "one", "ONE") as one:
        url = one.url
        address = url.removeprefix("http://").rstrip("/")
        text = one.config.read_text().replace('[http]\nlisten = "127.0.0.1:0"', f'[http]\nlisten = "{address}"')
        one.config.write_text(text)
        page = watch.open(url)
        page.set_input_files('input[data-input="files"]', [sample.SAMPLES / "form.pdf"])
        expect(page.get_by_role("button", name="Look at page 1 closely")).to_be_visible(timeout=RING_MS)
        page.get_by_label("To", exact=True).fill("sip:1@127.0.0.1:9")
        page.keyboard.press("Enter")
        one.process.kill()
        one.process.wait(10)
        page.get_by_role("button", name="Send now").click()
        expect(
            page.get_by_text(re.compile("does not answer|no connection|cannot be reached", re.I)).first
        ).to_be_visible(timeout=RING_MS)
    with serving(tmp_path / "one", "ONE") as one:
        assert one.url == url
        expect(page.get_by_text("Connected to the station")).to_be_visible(timeout=RING_MS)
        expect(page.get_by_role("article", name="form.pdf")).to_be_visible()
        page.get_by_role("button", name="Send now").click()
        expect(page.get_by_role("heading", name="Your fax is on its way")).to_be_visible(timeout=RING_MS)
        with urllib.request.urlopen(f"{url}v1/faxes") as answer:
            assert answer.read().count(b'"direction":"send"') == 1
