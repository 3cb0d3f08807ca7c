"""A TCP proxy on loopback in front of the embedded server: slow, silent, or cut, as a network can be."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which closing a socket resets the connection."""


class Proxy:
    """Passes on what comes, ``delay_s`` later, and nothing while ``silent`` is set."""

    def __init__(self, server: Path) -> None:
        self.delay_s = 0.0
        self.silent = False
        self.passed = 0
        self._server = str(server)
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the database behind it, as CCF_POSTGRES_URL takes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/ccf"

    def cut(self) -> int:
        """Reset every connection that is open; how many there were."""
        ends, self._open = self._open, []
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RD)
                end.close()
        return len(ends) // 2

    def close(self) -> None:
        """Take no further connection, and cut those there are."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._server)
            except OSError:
                client.close()
                continue
            self._open += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                time.sleep(self.delay_s)
                while self.silent:
                    time.sleep(0.05)
                target.sendall(chunk)
                self.passed += len(chunk)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
                end.close()
