# SPDX-License-Identifier: GPL-2.0-or-later
"""Forms as they come in, whole or in pieces, good or hostile."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softfax.web.body import Form, read_form, safe_name
from softfax.web.fields import form_values
from softfax.web.problems import Problem
from softfax.web.requests import FaxIn

KIND = "multipart/form-data; boundary=b"


def part(name: str, body: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + body + b"\r\n"


def read(data: bytes, folder: Path, pieces: int = 1, kind: str = KIND, files_max: int = 3) -> Form:
    async def stream() -> AsyncIterator[bytes]:
        step = max(1, len(data) // pieces)
        for at in range(0, len(data), step):
            yield data[at : at + step]

    return asyncio.run(read_form(kind, stream(), folder, files_max))


def test_fields_and_files(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    data = part("to", "Jürgen".encode()) + part("file", content, "../a/Brief.PDF") + part("to", b"2") + b"--b--\r\n"
    for pieces in (1, 7, 1000):
        form = read(data, tmp_path, pieces)
        assert form.all("to") == ["Jürgen", "2"]
        (file,) = form.files
        assert (file.name, file.size, file.digest) == ("Brief.PDF", len(content), hashlib.sha256(content).hexdigest())
        assert file.path.read_bytes() == content
        assert (file.path.parent, file.path.suffix) == (tmp_path, ".pdf")
    form = read(b"to=%2B49+30&tag.a=b&to=", tmp_path, kind="application/x-www-form-urlencoded")
    assert form.fields == [("to", "+49 30"), ("tag.a", "b"), ("to", "")]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"no form", 400),
        (part("to", b"1"), 400),  # breaks off
        (part("", b"1") + b"--b--", 400),
        (part("to", b"\xff\xfe") + b"--b--", 400),
        (part("to", b"x" * 2_000_000) + b"--b--", 413),
        (b"".join(part(f"f{n}", b"x", "a") for n in range(4)) + b"--b--", 413),
        (b"".join(part(f"f{n}", b"") for n in range(6000)) + b"--b--", 413),
        (b"--b\r\n" + b"X-A: 1\r\n" * 50 + b"\r\n--b--", 400),
        (b"--b\r\nX-A: " + b"1" * 20_000 + b"\r\n\r\n--b--", 400),
    ],
)
def test_hostile_forms(data: bytes, status: int, tmp_path: Path) -> None:
    with pytest.raises(Problem) as error:
        read(data, tmp_path)
    assert error.value.status_code == status


PIECES = st.sampled_from([b"--b", b"\r\n", b"--", b'Content-Disposition: form-data; name="a"', b"x", b"\0", b":"])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES))
def test_whatever_comes_is_a_form_or_a_problem(tmp_path: Path, pieces: list[bytes]) -> None:
    with contextlib.suppress(Problem):
        read(b"".join(pieces), tmp_path, 3)


@given(st.text(max_size=300))
def test_names_are_names(name: str) -> None:
    shown = safe_name(name)
    assert 0 < len(shown) <= 101
    assert not set("/\\\n\r\t\u202e\0") & set(shown)


def test_a_document_may_be_its_url_alone() -> None:
    fax = FaxIn.model_validate({"to": "1", "documents": ["https://a.example/b", {"upload": "0" * 32}]})
    assert [document.url for document in fax.documents] == ["https://a.example/b", None]


def test_a_form_says_what_the_json_says() -> None:
    form = Form(fields=[("to", "1"), ("to", "2"), ("url", "https://a.example/b"), ("tag.k", "v"), ("cover.subject", "s"),
                        ("retry.attempts", "2"), ("ecm", "false"), ("priority", "7"), ("header", ""),
                        ("callbacks", '[{"url": "https://a.example/"}]')])  # fmt: skip
    fax = FaxIn.model_validate(form_values(form))
    assert (fax.to, fax.documents[0].url, fax.tags, fax.ecm) == (["1", "2"], "https://a.example/b", {"k": "v"}, False)
    assert fax.cover is not None
    assert (fax.cover.subject, fax.retry.attempts, fax.priority, fax.callbacks[0].dialect) == ("s", 2, 7, "json")
    assert form_values(Form(fields=[("request", '{"to": "1"}')])) == {"to": "1"}
    for fields in (
        [("request", "{}"), ("to", "1")], [("request", "{")], [("frm", "1")], [("header", "a"), ("header", "b")],
        [("tags", "[")], [("request", '{"a": NaN}')],
    ):  # fmt: skip
        with pytest.raises(RequestValidationError):
            form_values(Form(fields=fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"documents": [{"url": "https://a.example", "upload": "0" * 32}]},
        {"documents": [{}]},
        {"documents": [{"url": "http://[::1%eth0]/"}]},
        {"documents": [{"url": "http://2130706433/"}]},
        {"documents": [{"upload": "../../etc"}]},
        {"documents": ["/etc/passwd"]},
        {"documents": [{"url": "https://a.example", "pages": "1-x"}]},
        {"to": []},
        {"to": "a\nb"},
        {"to": "x" * 401},
        {"priority": True},
        {"priority": 10},
        {"tags": {"a b": "c"}},
        {"tags": {"a": "b\0"}},
        {"not_before": "2026-11-21T09:00:00"},
        {"not_before": 1795255200},
        {"deadline": "1795255200"},
        {"callbacks": [{"url": "ftp://a.example"}]},
        {"ident": "ä"},
        {"cover": {"template": "../x"}},
        {"unknown": 1},
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        FaxIn.model_validate({"to": "1", **fields})
