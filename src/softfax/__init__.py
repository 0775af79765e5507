# SPDX-License-Identifier: GPL-2.0-or-later
"""softfax: a fax machine that lives on SIP."""

__version__ = "0.1.0"
