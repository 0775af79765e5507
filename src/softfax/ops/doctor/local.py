# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of this machine: libraries, disk, clock, fonts, programs, limits."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from softfax.database.aside import set_aside
from softfax.database.database import database_url
from softfax.database.offline import database_as_it_is
from softfax.diskspace import existing, free_bytes
from softfax.documents.fonts import FOLDER, Style
from softfax.documents.foreign import draws_web_pages
from softfax.errors import SoftfaxError
from softfax.ops.check import folder_problem
from softfax.ops.doctor.findings import CheckArea, Finding, failed, ok, skipped, warning
from softfax.optional import install_remedy, is_installed
from softfax.sip.types import CALLS_PER_PROCESS, FILES_ITSELF, FILES_PER_CALL
from softfax.station.config import StationConfig

__all__ = [
    "clock_findings",
    "disk_findings",
    "document_findings",
    "library_findings",
    "limit_findings",
    "record_findings",
]

WRITE_BYTES = 8 << 20
SYNCS = 12
SLOW_SYNC_S = 0.1
SLOW_WRITE_BPS = 5 << 20

_PJSIP = """\
import os
from softfax._native import pjsua2
endpoint = pjsua2.Endpoint()
endpoint.libCreate()
print("\\nVERSION", endpoint.libVersion().full, flush=True)
os._exit(0)
"""


def library_findings() -> Iterator[Finding]:
    """The native libraries, as they load."""
    from softfax._version import __version__
    from softfax.engine.core import Engine

    try:
        Engine().close()
        yield ok(CheckArea.LIBRARIES, f"softfax {__version__}, its engine loads")
    except SoftfaxError as error:
        yield failed(CheckArea.LIBRARIES, error.problem, error.remedy or "install softfax again")
    done = subprocess.run([sys.executable, "-c", _PJSIP], capture_output=True, text=True, timeout=20, check=False)
    version = done.stdout.rpartition("VERSION ")[2].strip() if "VERSION " in done.stdout else ""
    if version:
        yield ok(CheckArea.LIBRARIES, f"PJSIP {version}, Python {sys.version.split()[0]}")
    else:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        yield failed(CheckArea.LIBRARIES, f"PJSIP does not load ({last[0][:120]})", "install softfax again")


def disk_findings(config: StationConfig) -> Iterator[Finding]:
    """Room, rights, and how fast the disk confirms what was written."""
    floor = config.retention.min_free_mb << 20
    for name, folder in {"data": config.data.dir, "received faxes": config.inbox_dir}.items():
        problem = folder_problem(folder)
        if problem:
            yield failed(
                CheckArea.DISK, f"{name}: {problem}", f"as root: install -d -o softfax -g softfax -m 750 {folder}"
            )
            continue
        free = free_bytes(folder)
        if free is not None and free < floor:
            yield failed(
                CheckArea.DISK,
                f"{name}: {free >> 20} MB are left at {folder}, no fax is taken",
                "make room, or lower [retention] min_free_mb",
            )
        elif free is not None:
            low = free < 5 * floor
            text = f"{name}: {free / 1e9:.1f} GB are left at {folder}"
            yield warning(CheckArea.DISK, text, "make room before it is full") if low else ok(CheckArea.DISK, text)
    yield from _speed(config.data.dir)


def _speed(folder: Path) -> Iterator[Finding]:
    folder = existing(folder)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            began = time.monotonic()
            file.write(os.urandom(1 << 16) * (WRITE_BYTES >> 16))
            file.flush()
            os.fsync(file.fileno())
            written_s = time.monotonic() - began
            syncs = []
            for _ in range(SYNCS):
                began = time.monotonic()
                file.write(b"x" * 4096)
                file.flush()
                os.fsync(file.fileno())
                syncs.append(time.monotonic() - began)
    except OSError as error:
        yield failed(
            CheckArea.DISK,
            f"{folder} cannot be written to: {error.strerror}",
            "make room there" if error.errno == errno.ENOSPC else "check its owner, and that it is not read-only",
        )
        return
    sync_s = statistics.median(syncs)
    text = f"{WRITE_BYTES / written_s / 1e6:.0f} MB/s, {sync_s * 1000:.1f} ms until a page is safe (fsync)"
    if sync_s > SLOW_SYNC_S or WRITE_BYTES / written_s < SLOW_WRITE_BPS:
        yield warning(
            CheckArea.DISK, f"slow: {text}", "put [data] dir on a local SSD; pages are confirmed once they are on disk"
        )
    else:
        yield ok(CheckArea.DISK, text)


def record_findings(config: StationConfig) -> Iterator[Finding]:
    """Records that the station could not read and has set aside, and received faxes that are damaged."""
    url = database_url(config.data.dir, config.data.url)
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).is_file():
        yield skipped(CheckArea.RECORDS, "there is no database yet")
        return
    try:
        with database_as_it_is(config.data.dir, config.data.url) as engine, engine.connect() as connection:
            found = set_aside(connection)
    except SoftfaxError as error:
        yield failed(CheckArea.RECORDS, error.problem, error.remedy)
        return
    for one in found:
        yield warning(
            CheckArea.RECORDS,
            f"{one.key} of {one.table} could not be read and is set aside since {one.since:%Y-%m-%d}: {one.problem}",
            "look for it in a backup; the record as it was is in softfax_set_aside",
        )
    if not found:
        yield ok(CheckArea.RECORDS, "the database answers, no record is set aside")


def clock_findings() -> Iterator[Finding]:
    """Check that a service keeps the clock right."""
    if time.time() < 1_700_000_000:
        yield failed(CheckArea.CLOCK, f"it is {time.strftime('%Y-%m-%d')} by this clock", "set the clock")
        return
    kept = _ntp()
    if kept is None:
        yield skipped(
            CheckArea.CLOCK,
            "nobody here says whether the clock is kept by NTP",
            "in a container that is the host's affair",
        )
    elif kept:
        yield ok(CheckArea.CLOCK, f"kept by NTP, time zone {time.tzname[0]}")
    else:
        yield warning(CheckArea.CLOCK, "the clock is not kept by NTP", "apt install systemd-timesyncd, or chrony")


def _ntp() -> bool | None:
    if Path("/run/systemd/timesync/synchronized").exists():
        return True
    for command, yes in (
        (["timedatectl", "show", "-p", "NTPSynchronized", "--value"], "yes"),
        (["chronyc", "-n", "tracking"], "Normal"),
    ):
        if shutil.which(command[0]) is None:
            continue
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return yes in done.stdout
    return None


def document_findings() -> Iterator[Finding]:
    """Fonts, and the programs that some documents need."""
    missing = [style.value for style in Style if not (FOLDER / f"{style}.ttf").is_file()]
    if missing:
        yield failed(CheckArea.DOCUMENTS, f"fonts are missing: {', '.join(missing)}", "install softfax again")
    else:
        yield ok(CheckArea.DOCUMENTS, f"{len(list(Style))} fonts")
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office:
        yield ok(CheckArea.DOCUMENTS, f"LibreOffice ({office}): Word, Excel and the like can be faxed")
    else:
        yield skipped(
            CheckArea.DOCUMENTS,
            "no LibreOffice: Word, Excel and the like are refused",
            "apt install libreoffice-writer-nogui libreoffice-calc-nogui",
        )
    if draws_web_pages():
        yield ok(CheckArea.DOCUMENTS, "WeasyPrint: web pages and e-mails in HTML can be faxed")
    else:
        yield skipped(
            CheckArea.DOCUMENTS,
            f"no {'Pango' if is_installed('weasyprint') else 'WeasyPrint'}: web pages are refused, of e-mails the text is faxed",
            "apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
            if is_installed("weasyprint")
            else install_remedy("weasyprint").removeprefix("install it: "),
        )
    if shutil.which("ocrmypdf"):
        yield ok(CheckArea.DOCUMENTS, "OCRmyPDF: received faxes can be searched")
    else:
        yield skipped(
            CheckArea.DOCUMENTS,
            "no OCRmyPDF: received faxes are pictures alone",
            "apt install ocrmypdf tesseract-ocr-LANGUAGE",
        )


def limit_findings(config: StationConfig) -> Iterator[Finding]:
    """Open files, which every call takes some of."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    calls = min(config.sip.max_calls, CALLS_PER_PROCESS)
    wanted = FILES_ITSELF + FILES_PER_CALL * calls
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        remedy = f"LimitNOFILE={max(wanted, 4096)} in the unit, or ulimit -n, or a lower [sip] max_calls"
        yield warning(CheckArea.LIMITS, f"{allowed} open files are allowed, {calls} calls take {wanted}", remedy)
    else:
        most = "any number of" if allowed == resource.RLIM_INFINITY else str(allowed)
        yield ok(CheckArea.LIMITS, f"{most} open files are allowed, {calls} calls take {wanted}")
