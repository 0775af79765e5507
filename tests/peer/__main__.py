# SPDX-License-Identifier: GPL-2.0-or-later
"""The peer by hand: `python -m tests.peer setup`, `run` and `call`; see README.md beside this file."""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.peer.asterisk import Asterisk, PeerAddress, originate
from tests.peer.chroot import PeerUnavailableError, ensure_chroot


def _run(state: Path | None, owner: int | None, send_file: Path | None, log_copy: Path | None) -> None:
    """Keeps one instance up until a signal, or until the process `owner` is gone; its address goes to `state`."""
    signal.signal(signal.SIGTERM, _interrupt)
    with suppress(KeyboardInterrupt), Asterisk(send_file=send_file, log_copy=log_copy) as address:
        if state:
            # Whole or not at all: others wait for the file to appear.
            new = state.with_suffix(".new")
            new.write_text(address.to_json())
            new.rename(state)
        print(
            f"Asterisk {address.version}, pid {address.pid}: {address.uri('recv')}, manager on port {address.ami_port}",
            flush=True,
        )
        print(f"faxes in {address.faxes}, log {address.log}", flush=True)
        if owner:
            with suppress(ProcessLookupError):
                select.select([os.pidfd_open(owner)], [], [])
        else:
            signal.pause()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


async def _call(state: Path, direction: str, uri: str, endpoint: str, options: str) -> int:
    ami = await PeerAddress.from_json(state.read_text()).manager()
    try:
        ended = await (await originate(ami, direction, uri, f"call-{os.getpid()}", endpoint=endpoint, options=options))
    finally:
        await ami.close()
    print("\n".join(f"{key}: {value}" for key, value in ended.items()))
    return 0 if ended.get("Status") == "SUCCESS" else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.peer", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("setup", help="install Asterisk into its chroot, once")
    run = verbs.add_parser("run", help="start one instance and keep it up until interrupted")
    run.add_argument("--state", type=Path, help="write the address as JSON to this file")
    run.add_argument("--owner", type=int, help="stop when this process is gone")
    run.add_argument("--send-file", type=Path, help="the TIFF that the extensions send and send-audio send")
    run.add_argument("--log-copy", type=Path, help="where the log goes at the end")
    call = verbs.add_parser("call", help="have a running instance call a SIP URI and fax")
    call.add_argument("state", type=Path)
    call.add_argument("direction", choices=["send", "receive"])
    call.add_argument("uri")
    call.add_argument("--endpoint", default="out", help="out, out-fec, out-noec, out-audio or out-tcp")
    call.add_argument(
        "--options", default="fz", help="of SendFAX or ReceiveFAX: f audio as fallback, z ask for T.38, F audio"
    )
    asked = parser.parse_args()
    try:
        if asked.verb == "setup":
            chroot = ensure_chroot()
            print(f"Asterisk {chroot.version} in {chroot.root}")
        elif asked.verb == "run":
            _run(asked.state, asked.owner, asked.send_file, asked.log_copy)
        else:
            return asyncio.run(_call(asked.state, asked.direction, asked.uri, asked.endpoint, asked.options))
    except PeerUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
