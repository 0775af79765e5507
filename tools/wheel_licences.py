#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts the licences of the libraries that auditwheel copied into a wheel beside softfax's own, and the bill of
materials (PEP 770).

    tools/wheel_licences.py WHEEL

PJSIP and spandsp are inside softfax's own libraries: their licences come from where they were built. Each library in
`softfax.libs/` is found again among this machine's Debian packages, whose `copyright` files, and the common licences they refer
to, go into the wheel's `licenses/` folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import sbom

import native

COMMON = Path("/usr/share/common-licenses")
HASHED = re.compile(r"^(?P<stem>.+?)-[0-9a-f]{8}(?P<rest>\.so.*)$")


class LicenceError(Exception):
    """A library whose licence is not to be found."""


def library_path(bundled: str) -> Path:
    """Return where a library that the wheel carries as `libtiff-4cadf372.so.6.0.0` came from."""
    parts = HASHED.match(bundled)
    name = f"{parts['stem']}{parts['rest']}" if parts else bundled
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for line in known.splitlines():
        path = Path(line.rpartition("=> ")[2])
        if path.is_absolute() and (path.name == name or path.resolve().name == name):
            return path
    raise LicenceError(f"{bundled}: no such library on this machine")


def package_of(library: Path) -> str:
    """The Debian package of a library; it may be listed with or without /usr, under the link's name or the file's."""
    for path in dict.fromkeys((library, library.resolve())):
        for name in (str(path), str(path).removeprefix("/usr"), f"/usr{path}"):
            found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False)
            if found.returncode == 0:
                return found.stdout.split(":")[0]
    raise LicenceError(f"{library} belongs to no Debian package")


def licences(bundled: list[str]) -> dict[str, bytes]:
    """File name → text, for every package behind the libraries. Raises LicenceError if one has none."""
    texts: dict[str, bytes] = {}
    for package in sorted({package_of(library_path(name)) for name in bundled}):
        path = Path("/usr/share/doc") / package / "copyright"
        if not path.is_file():
            raise LicenceError(f"{path} is missing")
        texts[f"{package}.txt"] = path.read_bytes()
    for library in native.LIBRARIES.values():
        texts[f"{library.name}.txt"] = (native.BUILD / library.name / native.key(library) / "COPYING").read_bytes()
    named = {m.decode() for text in texts.values() for m in re.findall(rb"common-licenses/([A-Za-z0-9.+-]*\w)", text)}
    for name in sorted(named):
        if (COMMON / name).is_file():
            texts[f"common-{name}.txt"] = (COMMON / name).read_bytes()
    return texts


def add(wheel: Path) -> int:
    """Adds them to the wheel and its RECORD; returns how many."""
    with zipfile.ZipFile(wheel) as old:
        names = old.namelist()
        bundled = [Path(n).name for n in names if n.startswith("softfax.libs/") and not n.endswith("/")]
        record = next(n for n in names if n.endswith(".dist-info/RECORD"))
        folder = record.removesuffix("RECORD") + "licenses/third-party/"
        bill = record.removesuffix("RECORD") + "sboms/softfax.cdx.json"
        texts = {folder + name: text for name, text in licences(bundled).items()}
        texts[bill] = (json.dumps(sbom.bill(wheel=wheel), indent=1, ensure_ascii=False) + "\n").encode()
        lines = [line for line in old.read(record).decode().splitlines() if not line.startswith((folder, bill))]
        for name, text in texts.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(text)}")
        partial = wheel.with_suffix(".partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as new:
            for item in old.infolist():
                if item.filename != record and not item.filename.startswith((folder, bill)):
                    new.writestr(item, old.read(item), zipfile.ZIP_DEFLATED)
            for name, text in texts.items():
                new.writestr(name, text)
            new.writestr(record, "\n".join(lines) + "\n")
    shutil.move(partial, wheel)
    return len(texts)


if __name__ == "__main__":
    try:
        print(add(Path(sys.argv[1])))
    except LicenceError as error:
        sys.exit(f"softfax: {error}")
