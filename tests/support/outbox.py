# SPDX-License-Identifier: GPL-2.0-or-later
"""An outbox without a station, on a database of its own."""

from __future__ import annotations

from softfax.delivery.outbox import Outbox
from softfax.delivery.store import StoredCallback

__all__ = ["OwnOutbox"]


class OwnOutbox(Outbox):
    """An outbox that opens and closes its database."""

    def begin(self) -> None:
        """Prepare and start. Raises LocalError."""
        try:
            self.prepare()
            self._database.clock.start()
            self.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop, and close the database."""
        super().stop()
        self._database.close()

    def dead(self) -> list[StoredCallback]:
        """The callbacks that were given up, the oldest first."""
        return self.store.list("dead")
