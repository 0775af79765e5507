# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mails as documents: what they have to be faxed, however they were put together."""

from __future__ import annotations

from softfax.documents.letters.message import (
    Attachment,
    Letter,
    MailError,
    MessageLimits,
    page_of,
    read_message,
)

__all__ = ["Attachment", "Letter", "MailError", "MessageLimits", "page_of", "read_message"]
