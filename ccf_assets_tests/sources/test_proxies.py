"""What stands between this machine and a server: used where it can be, and named where it is the trouble."""

from __future__ import annotations

import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ccf_assets.errors import CcfError, SourceUnreachableError
from ccf_assets.sources.source import Sources
from ccf_assets_tests.support.http_server import LocalServer, status

GRAPH = b"id,atlas_id,name\n997,-1,root\n"
GRAPH_PATH = "/ccf/ontology/structure_graph.csv"
SECRET = "s3cret"
FAR = "http://mirror.invalid/ccf"
FAR_TLS = "https://mirror.invalid/ccf"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates but those of the test."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        running.files = {GRAPH_PATH: GRAPH}
        yield running


def nobody() -> str:
    """An address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that does ``talk`` with whoever connects."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            talk(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def socks(to: str, reply: int = 0) -> Callable[[socket.socket], None]:
    """A SOCKS5 proxy whose every way leads to ``to``, or that answers with an error."""

    def talk(client: socket.socket) -> None:
        client.recv(64)
        client.sendall(b"\x05\x00")
        client.recv(512)
        client.sendall(bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if reply:
            return
        host, _, port = to.rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            server.sendall(client.recv(65536))
            while data := server.recv(65536):
                client.sendall(data)

    return talk


def silent(client: socket.socket) -> None:
    while client.recv(4096):
        pass


def refusing(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")


def refused(source: str, cache: Path) -> str:
    sources = Sources(source, cache, backoff_s=(), timeout_s=(0.5, 0.5))
    with pytest.raises(CcfError) as error:
        sources.structure_graph()
    sentence = str(error.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert SECRET not in sentence
    return sentence


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_socks_proxy_is_used(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str, variable: str
) -> None:
    with listening(socks(server.address)) as proxy:
        monkeypatch.setenv(variable, f"{scheme}://{proxy}")
        host = "mirror.invalid" if scheme == "socks5h" else "127.0.0.1"  # which asks the proxy for the name
        fetched = Sources(f"http://{host}/ccf", tmp_path).structure_graph()
    assert fetched.path.read_bytes() == GRAPH
    assert server.requests == [GRAPH_PATH]


@pytest.mark.parametrize("scheme", ["http", "socks5h", "socks4a"])
@pytest.mark.parametrize(
    ("url", "variable"), [(FAR, "http_proxy"), (FAR_TLS, "HTTPS_PROXY"), (FAR, "all_proxy")]
)
def test_a_proxy_that_nobody_listens_at_is_named_and_its_password_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str, url: str, variable: str
) -> None:
    proxy = nobody()
    monkeypatch.setenv(variable, f"{scheme}://me:{SECRET}@{proxy}")
    sentence = refused(url, tmp_path)
    assert f"because the proxy {scheme}://{proxy} refused the connection; check {variable}, or" in sentence


@pytest.mark.parametrize(
    ("scheme", "talk", "url", "words"),
    [
        ("http", silent, FAR_TLS, "did not answer in time"),
        ("http", silent, FAR, "the server did not answer in time, asked through the proxy"),
        ("socks5h", silent, FAR, "did not answer in time"),
        ("http", refusing, FAR_TLS, "answered with HTTP status 403"),
        ("socks5h", socks("", reply=4), FAR, "could not reach the server"),
        ("http", lambda _client: None, FAR_TLS, "the connection to the server failed, asked through"),
    ],
    ids=["silent", "silent, without TLS", "silent SOCKS", "refusing", "SOCKS without a way", "hanging up"],
)
def test_a_proxy_that_does_not_do_what_it_should_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    scheme: str,
    talk: Callable[[socket.socket], None],
    url: str,
    words: str,
) -> None:
    with listening(talk) as address:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:{SECRET}@{address}")
        sentence = refused(url, tmp_path)
    assert f"the proxy {scheme}://{address}" in sentence
    assert words in sentence


def test_a_proxy_whose_name_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    sentence = refused(FAR, tmp_path)
    assert "this network does not know the name of the proxy http://proxy.invalid:3128" in sentence


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{SECRET}@proxy:port",
        f"http://{SECRET}@",
        f"http://me:2024/{SECRET}@proxy:8080",
        f"http://me:2024#{SECRET}@proxy:8080",
        "nonsense://proxy:1",
        "http://[::1",
        "http://p:99999",
    ],
)
@pytest.mark.parametrize("url", [FAR, FAR_TLS])
def test_a_proxy_without_an_address_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, url: str
) -> None:
    monkeypatch.setenv("all_proxy", address)
    sentence = refused(url, tmp_path)
    assert (
        "because the proxy that all_proxy names has no address that can be used; check all_proxy" in sentence
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (407, "wants a user and a password; check http_proxy"),
        (503, "because the server, or the proxy http://{address}, answered with HTTP status 503"),
    ],
)
def test_what_a_proxy_answers_itself_is_not_taken_for_the_servers_word(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, words: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{server.address}")
    server.forever = {FAR + "/ontology/structure_graph.csv": status(code)}
    assert words.format(address=server.address) in refused(FAR, tmp_path)


def test_a_server_that_is_named_in_no_proxy_is_asked_without_one(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{nobody()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert Sources(server.url, tmp_path).structure_graph().path.read_bytes() == GRAPH
    assert "proxy" not in refused(f"http://{nobody()}/ccf", tmp_path / "other")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("content", "words"), [(None, "which does not exist"), ("junk", "which cannot be read as certificates")]
)
def test_certificates_that_are_gone_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None, words: str
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv(variable, str(bundle))
    with listening(silent) as address:
        sentence = refused(f"https://{address}/ccf", tmp_path / "cache")
    assert f"because {variable} names {bundle}, {words}; correct or unset it, or set CCF_SOURCE" in sentence


def test_a_proxy_in_trouble_counts_as_a_source_that_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{nobody()}")
    with pytest.raises(SourceUnreachableError):
        Sources("allen", tmp_path, backoff_s=()).structure_graph()
