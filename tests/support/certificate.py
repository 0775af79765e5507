# SPDX-License-Identifier: GPL-2.0-or-later
"""A certificate that signs itself, for servers of tests."""

from __future__ import annotations

import ipaddress
import subprocess
from pathlib import Path

__all__ = ["self_signed"]


def self_signed(folder: Path, *hosts: str, name: str = "cert") -> tuple[Path, Path]:
    """Files of a certificate for hosts (this machine where none is named) and of its key."""
    hosts = hosts or ("localhost", "127.0.0.1")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={hosts[0]}", "-addext", f"subjectAltName={','.join(map(_subject, hosts))}"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def _subject(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"
