# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/callbacks.md and docs/events.md: what a receiver really gets from a station of `softfax serve` has the headers, the order, the
signature, the keys and the kinds of value that they show; the commands about dead letters are run as they stand there. So is the
program of docs/station.md.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.support.background import REPOSITORY
from tests.support.command import environment, softfax_command
from tests.support.described import _description
from tests.support.receiver import Receiver, Request, receiver
from tests.support.served import CONFIG, Served, serving, until

pytestmark = pytest.mark.sip

CALLBACKS = (REPOSITORY / "docs" / "callbacks.md").read_text()
EVENTS = (REPOSITORY / "docs" / "events.md").read_text()
SECRET, OF_ORDER = "a long random text", "the secret of an order"
#: Of a result of ours alone, or of a call that had something to report.
AT_TIMES = {
    "bad_pages",
    "warnings",
    "subaddress",
    "sender_id",
    "q850",
    "ended_by",
    "retry_after_s",
    "corrects",
    "retry_at",
}


def shown(text: str, words: str) -> str:
    """The block of a page that has these words, without its indent."""
    found = re.findall(r"(?:(?<=\n\n)|\A)((?:    .*\n|\n(?=    ))+)", text)
    (block,) = [textwrap.dedent(one) for one in found if words in one]
    return block


@dataclass
class Heard:
    """Two stations, one that sends and one that receives, and the receiver that the first one's configuration names."""

    near: Served
    there: Receiver

    def post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            self.near.url.rstrip("/") + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.near.url.rstrip("/") + path, timeout=60) as answer:
            return json.loads(answer.read())

    def fax(self, **more: Any) -> str:
        """Order a fax; its id once the station has nothing more to tell of it."""
        upload = self.near.url.rstrip("/") + "/v1/uploads"
        form = ["curl", "-s", "-F", f"file=@{REPOSITORY}/samples/form.pdf", upload]
        made = json.loads(subprocess.run(form, capture_output=True, check=True, timeout=60).stdout)
        fax = self.post("/v1/faxes", {"to": "7654321", "documents": [{"upload": made["id"]}], **more})["id"]
        until(lambda: self.get(f"/v1/faxes/{fax}")["ended"], 90)
        until(
            lambda: not [one for one in self.get("/v1/deliveries?state=waiting")["deliveries"] if one["fax_id"] == fax]
        )
        return str(fax)

    def of(self, fax: str, path: str) -> list[Request]:
        return [one for one in self.there.requests if one.headers["softfax-fax-id"] == fax and one.path == path]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    folder = tmp_path_factory.mktemp("callbacks")

    def answer(request: Request) -> tuple[int, dict[str, str]]:
        return (404 if "dead" in request.path else 204), {}

    with receiver(answer) as there, serving(folder / "far", "+49 89 7654321") as far:
        (folder / "near").mkdir()
        table = (
            shown(CALLBACKS, "[callbacks]").replace("https://crm.example/fax", f"{there.url}/fax").replace("…", "pw")
        )
        table = re.sub(r"^(events|style) = .*\n", "", table, flags=re.M).replace("[callbacks]\n", "")
        config = CONFIG.format(folder=folder / "near", name="+49 30 1234567")
        config = config.replace("[data]", 'public_url = "https://fax.example"\n[data]')
        account = f'[[account]]\nname = "pbx"\nserver = "{far.sip}"\n'
        (folder / "near" / "softfax.toml").write_text(config + table + account)
        with serving(folder / "near", "") as near:
            yield Heard(near, there)


@pytest.fixture(scope="module")
def fax(heard: Heard) -> str:
    """A fax that was delivered, with a target of its own."""
    target = {"url": f"{heard.there.url}/order", "secret": OF_ORDER, "events": ["job", "result"]}
    return heard.fax(tags={"matter": "17"}, callbacks=[target])


def test_requests_are_as_the_page_describes_them(heard: Heard, fax: str) -> None:
    program: dict[str, Any] = {}
    exec(shown(CALLBACKS, "def genuine"), program)
    ours, its = heard.of(fax, "/fax"), heard.of(fax, "/order")
    headers = {name.lower() for name in re.findall(r"^\| `([A-Z][\w-]+)` \|", CALLBACKS, re.M)}
    for request, secret in [(one, SECRET) for one in ours] + [(one, OF_ORDER) for one in its]:
        wanted = headers - (set() if request in ours else {"authorization"})
        assert wanted <= set(request.headers)
        assert request.headers["content-type"] == "application/json"
        assert re.fullmatch(r"[0-9a-f]{24}", request.headers["softfax-fax-id"])
        assert program["genuine"](secret, request.body, request.headers["softfax-signature"])
        assert not program["genuine"]("another", request.body, request.headers["softfax-signature"])
    assert all(one.headers["authorization"].startswith("Basic ") for one in ours)
    assert all("authorization" not in one.headers for one in its)
    bodies = [json.loads(one.body) for one in ours]
    times = [body["time"] for body in bodies]
    assert len({one.headers["softfax-event-id"] for one in ours}) == len(ours)
    assert [body["event"] for body in bodies][-1] == "job"
    assert bodies[-1]["state"] == "delivered"
    assert [json.loads(one.body) for one in its] == [one for one in bodies if one["event"] in ("job", "result")]
    assert times[0] == min(times)
    known = {**_description()["components"]["schemas"]["CallbackOut"], "components": _description()["components"]}
    validator = jsonschema_rs.Draft202012Validator(known)
    for body in bodies:
        assert not [str(error) for error in validator.iter_errors(body)], body
        assert body["tags"] == {"matter": "17"}


def test_events_have_the_keys_and_kinds_that_are_shown(heard: Heard, fax: str) -> None:
    bodies = [json.loads(one.body) for one in heard.of(fax, "/fax")]
    examples = [json.loads(block) for block in re.findall(r"```json\n(\{\"event\".*?)\n```", EVENTS, re.S)]
    assert {one["event"] for one in examples} == {"call", "session", "negotiated", "page", "result"}
    for example in examples:
        same = [
            body
            for body in bodies
            if body["event"] == example["event"] and body.get("state") in (None, example.get("state"))
        ]
        assert same, example
        for body in same:
            assert {key: type(value) for key, value in example.items()} == {key: type(body.get(key)) for key in example}
            besides = set(body) - set(example)
            assert besides - AT_TIMES <= {"caller", "called", "tags", "document_url", "attempt"}, besides
    for body in bodies:
        kinds = re.search(rf"^\| `{body['event']}` \| .* \| (.*) \|$", EVENTS, re.M)
        assert kinds is not None, body
        assert body["fax_id"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body["time"])


def test_the_link_of_a_result_opens_its_document_without_a_token(heard: Heard, fax: str) -> None:
    (result,) = [body for one in heard.of(fax, "/fax") if (body := json.loads(one.body))["event"] == "result"]
    assert result["document_url"].startswith("https://fax.example/")
    here = result["document_url"].replace("https://fax.example/", heard.near.url)
    with urllib.request.urlopen(here, timeout=60) as answer:
        assert answer.read().startswith(b"%PDF")


def test_a_broadcast_ends_once_for_the_targets_of_its_order(heard: Heard) -> None:
    order = {
        "to": ["7654321", "7654322"],
        "documents": [{"url": "http://127.0.0.1:1/none.pdf"}],
        "retry": {"attempts": 1},
    }
    made = heard.post("/v1/faxes", {**order, "callbacks": [{"url": f"{heard.there.url}/each"}]})
    until(lambda: heard.get(f"/v1/broadcasts/{made['broadcast_id']}")["ended"])
    faxes = [fax["id"] for fax in made["faxes"]]
    until(lambda: any(json.loads(one.body)["event"] == "broadcast" for fax in faxes for one in heard.of(fax, "/each")))
    ends = [
        body
        for fax in faxes
        for one in heard.of(fax, "/each")
        if (body := json.loads(one.body))["event"] == "broadcast"
    ]
    assert [(end["broadcast_id"], end["total"]) for end in ends] == [(made["broadcast_id"], 2)]
    assert sum(ends[0]["by_state"].values()) == 2


def test_the_commands_about_dead_letters(heard: Heard) -> None:
    dead = [{"url": f"{heard.there.url}/dead?token=x", "events": ["result", "job"]}]
    order = {"to": "7654321", "documents": ["http://127.0.0.1:1/none.pdf"], "retry": {"attempts": 1}, "callbacks": dead}
    fax = heard.post("/v1/faxes", order)["id"]
    until(lambda: heard.get(f"/v1/faxes/{fax}")["ended"])
    until(lambda: len(heard.get("/v1/deliveries")["deliveries"]) > 2)
    letters = [one["number"] for one in heard.get("/v1/deliveries")["deliveries"] if one["fax_id"] == fax]
    assert len(letters) > 2
    assert "token" not in json.dumps(heard.get("/v1/deliveries"))
    ran = []
    for line in shown(CALLBACKS, "softfax deliveries list").splitlines():
        command = line.partition("#")[0].strip().replace("17", str(letters[0])).replace("18", str(letters[1]))
        done = subprocess.run(
            [softfax_command(), *command.split()[1:]],
            capture_output=True, text=True, timeout=60, check=False,
            env=environment() | {"SOFTFAX_CONFIG": str(heard.near.config)},
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stderr)
        ran.append(done.stdout)
    assert all(f"{number}  " in ran[0] for number in letters)
    assert json.loads(ran[1])["number"] == letters[0]
    assert json.loads(json.loads(ran[1])["body"])["fax_id"] == fax
    assert "2 of 2 queued once more" in ran[2]
    # They are dead once more, by what the receiver still answers.
    until(lambda: {one["number"] for one in heard.get("/v1/deliveries")["deliveries"]} >= set(letters))
    assert heard.post(f"/v1/deliveries/{letters[0]}/replay", {})["number"] == letters[0]


def test_the_program_of_the_station_sends_its_fax(heard: Heard, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "station.md").read_text()
    program = shown(page, "import softfax").replace("127.0.0.1:5060", "127.0.0.1:0")
    program = program.replace("sip:1234@pbx.example", f"sip:1234@{heard.near.host}")
    imports, _, body = program.partition("\n\n")
    shutil.copy(REPOSITORY / "samples" / "form.pdf", tmp_path / "letter.pdf")
    whole = f"import asyncio\n{imports}\nasync def main():\n{textwrap.indent(body, '    ')}\n    return result\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{whole}\nprint('success', asyncio.run(main()).success)"],
        cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False,
        env=environment() | {"PYTHONPATH": str(REPOSITORY / "src"), "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert "success True" in done.stdout, done.stderr
