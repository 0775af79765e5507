# SPDX-License-Identifier: GPL-2.0-or-later
"""An e-mail into faxes of the queue: its documents in a folder of the queue's, the pages made, the faxes written down."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from softfax.diskspace import shred, sync_files
from softfax.documents.letters.message import Letter, MailError, page_of
from softfax.errors import DocumentError
from softfax.mail.addresses import Recipient
from softfax.mail.reports import tags_of
from softfax.model import Fax, new_fax_id
from softfax.queue import pages
from softfax.queue.queue import FaxQueue
from softfax.records.model import Document, FaxRequest
from softfax.station.config.mail import MailConfig, MailSenderConfig

__all__ = ["Mail", "take"]

log = logging.getLogger("softfax.mail")

#: A text longer than this does not fit on a cover page and gets pages of its own.
NOTE_CHARACTERS, NOTE_LINES = 1200, 20
TEXT_NAME, PAGE_NAME = "message.txt", "message.html"
#: Of the request, beside its key: that one says it all.
HASH = "mail"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """An e-mail that is let in: the numbers with the addresses they were written as, and by which rule."""

    sender: str
    recipients: tuple[tuple[Recipient, str], ...]
    letter: Letter
    content: bytes = field(repr=False)
    rule: MailSenderConfig

    @property
    def key(self) -> str:
        """Key of an e-mail, equal when it comes again because its acceptance was not heard; empty where that is unknown."""
        named = self.letter.message_id or self.letter.date
        if not named:
            return ""
        _, _, body = self.content.partition(b"\r\n\r\n")
        digest = hashlib.sha256(body).hexdigest()
        said = [self.sender, *sorted(address for _, address in self.recipients), named, digest]
        return f"mail:{hashlib.sha256(chr(0).join(said).encode(errors='replace')).hexdigest()}"


async def take(queue: FaxQueue, config: MailConfig, mail: Mail) -> list[Fax]:
    """Makes the pages and hands the faxes to the queue; they are on disk when this returns.

    Raises MailError, DocumentError, UsageError, LocalError, OSError; nothing is left then.
    """
    if mail.key and (known := await asyncio.to_thread(queue.store.asked, mail.key, HASH)):
        log.info("an e-mail from %s came a second time", mail.sender)
        return [fax for fax_id in known if (fax := await queue.get(fax_id)) is not None]
    name = new_fax_id()
    folder = queue.folder / name
    try:
        try:
            requests = await _made(queue, config, mail, folder, name)
        except DocumentError as error:
            if PAGE_NAME not in error.problem:
                raise
            # A text whose HTML is beyond drawing still has its words.
            await asyncio.to_thread(shred, folder)
            mail = dataclasses.replace(mail, letter=dataclasses.replace(mail.letter, html=""))
            requests = await _made(queue, config, mail, folder, name)
        await asyncio.to_thread(sync_files, folder)
        faxes = await queue.submit(requests, key=mail.key, body_hash=HASH)
    except Exception:
        # Something may have failed after the faxes had been written down.
        if not await asyncio.to_thread(queue.store.uses, name):
            await asyncio.to_thread(shred, folder)
        raise
    if not await asyncio.to_thread(_is_in, folder, queue, faxes):
        log.info("an e-mail from %s came a second time", mail.sender)
        await asyncio.to_thread(shred, folder)
    return faxes


async def _made(queue: FaxQueue, config: MailConfig, mail: Mail, folder: Path, name: str) -> list[FaxRequest]:
    """The requests, their pages made. Raises as `take` does."""
    scan = queue.station.config.fax.options.scan
    found = await asyncio.to_thread(_requests, config, mail, folder, name)
    requests = [dataclasses.replace(request, scan=scan) for request in found]
    make = partial(pages.make, queue.filled(requests[0]), folder, warnings=mail.letter.left_out, files=queue.files)
    made = await asyncio.to_thread(make)
    documents = requests[0].documents
    certain = sum(not document.optional for document in documents)
    if certain < len(documents) and len(made.documents) <= certain:
        # The text alone is not what was to be faxed.
        raise MailError("none of the attachments can be read", "; ".join(made.warnings))
    return requests


def _is_in(folder: Path, queue: FaxQueue, faxes: list[Fax]) -> bool:
    """Return True if faxes keep their documents in a folder. Unknown where there are none: then it stays."""
    kept = queue.store.kept(faxes[0].id) if faxes else None
    return kept is None or kept.request is None or kept.request.folder == folder


def _requests(config: MailConfig, mail: Mail, folder: Path, name: str) -> list[FaxRequest]:
    """One for each number, all of the same documents."""
    letter = mail.letter
    cover = config.cover == "always" or (config.cover == "attachments" and bool(letter.attachments))
    text = letter.text if config.text or not letter.attachments else ""
    fits = len(text) <= NOTE_CHARACTERS and text.count("\n") < NOTE_LINES
    note = text if cover and fits and letter.attachments else ""
    note = "" if letter.html else note
    files = [] if note else _text_page(letter, text, cover)
    texts = len(files)
    files += [(attachment.name, attachment.data) for attachment in letter.attachments]
    if not files:
        raise MailError("the e-mail has neither text nor attachments", "attach a document")
    folder.mkdir(mode=0o700, parents=True)
    documents: list[Document] = []
    for number, (shown, data) in enumerate(files, 1):
        # Errors name the file: it has the name that the sender gave it, unless two have the same.
        path = folder / (f"{number}-{shown}" if any(d.name == shown for d in documents) else shown)
        path.write_bytes(data)
        # The text is what the sender wrote; of what was attached, what can be read goes.
        documents.append(Document(path=path, name=shown, optional=len(letter.attachments) > 1 and number > texts))
    several = len(mail.recipients) > 1
    request = FaxRequest(
        to="",
        documents=tuple(documents),
        account=mail.rule.account,
        ident=mail.rule.ident,
        header=mail.rule.header,
        cover=_cover(mail, note, several) if cover else None,
        broadcast_id=name if several else "",
        folder=folder,
    )
    return [
        dataclasses.replace(
            request,
            to=recipient.number,
            tags=tags_of(mail.sender, address, letter.subject, letter.message_id, recipient.tag),
        )
        for recipient, address in mail.recipients
    ]


def _text_page(letter: Letter, text: str, cover: bool) -> list[tuple[str, bytes]]:
    """The text as a document; the subject above it where no cover page has it."""
    said = [] if cover else [letter.subject, ""] if letter.subject and not letter.attachments else []
    if letter.html and text:
        return [(PAGE_NAME, page_of(said[:1], text, letter.html)[1])]
    lines = "\n".join([*said, text]).strip("\n")
    return [(TEXT_NAME, lines.encode())] if lines else []


def _cover(mail: Mail, note: str, several: bool) -> dict[str, Any]:
    """Pages are drawn once for all numbers, so a cover page for several names none."""
    letter = mail.letter
    sender = f"{letter.sender_name} <{mail.sender}>" if letter.sender_name else mail.sender
    fields = {
        "to_number": "" if several else mail.recipients[0][0].number,
        "sender": sender,
        "subject": letter.subject,
        "note": note,
        "date": f"{datetime.now():%Y-%m-%d}",
    }
    return {key: value for key, value in fields.items() if value}
