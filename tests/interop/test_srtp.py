# SPDX-License-Identifier: GPL-2.0-or-later
"""Encrypted faxes with a real Asterisk: SIP over TLS, audio by SRTP, sent and received at once through `softfax serve`."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from softfax.client import SoftfaxClient
from tests.peer.ami import Message
from tests.peer.asterisk import PeerAddress, originate
from tests.support.command import environment, softfax_command
from tests.support.served import CONFIG, Served, get, status, until

pytestmark = pytest.mark.sip

ACCOUNT = """
[[account]]
name = "{name}"
server = "sip:127.0.0.1:{asterisk.tls_port}"
user = "{name}"
password = "{asterisk.register_password}"
register = true
transport = "tls"
srtp = "{srtp}"
[account.t38]
use = "{t38}"
"""


def test_faxes_both_ways_by_srtp(tmp_path: Path, asterisk: PeerAddress) -> None:
    config = tmp_path / "softfax.toml"
    config.write_text(
        CONFIG.format(folder=tmp_path, name="SECRET").replace("[sip]", f'[sip]\ntls_ca = "{asterisk.certificate}"')
        + '[trace]\nwhen = "always"\n'
        + ACCOUNT.format(name="secure", asterisk=asterisk, srtp="required", t38="offer")
        + ACCOUNT.format(name="maybe", asterisk=asterisk, srtp="optional", t38="never")
    )
    letter = tmp_path / "letter.txt"
    letter.write_text("One short line.\n")
    process = subprocess.Popen(
        [softfax_command(), "serve", "--config", str(config)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(),
    )  # fmt: skip
    try:
        served = Served(process, config)
        for name in ("secure", "maybe"):
            served.wait(f"registered at {name}")
        with SoftfaxClient(served.url) as station:
            # Two numbers: one number gets one call at a time.
            ways = {"secure": "recv-audio", "maybe": "recv-audio-noecm"}
            sent = [station.send(number, [letter], account=name) for name, number in ways.items()]
            assert asyncio.run(_received_from(asterisk))["Status"] == "SUCCESS"
            done = [station.wait(fax.id, timeout_s=90) for fax in sent]
            assert [(fax.state, fax.pages, fax.result and fax.result.mode) for fax in done] == [
                ("delivered", 1, "audio")
            ] * 2
            served.wait("received: 1 page")
            for fax, transport in zip(done, ("RTP/SAVP", "RTP/AVP"), strict=True):
                trace = _trace(f"{served.url}v1/faxes/{fax.id}/trace.txt")
                assert re.search(rf"m=audio \d+ {transport} [0 ]+.*?a=crypto:1 \S+ inline:\*\*\*", trace, re.S)
                assert not re.search(r"inline:[^*]", trace)
        assert served.ends() == 0
    finally:
        process.kill()
        process.wait(10)


async def _received_from(asterisk: PeerAddress) -> Message:
    manager = await asterisk.manager()
    try:
        return await asyncio.wait_for(await originate(manager, "send", "", "srtp", endpoint="secure", options="F"), 90)
    finally:
        await manager.close()


def _trace(url: str) -> str:
    # It is written a moment after the end.
    until(lambda: status(url) == 200)
    return get(url)
