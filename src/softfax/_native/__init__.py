# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiled parts: the fax engine and pjsua2."""
