# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mail to fax: an SMTP server whose addresses are fax numbers, and reports by e-mail of what became of each fax."""

from __future__ import annotations

from softfax.mail.gateway import MailGateway
from softfax.mail.reports import MailReports

__all__ = ["MailGateway", "MailReports"]
