# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients generated from the OpenAPI description: each operation is there, is called, and its answer is read."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import json
import re
import subprocess
import sys
import sysconfig
import types
import typing
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from softfax.model import FaxState
from softfax.web.examples import BODIES, FAX, PARAMETERS
from tests.support.described import _description
from tests.unit.web.fakes import SECRET, Site, a_fax, site
from tests.web.rig import ADMIN, running

#: Streams that do not end.
ENDLESS = {"streamEvents"}
FILES = ("application/pdf", "image/tiff", "image/png", "application/vnd.tcpdump.pcap")
SETTINGS = {
    "post_hooks": [],
    "project_name_override": "generated",
    "package_name_override": "generated",
    "content_type_overrides": dict.fromkeys(FILES, "application/octet-stream"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both clients, generated once."""
    where = tmp_path_factory.mktemp("generated")
    description, settings = where / "openapi.json", where / "settings.json"
    description.write_text(json.dumps(_description()))
    settings.write_text(json.dumps(SETTINGS))
    scripts = Path(sysconfig.get_path("scripts"))
    for command in (
        ["openapi-python-client", "generate", "--path", description, "--config", settings, "--meta", "none",
         "--output-path", where / "generated"],
        ["datamodel-codegen", "--input", description, "--input-file-type", "openapi", "--output", where / "generated_models.py",
         "--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin"],
    ):  # fmt: skip
        done = subprocess.run(
            [scripts / command[0], *command[1:]], capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(where))
    yield where
    sys.path.remove(str(where))


def operations() -> dict[str, dict[str, Any]]:
    return {one["operationId"]: one for methods in _description()["paths"].values() for one in methods.values()}


def arguments(function: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Values for what a generated function takes: parameters that it has to have, and its body."""
    hints, out = typing.get_type_hints(function), {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "body":
            kinds = typing.get_args(hints[name]) if isinstance(hints[name], types.UnionType) else (hints[name],)
            kind = next(one for one in kinds if one.__name__ in BODIES or hasattr(one, "from_dict"))
            out[name] = kind.from_dict(BODIES[kind.__name__]) if kind.__name__ in BODIES else None
        elif name != "client" and parameter.default is inspect.Parameter.empty:
            out[name] = known[name]
    return out


def test_every_operation_is_called_by_a_generated_client(folder: Path, tmp_path: Path) -> None:
    generated = importlib.import_module("generated")
    modules = {
        path.stem: path.parent.name for path in (folder / "generated" / "api").glob("*/*.py") if path.stem != "__init__"
    }
    by_module = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): (name, one) for name, one in operations().items()}
    assert modules.keys() == by_module.keys()

    async def run(made: Site) -> None:
        ended = a_fax(state=FaxState.FAILED)
        made.queue.add(replace(ended, id=FAX))
        client = generated.AuthenticatedClient(base_url="http://127.0.0.1:8038", token=SECRET)
        transport = httpx.ASGITransport(made.app, client=("127.0.0.1", 40000))
        headers = {"Authorization": f"Bearer {SECRET}"}
        client.set_async_httpx_client(
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8038", headers=headers)
        )
        for module, group in sorted(modules.items()):
            name, operation = by_module[module]
            function = importlib.import_module(f"generated.api.{group}.{module}").asyncio_detailed
            given = arguments(function, PARAMETERS | {"number": PARAMETERS["number"]}) if name not in ENDLESS else {}
            if name in ENDLESS or ("body" in given and given["body"] is None):
                continue
            if name == "replayDelivery":
                given["number"] = 17
            answer = await function(client=client, **given)
            assert str(int(answer.status_code)) in operation["responses"], (name, answer)
            assert answer.status_code not in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR), (
                name,
                answer,
            )
            content = operation["responses"][str(int(answer.status_code))].get("content")
            assert answer.parsed is not None or not content or "head" in module, (name, answer)

    steps = site(tmp_path)
    asyncio.run(run(next(steps)))
    next(steps, None)


def test_files_are_sent_and_events_are_followed_by_generated_clients(folder: Path, tmp_path: Path) -> None:
    """A form with a file, an upload, and the stream; its events are read by the models of the other generator."""
    generated = importlib.import_module("generated")
    kinds = importlib.import_module("generated.models")
    models = importlib.import_module("generated_models")
    file_of = importlib.import_module("generated.types").File
    operation = {
        name: importlib.import_module(f"generated.api.{group}.{name}")
        for group, name in (("uploads", "upload"), ("faxes", "send_fax"), ("events", "stream_events"))
    }

    def letter() -> Any:
        return file_of(payload=io.BytesIO(b"Dear\fAda"), file_name="letter.txt", mime_type="text/plain")

    async def run() -> None:
        async with running(tmp_path) as station:
            client = generated.AuthenticatedClient(base_url=station.url, token=ADMIN, timeout=30.0)
            upload = await operation["upload"].asyncio(client=client, body=kinds.UploadBody(file=letter(), pages="2"))
            assert [page.number for page in upload.pages] == [1]
            form = kinds.SendFaxFilesBody(to=["sip:ok@far.example"], file=[letter()], resolution="fine")
            fax = await operation["send_fax"].asyncio(client=client, body=form)
            assert (fax.state, fax.documents) == ("queued", ["letter.txt"])
            # The function of the stream returns at its end, which does not come; its request is followed line by line.
            asked = operation["stream_events"]._get_kwargs(fax_id=fax.id, last_event_id_query="1")
            read: list[Any] = []
            async with client.get_async_httpx_client().stream(**asked) as answer:
                assert answer.status_code == 200
                number = 0
                async for line in answer.aiter_lines():
                    if line.startswith("id: "):
                        number = int(line.removeprefix("id: "))
                    if line.startswith("data: {"):
                        event = {"id": number, **json.loads(line.removeprefix("data: "))}
                        read += models.EventList.model_validate({"events": [event]}).events
                        read[-1] = getattr(read[-1], "root", read[-1])
                        if read[-1].event == "job" and read[-1].state == "delivered":
                            break
            assert {"call", "page", "result", "job"} <= {one.event for one in read}

    asyncio.run(run())


def test_the_models_take_what_is_answered(folder: Path) -> None:
    models = importlib.import_module("generated_models")
    for name, body in BODIES.items():
        getattr(models, name).model_validate(body)
