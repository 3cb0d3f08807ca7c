"""A loopback HTTP server: serves bytes from memory, misbehaves on request, remembers what it was asked."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]

LOGIN_PAGE = b"<!DOCTYPE html>\n<html><body>Please accept the terms of this network.</body></html>\n"


def whole(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """The file as it is."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def status(code: int, **headers: str) -> Answer:
    """An HTTP error instead of the file; ``retry_after="1"`` is its header Retry-After."""

    def answer(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def sized(body: bytes, length: int | None = None) -> bytes:
    """A response that says how long it is, or lies about it."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (length or len(body)) + body


def chunked(body: bytes) -> bytes:
    """A response in two chunks, as a server sends what it computes."""
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:9], body[9:]))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"


def raw(response: Callable[[bytes], bytes], *, reset: bool = False) -> Answer:
    """These bytes, headers and all, then the end of the connection: a proper one, or a reset."""

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.wfile.write(response(body))
        if reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.rfile.close()
            handler.connection.close()

    return answer


def login_page(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    """A web page with status 200, as a captive portal sends it."""
    whole(handler, LOGIN_PAGE)


def cut(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Half of the file, then the connection ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


def hang_up(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    """No answer: the connection is closed."""


class LocalServer:
    """Serves ``files`` (path to content); ``faults`` (path to answers) come first, one per request.

    Attributes:
        files: what lies where.
        faults: answers for the next requests of a path.
        forever: the answer to every request of a path.
        requests: the paths asked for, with their query, in order.
        authorizations: the Authorization header of each request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Answer]] = {}
        self.forever: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.posted: list[bytes] = []
        self.authorizations: list[str | None] = []
        self.stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._http.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}/ccf"

    def slow(self, seconds: float, then: Answer = whole) -> Answer:
        """Silence first, cut short when the server stops."""

        def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
            if not self.stopping.wait(seconds):
                then(handler, body)

        return answer

    def trickle(self, seconds: float, pieces: int) -> Answer:
        """The file in pieces, with silence before each."""

        def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
            response = sized(body)
            step = -(-len(response) // pieces)
            for start in range(0, len(response), step):
                self.stopping.wait(seconds)
                handler.wfile.write(response[start : start + step])

        return answer

    def stalled(self, seconds: float) -> Answer:
        """Half of the file, then silence on an open connection."""

        def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
            cut(handler, body)
            handler.wfile.flush()
            self.stopping.wait(seconds)

        return answer

    def __enter__(self) -> LocalServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                server.authorizations.append(self.headers.get("Authorization"))
                path = self.path.partition("?")[0]
                faults = server.faults.get(path)
                if faults:
                    answer = faults.pop(0)
                elif path in server.forever:
                    answer = server.forever[path]
                else:
                    answer = whole if path in server.files else status(404)
                answer(self, server.files.get(path, b""))

            def do_POST(self) -> None:
                server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Silent: the test asks ``requests``."""

        return Handler
