# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs every scenario with both servers, and the foreign clients with softfax, all at once: a fax takes half a minute
whether or not others are under way.

`python -m tests.ami.campaign --peer STATE --folder FOLDER [NAME…]` writes FOLDER/NAME.json for each as it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any

from softfax.ami import AmiServer, AmiSettings, User
from softfax.station import Station
from tests.ami.node import CLIENTS, modules
from tests.ami.scenarios import LIMIT_S, SCENARIOS
from tests.ami.speaker import End
from tests.ami.stations import station_config
from tests.support.background import REPOSITORY
from tests.support.pages import draw_page, write_fax_tiff
from tests.support.peer import campaign_peer

__all__ = ["CLIENT_NAMES"]

CLIENT_NAMES = ("panoramisk", "asterisk-manager")


async def _scenario(name: str, ends: list[End]) -> dict[str, Any]:
    """Return the answers of each server."""
    heard = await asyncio.gather(*(SCENARIOS[name](end) for end in ends))
    return {end.name: messages for end, messages in zip(ends, heard, strict=True)}


async def _client(name: str, end: End) -> dict[str, Any]:
    """Return a foreign client's view of a fax by softfax to Asterisk."""
    environment = dict(os.environ)
    if name == "panoramisk":
        command = [sys.executable, "-m", "tests.ami.clients.panoramisk_fax"]
    else:
        environment["NODE_PATH"] = str(await asyncio.to_thread(modules))
        command = ["node", str(CLIENTS / "fax.cjs")]
    arguments = [str(end.port), end.user, end.secret, end.channel("recv"), f"{end.folder}/side.tif"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=environment,
    )
    try:
        out, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"{name} ended with {process.returncode}: {out.decode()[-2000:]}\n{errors.decode()[-2000:]}")
    result: dict[str, Any] = json.loads(out)
    return result


async def _keep(folder: Path, name: str, work: Awaitable[dict[str, Any]]) -> None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(LIMIT_S):
            result = await work
    except TimeoutError:
        result = {"problem": f"{name} was not over after {time.monotonic() - began:.0f} s:\n{traceback.format_exc()}"}
    except Exception:
        result = {"problem": traceback.format_exc()}
    new = folder / f"{name}.new"
    new.write_text(json.dumps(result))
    new.rename(folder / f"{name}.json")
    print(f"{name:<20} {time.monotonic() - began:6.1f} s  {result.get('problem', '')}", flush=True)


async def _run(peer_state: Path, folder: Path, names: list[str], owner: int | None) -> None:
    peer = await campaign_peer(peer_state, owner)
    here = folder / "documents"
    here.mkdir(exist_ok=True)
    shutil.copy(write_fax_tiff(here / "side.tif", [draw_page("side by side")]), peer.faxes / "side.tif")
    theirs = End("asterisk", peer.ami_port, peer.ami_user, peer.ami_secret, peer.sip_port, f"{peer.folder}/fax")
    async with Station(station_config(folder / "station", peer)) as station:
        settings = AmiSettings(listen="127.0.0.1:0", users=(User("fax", "secret"),), max_failures=1000)
        server = AmiServer(station, settings)
        await server.start()
        ours = End("softfax", server.addresses[0][1], "fax", "secret", peer.sip_port, str(here))
        try:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    work = _client(name, ours) if name in CLIENT_NAMES else _scenario(name, [theirs, ours])
                    group.create_task(_keep(folder, name, work))
        finally:
            await server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, required=True, help="the state file of tests.peer")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--owner", type=int, help="end when this process is gone")
    parser.add_argument("names", nargs="*", default=[*SCENARIOS, *CLIENT_NAMES])
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with suppress(asyncio.CancelledError):
        asyncio.run(_run(asked.peer, asked.folder.resolve(), asked.names, asked.owner))


if __name__ == "__main__":
    main()
