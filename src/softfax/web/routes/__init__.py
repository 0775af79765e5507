# SPDX-License-Identifier: GPL-2.0-or-later
"""The endpoints of the HTTP API, a module for each group."""
