# SPDX-License-Identifier: GPL-2.0-or-later
"""The version, in one place."""

__version__ = "0.1.0"
