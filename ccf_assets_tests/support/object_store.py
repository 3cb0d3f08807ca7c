"""An S3 server on loopback (moto's) that remembers what it was asked, and misbehaves on request."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ccf_assets.objects import Address

Wsgi = Callable[[Mapping[str, Any], Callable[..., object]], Iterable[bytes]]

_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
)

SECRET = "wJalrXUtnFEMI-SECRET"


class ObjectStore:
    """A bucket ``lab``.

    Attributes:
        url: its address.
        environment: the variables with which it is found, with keys.
        asked: method and path, with its query, of each request since `forget`.
        sent: bytes of objects that were sent since then.
        refuse: status and code that every request is answered with; None for the right answer.
        before: called with the path of each request before it is answered.
    """

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self._moto: Wsgi = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.refuse: tuple[str, str] | None = None
        self.before: Callable[[str], object] = lambda _: None
        self.forget()
        self._thread.start()

    def begin(self) -> None:
        """Empty the bucket, and behave."""
        self.refuse, self.before = None, lambda _: None
        self._ask("POST", "/moto-api/reset", b"")
        self._put("/lab", b"")
        self.forget()

    def forget(self) -> None:
        """Count from here."""
        self.asked: list[str] = []
        self.sent = 0

    @property
    def read(self) -> list[str]:
        """The objects, below the bucket, that were read since `forget`."""
        gets = (one.removeprefix("GET /lab/") for one in self.asked if one.startswith("GET /lab/"))
        return sorted(path for path in gets if not path.startswith("?"))

    def put(self, path: str, content: bytes | str) -> None:
        """Write an object of the bucket."""
        self._put(f"/lab/{quote(path)}", content.encode() if isinstance(content, str) else content)

    def put_folder(self, folder: Path, below: str) -> None:
        """Write all files of a folder."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.put(f"{below}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def delete(self, path: str) -> None:
        """Delete an object of the bucket."""
        self._ask("DELETE", f"/lab/{quote(path)}")

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _put(self, path: str, content: bytes) -> None:
        self._ask("PUT", path, content)

    def _ask(self, method: str, path: str, content: bytes | None = None) -> None:
        request = urllib.request.Request(self.url + path, data=content, method=method)
        request.add_header("Content-Type", "application/octet-stream")  # else it is taken for a form
        request.add_header(
            "Authorization", _AUTHORIZATION
        )  # not checked, but without one nothing is replaced
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            answer.read()

    def _answer(self, asked: Mapping[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        path = asked["PATH_INFO"].encode("latin1").decode()
        query = asked["QUERY_STRING"]
        self.asked.append(f"{asked['REQUEST_METHOD']} {path}{f'/?{query}' if query else ''}")
        self.before(path)
        if self.refuse:
            status, code = self.refuse
            start(status, [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>AKIA {SECRET}</Message></Error>".encode()]
        body = b"".join(self._moto(asked, start))
        if asked["REQUEST_METHOD"] == "GET" and not query:
            self.sent += len(body)
        return [body]


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A server that ends with the block."""
    store = ObjectStore()
    try:
        yield store
    finally:
        store.close()


LAB = Address("s3://lab/rec")
"""The folder of recordings in the bucket."""
