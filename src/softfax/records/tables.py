# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of faxes and of what is kept beside them. Times are seconds since 1970."""

from __future__ import annotations

import sqlalchemy as sa

from softfax.database.jobs import job_columns, job_indexes, waiting

__all__ = [
    "METADATA",
    "attempts",
    "broadcasts",
    "counters",
    "events",
    "faxes",
    "forbidden",
    "ghosts",
    "keys",
    "numbers",
    "polled",
]

METADATA = sa.MetaData()
_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")

faxes = sa.Table(
    "softfax_faxes",
    METADATA,
    sa.Column("seq", _BIG, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(24), nullable=False, unique=True),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("to", sa.String(512), nullable=False),
    sa.Column("caller_number", sa.String(512), nullable=False, key="caller"),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("mailbox", sa.String(64), nullable=False),
    sa.Column("broadcast_id", sa.String(24), nullable=False),
    sa.Column("unread", sa.Boolean, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("pages_total", sa.Integer),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
    sa.Column("ended", sa.Float),
    sa.Column("next_attempt", sa.Float),
    sa.Column("deadline", sa.Float),
    *job_columns(),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False),
    sa.Column("search", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("context", sa.Text, nullable=False),
    sa.Column("result_event", sa.Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)
_c = faxes.c
sa.Index("softfax_faxes_state", _c.state, _c.due)
sa.Index("softfax_faxes_list", _c.direction, _c.seq)
sa.Index("softfax_faxes_newest", _c.state, _c.seq)
sa.Index("softfax_faxes_unread", _c.unread, _c.seq)
sa.Index("softfax_faxes_created", _c.created)
sa.Index("softfax_faxes_ended", _c.ended)
sa.Index("softfax_faxes_broadcast", _c.broadcast_id)
sa.Index("softfax_faxes_told", _c.told)
job_indexes(faxes)
#: Those that wait for a call, the first first; and those that wait until their deadline.
waiting("softfax_faxes_order", _c.priority.desc(), _c.seq)
waiting("softfax_faxes_deadline", _c.deadline)

#: Broadcasts whose end has been reported.
broadcasts = sa.Table("softfax_broadcasts", METADATA, sa.Column("id", sa.String(24), primary_key=True))

attempts = sa.Table(
    "softfax_attempts",
    METADATA,
    sa.Column("fax_id", sa.String(24), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("ended", sa.Float),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("destination", sa.String(512), nullable=False),
    sa.Column("unique_id", sa.String(40), nullable=False),
    sa.Column("first_page", sa.Integer, nullable=False),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("cause", sa.String(16), nullable=False),
    sa.Column("resent", sa.Boolean, nullable=False),
    sa.Column("joined", sa.String(24), nullable=False, server_default=""),
    sa.Column("dialled", sa.Boolean, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
)

events = sa.Table(
    "softfax_events",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("fax_id", sa.String(24), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
sa.Index("softfax_events_fax", events.c.fax_id, events.c.id)
sa.Index("softfax_events_time", events.c.time)

keys = sa.Table(
    "softfax_idempotency",
    METADATA,
    sa.Column("key", sa.String(300), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("fax_ids", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False, index=True),
)

forbidden = sa.Table(
    "softfax_forbidden",
    METADATA,
    sa.Column("number", sa.String(128), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
)

#: Channel slots of calls that may be up at a station that was taken over.
ghosts = sa.Table(
    "softfax_ghosts",
    METADATA,
    sa.Column("fax_id", sa.String(24), primary_key=True),
    sa.Column("station", sa.String(80), nullable=False),
    sa.Column("to", sa.String(512), nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("until", sa.Float, nullable=False),
)

#: Numbers that are given once, in the transaction that uses them.
counters = sa.Table(
    "softfax_counters",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

#: Documents that were put out for polling (`softfax.queue.polled`).
polled = sa.Table(
    "softfax_polled",
    METADATA,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("name", sa.String(40), nullable=False, unique=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("until", sa.Float),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
)

#: What is known of numbers from calls to them (`softfax.records.memory`).
numbers = sa.Table(
    "softfax_numbers",
    METADATA,
    sa.Column("number", sa.String(128), primary_key=True),
    sa.Column("updated", sa.Float, nullable=False, index=True),
    sa.Column("data", sa.Text, nullable=False),
)
