# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of the HTTP API for Python programs."""
