# SPDX-License-Identifier: GPL-2.0-or-later
"""The doctor's test fax to a real receiver, and a registration that nobody takes."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from softfax.ops.doctor import Status
from softfax.ops.doctor.network import registration_findings
from softfax.ops.doctor.trial import call_findings
from softfax.station import StationConfig

pytestmark = pytest.mark.sip


def test_a_test_fax(tmp_path: Path) -> None:
    async def call() -> list[str]:
        receiver = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "softfax.cli.main", "receive", "--listen", "127.0.0.1:0", "--count", "1"),
            *("--dir", str(tmp_path / "in"), "--ident", "RECEIVER"),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert receiver.stdout is not None
            uri = re.findall(r"sip:(\S+)", (await receiver.stdout.readline()).decode())[0]
            config = StationConfig.checked(
                {"sip": {"listen": "127.0.0.1:5060"}, "data": {"dir": tmp_path / "data"}}, ""
            )
            findings = await call_findings(config, f"sip:1@{uri}")
            await asyncio.wait_for(receiver.wait(), 90)
        finally:
            if receiver.returncode is None:
                receiver.kill()
        assert [finding.status for finding in findings] == [Status.OK]
        return [finding.text for finding in findings]

    (text,) = asyncio.run(call())
    assert re.match(r"one page in \d+ s over T\.38, 14400 bit/s, ECM, T\.6, far end RECEIVER", text)
    assert len(list((tmp_path / "in").glob("*.pdf"))) == 1
    assert not (tmp_path / "data").exists(), "the station's own data is left alone"


def test_a_registration_that_nobody_takes(tmp_path: Path) -> None:
    account = {
        "name": "pbx",
        "server": "sip:127.0.0.1:9;transport=tcp",
        "user": "fax",
        "password": "x",
        "register": True,
    }
    config = StationConfig.checked({"data": {"dir": tmp_path}, "account": [account | {"transport": "tcp"}]}, "")
    (finding,) = asyncio.run(registration_findings(config, running=False))
    assert finding.status is Status.FAILED
    assert finding.text.startswith("pbx: ")
    assert finding.remedy
