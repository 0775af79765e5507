# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax probe`: what answers is reported, no page is sent, and no answer is said in one line."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from softfax.cli.main import main

BARE = {key: value for key, value in os.environ.items() if not key.startswith("SOFTFAX_")}


@pytest.mark.parametrize("mode", ["t38", "audio"])
def test_a_fax_machine_is_described_and_gets_no_page(
    tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["receive", "--listen", "127.0.0.1:0", "--dir", str(tmp_path / "in"), "--count", "1", "--ident", "+49 30 77",
             "--mode", mode, "--config", os.devnull]  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "softfax.cli.main", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=BARE,
    ) as far:
        assert far.stdout is not None
        first = next(line for line in far.stdout if line.startswith("listening at "))
        status = main(["probe", first.split()[2], "--json", "--mode", mode, "--config", os.devnull])
        far.wait(60)
        rest = far.stdout.read()

    (found,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert status == 0
    assert (found["answered"], found["fax"], found["identity"]) == (True, True, "+49 30 77")
    assert found["media"] == {"t38": "T.38", "audio": "G.711"}[mode]
    assert found["dis"]["modems"] == "V.27ter, V.29, V.17"
    assert found["dis"]["ECM"] == "yes"
    assert "page 1" not in rest
    assert not list((tmp_path / "in").glob("*.pdf"))


def test_nobody_there_is_one_line_and_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert main(["probe", f"sip:x@127.0.0.1:{port}", "--config", os.devnull]) == 3
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "nothing listens" in said
    assert "check the address and the port" in said
