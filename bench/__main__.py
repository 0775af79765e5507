# SPDX-License-Identifier: GPL-2.0-or-later
import sys

from bench.run import main

sys.exit(main())
