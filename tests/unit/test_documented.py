# SPDX-License-Identifier: GPL-2.0-or-later
"""The documents in docs/ against the code: their configuration is one, their programs work, their tables have the numbers, keys and
words that there are. Their commands are run by tests/web/test_documented.py and tests/packaging/test_readme.py.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import textwrap
import time
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from softfax.cli.main import build_parser
from softfax.cli.options import fill_defaults
from softfax.delivery.outbox import OutboxSettings
from softfax.delivery.policy import DeliveryOutcome, PostResult, judge, sign
from softfax.delivery.targets import Dialect, EventKind, Style
from softfax.fax import bridging
from softfax.fax.outcome import from_sip, from_t30
from softfax.mailboxes import service
from softfax.model import CallState, Event, FaxResult, HeardSignal, ProgressEvent
from softfax.records import memory
from softfax.sip import agent
from softfax.sip.accounts import ACCOUNTS_MAX
from softfax.sip.ended import RETRY_AFTER_MAX_S
from softfax.sipstatus import status
from softfax.station import StationConfig, onward
from softfax.station.config.http import HttpConfig
from softfax.station.registration import Registration
from softfax.station.reloading import FIXED, Reloading
from softfax.station.routes import DialPlan
from softfax.swml import machine, runner, tree
from softfax.swml.document import load
from softfax.web import guard, server, stream
from softfax.web.access import RIGHT_S
from softfax.web.store import DONE_KEPT_S
from tests.support.absent import needs
from tests.support.described import _description

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {path.name: path.read_text() for path in sorted(DOCS.glob("*.md"))}
README = (DOCS.parent / "README.md").read_text()
BODY = b'{"event":"job","state":"delivered"}'
#: Tables of a station's configuration, by which its blocks are told from those of other programs.
TABLES = set(StationConfig.model_fields)


def blocks(text: str) -> list[str]:
    """The indented blocks of a page, without their indent, and its fenced ones."""
    indented = [textwrap.dedent(one) for one in re.findall(r"(?:(?<=\n\n)|\A)((?:    .*\n|\n(?=    ))+)", text)]
    return indented + re.findall(r"```toml\n(.*?)```", text, re.S)


def table_of(page: str, head: str) -> list[list[str]]:
    """Rows of the table whose first line begins so, as their cells."""
    lines = PAGES[page].partition(f"\n{head}")[2].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


CONFIGURATIONS = [
    (name, block)
    for name, text in {**PAGES, "README.md": README}.items()
    for block in blocks(text)
    if (first := re.match(r"(?:#.*\n)*\[\[?([a-z0-9]+)[a-z.]*\]\]? *(?:#.*)?\n", block)) and first[1] in TABLES
]


@pytest.mark.parametrize(
    ("page", "block"), CONFIGURATIONS, ids=[f"{name}-{block.split()[0]}" for name, block in CONFIGURATIONS]
)
def test_the_configuration_shown_is_one(page: str, block: str, tmp_path: Path) -> None:
    block = block.partition("\n$ ")[0]
    if block.startswith(("[account.", "[[account.")):
        block = '[[account]]\nname = "pbx"\nserver = "sip:pbx.example"\n' + block
    if "[mail]" in block and "[[mail.sender]]" not in block:
        block += '[[mail.sender]]\naddress = "@clinic.example"\n'
    # Accounts that a block names are set up elsewhere.
    named = {
        name
        for one in re.findall(r"^(?:accounts|from) = \[(.*?)\]", block, re.M)
        for name in re.findall(r'"(.*?)"', one)
    }
    for name in sorted(named - set(re.findall(r'^name = "(.*?)"', block, re.M))):
        block += f'\n[[account]]\nname = "{name}"\nserver = "sip:{name}.example"\n'
    table = tomllib.loads(block.replace("…", "0123456789abcdef" * 4 if "sha256:" in block else "x"))
    StationConfig.checked({"data": {"dir": tmp_path}, **table}, page)


def test_there_is_a_configuration_in_every_page_that_has_been_read() -> None:
    shown = {page for page, _ in CONFIGURATIONS}
    assert {"accounts.md", "callbacks.md", "http.md", "mailboxes.md", "gateway.md", "station.md", "swml.md"} <= shown
    assert len(CONFIGURATIONS) > 30


def test_the_file_of_other_verbs_is_read_by_them(tmp_path: Path) -> None:
    (block,) = [block for block in blocks(PAGES["configuration.md"]) if "[receive]" in block]
    (tmp_path / "softfax.toml").write_text(block)
    for verb, key, value, rest in (
        ("send", "resolution", "superfine", ["200", "letter.pdf"]),
        ("receive", "register", "sip:pbx.example", []),
    ):
        parser, verbs = build_parser(verb)
        options = parser.parse_args([verb, "--config", str(tmp_path / "softfax.toml"), *rest])
        fill_defaults(verbs[verb], options, {})
        assert (options.ident, getattr(options, key)) == ("+49 30 1234567", value)


@pytest.mark.parametrize("document", re.findall(r"```yaml\n(.*?)```", PAGES["swml.md"], re.S))
def test_the_swml_shown_is_right(document: str) -> None:
    assert load(document)


# ---- callbacks ------------------------------------------------------------------------------------------------------


def test_signatures_are_checked_as_the_page_shows() -> None:
    shown: dict[str, Any] = {}
    (python,) = [block for block in blocks(PAGES["callbacks.md"]) if "def genuine" in block]
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
    (script,) = [block for block in blocks(PAGES["callbacks.md"]) if "function genuine" in block]
    good = sign("s3cret", BODY, int(time.time()))
    calls = "".join(
        f"console.log(genuine({secret!r}, Buffer.from({BODY.decode()!r}), {good!r}));\n"
        for secret in ("s3cret", "other")
    )
    done = subprocess.run(["node", "-"], input=script + calls, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["true", "false"], done.stderr


def test_the_keys_of_callbacks_have_the_defaults_that_are_shown() -> None:
    defaults = StationConfig().callbacks
    rows = table_of("callbacks.md", "| key of `[callbacks]`")
    shown = {
        key: {"yes": True, "no": False, "": ""}[value] if not value.isdigit() else float(value)
        for keys, values, _ in rows
        for key, value in zip(re.findall(r"`(\w+)`", keys), values.split(", "), strict=True)
    }
    assert shown == defaults.model_dump(exclude={"target"})
    (block,) = [block for block in blocks(PAGES["callbacks.md"]) if block.startswith("[callbacks]")]
    for words, kinds in (
        (re.search(r"# (json.*)", block), get_args(Dialect)),
        (re.search(r"unless it is said: (.*)", block), get_args(EventKind)),
    ):
        assert words is not None
        assert set(re.split(r", | or ", words[1])) == set(kinds)
    assert get_args(Style) == ("url", "url-event")


def test_what_comes_of_an_answer_is_what_the_table_says() -> None:
    outcomes = {
        "it is delivered": DeliveryOutcome.DELIVERED,
        "it is tried again": DeliveryOutcome.RETRY,
        "it becomes a dead letter": DeliveryOutcome.DEAD,
    }
    seen: dict[int, DeliveryOutcome] = {}
    for answer, then in table_of("callbacks.md", "| what came back"):
        outcome = next(outcome for words, outcome in outcomes.items() if then.startswith(words))
        statuses = [int(one) for one in re.findall(r"\b([2-5]\d\d)\b", answer)]
        statuses += [
            one for kind in re.findall(r"\b([25])xx", answer) for one in (int(kind) * 100, int(kind) * 100 + 99)
        ]
        statuses += [0] if answer.startswith("no connection") else [301, 307, 400, 404] if "any other" in answer else []
        for one in statuses:
            assert judge(PostResult(one)) is outcome, one
            seen[one] = outcome
    assert judge(PostResult(error="10.0.0.1 is not a public address", final=True)) is DeliveryOutcome.DEAD
    assert {0, 204 - 4, 408, 410, 425, 429, 500, 599} <= set(seen)
    settings = OutboxSettings()
    days = re.search(r"kept for (\d+) days, the ids of delivered events for (\d+)", PAGES["callbacks.md"])
    assert days is not None
    assert [int(days[1]), int(days[2])] == [settings.keep_dead_s / 86400, settings.keep_delivered_s / 86400]


# ---- events ---------------------------------------------------------------------------------------------------------


def test_operations_and_events_shown_are_there() -> None:
    known = {re.sub(r"\{[^}]+\}", "{}", path) for path in _description()["paths"]}
    for path in re.findall(r"`(?:(?:GET|POST|PATCH|DELETE|, )+ )(/v1/[a-z/{}.-]+)", PAGES["http.md"]):
        assert re.sub(r"\{[^}]+\}", "{}", path) in known, path
    kinds = set(re.findall(r"^\| `(\w+)` \|", PAGES["events.md"], re.M)) - {"event"}
    assert kinds == {kind.event for kind in Event.__subclasses__()} - {"progress"} == set(get_args(EventKind))


def test_each_event_has_the_fields_that_are_shown() -> None:
    rows = {kind.strip("`"): fields for kind, _, fields in table_of("events.md", "| `event`")}
    result = re.sub(r"`error` is Asterisk's.*", "", PAGES["events.md"].partition("## In four languages")[0], flags=re.S)
    beside = PAGES["events.md"].partition("exit status 2.")[2].partition("## In four languages")[0]
    for kind in set(Event.__subclasses__()) - {ProgressEvent}:
        shown = rows[kind.event]
        if kind is FaxResult:
            shown = result.partition("`result`: ")[2] + beside
        named = set(re.findall(r"`(\w+)`", shown)) - {"fax_id"}
        fields = {one.name for one in dataclasses.fields(kind)} - {"time", "fax_id"}
        assert fields <= named, (kind.event, fields - named)
        if kind is not FaxResult:
            assert named == fields, kind.event
    assert f"({', '.join(CallState)})" in rows["call"]
    assert f"({', '.join(HeardSignal)})" in rows["heard"]


def test_words_and_numbers_of_results_are_those_that_are_shown() -> None:
    text = PAGES["events.md"]
    words = re.search(r"FAXERROR word where one fits \((.*?)\).*?DIALSTATUS word.*?\((.*?)\)", text, re.S)
    assert words is not None
    faxerror, dialstatus = (set(re.split(r",\s+", one)) for one in words.groups())
    assert {status(code).word for code in range(0, 700)} == dialstatus - {"CANCEL"}
    assert {from_t30(code, "text").error for code in range(62)} - {"text"} <= faxerror
    assert from_sip(486).code == 1486
    assert from_t30(61, "text").code == 61


# ---- accounts -------------------------------------------------------------------------------------------------------


def test_an_account_of_each_kind_and_no_more_than_there_can_be() -> None:
    text = PAGES["accounts.md"]
    assert f"up to {ACCOUNTS_MAX} of them" in text
    (called,) = [block for block in blocks(text) if block.startswith("called = ")]
    table = tomllib.loads('[[account]]\nserver = "sip:pbx.example"\n' + called)
    assert StationConfig.checked(table, "accounts.md").account[0].called == "to"


def test_a_registration_waits_and_is_refreshed_as_it_is_shown() -> None:
    def span(failures: int, refused: bool = False) -> tuple[float, float]:
        waits = [Registration.wait_s(failures, refused=refused) for _ in range(300)]
        return min(waits), max(waits)

    for failures, longest in ((1, 2), (2, 4), (20, 300)):
        least, most = span(failures)
        assert longest / 2 <= least <= most <= longest
    assert 30 <= span(1, refused=True)[0] <= span(1, refused=True)[1] <= 60
    assert Registration.refresh_s(3600) == 3240
    assert Registration.refresh_s(300) == 270
    assert Registration.refresh_s(120) == 90
    assert Registration.refresh_s(60) == 30


def test_numbers_are_written_as_the_table_shows() -> None:
    (dialing,) = [block for block in blocks(PAGES["accounts.md"]) if block.startswith("[dialing]")]
    plan = StationConfig.checked(tomllib.loads(dialing), "accounts.md").dialing.plan()
    head, *rows = [line for line in PAGES["accounts.md"].splitlines() if line.startswith(("| `number_format`", "| `"))]
    del head
    numbers = ("+49301234", "+98211234")
    formats = {row.split("`")[1]: [cell.strip() for cell in row.split("|")[2:4]] for row in rows}
    for how in ("e164", "digits", "international", "national"):
        assert [plan.written(number, how) for number in numbers] == formats[how]
    for dialled in ("030 1234", "0049 30 1234", "+49 (0)30 1234"):
        assert dialled in PAGES["accounts.md"]
        assert plan.normal(dialled) == "+49301234"
    assert plan.normal("200") == "200"
    assert DialPlan().normal("0301234") == "0301234"


def test_whose_fault_a_status_is_decides_of_the_next_account() -> None:
    others = re.search(r"The next one is tried when a call.*?never once", PAGES["accounts.md"], re.S)
    assert others is not None
    shown = {int(code) for code in re.findall(r"\b(4\d\d)\b", others[0])}
    assert {code for code in range(400, 500) if status(code).of_trunk} == shown
    assert all(status(code).of_trunk for code in range(500, 600))
    assert status(0).of_trunk
    for words, (code, q850), of_trunk in (
        ("480 with cause 1 is a wrong number", (480, 1), False),
        ("500 with cause 17 is\nbusy", (500, 17), False),
        ("404 with cause 34 is the trunk's trouble", (404, 34), True),
    ):
        assert words in PAGES["accounts.md"]
        assert status(code, q850).of_trunk is of_trunk


# ---- the station ----------------------------------------------------------------------------------------------------

#: What takes a restart, and how docs/station.md names it.
TAKES_A_RESTART = {
    "the addresses it listens at": {"http.listen", "ami.listen", "ami.tls_listen", "mail.listen"},
    "which parts of it there are": {"http.enabled", "callbacks.enabled"},
    "how many conversions and callbacks run at a time": {
        "http.conversions", "mail.conversions", "callbacks.workers", "callbacks.workers_per_target",
    },
    "`[sip]`": {"sip"}, "`[data]`": {"data"}, "`[workers]`": {"workers"}, "`[inbox] dir`": {"inbox.dir"},
    "`[queue] calls`": {"queue.calls"}, "`uploads_hours`": {"http.uploads_hours"}, "`page_cache_mb`": {"http.page_cache_mb"},
}  # fmt: skip


def test_what_waits_for_a_restart_is_what_the_page_names() -> None:
    text = " ".join(PAGES["station.md"].split())
    assert set().union(*TAKES_A_RESTART.values()) == FIXED
    assert not [words for words in TAKES_A_RESTART if words not in text]
    told = Reloading(StationConfig(), applied=("fax.ident", "account"), waiting=("sip.max_calls",))
    assert f"the configuration was read again; {told}" in text


def test_secrets_of_the_environment_reach_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "softfax.toml").write_text(
        '[data]\ndir = "/tmp"\n[ami]\n[callbacks]\n[smtp]\nhost = "mail.example"\nuser = "fax"\n'
        '[[account]]\nname = "pbx"\nserver = "sip:pbx.example"\nuser = "fax"\n'
        '[[mailbox]]\nname = "sales"\n[[mailbox.s3]]\nendpoint = "s3.example"\nbucket = "faxes"\naccess_key = "k"\n'
    )
    paragraph = PAGES["station.md"].partition("Secrets may come")[2].partition("\n\n")[0]
    named = re.findall(r"`(SOFTFAX_[A-Z0-9_]+)`", paragraph)
    assert len(named) == 9
    values = {name: f"{name.lower()}-value-of-its-own" for name in named} | {
        "SOFTFAX_DATABASE_URL": "postgresql://db/x"
    }
    values["SOFTFAX_PASSWORD_PBX"] = values.pop("SOFTFAX_PASSWORD_NAME")
    password = values.pop("SOFTFAX_PASSWORD")
    config = StationConfig.load(tmp_path / "softfax.toml", values)
    found = repr({name: _plain(getattr(config, name)) for name in StationConfig.model_fields})
    assert not [name for name, value in values.items() if value not in found]
    alone = StationConfig.load(tmp_path / "softfax.toml", {"SOFTFAX_PASSWORD": password})
    assert alone.account[0].password == password


def _plain(table: Any) -> Any:
    """A table with its secrets, which it does not show by itself."""
    if hasattr(table, "model_dump"):
        return table.model_dump()
    return [_plain(one) for one in table] if isinstance(table, tuple) else table


# ---- numbers in sentences -------------------------------------------------------------------------------------------


def c_number(file: str, name: str) -> int:
    """The value of a number that C defines."""
    found = re.search(rf"#define {name}\s+(\d+)", (DOCS.parent / "native" / file).read_text())
    assert found is not None, (file, name)
    return int(found[1])


def c_seconds(file: str, name: str) -> int:
    return c_number(file, name) // 1000


#: Pages, sentences with the numbers that the code has, as they stand there.
SENTENCES: list[tuple[str, str]] = [
    ("accounts.md", f"after {agent.PROBE_S:.0f} s without one the server counts as gone"),
    ("accounts.md", f"one is silent for {c_seconds('pjsip/unreachable.c', 'SILENT_MS')} s "
                    f"({c_seconds('pjsip/unreachable.c', 'SILENT_CONNECTION_MS')} s over TCP and TLS)"),
    ("accounts.md", f"may begin {c_number('pjsip/budget.c', 'ADDRESS_PER_S')} calls a second "
                    f"({c_number('pjsip/budget.c', 'ADDRESS_BURST')} at once), all unknown sources "
                    f"{c_number('pjsip/budget.c', 'ALL_PER_S')} ({c_number('pjsip/budget.c', 'ALL_BURST')} at once)"),
    ("accounts.md", f"anything whole within {c_seconds('pjsip/connections.c', 'FIRST_MESSAGE_MS')} s"),
    ("accounts.md", f"{c_number('engine/unpaced.c', 'IFPS_A_TICK')} packets go out every 20 ms"),
    ("accounts.md", f"replayed ({c_number('engine/srtp.h', 'SRTP_WINDOW')} back), of a "
                    f"{c_number('engine/srtp.h', 'SRTP_SOURCES') + 1}th source"),
    ("accounts.md", f"whole 10 ms up to {c_number('pjsip/media.c', 'PTIME_MAX_MS')}, else {c_number('pjsip/media.c', 'PTIME_MS')}"),
    ("gateway.md", f"not answered yet, or {onward.ANSWERED_CIRCLE} in all"),
    ("gateway.md", f"leaves the other {bridging.DCN_S} s to hear it"),
    ("swml.md", f"A document may have {tree.BYTES_MAX >> 10} kB, a run {machine.STEPS_MAX:,} steps, {machine.FAXES_MAX} faxes "
                f"and {machine.VARIABLES_MAX >> 20} MB of variables"),
    ("swml.md", f"(for at most {runner.TOLD_S:.0f} s)"),
    ("mailboxes.md", f"tried again after at most {service.POLICY.first_s:.0f} s"),
    ("mailboxes.md", f"no more than {service.DOCUMENT_BYTES_MAX / 1e6} MB"),
    ("queue.md", f"kept for {memory.MEMORY_KEPT_S / 86400:.0f} days after the last"),
    ("http.md", f"A comment comes every {stream.HEARTBEAT_S:.0f} s"),
    ("http.md", f"does not read for {stream.SEND_S:.0f} s, or is {stream.WAITING_MAX} events behind"),
    ("http.md", f"| any other request | {guard.JSON_MAX >> 20} MB, {guard.JSON_S:.0f} s; its head {server.HEAD_S:.0f} s |"),
    ("http.md", f"{server.CONNECTIONS_MAX} or half of `ulimit -n`"),
    ("http.md", f"after {HttpConfig().failed_logins_per_minute} wrong tokens in a minute"),
    ("http.md", f"`requests_per_minute` {HttpConfig().requests_per_minute}, a third of it at once"),
    ("http.md", f"`max_upload_mb` {HttpConfig().max_upload_mb}, `upload_timeout_s` {HttpConfig().upload_timeout_s:.0f}, "
                f"`max_files` {HttpConfig().max_files}"),
    ("http.md", f"`max_recipients` {HttpConfig().max_recipients}"),
    ("http.md", f"`max_streams` ({HttpConfig().max_streams})"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "sentence"), SENTENCES)
def test_numbers_in_sentences_are_those_of_the_code(page: str, sentence: str) -> None:
    assert sentence in " ".join(PAGES[page].split())


def test_waits_that_sentences_tell_in_words() -> None:
    assert (service.POLICY.longest_s, service.POLICY.give_up_s) == (3600.0, 7 * 86400.0)
    assert RETRY_AFTER_MAX_S == c_number("pjsip/servers.c", "RETRY_AFTER_MAX_S") == 3600
    assert (c_number("pjsip/servers.c", "FIRST_S"), c_number("pjsip/servers.c", "LONGEST_S")) == (60, 600)
    assert c_seconds("pjsip/connections.c", "SILENCE_MS") == 60
    assert stream.LIFE_S == RIGHT_S == 3600.0
    assert DONE_KEPT_S == 86400.0
