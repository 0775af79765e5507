# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Asterisk on loopback as the far end of tests and benchmarks: see README.md beside this file."""
