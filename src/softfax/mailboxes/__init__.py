# SPDX-License-Identifier: GPL-2.0-or-later
"""Delivery of received faxes: each target of a mailbox is tried until it takes the fax."""

from __future__ import annotations

from softfax.mailboxes.service import Mailboxes
from softfax.mailboxes.targets import MailboxError

__all__ = ["MailboxError", "Mailboxes"]
