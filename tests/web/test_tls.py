# SPDX-License-Identifier: GPL-2.0-or-later
"""A station with a certificate of its own."""

from __future__ import annotations

import contextlib
import http.client as http_client
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from softfax.cli.main import main
from softfax.client import NoStationError, SoftfaxClient
from softfax.errors import UsageError
from softfax.web.server import connections_max
from tests.support.certificate import self_signed
from tests.web.rig import ADMIN, running_beside


def test_a_station_with_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = self_signed(tmp_path)
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
        assert "slots" in capsys.readouterr().out
        with contextlib.ExitStack() as silent:
            # Who begins no handshake takes no place from others.
            address = urlsplit(url).hostname or "", urlsplit(url).port or 0
            for _ in range(connections_max() // 4 + 20):
                silent.enter_context(socket.create_connection(address))
            context = ssl.create_default_context(cafile=str(certificate))
            other = http_client.HTTPSConnection(*address, context=context, source_address=("127.0.0.9", 0), timeout=60)
            other.request("GET", "/healthz")
            assert other.getresponse().status == 200
            other.close()
