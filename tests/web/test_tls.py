# SPDX-License-Identifier: GPL-2.0-or-later
"""A station with a certificate of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from softfax.cli.main import main
from softfax.client import NoStationError, SoftfaxClient
from softfax.errors import UsageError
from tests.web.rig import ADMIN, running_beside


def test_a_station_with_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    http = {"tls_certificate": str(certificate), "tls_private_key": str(key)}
    with running_beside(tmp_path / "station", http=http) as found:
        url = found.url.replace("http:", "https:")
        with SoftfaxClient(url, token=ADMIN, verify=str(certificate), tries=1) as station:
            assert station.status()["lines"]["used"] == 0
        with SoftfaxClient(url, token=ADMIN, tries=1) as stranger, pytest.raises(NoStationError, match="certificate"):
            stranger.status()
        with SoftfaxClient(found.url, token=ADMIN, tries=1) as plain, pytest.raises(NoStationError):
            plain.status()
        with pytest.raises(UsageError):
            SoftfaxClient(url, verify="/nowhere.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setenv("SOFTFAX_TOKEN", ADMIN)
        assert main(["status", "--url", url]) == 0
        assert "lines" in capsys.readouterr().out
