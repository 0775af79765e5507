# SPDX-License-Identifier: GPL-2.0-or-later
"""The peer by itself: if this fails, look there and not at softfax."""

import socket
from pathlib import Path

import pytest

from tests.interop.outcome import Outcome
from tests.peer import asterisk
from tests.support.pages import page_differences, read_tiff


@pytest.mark.parametrize("outcome", ["rig"], indirect=True)
def test_asterisk_faxes_to_itself(outcome: Outcome) -> None:
    assert [peer["Status"] for peer in outcome.peers] == ["SUCCESS", "SUCCESS"]
    (received,) = outcome.received
    assert page_differences(read_tiff(Path(outcome.sent)), read_tiff(Path(received))) == ""


def test_asterisk_whose_port_of_iax_is_taken_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    free_port, given = asterisk.free_port, list[int]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as quicker:

        def raced(*, udp: bool) -> int:
            port = free_port(udp=udp)
            given.append(port)
            if len(given) == 4:
                quicker.bind(("127.0.0.1", port))
            return port

        monkeypatch.setattr(asterisk, "free_port", raced)
        with asterisk.Asterisk() as peer:
            assert quicker.getsockname()[1] == given[3]
            assert peer.iax_port == given[-1] != given[3]
