# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of `/metrics` after some faxes; dashboard and alerts name only what there is."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    Event,
    FaxState,
    FaxUpdate,
    JobEvent,
    PageEvent,
    ProgressEvent,
)
from softfax.ops.metrics import Metrics
from softfax.records.model import QueueCounts
from softfax.station import StationConfig
from softfax.station.views import RegistrationView, WorkerView
from tests.support.absent import absent
from tests.support.debian import unpacked
from tests.unit.ops.test_logs import CONTEXT, FAX, RESULT

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
NOW = datetime.now(UTC)


class Station:
    """A station with one fax under way."""

    def __init__(self, folder: Path) -> None:
        self.config = StationConfig.checked({"data": {"dir": folder}}, "")
        counts = {"waiting": 3, "delivered": 4, "dead": 1}
        self.outbox = SimpleNamespace(store=SimpleNamespace(counts=lambda: counts), failures=7)
        progress = ProgressEvent(direction=Direction.SEND, page=2, bytes=1, packets=900, lost=5, recovered=4, retries=2)
        self.call = SimpleNamespace(mode="T38", progress=progress)

    def calls(self) -> list[Any]:
        return [self.call]

    def find(self, key: str) -> Any:
        return self.call if key == FAX else None

    def registrations(self) -> list[RegistrationView]:
        return [
            RegistrationView(account="pbx", server="sip:x", state="registered", since=NOW),
            RegistrationView(account="b", server="sip:y", state="failed", since=NOW),
            RegistrationView(account="trunk", server="sip:z", state="unregistered", since=NOW),
            RegistrationView(account="asked", server="sip:w", state="unreachable", since=NOW),
        ]

    def workers(self) -> list[WorkerView]:
        return [WorkerView(number=1, pid=os.getpid(), state="running", since=NOW, calls=1, restarts=2)]


class Queue:
    async def counts(self) -> QueueCounts:
        return QueueCounts(by_state={FaxState.QUEUED: 2, FaxState.DELIVERED: 5}, due=2, oldest_s=12.5)


def scraped(metrics: Metrics) -> dict[str, float]:
    text = asyncio.run(metrics.text()).decode()
    out = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            out[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return out


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    made = Metrics(Station(tmp_path), Queue())
    page = PageEvent(
        direction=Direction.SEND, number=1, bytes=1000, rows=10, bad_rows=3, seconds=9.0, quality="good", fax_id=FAX
    )
    events: list[Event] = [
        CallEvent(state=CallState.ENDED, sip_code=486, fax_id=FAX),
        CallEvent(state=CallState.ENDED, sip_code=0, fax_id=FAX),
        page,
        page,
        dataclasses.replace(RESULT, success=True, result_code=0, bad_pages=[1, 2]),
        dataclasses.replace(RESULT, error="Far end said something odd", bitrate=123, encoding="?"),
        dataclasses.replace(RESULT, error="UNKNOWN", result_code=2000),
        dataclasses.replace(RESULT, error="FILE_ERROR", bitrate=0, encoding=""),
        JobEvent(state="delivered", fax_id=FAX),
        JobEvent(state="uncertain", next_attempt="2026-01-01T00:00:00Z", fax_id=FAX),
    ]
    for event in events:
        made(FaxUpdate(CONTEXT, event))
    return made


def test_what_is_counted(metrics: Metrics) -> None:
    expected = {
        "softfax_calls_total{sip=4xx,way=out}": 1,
        "softfax_calls_total{sip=none,way=out}": 1,
        "softfax_faxes_total{direction=send,mode=T38,result=NO_ERROR,way=out}": 1,
        "softfax_faxes_total{direction=send,mode=T38,result=PROTOCOL,way=out}": 1,
        "softfax_faxes_total{direction=send,mode=T38,result=CRASH,way=out}": 1,
        "softfax_faxes_total{direction=send,mode=T38,result=FILE_ERROR,way=out}": 1,
        "softfax_jobs_total{state=delivered}": 1,
        "softfax_jobs_total{state=uncertain}": 0,
        "softfax_pages_total{direction=send,mode=T38}": 2,
        "softfax_page_bytes_total{direction=send}": 2000,
        "softfax_bad_rows_total{direction=send,mode=T38}": 6,
        "softfax_bad_pages_total": 2,
        "softfax_negotiated_total{ecm=yes,encoding=T.6,mode=T38,rate=14400}": 1,
        "softfax_negotiated_total{ecm=yes,encoding=other,mode=T38,rate=other}": 1,
        "softfax_packets_lost_total{mode=T38}": 20,
        "softfax_packets_recovered_total{mode=T38}": 16,
        "softfax_retries_total{mode=T38}": 8,
        "softfax_fax_seconds_count{direction=send,mode=T38}": 2,
        "softfax_queue_faxes{state=queued}": 2,
        "softfax_queue_faxes{state=sending}": 0,
        "softfax_queue_oldest_seconds": 12.5,
        "softfax_callbacks{state=dead}": 1,
        "softfax_callback_failures_total": 7,
        "softfax_registered{account=pbx}": 1,
        "softfax_registered{account=b}": 0,
        "softfax_reachable{account=asked}": 0,
        "softfax_worker_up{worker=1}": 1,
        "softfax_worker_restarts_total{worker=1}": 2,
        "softfax_lines_in_use": 1,
        "softfax_lines_max": 100,
    }
    found = scraped(metrics)
    assert {name: found.get(name) for name in expected} == expected
    assert found["softfax_disk_free_bytes{folder=data}"] > 0
    assert found["softfax_worker_resident_bytes{worker=1}"] > 1 << 20
    assert "softfax_registered{account=trunk}" not in found
    assert any(name.startswith("softfax_build_info{python=3.") for name in found)


def test_a_part_that_fails_is_left_out(metrics: Metrics) -> None:
    async def broken() -> Any:
        raise RuntimeError("no")

    metrics.sources.append(broken)
    assert scraped(metrics)["softfax_lines_max"] == 100


def test_labels_stay_few(tmp_path: Path) -> None:
    """Whatever far ends say, the number of series does not grow."""
    made = Metrics(Station(tmp_path), Queue())
    context = dataclasses.replace(CONTEXT, caller_number="x")
    for number in range(300):
        result = dataclasses.replace(
            RESULT, error=f"e{number}", bitrate=number, encoding=f"x{number}", sip_code=number, fax_id=f"{number:024x}"
        )
        made(FaxUpdate(context, result))
        made(FaxUpdate(context, CallEvent(state=CallState.ENDED, sip_code=number * 5)))
    assert len(scraped(made)) < 160


def _names(expression: str) -> set[str]:
    return set(re.findall(r"\b(softfax_\w+|process_\w+)\b", expression))


def _named() -> list[tuple[str, str]]:
    """Every expression of the dashboard and the alerts."""
    out = []
    for path in sorted(MONITORING.glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            out += [(f"{path.name}: {panel['title']}", target["expr"]) for target in panel.get("targets", ())]
        out += [(path.name, str(variable.get("query", ""))) for variable in dashboard["templating"]["list"]]
    for path in sorted(MONITORING.glob("*.yml")):
        for group in (yaml.safe_load(path.read_text()) or {}).get("groups", ()):
            out += [(f"{path.name}: {rule['alert']}", rule["expr"]) for rule in group["rules"]]
    return out


def test_dashboard_and_alerts_name_what_there_is(metrics: Metrics) -> None:
    there = {name.partition("{")[0] for name in scraped(metrics)}
    named = _named()
    assert len(named) > 25
    unknown = {where: _names(expression) - there for where, expression in named}
    assert not {where: names for where, names in unknown.items() if names}
    shown = set().union(*(_names(expression) for _, expression in named))
    unused = {
        name for name in there if name.startswith("softfax_") and not name.endswith(("_created", "_sum", "_count"))
    }
    assert not unused - shown - {"softfax_disk_size_bytes"}, "what is counted can be seen"


def test_alerts_have_a_remedy() -> None:
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
            assert set(rule["annotations"]) == {"summary", "remedy"}, rule["alert"]


@pytest.fixture
def promtool() -> str:
    """The machine's, else that of a package that is not installed for it."""
    if found := shutil.which("promtool"):
        return found
    # A package of its own from Debian 13 on.
    for package in ("promtool", "prometheus"):
        with suppress(OSError, subprocess.CalledProcessError):
            if (program := unpacked(package) / "usr/bin/promtool").exists():
                return str(program)
    absent("there is no promtool for this machine (Debian: promtool)")


def test_promtool_takes_the_rules(tmp_path: Path, promtool: str) -> None:
    expressions = [re.sub(r"\$__rate_interval", "5m", e) for where, e in _named() if e and "label_values" not in e]
    rules = [{"record": f"r{i}", "expr": e} for i, e in enumerate(expressions)]
    (tmp_path / "all.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", tmp_path / "all.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [promtool, "check", "rules", MONITORING / "alerts.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [promtool, "test", "rules", MONITORING / "alerts.test.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
