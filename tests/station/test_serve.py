# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax serve` as an office runs it: a fax by its HTTP API to another station, looked at with the other verbs; what keeps it
from starting is one line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from softfax.client import SoftfaxClient
from tests.support.command import environment, softfax_command
from tests.support.served import CONFIG, get, serving, status, until

pytestmark = pytest.mark.sip


def softfax(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [softfax_command(), *arguments], capture_output=True, text=True, timeout=180, env=environment() | variables
    )


def test_a_fax_by_the_api(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("One short line.\n")
    mailbox = '[[mailbox]]\nname = "front desk"\nnumbers = ["5551"]\n[[mailbox.folder]]\ndir = "{}"\n'
    with serving(tmp_path / "one", "ONE") as one, serving(tmp_path / "two", "TWO") as two:
        # Another configuration while it runs: a wrong one leaves it as it was.
        text = two.config.read_text()
        two.config.write_text(text + "[inboxx]\n")
        two.process.send_signal(signal.SIGHUP)
        two.wait(r"the configuration stays as it was: .*no key inboxx")
        fewer = text.replace("[sip]\n", "[sip]\nmax_calls = 7\n")
        two.config.write_text(fewer + mailbox.format(tmp_path / "desk"))
        two.process.send_signal(signal.SIGHUP)
        two.wait("the configuration was read again; changed: mailbox; sip.max_calls waits for a restart\n")

        host = two.host
        with SoftfaxClient(one.url) as here, SoftfaxClient(two.url) as there:
            fax = here.send(f"sip:5551@{host}", [letter], tags={"case": "17"}, key="once")
            again = here.send(f"sip:5551@{host}", [letter], tags={"case": "17"}, key="once")
            assert again.id == fax.id
            done = here.wait(fax.id, timeout_s=240)
            assert (done.state, done.pages, done.result and done.result.mode) == ("delivered", 1, "T38")
            # The far end has confirmed the page before it has made a document of it.
            until(lambda: [f.state for f in there.list(limit=10)] == ["received"])
            received = list(there.list(limit=10))
            assert (received[0].mailbox, received[0].unread, received[0].pages) == ("front desk", True, 1)
            assert there.document(received[0].id).startswith(b"%PDF")
            until(lambda: list((tmp_path / "desk").glob("*.pdf")))
            assert re.search(r"softfax_faxes_total\{[^}]*\} 1\.0", get(f"{one.url}metrics"))
            events = json.loads(get(f"{one.url}v1/faxes/{fax.id}/events"))["events"]
            kinds = [event["event"] for event in events]
            assert {"job", "call", "session", "negotiated", "page", "result"} <= set(kinds), kinds
            # A trace is written a moment after the end, with what of SIP comes late.
            trace = f"{one.url}v1/faxes/{fax.id}/trace.txt"
            until(lambda: status(trace) == 200, 10)
            assert all(word in get(trace) for word in ("INVITE", "DIS", "DCS", "CFR", "MCF", "DCN", "BYE"))

        shown = softfax("jobs", "--url", one.url, "--json")
        assert shown.returncode == 0, shown.stderr
        assert [json.loads(line)["state"] for line in shown.stdout.splitlines()] == ["delivered"]
        assert "1 of 1 sent" in softfax("status", "--url", one.url).stdout

        # What waits when it ends is there when it runs again.
        with SoftfaxClient(one.url) as here:
            month = datetime.now(UTC) + timedelta(days=30)
            later = here.send(
                f"sip:5551@{host}",
                [letter],
                not_before=month.isoformat(),
                deadline=(month + timedelta(days=1)).isoformat(),
            )
        assert one.ends() == 0
        with serving(tmp_path / "one", "ONE") as one, SoftfaxClient(one.url) as here:
            assert here.get(later.id).state == "queued"
            cancelled = softfax("cancel", later.id, "--url", one.url)
            assert cancelled.returncode == 0, cancelled.stderr
            assert here.get(later.id).state == "cancelled"
            # The first signal lets a fax end, the second drops it, and says so.
            here.send(f"sip:5551@{host}", [letter])
            one.wait("to 5551: answered")
            one.process.send_signal(signal.SIGTERM)
            one.wait("finishing 1 fax; a second signal drops it")
            assert one.ends() == 130
            one.wait("to 5551: failed: cancelled")
        assert two.ends() == 0


def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path) -> None:
    def refused(folder: Path, text: str) -> str:
        folder.mkdir(exist_ok=True)
        config = folder / "softfax.toml"
        config.write_text(text)
        done = softfax("serve", "--config", str(config))
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    other = CONFIG.format(folder=tmp_path / "other", name="X")
    with socket.socket() as taken, serving(tmp_path / "one", "ONE") as one:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        http = other.replace('[http]\nlisten = "127.0.0.1:0"', f'[http]\nlisten = "{address}"')
        assert f"softfax: HTTP cannot listen on {address} (it is taken); change [http] listen" in refused(
            tmp_path / "other", http
        )
        same = CONFIG.format(folder=tmp_path / "one", name="X")
        assert re.search(
            rf"another station runs on this database \(process {one.process.pid}\); stop it",
            refused(tmp_path / "beside", same),
        )
        open_to_all = other.replace('[http]\nlisten = "127.0.0.1:0"', '[http]\nlisten = "0.0.0.0:0"')
        assert "token" in refused(tmp_path / "other", open_to_all)
        assert one.ends() == 0
    with sqlite3.connect(tmp_path / "one" / "data" / "softfax.sqlite") as database:
        database.execute("INSERT INTO softfax_schema VALUES (99, '9.9', 0)")
    assert "the database belongs to a newer softfax (9.9" in refused(tmp_path / "beside", same)
    if os.geteuid() != 0:
        return
    nowhere = CONFIG.format(folder="/proc/nowhere", name="X")
    assert "softfax: " in refused(tmp_path / "beside", nowhere)
