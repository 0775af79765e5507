# SPDX-License-Identifier: GPL-2.0-or-later
"""Input that never becomes a call: one line that says what is wrong, the exit status, and nothing left behind."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.command import environment, softfax_command
from tests.support.pages import draw_page, write_fax_tiff

pytestmark = pytest.mark.sip

NOWHERE = "sip:fax@127.0.0.1:9"
LIMIT_S = 60


def softfax(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command; whatever it says is on standard error alone, since it never comes to an event."""
    return subprocess.run(
        [softfax_command(), *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def check_line(done: subprocess.CompletedProcess[str], exit_status: int, *words: str) -> None:
    assert done.returncode == exit_status, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("softfax")]
    assert all(word in line for word in words), line


def pdf(*objects: str, trailer: str) -> bytes:
    """A PDF of these objects, numbered from 1."""
    out, offsets = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    start, size = len(out), len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return write_fax_tiff(tmp_path / "page.tif", [draw_page("bad input", rows=600)])


def test_a_file_that_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 40)
    check_line(softfax(tmp_path, "send", NOWHERE, "noise.bin"), 2, "noise.bin")


def test_a_missing_file(tmp_path: Path) -> None:
    check_line(softfax(tmp_path, "send", NOWHERE, "missing.pdf"), 2, "missing.pdf")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.pdf").write_bytes(b"")
    check_line(softfax(tmp_path, "send", NOWHERE, "empty.pdf"), 2, "empty.pdf")


def test_a_damaged_tiff(tmp_path: Path, document: Path) -> None:
    (tmp_path / "damaged.tif").write_bytes(document.read_bytes()[:200])
    check_line(softfax(tmp_path, "send", NOWHERE, "damaged.tif"), 2, "damaged.tif")


def test_a_pdf_without_pages(tmp_path: Path) -> None:
    (tmp_path / "empty.pdf").write_bytes(
        pdf("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [] /Count 0 >>", trailer="")
    )
    check_line(softfax(tmp_path, "send", NOWHERE, "empty.pdf"), 2, "empty.pdf", "page")


def test_an_encrypted_pdf(tmp_path: Path) -> None:
    # Nothing in it can be read without a password, and no password fits.
    owner = user = "<" + "5a" * 32 + ">"
    (tmp_path / "secret.pdf").write_bytes(
        pdf(
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
            f"<< /Filter /Standard /V 1 /R 2 /O {owner} /U {user} /P -4 >>",
            trailer=f"/Encrypt 4 0 R /ID [<{'11' * 16}> <{'11' * 16}>]",
        )
    )
    check_line(softfax(tmp_path, "send", NOWHERE, "secret.pdf"), 2, "secret.pdf", "password")


@pytest.mark.parametrize(
    "uri", ["sip:", "sip:a b@127.0.0.1", "http://127.0.0.1/", "fax@nowhere", "sip:1@127.0.0.1:99999"]
)
def test_a_bad_uri(tmp_path: Path, document: Path, uri: str) -> None:
    check_line(softfax(tmp_path, "send", uri, str(document)), 2, uri)


def test_a_number_without_a_server(tmp_path: Path, document: Path) -> None:
    check_line(softfax(tmp_path, "send", "+15551234", str(document)), 2, "+15551234", "--proxy")


def test_an_ident_that_t30_cannot_carry(tmp_path: Path, document: Path) -> None:
    check_line(softfax(tmp_path, "send", NOWHERE, str(document), "--ident", "x" * 21), 2, "20")


@pytest.mark.parametrize("verb", ["send", "receive"])
def test_a_port_in_use(tmp_path: Path, document: Path, verb: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        target = [NOWHERE, str(document)] if verb == "send" else ["--dir", "."]
        check_line(softfax(tmp_path, verb, *target, "--listen", f"127.0.0.1:{port}"), 2, str(port), "in use")


def test_a_listening_address_that_is_not_ours(tmp_path: Path) -> None:
    check_line(softfax(tmp_path, "receive", "--dir", ".", "--listen", "192.0.2.1:0"), 2, "192.0.2.1")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    check_line(
        softfax(tmp_path, "receive", "--dir", "file/folder", "--listen", "127.0.0.1:0"), 2, "file/folder", "--dir"
    )


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_nobody_there(tmp_path: Path, document: Path, transport: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        uri = f"sip:fax@127.0.0.1:{port}"
        check_line(softfax(tmp_path, "send", uri, str(document), "--transport", transport), 3)


def test_a_host_that_does_not_exist(tmp_path: Path, document: Path) -> None:
    check_line(softfax(tmp_path, "send", "sip:fax@host.invalid", str(document)), 3)


def test_nobody_calls(tmp_path: Path) -> None:
    check_line(softfax(tmp_path, "receive", "--dir", "in", "--listen", "127.0.0.1:0", "--timeout", "1"), 3, "no call")
    assert list((tmp_path / "in").iterdir()) == []
