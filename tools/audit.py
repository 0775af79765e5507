#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask about known vulnerabilities of the Python packages that softfax ships with: those of the bill of materials.

    tools/audit.py [REQUIREMENTS]

pip-audit runs in an environment of its own (.build/audit). Exit status 1 where a package has a known vulnerability; where the
index cannot be reached or does not know a version, that is said and is no failure.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import sbom

AUDIT = sbom.ROOT / ".build" / "audit"
PIP_AUDIT = "pip-audit>=2.9,<3"
#: What pip-audit says where it gets no answer.
UNREACHABLE = (
    "ConnectionError",
    "ConnectTimeout",
    "Failed to resolve",
    "Max retries exceeded",
    "ServiceError",
    "SSLError",
)


def requirements() -> Path:
    """The Python packages of the bill of materials, as a file for pip."""
    parts, _ = sbom.python_parts(None)
    path = AUDIT / "requirements.txt"
    path.write_text("".join(f"{part['name']}=={part['version']}\n" for part in parts))
    return path


def main() -> int:
    """Return the exit status."""
    if not (AUDIT / "bin" / "pip-audit").exists():
        venv.create(AUDIT, with_pip=True)
        done = subprocess.run([AUDIT / "bin" / "pip", "install", "-q", PIP_AUDIT], check=False)
        if done.returncode:
            print("softfax: pip-audit cannot be had here; nothing was audited", file=sys.stderr)
            return 0
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else requirements()
    command = [AUDIT / "bin" / "pip-audit", "--disable-pip", "--no-deps", "--progress-spinner", "off", "-r", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        print("softfax: the package index does not answer; nothing was audited", file=sys.stderr)
        return 0
    unknown = done.stdout.count("could not be audited")
    if unknown:
        print(f"softfax: the package index knows nothing of {unknown} packages; they were not audited", file=sys.stderr)
        return done.returncode
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
