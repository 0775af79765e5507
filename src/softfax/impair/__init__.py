# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes over bad lines: cells of loss, jitter, noise and echo in memory, and a relay that spoils real media."""
