# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates are looked at before anything is listened on."""

from __future__ import annotations

from pathlib import Path

import pytest

from softfax.errors import UsageError
from softfax.sip.names import check_tls
from softfax.sip.types import SipConfig


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
