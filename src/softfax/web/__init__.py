# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTTP API and the web page."""
