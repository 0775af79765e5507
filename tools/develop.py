#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the virtual environment it runs in use the source tree: a path file, and the command `softfax`."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

SCRIPT = """#!{python}
import sys
from softfax.cli.main import main
sys.exit(main())
"""


def main() -> None:
    """Writes both."""
    root = Path(__file__).resolve().parent.parent
    (Path(sysconfig.get_paths()["purelib"]) / "softfax-source.pth").write_text(f"{root / 'src'}\n")
    script = Path(sys.prefix) / "bin" / "softfax"
    script.write_text(SCRIPT.format(python=Path(sys.prefix) / "bin" / "python"))
    script.chmod(0o755)


if __name__ == "__main__":
    main()
