# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of every fax that went through, and of every call that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from softfax.documents.tiff import read_pages
from tests.interop.cases import IDENT
from tests.interop.outcome import Outcome
from tests.support.pages import page_differences, read_tiff

__all__ = ["check_failure", "check_success", "in_order"]

RESULT_KEYS = {
    *("event", "time", "session", "direction", "success", "status", "error", "status_string", "result_code", "mode"),
    *("pages", "pages_total", "bitrate", "ecm", "encoding", "resolution", "local_station_id", "remote_station_id"),
    *("bad_rows", "duration_s", "documents", "call_id", "fax_id"),
}
# What Asterisk says, in dots per metre, and the contract, in dots per inch.
RESOLUTIONS = {"8031x7700": "204x196", "8031x3850": "204x98"}

REFUSES_T38 = "mode-audio"


def check_success(
    outcome: Outcome, *, mode: str, ecm: bool = True, bitrate: int = 14400, far_end: str, resolution: str = "204x196"
) -> None:
    """Both sides say success and the same of it, and every page arrived dot for dot."""
    assert outcome.exit_status == 0, outcome.stderr
    assert outcome.noise == []
    assert outcome.complaints == []
    assert len(outcome.results) == len(outcome.peers)
    for result in outcome.results:
        assert result.keys() >= RESULT_KEYS
        assert (result["success"], result["status"], result["error"], result["result_code"]) == (
            True,
            "SUCCESS",
            "NO_ERROR",
            0,
        )
        assert (result["mode"], result["ecm"], result["bitrate"]) == (mode, ecm, bitrate)
        assert result["resolution"] == resolution
        assert result["bad_rows"] == 0
        assert result["pages"] == result["pages_total"] == len(read_tiff(Path(outcome.sent)))
        assert (result["local_station_id"], result["remote_station_id"]) == (IDENT, far_end)
        assert len(result["fax_id"]) == 24
        assert set(result["fax_id"]) <= set("0123456789abcdef")
    _check_pages(outcome)
    for peer in outcome.peers:
        _check_agreement(outcome.results[0], peer, names=outcome.case != REFUSES_T38)
    in_order(outcome)


def _check_agreement(result: dict[str, Any], peer: dict[str, str], *, names: bool) -> None:
    assert peer.get("Status") == "SUCCESS", peer
    assert peer["Mode"] == result["mode"]
    assert int(peer["Pages"]) == result["pages"]
    assert int(peer["Rate"]) == result["bitrate"]
    assert RESOLUTIONS[peer["Resolution"]] == result["resolution"]
    # After our 488 Asterisk starts its audio anew; on a busy machine that may be between our CSI and our DIS.
    assert peer["RemoteStationID"] == IDENT or (not names and peer["RemoteStationID"] == "")
    assert {peer["Direction"], result["direction"]} == {"send", "receive"}


def _check_pages(outcome: Outcome) -> None:
    sent = read_tiff(Path(outcome.sent))
    assert len(outcome.received) == len(outcome.results)
    for path in outcome.received:
        assert page_differences(sent, read_tiff(Path(path))) == ""
    if outcome.results[0]["direction"] == "receive":
        folder = Path(outcome.received[0]).parent
        for result in outcome.results:
            (pdf,) = result["documents"]
            assert page_differences(sent, [page for _, page in read_pages(folder / pdf)]) == ""


def in_order(outcome: Outcome) -> None:
    """Each fax has one story: its times never go back, its result is its last line."""
    for result in outcome.results:
        story = [e for e in outcome.events if e.get("fax_id") == result["fax_id"]]
        times, mine = [e["time"] for e in story], [e["event"] for e in story]
        assert times == sorted(times)
        assert mine[-1] == "result"
        if result["success"]:
            assert mine.count("page") == result["pages"]
            assert mine.index("negotiated") < mine.index("page")


def check_failure(outcome: Outcome, *, exit_status: int, says: str) -> None:
    """The exit status of the contract, one clear line and no traceback."""
    assert "Traceback" not in outcome.stderr
    assert outcome.noise == []
    assert outcome.exit_status == exit_status, outcome.stderr
    assert len(outcome.complaints) == 1, outcome.stderr
    assert says in outcome.complaints[0]
    for result in outcome.results:
        assert (result["success"], result["status"]) == (False, "FAILED")
        assert result["error"] != "NO_ERROR"
        assert result["result_code"] != 0
        assert result["status_string"] in outcome.complaints[0]
    if outcome.events:
        in_order(outcome)
