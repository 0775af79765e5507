# SPDX-License-Identifier: GPL-2.0-or-later
"""The log: text or JSON, on standard error, in a file or in the journal; each record of a fax with its ids, none with a secret.

Everything in softfax logs through `logging`; here it is decided where that goes. `set_up` is for a station's processes; other
verbs write their problems to standard error and need none of this.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from softfax import logcontext
from softfax.database.away import is_away
from softfax.errors import LocalError, in_short
from softfax.model import CallEvent, FaxResult, FaxUpdate, ProgressEvent, SessionEvent
from softfax.ops.check import secrets_in
from softfax.ops.journal import IDS, JournalHandler, in_journal
from softfax.ops.redact import Redactor
from softfax.outside import clean, escaped_json, paragraphs
from softfax.station.config import StationConfig

__all__ = ["EventLogger", "JsonFormatter", "Repetition", "TextFormatter", "in_the_journal", "keeps_events", "set_up"]

event_log = logging.getLogger("softfax.fax.events")

MESSAGE_CHARS_MAX = 8000
FAXES_MAX = 5000
REPEAT_S = 60.0
REPEATED_KEYS_MAX = 1000
_FAX_ID = re.compile(r"\bfax ([0-9a-f]{24})\b")


def set_up(config: StationConfig, environ: Mapping[str, str] = os.environ) -> None:
    """Sends all logging of this process where `[log]` says; again for another configuration. Raises LocalError.

    SOFTFAX_LOG wins over the level.
    """
    handler = _handler(config)
    if not keeps_events(config):
        handler.addFilter(lambda record: not getattr(record, "said", False))
    handler.addFilter(Ids())
    handler.addFilter(database_in_short)
    if config.log.repeats:
        handler.addFilter(Repetition(config.log.repeats))
    handler.addFilter(Secrets(Redactor(secret for _, secret in secrets_in(config))))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        if isinstance(old, (WatchedFileHandler, JournalHandler)):
            old.close()
    root.addHandler(handler)
    level = environ.get("SOFTFAX_LOG", "").upper() or config.log.level.upper()
    ours = logging.getLogger("softfax")
    ours.setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    if _on_terminal(config) and ours.level == logging.INFO:
        # At a terminal the station prints what happens; the log has what went wrong.
        ours.setLevel(logging.WARNING)
    # What others' libraries say in passing is of no use here.
    root.setLevel(max(ours.level, logging.WARNING))
    logging.captureWarnings(True)


def keeps_events(config: StationConfig) -> bool:
    """Return True if events of faxes and the station's own lines (`said`) belong in the log: not where they are printed."""
    return config.log.format == "json" or _where(config) != "stderr"


def in_the_journal(config: StationConfig) -> bool:
    """Return True if the journal takes both the log and standard output: then log records go there alone."""
    return _where(config) == "journald" and in_journal()


def _on_terminal(config: StationConfig) -> bool:
    return config.log.format != "json" and _where(config) == "stderr" and sys.stderr.isatty()


def _where(config: StationConfig) -> str:
    if config.log.to != "auto":
        return config.log.to
    return "journald" if in_journal() else "stderr"


def _handler(config: StationConfig) -> logging.Handler:
    log = config.log
    where = _where(config)
    as_json = log.format == "json" or (log.format == "auto" and where not in ("stderr", "journald"))
    handler: logging.Handler
    if where == "journald":
        handler = JournalHandler()
        handler.setFormatter(JsonFormatter() if as_json else JournalFormatter())
        return handler
    if where == "stderr":
        handler = logging.StreamHandler(sys.stderr)
    else:
        try:
            handler = LogFile(where, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise LocalError(f"the log {where} cannot be written: {_why(error)}", "name another in [log] to") from None
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    return handler


class LogFile(WatchedFileHandler):
    """A file that is opened anew once it was moved away. What cannot be written there goes to standard error."""

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        path.parent.mkdir(parents=True, exist_ok=True)
        created = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        if created:
            # Numbers and names of people are in it: for the station's group at most, whatever the umask.
            os.fchmod(descriptor, 0o640)
        os.close(descriptor)
        return super()._open()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        why = _why(error) if isinstance(error, OSError) else repr(error)
        with suppress(OSError, ValueError):
            print(f"log {self.baseFilename} cannot be written ({why}): {self.format(record)}", file=sys.stderr)


def _why(error: OSError) -> str:
    return "its folder is a file" if isinstance(error, FileExistsError) else str(error.strerror)


# ---- what each record carries ----------------------------------------------------------------------------------------

#: The faxes under way: what their records say besides the fax id.
_under_way: OrderedDict[str, dict[str, object]] = OrderedDict()


class Ids(logging.Filter):
    """Gives a record `fax_id`, `call_id` and `session`: its own, those of the task that logs, or of the fax it names."""

    def filter(self, record: logging.LogRecord) -> bool:
        known = {name: getattr(record, name) for name in IDS if getattr(record, name, None)}
        known = {**logcontext.current(), **known}
        if "fax_id" not in known:
            found = _FAX_ID.search(record.getMessage())
            if found:
                known["fax_id"] = found[1]
        known = {**_under_way.get(str(known.get("fax_id", "")), {}), **known}
        for name in IDS:
            setattr(record, name, known.get(name, ""))
        return True


def database_in_short(record: logging.LogRecord) -> bool:
    """Has a database that takes nothing now said on a line, instead of a traceback, and no error with the text of a statement."""
    args = record.args if isinstance(record.args, tuple) else ()
    if any(isinstance(arg, SQLAlchemyError) for arg in args):
        record.args = args = tuple(in_short(arg) if isinstance(arg, SQLAlchemyError) else arg for arg in args)
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and is_away(error):
        record.exc_info = record.exc_text = None
        # What asyncio says goes on with all that is known of a task.
        said, _, _ = str(record.msg if args else record.getMessage().replace("%", "%%")).partition("\n")
        if (why := in_short(error)) not in args:
            # As a value that is put in: what comes again is counted.
            record.msg, record.args = f"{said}: the database says %s", (*args, why)
    return True


class Secrets(logging.Filter):
    """Takes secrets out of the message, the traceback and the event."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:
            message = f"{record.msg} {record.args}"
        record.msg, record.args = self._redact(message[:MESSAGE_CHARS_MAX]), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redact(record.exc_text)
        record.exc_info = None
        event = getattr(record, "event", None)
        if isinstance(event, Mapping):
            record.event = {name: self._redact(v) if isinstance(v, str) else v for name, v in event.items()}
        return True


class Repetition(logging.Filter):
    """Lets one message (its text before values are put in) through a number of times a minute, then counts it.

    Events of faxes are never left out. `now` is for tests.
    """

    def __init__(self, limit: int, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._limit = limit
        self._now = now
        self._seen: OrderedDict[tuple[str, int, str], list[float]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if hasattr(record, "event"):
            return True
        key = (record.name, record.levelno, str(record.msg))
        now = self._now()
        since, count, hidden = self._seen.get(key, (now, 0.0, 0.0))
        if now - since >= REPEAT_S:
            if hidden:
                record.msg = f"{record.msg} (and {hidden:.0f} more like it in {now - since:.0f} s)"
            since, count, hidden = now, 0.0, 0.0
        passes = count < self._limit
        self._seen[key] = [since, count + passes, hidden + (not passes)]
        self._seen.move_to_end(key)
        if len(self._seen) > REPEATED_KEYS_MAX:
            self._seen.popitem(last=False)
        return passes


# ---- how it looks ----------------------------------------------------------------------------------------------------


class TextFormatter(logging.Formatter):
    """`2026-11-21T08:30:15.123Z WARNING softfax.station: text [fax=… call=… session=…]`"""

    def format(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name.partition('_')[0]}={getattr(record, name)}" for name in IDS if getattr(record, name, ""))
        text = f"{_time(record)} {record.levelname} {record.name}: {_one_line(record.getMessage())}"
        return _with_traceback(f"{text} [{ids}]" if ids else text, record)


class JournalFormatter(logging.Formatter):
    """The text alone: the journal keeps time, level and ids beside it."""

    def format(self, record: logging.LogRecord) -> str:
        return _with_traceback(_one_line(record.getMessage()), record)


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, the ids; `exception`; `event` with the fields of a fax's event."""

    def format(self, record: logging.LogRecord) -> str:
        out: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        out |= {name: getattr(record, name) for name in IDS if getattr(record, name, "")}
        if record.exc_text:
            out["exception"] = record.exc_text
        if hasattr(record, "event"):
            out["event"] = record.event
        return escaped_json(json.dumps(out, ensure_ascii=False, default=str))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_traceback(text: str, record: logging.LogRecord) -> str:
    return f"{text}\n{paragraphs(record.exc_text)}" if record.exc_text else text


def _one_line(text: str) -> str:
    """A far end cannot write lines of its own."""
    return clean(text.replace("\n", "\\n"))


# ---- the events of faxes ---------------------------------------------------------------------------------------------


class EventLogger:
    """A sink of a station's events: one line each, at level info; a fax that failed at warning, steps of a session at debug."""

    def __call__(self, update: FaxUpdate) -> None:
        event, context = update.event, update.context
        if isinstance(event, ProgressEvent):
            return
        ids: dict[str, object] = {"fax_id": context.fax_id, "session": context.session_number}
        call_id = getattr(event, "call_id", "") or _under_way.get(context.fax_id, {}).get("call_id", "")
        if call_id:
            ids["call_id"] = call_id
        self._remember(update, ids)
        failed = isinstance(event, FaxResult) and not event.success
        level = logging.WARNING if failed else logging.DEBUG if isinstance(event, SessionEvent) else logging.INFO
        if event_log.isEnabledFor(level):
            fields = {
                name: value for name, value in event.to_json().items() if name not in ("fax_id", "call_id", "time")
            }
            event_log.log(level, _line(update, fields), extra={**ids, "event": fields})

    def _remember(self, update: FaxUpdate, ids: dict[str, object]) -> None:
        fax_id = update.context.fax_id
        if isinstance(update.event, FaxResult):
            _under_way.pop(fax_id, None)
            return
        _under_way[fax_id] = ids
        if len(_under_way) > FAXES_MAX:
            _under_way.popitem(last=False)


def _line(update: FaxUpdate, fields: Mapping[str, Any]) -> str:
    """`event name=value …`: in words where the event has any."""
    context = update.context
    who = ""
    if isinstance(update.event, CallEvent):
        who = (
            f" {'to ' + context.called_number if context.outgoing else 'from ' + (context.caller_number or 'unknown')}"
        )
    shown = " ".join(
        f"{name}={_value(value)}" for name, value in fields.items() if name != "event" and value not in ("", [], None)
    )
    return f"{update.event.event}{who}: {shown}"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict, bool)) else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[\s\"]", text) and not isinstance(value, list) else text
