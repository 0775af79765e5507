# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax serve` whose processes for calls are a variant: `python -m tests.support.serve_variants VARIANT serve …`."""

from __future__ import annotations

import sys

from softfax.cli import serving
from softfax.cli.main import main

if __name__ == "__main__":
    serving.COMMAND = (sys.executable, "-m", "tests.support.worker_variants", sys.argv.pop(1))
    sys.exit(main(sys.argv[1:]))
