# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents from URLs: what comes, what is refused, and what is never said."""

from __future__ import annotations

import errno
import gzip
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.documents.fetch import FetchLimits, fetch, file_name, redacted
from softfax.errors import (
    DocumentEmptyError,
    DocumentError,
    DocumentTooLargeError,
    DocumentUnsupportedError,
    PagesDiskFullError,
    SoftfaxError,
    UsageError,
)
from softfax.netguard import ForbiddenAddressError
from tests.support.http_server import Server, answer, tls_contexts

PDF = b"%PDF-1.4 a document"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def get(url: str, folder: Path, **limits: float) -> Path:
    return fetch(url, folder, FetchLimits(**{"bytes": 100_000, **limits}), allow_private=True)  # type: ignore[arg-type]


def test_a_document_comes_with_its_name(tmp_path: Path, server: Server) -> None:
    server.answers["/docs/letter%20one.pdf?id=7"] = answer(PDF, Content_Type="application/pdf")

    path = get(server.url("/docs/letter%20one.pdf?id=7#page=2"), tmp_path)

    assert path == tmp_path / "letter one.pdf"
    assert path.read_bytes() == PDF
    (request,) = server.requests
    assert f"Host: 127.0.0.1:{server.port}\r\n" in request
    assert "Accept-Encoding: identity" in request


def test_the_name_is_the_servers_if_it_says_one(tmp_path: Path, server: Server) -> None:
    disposition = "attachment; filename=\"a.pdf\"; filename*=UTF-8''Stra%C3%9Fe.pdf"
    server.answers["/x"] = answer(PDF, Content_Disposition=disposition)

    assert get(server.url("/x"), tmp_path).name == "Straße.pdf"


def test_chunks_and_old_servers(tmp_path: Path, server: Server) -> None:
    server.answers["/chunks"] = answer(
        b"5\r\n%PDF-\r\n3\r\n1.4\r\n0\r\n\r\n", length=False, Transfer_Encoding="chunked"
    )
    server.answers["/old"] = lambda sock: sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + PDF)

    assert get(server.url("/chunks"), tmp_path).read_bytes() == b"%PDF-1.4"
    assert get(server.url("/old"), tmp_path).read_bytes() == PDF


def test_redirects_are_followed(tmp_path: Path, server: Server) -> None:
    server.answers["/1"] = answer(status="301 Moved", Location="2?x")
    server.answers["/2?x"] = answer(status="307 Temporary Redirect", Location=server.url("/3.pdf"))
    server.answers["/3.pdf"] = answer(PDF)

    assert get(server.url("/1"), tmp_path).name == "3.pdf"


def test_redirects_end(tmp_path: Path, server: Server) -> None:
    server.answers["/loop"] = answer(status="302 Found", Location="/loop")

    with pytest.raises(DocumentError, match="redirects too often"):
        get(server.url("/loop"), tmp_path)
    assert len(server.requests) == 6


def test_a_redirect_to_a_private_address_is_not_followed(tmp_path: Path, server: Server) -> None:
    # The first hop must be public: one stands for it here.
    hops = {"public.example": "127.0.0.1", "inside.example": "10.0.0.1"}
    server.answers["/"] = answer(status="302 Found", Location="http://169.254.169.254/latest/meta-data/")
    with pytest.raises(ForbiddenAddressError, match=r"169\.254\.169\.254"):
        get(server.url("/"), tmp_path)
    with pytest.raises(ForbiddenAddressError, match=r"inside\.example"):
        fetch("http://inside.example/", tmp_path, resolver=lambda host, port: [hops[host]])


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1/",
        "//user@evil\\@x/",
        "http://[::1",
        "http://2130706433/",
        "javascript:alert(1)",
    ],
)
def test_a_redirect_elsewhere_is_not_followed(tmp_path: Path, server: Server, location: str) -> None:
    server.answers["/"] = answer(status="302 Found", Location=location)

    with pytest.raises(SoftfaxError) as refused:
        get(server.url("/"), tmp_path)
    assert isinstance(refused.value, UsageError | DocumentError)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/a.pdf",
        "letter.pdf",
        "",
        "http://",
        "http:///a",
        "http:a",
        "http://127.0.0.1\\@example.com/",
        "http://example.com@127.0.0.1@x/",
        "http://exa mple.com/",
        "http://example.com/a b",
        "http://example.com/\r\nX: y",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:x/",
        "http://[::1",
        "http://[::1%25lo]/",
        "http://[fe80::1%eth0]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127%2e0.0.1/",
        "http://example.com/" + "a" * 5000,
    ],
)
def test_what_is_no_url_to_fetch_from(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as refused:
        fetch(url, tmp_path, allow_private=True, resolver=lambda host, port: pytest.fail("was looked up"))
    assert refused.value.remedy
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1#@example.com/",
        "http://127.0.0.1?@example.com/",
        "http://192.168.0.1:8080/",
        "http://169.254.169.254/",
        "https://10.0.0.1/",
    ],
)
def test_this_network_is_not_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        fetch(url, tmp_path)


def test_the_name_is_looked_up_once(tmp_path: Path, server: Server) -> None:
    """A name that is public when it is checked and private a moment later leads nowhere else."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

    server.answers["/a.pdf"] = answer(PDF)
    url = server.url("/a.pdf", "rebind.example")
    assert fetch(url, tmp_path, allow_private=True, resolver=rebinding).read_bytes() == PDF
    assert asked == ["rebind.example"]
    assert f"Host: rebind.example:{server.port}\r\n" in server.requests[0]


def test_too_large_by_its_own_word(tmp_path: Path, server: Server) -> None:
    server.answers["/"] = answer(b"x", Content_Length=str(10**12))

    with pytest.raises(DocumentTooLargeError):
        get(server.url("/"), tmp_path)


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_a_body_without_end(tmp_path: Path, server: Server, head: bytes) -> None:
    def endless(sock: socket.socket) -> None:
        sock.sendall(head)
        while not server.stopped.is_set():
            sock.sendall(b"1000\r\n" + bytes(0x1000) + b"\r\n")

    server.answers["/"] = endless
    with pytest.raises(DocumentTooLargeError):
        get(server.url("/"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_not_the_servers(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mode: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    server.answers["/"] = answer(b"%PDF-1.7", Content_Type="application/pdf")
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(PagesDiskFullError, match="no room for http"):
        get(server.url("/"), tmp_path)


def test_packed_bodies_are_not_unpacked(tmp_path: Path, server: Server) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    server.answers["/"] = answer(bomb, Content_Encoding="gzip", Content_Type="application/pdf")

    with pytest.raises(DocumentUnsupportedError, match="compressed"):
        get(server.url("/"), tmp_path)
    assert not list(tmp_path.iterdir())


def _drip(data: bytes, pause_s: float) -> object:
    def drip(sock: socket.socket) -> None:
        for index in range(len(data)):
            sock.sendall(data[index : index + 1])
            time.sleep(pause_s)

    return drip


@pytest.mark.parametrize("what", ["silence", "head", "body", "chunk"])
def test_a_slow_server(tmp_path: Path, server: Server, what: str) -> None:
    whole = {
        "silence": b"",
        "head": b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 200,
        "body": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200,
        "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 200,
    }[what]
    server.answers["/"] = (lambda sock: time.sleep(3)) if what == "silence" else _drip(whole, 0.05)  # type: ignore[assignment]

    with pytest.raises(DocumentError, match="takes too long"):
        get(server.url("/"), tmp_path, total_s=0.7, read_s=0.5)
    assert not list(tmp_path.iterdir())


def test_a_broken_off_body_is_no_document(tmp_path: Path, server: Server) -> None:
    server.answers["/length"] = answer(PDF, Content_Length="100")
    server.answers["/chunk"] = answer(b"50\r\n%PDF-", length=False, Transfer_Encoding="chunked")

    for path in ("/length", "/chunk"):
        with pytest.raises(DocumentError, match="not answered with complete HTTP"):
            get(server.url(path), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000,
        b"\x15\x03\x01\x00\x02\x02",
    ],
)
def test_what_is_no_http(tmp_path: Path, server: Server, raw: bytes) -> None:
    server.answers["/"] = lambda sock: sock.sendall(raw)

    with pytest.raises(DocumentError) as refused:
        get(server.url("/"), tmp_path, total_s=5)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("404 Not Found", "404 Not Found"),
        ("500 \x1b[31mOops", "500"),
        ("401 Unauthorized", "may not be fetched"),
        ("204 No Content", "204"),
    ],
)
def test_other_statuses(tmp_path: Path, server: Server, status: str, says: str) -> None:
    server.answers["/a"] = answer(status=status)

    with pytest.raises(DocumentError, match=says) as refused:
        get(server.url("/a"), tmp_path)
    assert str(refused.value).isprintable()


def test_a_web_page_is_no_document(tmp_path: Path, server: Server) -> None:
    server.answers["/login"] = answer(b"<html>please log in", Content_Type="text/html; charset=utf-8")

    with pytest.raises(DocumentUnsupportedError, match="web page"):
        get(server.url("/login"), tmp_path)


def test_an_empty_body(tmp_path: Path, server: Server) -> None:
    server.answers["/"] = answer(b"")

    with pytest.raises(DocumentEmptyError):
        get(server.url("/"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.pdf"
        with pytest.raises(DocumentError, match="cannot be reached"):
            get(url, tmp_path)


def test_credentials_go_to_their_host_and_are_shown_nowhere(tmp_path: Path, server: Server) -> None:
    other = Server()
    server.answers["/a"] = answer(status="302 Found", Location="/b")
    server.answers["/b"] = answer(status="302 Found", Location=other.url("/c?token=tops3cret"))
    try:
        with pytest.raises(DocumentError) as refused:
            get(server.url("/a", "alice:s%40cret@127.0.0.1"), tmp_path)
    finally:
        other.close()
    assert all("Authorization: Basic YWxpY2U6c0BjcmV0" in request for request in server.requests)
    assert len(server.requests) == 2
    assert "uthorization" not in other.requests[0]
    assert "404" in str(refused.value)
    assert not any(secret in str(refused.value) for secret in ("alice", "cret", "token"))


def test_tls_is_checked_against_the_name(tmp_path: Path) -> None:
    server_context, trusting = tls_contexts(tmp_path, "fax.example")
    server = Server(server_context)
    server.answers["/a.pdf"] = answer(PDF)
    here = lambda host, port: ["127.0.0.1"]  # noqa: E731
    try:
        url = server.url("/a.pdf", "fax.example")
        assert fetch(url, tmp_path, allow_private=True, tls=trusting, resolver=here).read_bytes() == PDF
        with pytest.raises(DocumentError, match=r"certificate .* other\.example"):
            fetch(server.url("/a.pdf", "other.example"), tmp_path, allow_private=True, tls=trusting, resolver=here)
        with pytest.raises(DocumentError, match="certificate"):
            fetch(url, tmp_path, allow_private=True, resolver=here)
        plain = Server()
        server.answers["/down"] = answer(status="302 Found", Location=plain.url("/a.pdf"))
        with pytest.raises(DocumentError, match="from https to http"):
            fetch(server.url("/down", "fax.example"), tmp_path, allow_private=True, tls=trusting, resolver=here)
        plain.close()
    finally:
        server.close()


URL_PARTS = [
    "http://",
    "https://",
    "HTTP:",
    "//",
    "@",
    ":",
    "/",
    "\\",
    "?",
    "#",
    "[",
    "]",
    "%",
    "user",
    "hunter2",
    "host",
    "127.0.0.1",
    "::1",
    "80",
    "..",
    "\n",
    "\u202e",
    "é",
    "\ud800",
]


@given(st.lists(st.one_of(st.sampled_from(URL_PARTS), st.text(max_size=3)), max_size=14).map("".join))
def test_any_text_is_refused_or_looked_up_as_a_plain_host(url: str) -> None:
    hosts: list[str] = []

    def nowhere(host: str, port: int) -> list[str]:
        hosts.append(host)
        raise OSError("not found")

    for text in (url, f"http://alice:hunter2@{url}"):
        with pytest.raises(SoftfaxError) as refused:
            fetch(text, Path("unused"), resolver=nowhere)
        assert str(refused.value).isprintable()
    assert all(re.fullmatch(r"[a-z0-9_.:-]+", host) for host in hosts)


@given(st.text(alphabet="abc/?#@:\\[]%é 1", max_size=20))
def test_a_password_is_shown_nowhere(rest: str) -> None:
    """Whatever comes after it, and in it: what is shown of the URL begins after the last @ before the host."""
    with pytest.raises(SoftfaxError) as refused:
        fetch(f"https://alice:hunter2@{rest}", Path("unused"), resolver=lambda host, port: [])
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("disposition", "url", "kind", "name"),
    [
        ("", "http://h/a/b.pdf", "", "b.pdf"),
        ("", "http://h/", "application/pdf", "document.pdf"),
        ("", "http://h/download?id=5", "image/tiff", "download.tif"),
        ("", "http://h/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "", "passwd"),
        ("", "http://h/a%00b%0a%1b[31m.pdf", "", "ab [31m.pdf"),
        ('attachment; filename="../../x.pdf"', "http://h/", "", "x.pdf"),
        ('attachment; filename="C:\\\\dir\\\\x.pdf"', "http://h/", "", "x.pdf"),
        ("attachment; filename=.bashrc", "http://h/", "", "bashrc"),
        ("attachment; filename=-rf.pdf", "http://h/", "", "rf.pdf"),
        ('attachment; filename=""', "http://h/b.pdf", "", "b.pdf"),
        ("attachment; filename*=UTF-8''%E2%82%AC.pdf", "http://h/", "", "€.pdf"),
        ("attachment; filename*=nonsense''%E2%82%AC.pdf; filename=ok.pdf", "http://h/", "", "ok.pdf"),
        ('attachment; filename="fdp.\u202efdp.exe"', "http://h/", "", "fdp.fdp.exe"),
        ("", "http://h/" + "n" * 500 + ".pdf", "", "n" * 120 + ".pdf"),
        ("", "http://h/..", "application/pdf", "document.pdf"),
    ],
)
def test_names_are_harmless(disposition: str, url: str, kind: str, name: str) -> None:
    assert file_name(disposition, url, kind) == name


@given(st.text(max_size=80), st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_name_is_harmless(disposition: str, path: str) -> None:
    name = file_name(
        f"attachment; filename={disposition}", f"http://h/{path.replace('[', '').replace(']', '')}", "application/pdf"
    )
    assert name
    assert "/" not in name
    assert not name.startswith((".", "-"))
    assert name.isprintable() or all(ch.isprintable() or ch.isspace() for ch in name)
    assert len(name.encode()) <= 160


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://alice:secret@host/a.pdf?key=secret#secret", "https://host/a.pdf"),
        ("http://alice:sec/ret@host/a", "the URL"),
        ("http://alice:123/ret@host/a", "the URL"),
        ("http://alice:se#cret@host/a", "the URL"),
        ("https://host/@alice/a.pdf", "https://host/@alice/a.pdf"),
        ("HTTPS://h:8080/a\nb", "HTTPS://h:8080/ab"),
        ("http://al@ice:x@host/", "the URL"),
        ("alice:secret@host", "the URL"),
        ("http://a/\x1b[31m", "http://a/[31m"),
    ],
)
def test_secrets_of_urls_are_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert urlsplit(redacted(url)).username is None
