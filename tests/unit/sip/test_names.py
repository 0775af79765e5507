# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates are looked at before anything is listened on; names of servers, again and again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from softfax.errors import UsageError
from softfax.sip import agent as module
from softfax.sip.accounts import KnownAccount
from softfax.sip.agent import UserAgent
from softfax.sip.names import check_tls
from softfax.sip.types import SipAccount, SipConfig


@pytest.mark.parametrize(
    ("key", "content", "told"),
    [
        (
            "tls_ca",
            None,
            r"the authorities in .*file\.pem cannot be used \(No such file or directory\); name a PEM file",
        ),
        ("tls_ca", "no certificate", r"the authorities in .* cannot be used \(no certificates in it\)"),
        ("tls_certificate", None, r"TLS cannot use the certificate .*file\.pem \(No such file or directory\); name a"),
        (
            "tls_certificate",
            "no certificate",
            r"TLS cannot use the certificate .*; name a certificate and its private key",
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, key: str, content: str | None, told: str) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=told):
        check_tls(SipConfig(**{key: str(file)}))  # type: ignore[arg-type]


def test_without_certificates_there_is_nothing_to_look_at() -> None:
    check_tls(SipConfig())


def test_names_are_looked_up_again_whatever_has_become_of_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = str(tmp_path / "gone.pem")
    account = SipAccount(
        name="pbx", server="sip:pbx.example", transport="tls", tls_certificate=gone, tls_private_key=gone
    )
    monkeypatch.setattr(module, "LOOK_UP_AGAIN_S", 0.01)

    async def main() -> frozenset[tuple[str, int]]:
        posted: list[Any] = []
        glue = SimpleNamespace(look_up=lambda host, port, transport: [("192.0.2.7", 5061)])
        stack: Any = SimpleNamespace(bound={4: ("127.0.0.1", 5060)}, glue=glue, post=posted.append)
        agent = UserAgent(SipConfig(), stack)
        agent._known = {"pbx": KnownAccount(account)}
        again = asyncio.ensure_future(agent._look_up_again())
        while not posted and not again.done():
            await asyncio.sleep(0.01)
        again.cancel()
        return agent._known["pbx"].servers

    assert asyncio.run(main()) == {("192.0.2.7", 5061)}
