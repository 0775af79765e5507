# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks over HTTP, kept on disk until they are delivered."""
