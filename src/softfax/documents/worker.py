# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents are opened in a process of their own, with limits on memory, CPU and time: a hostile one ends there.

The parent starts `python -m softfax.documents.worker`, writes one JSON request to its standard input and reads one JSON
reply from its standard output.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from softfax import errors
from softfax.documents.types import DocumentLimits, PageInfo, RasterSettings
from softfax.errors import DocumentError, DocumentTooLargeError, DocumentUnsupportedError

__all__ = ["rasterise"]

CPU_SIGNALS = (-9, -24)  # SIGKILL, SIGXCPU
FILES_OPEN_MAX = 256


def rasterise(files: Sequence[Path], out: Path, settings: RasterSettings) -> tuple[PageInfo, ...]:
    """Turns documents into the fax TIFF `out` within the limits. Raises DocumentError; leaves nothing behind then."""
    request = {"files": [str(f) for f in files], "out": str(out), "settings": dataclasses.asdict(settings)}
    source = str(Path(__file__).resolve().parent.parent.parent)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "softfax.documents.worker"],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=settings.limits.wall_s,
            env=env,
            check=False,
        )
        reply = json.loads(done.stdout) if done.stdout else None
    except subprocess.TimeoutExpired:
        reply, status = None, -9
    except ValueError:
        reply, status = None, done.returncode
    else:
        status = done.returncode
    if reply is None or "error" in reply:
        out.unlink(missing_ok=True)
        raise _error(reply, status, files)
    return tuple(PageInfo(**page) for page in reply["pages"])


def _error(reply: dict[str, str] | None, status: int, files: Sequence[Path]) -> DocumentError:
    names = ", ".join(f.name for f in files)
    if reply is None:
        if status in CPU_SIGNALS:
            return DocumentTooLargeError(f"{names} takes too long to read", "send fewer or simpler pages")
        return DocumentUnsupportedError(f"{names} cannot be read", "open and save it anew")
    kind = getattr(errors, reply["error"], DocumentError)
    error: DocumentError = kind(reply["problem"], reply["remedy"])
    return error


# ---- inside the process -------------------------------------------------------------------------------------------------


def _limit(limits: DocumentLimits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes * 4, limits.file_bytes * 4))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_OPEN_MAX, FILES_OPEN_MAX))


def _work(request: dict[str, object]) -> dict[str, object]:
    from softfax.documents.load import load
    from softfax.documents.tiff import TiffWriter

    raw = dict(request["settings"])  # type: ignore[call-overload]
    settings = RasterSettings(**{**raw, "limits": DocumentLimits(**raw["limits"])})
    with TiffWriter(Path(str(request["out"]))) as writer:
        for name in request["files"]:  # type: ignore[attr-defined]
            for page, x_dpi, y_dpi in load(Path(name), settings):
                if len(writer.pages) >= settings.limits.pages:
                    raise DocumentTooLargeError("the fax has too many pages", f"send at most {settings.limits.pages}")
                writer.add(page, x_dpi, y_dpi)
        return {"pages": [dataclasses.asdict(page) for page in writer.pages]}


def main() -> None:
    """Serves one request."""
    request = json.load(sys.stdin)
    limits = DocumentLimits(**request["settings"]["limits"])
    _limit(limits)
    try:
        reply = _work(request)
    except DocumentError as error:
        reply = {"error": type(error).__name__, "problem": error.problem, "remedy": error.remedy}
    except MemoryError:
        reply = {
            "error": "DocumentTooLargeError",
            "problem": "the document needs too much memory",
            "remedy": "make it smaller",
        }
    except Exception as error:
        reply = {
            "error": "DocumentUnsupportedError",
            "problem": f"the document cannot be read ({type(error).__name__}: {error})"[:300],
            "remedy": "open and save it anew",
        }
    json.dump(reply, sys.stdout)


if __name__ == "__main__":
    main()
