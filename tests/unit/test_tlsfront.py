# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of servers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.certificate import self_signed

LOADS = """
import os, ssl, sys
from pathlib import Path
from softfax.tlsfront import load_certificate
os.open(sys.argv[1], os.O_RDWR)
try:
    load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Path(sys.argv[2]), Path(sys.argv[3]))
except OSError:
    sys.exit(7)
"""


def test_a_key_with_a_password_is_refused_and_nobody_asked_for_it(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    locked = tmp_path / "locked.key"
    words = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(words, check=True, capture_output=True)
    terminal, its_end = os.openpty()
    # The first terminal that a session opens is its own, which is where OpenSSL asks.
    command = [sys.executable, "-c", LOADS, os.ttyname(its_end), str(certificate), str(locked)]
    try:
        assert subprocess.run(command, start_new_session=True, timeout=60, check=False).returncode == 7
    finally:
        os.close(terminal)
        os.close(its_end)
