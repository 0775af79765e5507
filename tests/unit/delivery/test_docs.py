# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/callbacks.md, accounts.md and http.md: their code works, their configuration is one, their operations and events are there."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
import time
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from softfax.delivery.policy import sign
from softfax.delivery.targets import EventKind
from softfax.model import Event
from softfax.station import StationConfig
from tests.support.absent import needs
from tests.support.described import _description

DOCS = Path(__file__).resolve().parents[3] / "docs"
BODY = b'{"event":"job","state":"delivered"}'


def blocks(page: str) -> list[str]:
    """The indented blocks of a page, without their indent."""
    text = (DOCS / page).read_text()
    return [textwrap.dedent(one) for one in re.findall(r"(?:(?<=\n\n)|\A)((?:    .*\n|\n(?=    ))+)", text)]


def test_signatures_are_checked_as_the_page_shows() -> None:
    shown: dict[str, Any] = {}
    (python,) = [block for block in blocks("callbacks.md") if "def genuine" in block]
    exec(python, shown)
    good = sign("s3cret", BODY, int(time.time()))
    assert shown["genuine"]("s3cret", BODY, good)
    for bad in (
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        sign("other", BODY, int(time.time())),
        sign("s3cret", BODY, 1),
    ):
        assert not shown["genuine"]("s3cret", BODY, bad)


@needs(shutil.which("node") is not None, "node is not installed")
def test_signatures_are_checked_in_node_too() -> None:
    (script,) = [block for block in blocks("callbacks.md") if "function genuine" in block]
    good = sign("s3cret", BODY, int(time.time()))
    calls = "".join(
        f"console.log(genuine({secret!r}, Buffer.from({BODY.decode()!r}), {good!r}));\n"
        for secret in ("s3cret", "other")
    )
    done = subprocess.run(["node", "-"], input=script + calls, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["true", "false"], done.stderr


@pytest.mark.parametrize("page", ["accounts.md", "callbacks.md", "http.md"])
def test_the_configuration_shown_is_one(page: str, tmp_path: Path) -> None:
    shown = [block for block in blocks(page) if re.match(r"\[\[?[a-z.]+\]\]?\n", block)]
    assert shown
    for block in shown:
        block = block.partition("\n$ ")[0]
        if block.startswith(("[account.", "[[account.")):
            block = '[[account]]\nname = "pbx"\nserver = "sip:pbx.example"\n' + block
        # What routes name is set up elsewhere.
        names = {
            name for one in re.findall(r"^accounts = \[(.*)\]", block, re.M) for name in re.findall(r'"(.*?)"', one)
        }
        block += "".join(f'\n[[account]]\nname = "{name}"\nserver = "sip:{name}.example"\n' for name in sorted(names))
        table = tomllib.loads(block.replace("…", "0123456789abcdef" * 4 if "sha256:" in block else "x"))
        StationConfig.checked({"data": {"dir": tmp_path}, **table}, page)


def test_operations_and_events_shown_are_there() -> None:
    text = (DOCS / "http.md").read_text()
    known = {re.sub(r"\{[^}]+\}", "{}", path) for path in _description()["paths"]}
    for path in re.findall(r"`(?:(?:GET|POST|PATCH|DELETE|, )+ )(/v1/[a-z/{}.-]+)", text):
        assert re.sub(r"\{[^}]+\}", "{}", path) in known, path
    kinds = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "events.md").read_text(), re.M)) - {"event"}
    assert kinds == {kind.event for kind in Event.__subclasses__()} - {"progress"} == set(get_args(EventKind))
