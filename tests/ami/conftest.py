# SPDX-License-Identifier: GPL-2.0-or-later
"""The campaign of all scenarios and clients that the selected tests need, started as soon as the tests are collected, so
that the calls run beside the other tests; those here wait each for its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ami.scenarios import LIMIT_S
from tests.peer.asterisk import PeerAddress
from tests.support import background, peer


def _name(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("heard") if callspec else None


def pytest_collection_finish(session: pytest.Session) -> None:
    names = sorted({name for item in session.items if (name := _name(item))})
    if not names or session.config.option.collectonly:
        return
    peer.start()
    background.start_once(
        "ami",
        "tests.ami.campaign",
        lambda: [
            *("--peer", str(peer.state_file()), "--folder", str(_folder()), "--owner", str(background.owner())),
            *names,
        ],
    )


@pytest.fixture
def heard(request: pytest.FixtureRequest, asterisk: PeerAddress) -> dict[str, Any]:
    """Return what came of a scenario or client; to be parametrized with its name, indirectly."""
    name: str = request.param
    if not background.wait_for("ami", _folder() / f"{name}.json", 2 * LIMIT_S):
        log = (background.run_folder() / "ami.log").read_text(errors="replace")
        pytest.fail(f"the campaign ended without {name}:\n{log[-3000:]}", pytrace=False)
    result: dict[str, Any] = json.loads((_folder() / f"{name}.json").read_text())
    if "problem" in result:
        pytest.fail(result["problem"], pytrace=False)
    return result


def _folder() -> Path:
    folder = background.run_folder() / "ami"
    folder.mkdir(exist_ok=True)
    return folder
