# SPDX-License-Identifier: GPL-2.0-or-later
"""Targets of received faxes: folder, e-mail, store, printer, program. Each function blocks, and raises MailboxError."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Any

from softfax.diskspace import make_private, users_umask
from softfax.documents.atomic import written_atomically
from softfax.errors import SoftfaxError
from softfax.optional import install_remedy
from softfax.outside import argument, clean
from softfax.station.config.mailboxes import (
    CommandTarget,
    EmailTarget,
    FolderTarget,
    PrinterTarget,
    S3Target,
    SmtpConfig,
)

__all__ = ["Item", "MailboxError", "email", "folder", "greet", "print_out", "run_program", "store"]

OUTPUT_MAX = 2000
COPIED_AT_ONCE = 1 << 20
PRINT_TIMEOUT_S = 60.0
STORE_CONNECT_S, STORE_READ_S = 10.0, 60.0
_SUBJECT, _SUBJECT_OF_ONE = "Fax from {station}, {pages} pages", "Fax from {station}, 1 page"


class MailboxError(SoftfaxError):
    """A target does not take a fax. `final`: trying again is of no use."""

    def __init__(self, problem: str, remedy: str = "", *, final: bool = False) -> None:
        super().__init__(problem, remedy)
        self.final = final


@dataclass(frozen=True, kw_only=True)
class Item:
    """A fax to be taken somewhere: its record as JSON, its PDF, and its TIFF where that was kept."""

    fax: Mapping[str, Any]
    pdf: Path
    tiff: Path | None = None

    @property
    def created(self) -> datetime:
        """Local time at which the fax began to come in."""
        return datetime.fromisoformat(str(self.fax["created"])).astimezone()

    @property
    def facts(self) -> dict[str, str]:
        """Values for templates and programs."""
        f = self.fax
        facts = {
            "fax_id": str(f["id"]),
            "caller": str(f["caller"]),
            "caller_name": str(f["caller_name"]),
            "called": str(f["to"]),
            "station": str(f["remote_station_id"] or f["caller"] or "unknown"),
            "mailbox": str(f["mailbox"]),
            "pages": str(f["pages"]),
            "state": str(f["state"]),
            "date": f"{self.created:%Y-%m-%d %H:%M}",
            "pdf": str(self.pdf),
            "tiff": str(self.tiff or ""),
        }
        return {name: value if name in ("pdf", "tiff") else clean(value) for name, value in facts.items()}

    def fill(self, text: str) -> str:
        """A template with facts put in; what is no fact stays, and what a fact has in braces too."""
        facts = self.facts
        return re.sub(r"\{(\w+)\}", lambda match: facts.get(match[1], match[0]), text)

    def argument(self, text: str) -> str:
        """Fill in an argument of a program: no fact can make an option of it."""
        filled = self.fill(text)
        return filled if text.startswith("-") or not filled.lstrip().startswith("-") else argument(filled)


def folder(target: FolderTarget, item: Item) -> None:
    """A copy, whole or not at all."""
    for path in (item.pdf, *((item.tiff,) if target.tiff and item.tiff else ())):
        try:
            make_private(target.dir, int(target.dir_mode, 8))
            with path.open("rb") as source, written_atomically(target.dir / path.name, int(target.mode, 8)) as file:
                shutil.copyfileobj(source, file, COPIED_AT_ONCE)
        except OSError as error:
            raise MailboxError(
                f"{target.dir} does not take the fax ({error.strerror})", "check folder and disk"
            ) from None


def email(target: EmailTarget, smtp: SmtpConfig, item: Item, key: str = "") -> None:
    """An e-mail by way of [smtp]. `key` says which delivery: one that comes twice has one Message-ID, so a server may drop it."""
    message = EmailMessage()
    message["From"], message["To"] = smtp.sender, target.to
    subject = _SUBJECT_OF_ONE if item.facts["pages"] == "1" else _SUBJECT
    message["Subject"] = " ".join(item.fill(target.subject or subject).split())
    unique = hashlib.sha256((key or target.to).encode()).hexdigest()[:16]
    message["Message-ID"] = f"<{item.facts['fax_id']}.{unique}@{smtp.sender.rpartition('@')[2]}>"
    message["Date"] = formatdate()
    message["Auto-Submitted"] = "auto-generated"
    message["X-Softfax-Fax-Id"] = item.facts["fax_id"]
    facts = item.facts
    names = list(dict.fromkeys(filter(None, (facts["station"], facts["caller_name"], facts["caller"] or "no number"))))
    sender = names[0] + (f" ({', '.join(names[1:])})" if names[1:] else "")
    lines = [
        f"From:   {sender}",
        f"To:     {facts['called']}",
        f"Date:   {item.created:%Y-%m-%d %H:%M %Z}",
        f"Pages:  {facts['pages']}",
    ]
    if item.fax.get("reason"):
        lines.append(f"Note:   {item.fax['reason']}")
    message.set_content("\n".join([*lines, "", f"Fax {facts['fax_id']}", ""]))
    if target.attach:
        message.add_attachment(item.pdf.read_bytes(), maintype="application", subtype="pdf", filename=item.pdf.name)
    send(message, smtp)


def send(message: EmailMessage, smtp: SmtpConfig, *, sender: str | None = None) -> None:
    """Hands an e-mail to the server; `sender` is where it comes back to if not to From, and may be empty: nowhere."""
    with _as_mailbox_errors(smtp, str(message["To"])), _connected(smtp) as server:
        server.send_message(message, from_addr=sender)


def greet(smtp: SmtpConfig) -> None:
    """Log in to the server as `send` would, and send nothing."""
    with _as_mailbox_errors(smtp, ""), _connected(smtp) as server:
        server.noop()


@contextlib.contextmanager
def _connected(smtp: SmtpConfig) -> Iterator[smtplib.SMTP]:
    context = trusting(smtp.tls_ca)
    if smtp.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=smtp.timeout_s, context=context)
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout_s)
    with server:
        server.ehlo_or_helo_if_needed()
        if smtp.security == "starttls":
            server.starttls(context=context)
        if smtp.user:
            server.login(smtp.user, smtp.password)
        yield server


@contextlib.contextmanager
def _as_mailbox_errors(smtp: SmtpConfig, to: str) -> Iterator[None]:
    """Turn errors into MailboxError."""
    try:
        yield
    except smtplib.SMTPAuthenticationError:
        raise MailboxError(f"{smtp.host} rejected the user or password", "check [smtp]") from None
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        said = _plain(text)
        problem = f"{smtp.host} refused {to} ({code} {said})"
        raise MailboxError(problem, "", final=_for_good(code, said)) from None
    except smtplib.SMTPResponseException as error:
        said = _plain(error.smtp_error)
        what = f"the e-mail to {to}" if to else "us"
        problem = f"{smtp.host} refused {what} ({error.smtp_code} {said})"
        # What is refused before the e-mail itself is a matter of [smtp], which can be corrected.
        of_mail = isinstance(error, smtplib.SMTPDataError)
        final = of_mail and _for_good(error.smtp_code, said)
        raise MailboxError(problem, "" if of_mail else "check [smtp]", final=final) from None
    except (OSError, smtplib.SMTPException) as error:
        raise MailboxError(f"{smtp.host}:{smtp.port} does not take e-mail ({error})", "check [smtp]") from None


def _plain(text: bytes | str) -> str:
    return clean(" ".join((text.decode(errors="replace") if isinstance(text, bytes) else str(text)).split()), 200)


def _for_good(code: int, text: str) -> bool:
    """Return True if another attempt is of no use: not where a login or a permission is missing (RFC 4954 §6, RFC 3463 §3.8)."""
    return code >= 500 and code != 530 and not text.startswith("5.7.")


def trusting(authorities: Path | None) -> ssl.SSLContext:
    """Checks certificates against a file of authorities, or those of the system. Raises MailboxError."""
    try:
        return ssl.create_default_context(cafile=str(authorities) if authorities else None)
    except OSError as error:
        raise MailboxError(f"{authorities} cannot be used ({error.strerror or error})", "check tls_ca") from None


def store(target: S3Target, item: Item) -> None:
    """An object in a store that speaks S3."""
    try:
        import urllib3
        from minio import Minio
        from minio.error import MinioException, S3Error
    except ImportError:
        raise MailboxError(
            "an S3 store needs minio, which is not installed", install_remedy("minio"), final=True
        ) from None
    # It tries again by itself, for minutes; here the caller does it.
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=STORE_CONNECT_S, read=STORE_READ_S),
        retries=False,
        ssl_context=trusting(target.tls_ca),
    )
    client = Minio(
        target.endpoint, access_key=target.access_key or None, secret_key=target.secret_key or None, secure=target.tls,
        region=target.region or None, http_client=pool,
    )  # fmt: skip
    name = f"{target.prefix}{item.pdf.name}"
    facts = {key: value for key, value in item.facts.items() if key in ("fax_id", "pages") and value}
    try:
        client.fput_object(target.bucket, name, str(item.pdf), content_type="application/pdf", metadata=dict(facts))
    except (MinioException, OSError, ValueError) as error:
        said = f"{error.code}: {error.message}" if isinstance(error, S3Error) else str(error)
        text = (said.splitlines() or [""])[0][:200]
        raise MailboxError(f"{target.endpoint} does not take {name} ({text})", "check [[mailbox.s3]]") from None
    except Exception as error:  # urllib3's, which minio hands on
        raise MailboxError(
            f"{target.endpoint} cannot be reached ({type(error).__name__})", "check the network"
        ) from None


def print_out(target: PrinterTarget, item: Item) -> None:
    """A print job of CUPS; taken when CUPS has it."""
    host = ("-h", target.server) if target.server else ()
    options = [part for option in target.options for part in ("-o", option)]
    command = ("lp", *host, "-d", target.name, "-t", f"Fax {item.facts['station']}", *options, str(item.pdf.absolute()))
    try:
        done = subprocess.run(command, capture_output=True, timeout=PRINT_TIMEOUT_S, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise MailboxError("there is no program lp", "install cups-client") from None
    except subprocess.TimeoutExpired:
        raise MailboxError(f"the printer {target.name} does not take the fax in time", "check CUPS") from None
    if done.returncode:
        raise MailboxError(f"the printer {target.name} does not take the fax ({_said(done.stderr)})", "check CUPS")


def run_program(target: CommandTarget, item: Item) -> None:
    """A program, with the facts in SOFTFAX_FAX_* and the record as JSON on standard input; 0 is success."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TZ") if key in os.environ}
    environment = kept | {f"SOFTFAX_FAX_{key.upper()}": value for key, value in item.facts.items()}
    command = [target.argv[0], *map(item.argument, target.argv[1:])]
    # In files: what a program leaves running must not hold up the delivery by holding a pipe.
    with tempfile.TemporaryFile() as record, tempfile.TemporaryFile() as output:
        record.write(json.dumps(dict(item.fax), ensure_ascii=False).encode())
        record.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=record,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
                umask=users_umask(),
            )
        except OSError as error:
            raise MailboxError(f"{command[0]} cannot be run ({error.strerror})", "check [[mailbox.command]]") from None
        try:
            status = process.wait(target.timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise MailboxError(f"{command[0]} took longer than {target.timeout_s:g} s", "raise timeout_s") from None
        if status:
            output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT_MAX))
            raise MailboxError(f"{command[0]} ended with {status} ({_said(output.read())})", "")


def _said(output: bytes) -> str:
    """The last line of what a program said."""
    lines = output[-OUTPUT_MAX:].decode(errors="replace").strip().splitlines()
    return clean(lines[-1], 200) if lines else "it said nothing"
