# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of the web in the station's database: the address book, logins of the page, runs of SWML, requests by
their Idempotency-Key. Blocking; from any thread."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from softfax.errors import UsageError
from softfax.records.errors import IdempotencyError
from softfax.web.history import DailyCounts

__all__ = ["METADATA", "Contact", "Login", "WebStore"]

log = logging.getLogger("softfax.web")

METADATA = sa.MetaData()
CONTACTS_MAX = 200_000
RUNS_KEPT = 1000
DONE_KEPT_S = 24 * 3600.0
WORDS_MAX = 8

_contacts = sa.Table(
    "softfax_contacts",
    METADATA,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("company", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("sort", sa.String(250), nullable=False),
    sa.Column("search", sa.Text, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
    sa.Index("softfax_contacts_sort", "sort", "id"),
)
_logins = sa.Table(
    "softfax_logins",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(40), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("until", sa.Float, nullable=False),
)
_runs = sa.Table(
    "softfax_swml_runs",
    METADATA,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(24), nullable=False, unique=True),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
#: What was done under Idempotency-Keys; those of faxes are the queue's.
_done = sa.Table(
    "softfax_done",
    METADATA,
    sa.Column("key", sa.String(400), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("what", sa.String(64), nullable=False),
    sa.Column("at", sa.Float, nullable=False, index=True),
)


@dataclass(frozen=True, kw_only=True)
class Contact:
    """An entry of the address book."""

    id: str
    name: str
    number: str
    company: str = ""
    email: str = ""
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class Login:
    """A login of the web page. `key` is the SHA-256 of its cookie, `fingerprint` that of the token's secret."""

    key: str
    token: str
    fingerprint: str
    until: float

    @staticmethod
    def key_of(cookie: str) -> str:
        """Digest of a cookie, as stored."""
        return hashlib.sha256(cookie.encode()).hexdigest()


#: The fields of a contact that people write.
_SAID = ("name", "number", "company", "email", "notes")


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _searchable(values: Mapping[str, str], notations: Sequence[str]) -> str:
    words = [_folded(values[key]) for key in _SAID]
    digits = dict.fromkeys(re.sub(r"\D", "", number) for number in (values["number"], *notations))
    return "\n".join([*words, *digits])


class WebStore:
    """The tables, on the station's engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.history = DailyCounts(engine)

    # ---- the address book ---------------------------------------------------------------------------------------

    def contacts(self, text: str, limit: int, cursor: str) -> tuple[list[Contact], str]:
        """Entries with all the words of `text` somewhere in them, by name, and the cursor for more. Raises UsageError."""
        query = sa.select(_contacts).order_by(_contacts.c.sort, _contacts.c.id).limit(limit + 1)
        for word in _folded(text).split()[:WORDS_MAX]:
            near = [_contacts.c.search.contains(word, autoescape=True)]
            digits = re.sub(r"[+().\-/]", "", word)
            if digits != word and digits.isdigit():
                near.append(_contacts.c.search.contains(digits, autoescape=True))
            query = query.where(sa.or_(*near))
        if cursor:
            sort, _, key = cursor.rpartition("/")
            if not re.fullmatch(r"[0-9a-f]{24}", key):
                raise UsageError("this is not a cursor", "use the one of the list before")
            query = query.where(sa.tuple_(_contacts.c.sort, _contacts.c.id) > sa.tuple_(sort, key))
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        more = f"{rows[limit - 1].sort}/{rows[limit - 1].id}" if len(rows) > limit else ""
        return [_contact(row) for row in rows[:limit]], more

    def contact(self, contact_id: str) -> Contact | None:
        """One entry."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(_contacts).where(_contacts.c.id == contact_id)).one_or_none()
        return _contact(row) if row is not None else None

    def put_contact(
        self, values: Mapping[str, str], contact_id: str = "", notations: Sequence[str] = ()
    ) -> Contact | None:
        """A new entry, or another one in place of `contact_id`; None where there is none. Raises UsageError when it is full.

        It is found by each of the `notations` of its number.
        """
        row = {key: values.get(key, "") for key in _SAID}
        row |= {"sort": _folded(row["name"] or row["number"])[:250], "search": _searchable(row, notations)}
        with self._engine.begin() as connection:
            if contact_id:
                changed = connection.execute(
                    _contacts.update().where(_contacts.c.id == contact_id).values(**row, updated=time.time())
                )
                if not changed.rowcount:
                    return None
            else:
                if connection.execute(sa.select(sa.func.count()).select_from(_contacts)).scalar_one() >= CONTACTS_MAX:
                    raise UsageError(f"the address book is full ({CONTACTS_MAX})", "delete some entries")
                contact_id = secrets.token_hex(12)
                connection.execute(_contacts.insert().values(id=contact_id, **row, updated=time.time()))
        return Contact(id=contact_id, **{key: row[key] for key in _SAID})

    def delete_contact(self, contact_id: str) -> bool:
        """Delete an entry; false if there was none."""
        with self._engine.begin() as connection:
            return bool(connection.execute(_contacts.delete().where(_contacts.c.id == contact_id)).rowcount)

    # ---- logins -------------------------------------------------------------------------------------------------

    def logins(self) -> list[Login]:
        """Logins that have not expired; the others are deleted."""
        with self._engine.begin() as connection:
            connection.execute(_logins.delete().where(_logins.c.until < time.time()))
            rows = connection.execute(sa.select(_logins)).all()
        # A damaged one is no login: its user logs in again.
        return [
            Login(**row._mapping)
            for row in rows
            if isinstance(row.until, (int, float)) and all(isinstance(one, str) for one in row[:3])
        ]

    def add_login(self, login: Login) -> None:
        """Keeps one, and forgets those that have run out."""
        with self._engine.begin() as connection:
            connection.execute(_logins.delete().where(_logins.c.until < time.time()))
            connection.execute(_logins.insert().values(**asdict(login)))

    def delete_login(self, key: str) -> None:
        """Forgets one."""
        with self._engine.begin() as connection:
            connection.execute(_logins.delete().where(_logins.c.key == key))

    # ---- Idempotency-Key ----------------------------------------------------------------------------------------

    def remembered(self, key: str, digest: str) -> str | None:
        """Record under a key within a day; None where there is none. Raises IdempotencyError for another request."""
        query = sa.select(_done).where(_done.c.key == key, _done.c.at > time.time() - DONE_KEPT_S)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.hash != digest:
            raise IdempotencyError()
        return str(row.what)

    def remember(self, key: str, digest: str, what: str) -> None:
        """Notes what was done under a key."""
        with self._engine.begin() as connection:
            self._remember(connection, key, digest, what)

    @staticmethod
    def _remember(connection: sa.Connection, key: str, digest: str, what: str) -> None:
        now = time.time()
        connection.execute(_done.delete().where(sa.or_(_done.c.at < now - DONE_KEPT_S, _done.c.key == key)))
        connection.execute(_done.insert().values(key=key, hash=digest, what=what, at=now))

    # ---- SWML ---------------------------------------------------------------------------------------------------

    def put_run(self, run_id: str, state: str, body: Mapping[str, Any], key: str = "", digest: str = "") -> None:
        """Keeps how far a run is, and the key that it was asked for with; the oldest beyond a thousand are forgotten."""
        text = json.dumps(body, ensure_ascii=False, default=str)
        with self._engine.begin() as connection:
            if key:
                self._remember(connection, key, digest, run_id)
            changed = connection.execute(_runs.update().where(_runs.c.id == run_id).values(state=state, body=text))
            if not changed.rowcount:
                connection.execute(_runs.insert().values(id=run_id, state=state, body=text))
                newest = connection.execute(sa.select(sa.func.max(_runs.c.number))).scalar_one()
                connection.execute(_runs.delete().where(_runs.c.number <= newest - RUNS_KEPT))

    def run(self, run_id: str) -> dict[str, Any] | None:
        """Record of a run."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(_runs).where(_runs.c.id == run_id)).one_or_none()
        try:
            return dict(json.loads(row.body), state=row.state) if row is not None else None
        except (ValueError, TypeError):
            log.error("the run %s of SWML cannot be read", run_id)
            return None

    def run_ids(self, limit: int) -> list[str]:
        """Ids of the runs, the newest first."""
        with self._engine.connect() as connection:
            query = sa.select(_runs.c.id).order_by(_runs.c.number.desc()).limit(limit)
            return [str(one) for one in connection.execute(query).scalars()]

    def interrupt_runs(self) -> None:
        """Runs that an earlier station left."""
        with self._engine.begin() as connection:
            connection.execute(_runs.update().where(_runs.c.state == "running").values(state="interrupted"))


def _contact(row: Any) -> Contact:
    # A field that is damaged is shown as text, and people mend it.
    return Contact(**{name: str(getattr(row, name)) for name in ("id", *_SAID)})
