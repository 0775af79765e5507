# SPDX-License-Identifier: GPL-2.0-or-later
"""Captured calls: packets of a file, the calls in them, their T.30, their pages, and what went wrong, in words."""
