# SPDX-License-Identifier: GPL-2.0-or-later
"""Deliveries, kept on disk and retried until they are done or given up: callbacks over HTTP, and jobs of other modules."""
