# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that opens what `softfax.documents.foreign` asks for: one JSON request on standard input, one JSON answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from softfax.documents.foreign import draws_web_pages
from softfax.documents.letters.message import Attachment, MessageLimits, page_of, read_message, read_packed
from softfax.documents.worker import limit
from softfax.errors import (
    DocumentError,
    DocumentInterruptedError,
    DocumentTooLargeError,
    DocumentUnsupportedError,
    UsageError,
)

__all__ = ["main"]

#: Of MIME parts, and of the files that come out of one e-mail.
PARTS_MAX = 200


def _letter(request: dict[str, Any], path: Path) -> tuple[list[Attachment], list[str]]:
    """The page and the attachments of an e-mail, in the order in which they are read."""
    limits = MessageLimits(parts=PARTS_MAX, html=draws_web_pages())
    if request["kind"] == "outlook":
        from softfax.documents.letters.outlook import read_outlook

        letter = read_outlook(path, request["name"], limits)
    elif request["kind"] == "tnef":
        letter = read_packed(path.read_bytes(), limits)
    else:
        letter = read_message(path.read_bytes(), limits, automatic_too=True)
    ending, page = page_of(list(letter.head), letter.text, letter.html)
    stem = Path(request["name"]).stem or "message"
    files = [Attachment(f"{stem}{ending}", page)] if page else []
    return [*files, *letter.attachments], list(letter.left_out)


def _work(request: dict[str, Any]) -> dict[str, Any]:
    path, out, name = Path(request["path"]), Path(request["out"]), request["name"]
    if request["kind"] in ("web", "archive"):
        from softfax.documents.web_page import archive_pdf, web_pdf

        draw = web_pdf if request["kind"] == "web" else archive_pdf
        pdf, warning = draw(path.read_bytes(), name)
        return _written([Attachment("page.pdf", pdf)], [warning] if warning else [], out, name)
    if request["kind"] == "locked":
        from softfax.documents.locks import unlocked

        return _written([Attachment(path.name, unlocked(path, name, request["password"]))], [], out, name)
    files, warnings = _letter(request, path)
    return _written(files, warnings, out, "")


def _written(files: Iterable[Attachment], warnings: list[str], out: Path, name: str) -> dict[str, Any]:
    made = []
    for number, file in enumerate(files, 1):
        folder = out / str(number)
        folder.mkdir()
        (folder / file.name).write_bytes(file.data)
        made.append({"path": str(folder / file.name), "name": name or file.name})
    return {"files": made, "warnings": warnings}


def _problem(error: Exception, name: str) -> DocumentError:
    if isinstance(error, DocumentError):
        return error
    if isinstance(error, UsageError):
        return DocumentUnsupportedError(f"{name}: {error.problem}", error.remedy)
    remedy = "open it and save it as PDF"
    if isinstance(error, (MemoryError, RecursionError)):
        return DocumentTooLargeError(f"{name} needs too much memory", remedy)
    if isinstance(error, OSError) and error.errno is not None:
        return DocumentInterruptedError(f"{name} cannot be opened ({error.strerror})", remedy)
    return DocumentUnsupportedError(f"{name} cannot be opened ({type(error).__name__}: {error})"[:300], remedy)


def main() -> None:
    """Serves one request."""
    request = json.loads(sys.stdin.buffer.readline())
    answers, sys.stdout = sys.stdout, sys.stderr
    limits = request["limits"]
    limit(limits["memory_bytes"], limits["cpu_s"], limits["output_bytes"])
    try:
        answer = _work(request)
        if not answer["files"]:
            raise DocumentUnsupportedError(f"{request['name']} holds nothing to be faxed", "open it and look")
    except Exception as error:
        said = _problem(error, request["name"])
        answer = {"error": type(said).__name__, "problem": said.problem, "remedy": said.remedy}
    json.dump(answer, answers)


if __name__ == "__main__":
    main()
