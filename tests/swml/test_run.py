# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax swml run`: a document that sends a fax over a real call, reports, asks a server what next, and is told by callbacks."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.background import REPOSITORY
from tests.support.command import SoftfaxProcess

pytestmark = pytest.mark.sip

DOCUMENT = """
version: 1.0.0
sections:
  main:
    - send_fax:
        document: {document}
        header_info: Praxis am See
        identity: "+49 30 123"
        status_url: {base}/status
    - execute:
        dest: {base}/next
        params: {{fax: "%{{send_fax_result}}", pages: "%{{send_fax_pages}}"}}
    - hangup
"""
NEXT = {
    "sections": {
        "main": [
            {
                "request": {
                    "url": "{base}/done",
                    "method": "POST",
                    "body": {"result": "%{params.fax}", "text": "%{send_fax_result_text}"},
                }
            },
            {"return": "told"},
        ]
    }
}


class Web:
    """Keeps what is posted to it, and answers /next with a SWML document."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, Any]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.posted.append((self.path, json.loads(body)))
                answer = json.dumps(NEXT).replace("{base}", web.base).encode() if self.path == "/next" else b"{}"
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path: str) -> list[Any]:
        return [body for where, body in self.posted if where == path]


async def fax(tmp_path: Path, web: Web) -> tuple[int | None, SoftfaxProcess]:
    receiver = await SoftfaxProcess.start(
        *(
            "receive",
            "--listen",
            "127.0.0.1:0",
            "--dir",
            "in",
            "--count",
            "1",
            "--timeout",
            "60",
            "--ident",
            "+49 30 999",
        ),
        cwd=tmp_path,
    )
    found = await receiver.wait_stderr(r"listening at (sip:[^ ]+)", 30)
    assert found, receiver.stderr
    text = DOCUMENT.format(document=REPOSITORY / "samples" / "invoice.pdf", base=web.base)
    (tmp_path / "fax.yaml").write_text(text)
    sender = await SoftfaxProcess.start(
        *("swml", "run", "fax.yaml", "--to", found[1].replace("sip:", "sip:fax@"), "--allow-private", "--mode", "t38"),
        *("--data", str(tmp_path / "data")),
        cwd=tmp_path,
    )
    status = await sender.wait(120)
    await receiver.wait(30)
    return status, sender


def test_a_document_faxes_and_is_told_how_it_went(tmp_path: Path) -> None:
    web = Web()
    status, sender = asyncio.run(fax(tmp_path, web))

    assert status == 0, sender.stderr
    (asked,) = web.at("/next")
    assert asked["params"] == {"fax": "success", "pages": 1}
    assert asked["vars"]["send_fax_remote_identity"] == "+49 30 999"
    assert web.at("/done") == [{"result": "success", "text": "OK"}]
    kinds = [body["params"]["fax"]["type"] for body in web.at("/status")]
    assert kinds == ["page", "finished"]
    finished = web.at("/status")[-1]["params"]["fax"]["params"]
    assert finished["success"] is True
    assert finished["identity"] == "+49 30 123"
    assert finished["pages"] == 1
    variables = sender.events[-1]["variables"]
    assert variables["send_fax_result"] == "success"
    assert variables["return_value"] == "told"


def test_two_runs_at_a_time_do_not_stand_in_each_other_s_way(tmp_path: Path) -> None:
    async def main() -> list[tuple[int | None, SoftfaxProcess]]:
        (tmp_path / "letter.txt").write_text("One short line.\n")
        (tmp_path / "fax.yaml").write_text("sections:\n  main:\n    - send_fax: {document: letter.txt}\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            to = f"sip:fax@127.0.0.1:{silent.getsockname()[1]}"
            runs = [
                await SoftfaxProcess.start(
                    *("swml", "run", "fax.yaml", "--to", to, "--allow-private", "--timeout", "8"),
                    cwd=tmp_path,
                    variables={"XDG_STATE_HOME": str(tmp_path / "state")},
                )
                for _ in range(2)
            ]
            return [(await one.wait(60), one) for one in runs]

    for status, one in asyncio.run(main()):
        assert (status, "no answer" in one.stderr) == (3, True), one.stderr
    assert {folder.name for folder in (tmp_path / "state" / "softfax").iterdir()} == {"swml", "swml-2"}


def test_what_is_wrong_is_said_before_anything_is_dialled(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("sections:\n  main:\n    - sendfax: {document: a.pdf}\n")

    async def check() -> SoftfaxProcess:
        process = await SoftfaxProcess.start("swml", "check", "bad.yaml", cwd=tmp_path)
        assert await process.wait(30) == 2
        return process

    process = asyncio.run(check())
    assert process.stderr.strip() == "softfax: line 3, column 7: there is no method 'sendfax'; did you mean send_fax?"
