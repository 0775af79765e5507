# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that runs a station's calls: `python -m softfax.station.worker FD`, FD being a socket to the station.

It lives as long as the station: when that is gone, calls under way are hung up at once, because nobody would remember what of
them went through.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable

from softfax.errors import SoftfaxError
from softfax.station import wire
from softfax.station.calls import Calls
from softfax.station.config import StationConfig

__all__ = ["main", "serve"]

log = logging.getLogger("softfax.station")

#: What may wait for the station before progress is left out.
BUFFER_BYTES = 1 << 20


async def serve(sock: socket.socket, configure: Callable[[StationConfig], None] = lambda config: None) -> None:
    """Runs calls for the station at the other end. `configure` sets up what is the process's own, as its log."""
    reader, writer = await asyncio.open_connection(sock=sock)

    def report(message: wire.Message) -> None:
        late = writer.transport.get_write_buffer_size() > BUFFER_BYTES
        if not (late and isinstance(message, wire.FaxEvent) and message.event.event == "progress"):
            writer.write(wire.encode(message))

    try:
        first = await wire.read(reader)
        if not isinstance(first, wire.Reload):
            return
        config = StationConfig.checked(first.config, "the configuration")
        configure(config)
        calls = Calls(config, report)
        try:
            await calls.start()
        except SoftfaxError as error:
            await calls.close()
            report(wire.StartFailed(type(error).__name__, error.problem, error.remedy))
            await writer.drain()
            return
        report(wire.Started(calls.bound_addresses))
        await _follow(reader, calls, configure)
        await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _follow(reader: asyncio.StreamReader, calls: Calls, configure: Callable[[StationConfig], None]) -> None:
    """Takes orders until the station says stop, or is gone."""
    grace_s = 0.5
    while message := await wire.read(reader):
        if isinstance(message, wire.Stop):
            await calls.close()
            return
        try:
            calls.order(message)
            if isinstance(message, wire.Reload):
                configure(calls.config)
        except Exception:
            log.exception("an order was not carried out")
    log.error("the station is gone: calls are hung up")
    await calls.close(grace_s)


def main(configure: Callable[[StationConfig], None] = lambda config: None) -> int:
    """Serves the station whose socket is the descriptor named on the command line."""
    # A terminal or a service manager signals all processes; what ends is for the station to say.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        asyncio.run(serve(sock, configure))
    return 0


if __name__ == "__main__":
    sys.exit(main())
