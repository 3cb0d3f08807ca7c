"""Sources: what is downloaded, checked, kept and never fetched twice. A loopback server plays the archive."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccf_assets.ccf.catalogue import BUILT_IN, AtlasEntry
from ccf_assets.ccf.space import ALLEN_CCF
from ccf_assets.errors import CcfError, SourceUnreachableError
from ccf_assets.progress import Progress
from ccf_assets.sources import cache as cache_module
from ccf_assets.sources import http as download_module
from ccf_assets.sources import source as source_module
from ccf_assets.sources.addresses import ALLEN_ARCHIVE_URL, ALLEN_ONTOLOGY_URL
from ccf_assets.sources.cache import FetchedFile
from ccf_assets.sources.source import Annotation, Sources
from ccf_assets_tests.support.grids import ccf_grid
from ccf_assets_tests.support.http_server import (
    LOGIN_PAGE,
    Answer,
    LocalServer,
    chunked,
    cut,
    hang_up,
    login_page,
    raw,
    sized,
    status,
)

VOLUME = b"NRRD0004\n" + bytes(range(256)) * 2000
GRAPH = b"id,atlas_id,name\n997,-1,root\n"
NEW_GRAPH = b"id,atlas_id,name\n997,-1,root\n8,0,Basic cell groups\n"
GRAPH_PATH = "/ccf/ontology/structure_graph.csv"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ENTRY = dataclasses.replace(BUILT_IN["ccf_2017_100um"], sha256=sha256(VOLUME), size_bytes=len(VOLUME))
VOLUME_PATH = f"/ccf/{ENTRY.annotation}"
OTHER_SHA = sha256(b"another file")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with LocalServer() as running:
        running.files = {GRAPH_PATH: GRAPH, VOLUME_PATH: VOLUME}
        yield running


def mirror(server: LocalServer, cache: Path, **changes: object) -> Sources:
    quick: dict[str, object] = {"backoff_s": (0.01, 0.01), "timeout_s": (2.0, 2.0)}
    return Sources(**{"source": server.url, "cache": cache, **quick, **changes})


@pytest.fixture
def sources(server, tmp_path) -> Sources:
    return mirror(server, tmp_path / "downloads")


@pytest.fixture
def folder(tmp_path) -> Path:
    base = tmp_path / "my ccf"
    for path, content in (("ontology/structure_graph.csv", GRAPH), (ENTRY.annotation, VOLUME)):
        (base / path).parent.mkdir(parents=True)
        (base / path).write_bytes(content)
    return base


def unreachable_address() -> str:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/ccf"


def files_in(cache: Path) -> set[str]:
    """The cached files; locks and origins are the cache's own business."""
    return {
        str(f.relative_to(cache))
        for f in cache.rglob("*")
        if f.is_file() and not f.name.startswith(".") and not f.name.endswith(".origin.json")
    }


def is_one_sentence(error: CcfError) -> bool:
    text = str(error)
    return text.endswith(".") and ". " not in text and "\n" not in text


# --- annotation: fetched once, checked, kept ---


def test_an_annotation_is_fetched_once_and_then_taken_from_the_cache(server, sources):
    first = sources.annotation(ENTRY)
    again = sources.annotation(ENTRY)

    assert first == Annotation(
        path=sources.cache / ENTRY.annotation,
        url=f"{server.url}/{ENTRY.annotation}",
        sha256=sha256(VOLUME),
        size_bytes=len(VOLUME),
        fetched=True,
        warning=None,
        grid=ccf_grid(100),
        space=ALLEN_CCF,
    )
    assert first.path.read_bytes() == VOLUME
    assert again == dataclasses.replace(first, fetched=False)
    assert server.requests == [VOLUME_PATH]
    assert files_in(sources.cache) == {ENTRY.annotation}


def test_refresh_fetches_the_annotation_again(server, sources):
    sources.annotation(ENTRY)
    assert sources.annotation(ENTRY, refresh=True).fetched
    assert len(server.requests) == 2


def test_a_base_address_may_end_in_a_slash(server, tmp_path):
    assert mirror(server, tmp_path, source=f"{server.url}/").annotation(ENTRY).fetched
    assert server.requests == [VOLUME_PATH]


def test_a_damaged_cached_file_is_fetched_again_and_said_so(server, sources):
    path = sources.annotation(ENTRY).path
    path.write_bytes(VOLUME[:-1])
    lines: list[str] = []
    assert sources.annotation(ENTRY, report=lines.append).fetched
    assert path.read_bytes() == VOLUME
    assert "no longer has the checksum" in lines[0]


def test_a_cached_file_without_its_origin_is_fetched_again(server, sources):
    path = sources.annotation(ENTRY).path
    path.with_name(f"{path.name}.origin.json").write_text("{")
    lines: list[str] = []
    assert sources.annotation(ENTRY, report=lines.append).fetched
    assert "no record of its origin" in lines[0]


def test_a_cached_file_that_the_catalogue_no_longer_means_is_fetched_again(server, sources):
    sources.annotation(ENTRY)
    server.files[VOLUME_PATH] = b"NRRD0005\n"
    newer = dataclasses.replace(ENTRY, sha256=sha256(b"NRRD0005\n"), size_bytes=9)
    lines: list[str] = []
    assert sources.annotation(newer, report=lines.append).sha256 == newer.sha256
    assert "not the file that ccf_2017_100um now asks for" in lines[0]


def test_an_annotation_from_one_source_serves_under_another_and_names_where_it_came_from(server, sources):
    first = sources.annotation(ENTRY)
    allen = dataclasses.replace(sources, source="allen")
    assert allen.annotation(ENTRY) == dataclasses.replace(first, fetched=False)
    assert len(server.requests) == 1


# --- annotation: checksums ---


@pytest.mark.parametrize("served", [b"NRRD0004\nother bytes", VOLUME[:-1], VOLUME + b"x", b""])
def test_a_file_that_is_not_the_catalogues_is_refused_and_not_kept(server, sources, served):
    server.files[VOLUME_PATH] = served
    with pytest.raises(CcfError) as refused:
        sources.annotation(ENTRY)
    assert is_one_sentence(refused.value)
    for named in (
        server.url,
        sha256(served),
        str(len(served)),
        ENTRY.sha256,
        str(ENTRY.size_bytes),
        ENTRY.key,
    ):
        assert named in str(refused.value)
    assert not isinstance(refused.value, SourceUnreachableError)
    assert files_in(sources.cache) == set()
    assert len(server.requests) == 1


def test_a_refused_file_leaves_the_cached_one(server, sources):
    path = sources.annotation(ENTRY).path
    server.files[VOLUME_PATH] = b"NRRD0004\nother bytes"
    with pytest.raises(CcfError):
        sources.annotation(ENTRY, refresh=True)
    assert path.read_bytes() == VOLUME
    assert not sources.annotation(ENTRY).fetched


def test_a_checksum_that_is_only_reported_warns_and_keeps_the_file_also_from_the_cache(server, sources):
    entry = dataclasses.replace(ENTRY, sha256=OTHER_SHA, checksum_from="report")
    first = sources.annotation(entry)
    assert first.warning is not None
    assert OTHER_SHA in first.warning
    assert sha256(VOLUME) in first.warning
    assert sources.annotation(entry) == dataclasses.replace(first, fetched=False)
    assert len(server.requests) == 1


def test_a_reported_checksum_that_holds_gives_no_warning(sources):
    assert sources.annotation(dataclasses.replace(ENTRY, checksum_from="report")).warning is None


def test_an_entry_without_checksum_takes_any_volume_but_nothing_else(server, sources):
    entry = dataclasses.replace(ENTRY, sha256=None, size_bytes=None)
    assert sources.annotation(entry).warning is None
    server.files[VOLUME_PATH] = b"PK\x03\x04 a zip archive"
    with pytest.raises(CcfError, match="not an NRRD file"):
        sources.annotation(entry, refresh=True)


def test_a_volume_that_its_user_refuses_leaves_the_cached_one(server, sources):
    entry = dataclasses.replace(ENTRY, sha256=None, size_bytes=None)
    path = sources.annotation(entry).path
    server.files[VOLUME_PATH] = b"NRRD0004\nother bytes"

    def look():
        with sources.new_annotation(entry, refresh=True) as file:
            assert file.path.read_bytes() == server.files[VOLUME_PATH]
            raise CcfError("it has ids that nobody knows")

    with pytest.raises(CcfError, match="ids that nobody knows"):
        look()
    assert path.read_bytes() == VOLUME
    assert not sources.annotation(entry).fetched


# --- downloads that go wrong ---


@pytest.mark.parametrize("fault", [status(500), status(503), status(429), cut, hang_up])
def test_a_passing_fault_is_tried_again_and_reported(server, sources, fault: Answer):
    server.faults[VOLUME_PATH] = [fault, fault]
    lines: list[str] = []
    fetched = sources.annotation(ENTRY, report=lines.append)
    assert fetched.path.read_bytes() == VOLUME
    assert len(server.requests) == 3
    assert sum("trying again in 0.01 s" in line for line in lines) == 2


def test_a_download_that_always_breaks_off_is_refused_and_leaves_nothing(server, sources):
    server.forever[VOLUME_PATH] = cut
    with pytest.raises(CcfError, match=r"broke off before the end of the file \(3 attempts\)") as refused:
        sources.annotation(ENTRY)
    assert is_one_sentence(refused.value)
    assert not isinstance(refused.value, SourceUnreachableError)
    assert files_in(sources.cache) == set()
    assert len(server.requests) == 3


def test_an_ontology_that_breaks_off_is_not_taken_for_a_short_one(server, sources):
    server.forever[GRAPH_PATH] = cut
    with pytest.raises(CcfError, match="broke off"):
        sources.structure_graph()
    assert files_in(sources.cache) == set()


@pytest.mark.parametrize("code", [404, 403, 400])
def test_a_final_refusal_is_not_tried_again(server, sources, code):
    server.forever[VOLUME_PATH] = status(code)
    with pytest.raises(CcfError, match=f"HTTP status {code}") as refused:
        sources.annotation(ENTRY)
    assert is_one_sentence(refused.value)
    assert not isinstance(refused.value, SourceUnreachableError)
    assert len(server.requests) == 1


def test_a_server_that_keeps_failing_is_unreachable(server, sources):
    server.forever[VOLUME_PATH] = status(502)
    with pytest.raises(SourceUnreachableError, match=r"HTTP status 502 \(3 attempts\)") as refused:
        sources.annotation(ENTRY)
    assert is_one_sentence(refused.value)


ASK_EITHER = pytest.mark.parametrize("ask", [lambda s: s.annotation(ENTRY), lambda s: s.structure_graph()])


def everywhere(server: LocalServer, answer: Answer) -> None:
    server.forever = {VOLUME_PATH: answer, GRAPH_PATH: answer}


@given(st.floats(0, 1, exclude_max=True), st.sampled_from([sized, chunked]), st.booleans())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_connection_lost_at_any_byte_is_tried_again_and_gives_the_whole_file(
    server, tmp_path, place: float, form: Callable[[bytes], bytes], reset: bool
):
    small = b"NRRD0004\n" + bytes(range(40))
    server.files[VOLUME_PATH] = small
    server.requests.clear()
    server.faults[VOLUME_PATH] = [raw(lambda body: form(body)[: int(place * len(form(body)))], reset=reset)]
    server.forever[VOLUME_PATH] = raw(form)
    entry = dataclasses.replace(ENTRY, sha256=None, size_bytes=None)
    sources = mirror(server, tmp_path, backoff_s=(0.0,))
    assert sources.annotation(entry, refresh=True).path.read_bytes() == small
    assert len(server.requests) <= 2  # one, where all that was lost is the end of the last chunk


def test_a_file_that_changes_on_the_server_between_two_halves_is_never_a_mixture(server, sources):
    def cut_and_change(handler, body: bytes) -> None:
        cut(handler, body)
        server.files[VOLUME_PATH] = b"NRRD0004\n" + bytes(reversed(VOLUME))

    server.faults[VOLUME_PATH] = [cut_and_change, cut]
    free = dataclasses.replace(ENTRY, sha256=None, size_bytes=None)
    assert sources.annotation(free).path.read_bytes() == server.files[VOLUME_PATH]
    server.files[VOLUME_PATH] = VOLUME
    server.faults[VOLUME_PATH] = [cut_and_change]
    with pytest.raises(CcfError, match="where the catalogue's ccf_2017_100um has"):
        sources.annotation(ENTRY)


@ASK_EITHER
@pytest.mark.parametrize("code", [204, 206, 300, 304])
def test_a_status_that_is_neither_the_file_nor_an_error_is_refused(server, sources, ask, code):
    everywhere(server, status(code))
    with pytest.raises(CcfError, match=f"HTTP status {code}") as refused:
        ask(sources)
    assert is_one_sentence(refused.value)
    assert files_in(sources.cache) == set()
    assert len(server.requests) == 1


@ASK_EITHER
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (raw(lambda body: sized(body, len(body) + 3)), "broke off before the end of the file"),
        (raw(lambda body: sized(body).replace(b"Length: ", b"Length: 1, ")), "the request failed"),
        (raw(lambda _: b"SSH-2.0-OpenSSH_9.6\r\n"), "the connection to the server failed"),
        (raw(lambda body: sized(body).replace(b"OK", b"OK\r\nContent-Encoding: gzip")), "the request failed"),
        (raw(lambda body: chunked(body).replace(b"\r\n9\r\n", b"\r\nx\r\n")), "broke off before the end"),
        (status(302, location="http://[not-an-address"), "the request failed"),
        (status(302, location="http://h:99999999/"), "the request failed"),
        (status(302, location="http://\xe9\xff/"), "the request failed"),
        (status(302, location=f"http://{'a' * 80}.example/"), "the request failed"),
        (status(302, location="file:///etc/passwd"), "the request failed"),
        (status(302, location="?again"), "the request failed (TooManyRedirects)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_that_makes_no_sense_is_refused_in_a_sentence(server, tmp_path, ask, answer, said):
    everywhere(server, answer)
    sources = mirror(server, tmp_path, source=server.url.replace("//", "//me:hunter2@"), backoff_s=())
    with pytest.raises(CcfError) as refused:
        ask(sources)
    assert said in str(refused.value)
    assert server.url in str(refused.value)
    assert is_one_sentence(refused.value)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize("length", ["abc", "-5"])
def test_a_length_that_is_no_length_leaves_the_checksum_to_decide(server, sources, length: str):
    server.forever[VOLUME_PATH] = raw(
        lambda body: sized(body).replace(str(len(body)).encode(), length.encode())
    )
    assert sources.annotation(ENTRY).path.read_bytes() == VOLUME


@pytest.mark.parametrize(
    "form", [lambda body: sized(body, len(body) - 3), lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body[:-3]]
)
def test_a_volume_cut_short_where_http_cannot_tell_is_refused_by_its_checksum(server, sources, form):
    server.forever[VOLUME_PATH] = raw(form)
    with pytest.raises(CcfError, match=f"has {len(VOLUME) - 3} bytes and sha256"):
        sources.annotation(ENTRY)
    assert files_in(sources.cache) == set()


def test_a_redirect_is_followed_and_takes_no_password_along(server, tmp_path):
    with LocalServer() as other:
        other.files = {"/elsewhere": VOLUME}
        server.forever[VOLUME_PATH] = status(302, location=f"http://{other.address}/elsewhere")
        source = f"http://me:hunter2@{server.address}/ccf"
        fetched = mirror(server, tmp_path, source=source).annotation(ENTRY)
        assert fetched.path.read_bytes() == VOLUME
        assert fetched.url == f"{server.url}/{ENTRY.annotation}"
        assert other.authorizations == [None]


def test_a_redirect_to_a_login_page_is_refused(server, sources):
    everywhere(server, status(302, location="/login"))
    server.forever["/login"] = login_page
    with pytest.raises(CcfError, match="gave a web page instead of the file"):
        sources.annotation(ENTRY)
    assert files_in(sources.cache) == set()


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses between attempts, which are not waited for."""
    waited: list[float] = []
    monkeypatch.setattr(download_module.time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("7", 7),
        ("0", 0.01),
        ("-5", 0.01),
        ("soon", 0.01),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.01),
        ("", 0.01),
    ],
)
def test_a_busy_server_is_asked_again_when_it_says(server, sources, pauses, asked: str, pause: float):
    server.faults[VOLUME_PATH] = [status(503, retry_after=asked)]
    lines: list[str] = []
    assert sources.annotation(ENTRY, report=lines.append).path.read_bytes() == VOLUME
    assert pauses == [pause]
    assert f"HTTP status 503; trying again in {pause:g} s" in lines[1]


def test_a_date_to_come_back_at_is_waited_for(server, sources, pauses):
    later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    server.faults[VOLUME_PATH] = [status(429, retry_after=later)]
    sources.annotation(ENTRY)
    assert 15 < pauses[0] <= 20


def test_a_server_that_wants_a_long_pause_is_not_waited_for(server, sources, pauses):
    server.forever[VOLUME_PATH] = status(503, retry_after="3600")
    with pytest.raises(
        SourceUnreachableError, match="HTTP status 503 and asks for 3600 s of patience"
    ) as refused:
        sources.annotation(ENTRY)
    assert is_one_sentence(refused.value)
    assert "try again then" in str(refused.value)
    assert pauses == []
    assert len(server.requests) == 1


def test_a_slow_trickle_is_read_to_its_end(server, tmp_path):
    server.forever[VOLUME_PATH] = server.trickle(0.05, pieces=8)
    quick = mirror(server, tmp_path, timeout_s=(0.25, 0.25), backoff_s=())
    assert quick.annotation(ENTRY).path.read_bytes() == VOLUME


@ASK_EITHER
def test_a_login_page_instead_of_the_file_is_refused(server, sources, ask):
    server.forever = {VOLUME_PATH: login_page, GRAPH_PATH: login_page}
    with pytest.raises(CcfError, match="gave a web page instead of the file") as refused:
        ask(sources)
    assert is_one_sentence(refused.value)
    assert sha256(LOGIN_PAGE) not in str(refused.value)
    assert files_in(sources.cache) == set()


@pytest.mark.parametrize("fault", ["slow", "stalled"])
def test_a_silent_server_is_unreachable_after_the_timeout(server, tmp_path, fault):
    server.forever[VOLUME_PATH] = getattr(server, fault)(30)
    quick = mirror(server, tmp_path, timeout_s=(0.2, 0.2), backoff_s=(0.01,))
    with pytest.raises(SourceUnreachableError, match="did not answer in time"):
        quick.annotation(ENTRY)
    assert len(server.requests) == 2


def test_a_slow_server_is_waited_for(server, sources):
    server.faults[VOLUME_PATH] = [server.slow(0.3)]
    assert sources.annotation(ENTRY).fetched
    assert len(server.requests) == 1


@ASK_EITHER
def test_nobody_listening_is_unreachable_with_nothing_cached(tmp_path, ask):
    sources = Sources(unreachable_address(), tmp_path, backoff_s=(0.01,))
    with pytest.raises(
        SourceUnreachableError, match=r"refused the connection \(2 attempts\); check"
    ) as refused:
        ask(sources)
    assert is_one_sentence(refused.value)
    assert "stays in use" not in str(refused.value)
    assert files_in(tmp_path) == set()


def test_an_unknown_name_is_unreachable(tmp_path, monkeypatch):
    def unknown(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    sources = Sources("allen", tmp_path, backoff_s=())
    with pytest.raises(SourceUnreachableError, match="does not know the server's name"):
        sources.structure_graph()


def test_who_is_offline_hears_so_before_all_attempts_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "PATIENCE_S", 0.0)
    with pytest.raises(SourceUnreachableError) as refused:
        Sources(unreachable_address(), tmp_path, backoff_s=(60.0,)).structure_graph()
    assert "attempts" not in str(refused.value)


def test_a_connection_that_gives_data_is_worth_more_patience(server, sources, monkeypatch):
    monkeypatch.setattr(download_module, "PATIENCE_S", 0.0)
    server.faults[VOLUME_PATH] = [cut]
    assert sources.annotation(ENTRY).path.read_bytes() == VOLUME


def test_a_certificate_that_is_not_trusted_is_not_tried_again(tmp_path, monkeypatch):
    def distrust(*_args: object, **_kwargs: object) -> None:
        raise requests.exceptions.SSLError from ssl.SSLCertVerificationError()

    monkeypatch.setattr(requests, "get", distrust)
    with pytest.raises(SourceUnreachableError, match="certificate is not trusted here; if this network has"):
        Sources("https://mirror.example/ccf", tmp_path).structure_graph()


def test_an_unreachable_server_says_that_the_cached_copy_stays(server, sources):
    sources.annotation(ENTRY)
    sources.accept_structure_graph(sources.structure_graph())
    server.forever = {VOLUME_PATH: status(500), GRAPH_PATH: status(500)}
    with pytest.raises(SourceUnreachableError, match="so the copy fetched earlier stays in use"):
        sources.annotation(ENTRY, refresh=True)
    with pytest.raises(SourceUnreachableError, match="so the copy fetched earlier stays in use"):
        sources.structure_graph(refresh=True)
    assert not sources.annotation(ENTRY).fetched
    assert not sources.structure_graph().fetched


def test_progress_is_reported_while_a_file_arrives(sources, monkeypatch):
    monkeypatch.setattr(download_module, "Progress", functools.partial(Progress, every_s=0.0))
    lines: list[str] = []
    sources.annotation(ENTRY, report=lines.append)
    assert lines[0] == f"fetching {sources.source}/{ENTRY.annotation}"
    progress = [line for line in lines if line.startswith("downloaded")]
    assert len(progress) == -(-len(VOLUME) // download_module.CHUNK_BYTES)
    assert progress[-1].startswith("downloaded 512.0 k of 512.0 k")
    assert "annotation_100.nrrd" in progress[-1]


# --- secrets ---


def test_a_password_in_the_address_is_used_and_never_shown(server, tmp_path):
    server.faults[VOLUME_PATH] = [status(500)]
    lines: list[str] = []
    source = f"http://reader:hun%40ter2@{server.address}/ccf?token=t0psecret"
    sources = mirror(server, tmp_path, source=source)
    volume = sources.annotation(ENTRY, report=lines.append)
    graph = sources.accept_structure_graph(sources.structure_graph(report=lines.append))
    server.forever = {VOLUME_PATH: status(404), GRAPH_PATH: status(500)}
    tracebacks = []
    for ask in (sources.annotation, lambda _e, **k: sources.structure_graph(**k)):
        with pytest.raises(CcfError) as refused:
            ask(ENTRY, refresh=True, report=lines.append)
        assert refused.value.__context__ is None
        tracebacks += traceback.format_exception(refused.value)

    expected = "Basic " + base64.b64encode(b"reader:hun@ter2").decode()
    assert set(server.authorizations) == {expected}
    assert server.requests[0] == f"{VOLUME_PATH}?token=t0psecret"
    on_disk = [str(f) for f in tmp_path.rglob("*")]
    origins = [f.read_text() for f in tmp_path.rglob("*.origin.json")]
    shown = [repr(sources), sources.label, repr(volume), repr(graph)]
    everything = "\n".join([*lines, *tracebacks, *on_disk, *origins, *shown])
    assert f"http://{server.address}/ccf/{ENTRY.annotation}" in everything
    for secret in ("reader", "hun", "ter2", "t0psecret", "token"):
        assert secret not in everything


@pytest.mark.parametrize(
    "source", ["ftp://me:hunter2@host/ccf", "http://me:hunter2@", "http://me:hunter2@h:port/"]
)
def test_an_unusable_address_is_refused_without_repeating_it(tmp_path, source):
    with pytest.raises(CcfError, match="CCF_SOURCE is not a usable address") as refused:
        Sources(source, tmp_path).structure_graph()
    assert is_one_sentence(refused.value)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


# --- the ontology: a candidate until it is accepted ---


def test_an_ontology_is_a_candidate_until_it_is_accepted(server, sources):
    candidate = sources.structure_graph()
    assert candidate.fetched
    assert candidate.path.read_bytes() == GRAPH
    assert candidate.url == f"{server.url}/ontology/structure_graph.csv"
    with pytest.raises(CcfError, match="materialise structure_graph first") as refused:
        sources.ontology(ENTRY)
    assert is_one_sentence(refused.value)

    accepted = sources.accept_structure_graph(candidate)
    assert accepted.path.name == "structure_graph.csv"
    assert accepted.sha256 == sha256(GRAPH)
    assert not candidate.path.exists()
    assert sources.ontology(ENTRY).path == accepted.path


def test_an_accepted_ontology_is_not_fetched_twice_unless_asked(server, sources):
    accepted = sources.accept_structure_graph(sources.structure_graph())
    again = sources.structure_graph()
    assert again == dataclasses.replace(accepted, fetched=False)
    assert sources.accept_structure_graph(again) == again
    assert server.requests == [GRAPH_PATH]
    sources.structure_graph(refresh=True)
    assert server.requests == [GRAPH_PATH, GRAPH_PATH]


def test_a_candidate_that_is_not_accepted_leaves_what_was_there(server, sources):
    accepted = sources.accept_structure_graph(sources.structure_graph())
    server.files[GRAPH_PATH] = NEW_GRAPH
    refused = sources.structure_graph(refresh=True)
    assert refused.sha256 == sha256(NEW_GRAPH)
    assert sources.structure_graph().sha256 == accepted.sha256
    assert sources.ontology(ENTRY).path.read_bytes() == GRAPH
    sources.accept_structure_graph(refused)
    assert sources.ontology(ENTRY).path.read_bytes() == NEW_GRAPH


def test_accepting_a_candidate_that_is_gone_leaves_what_was_there(server, sources):
    sources.accept_structure_graph(sources.structure_graph())
    server.files[GRAPH_PATH] = NEW_GRAPH
    candidate = sources.structure_graph(refresh=True)
    candidate.path.unlink()
    with pytest.raises(CcfError, match="could not be read or written"):
        sources.accept_structure_graph(candidate)
    assert not sources.structure_graph().fetched


def test_abandoned_candidates_are_swept_and_young_ones_are_not(server, sources, monkeypatch):
    young = sources.structure_graph().path
    sources.structure_graph()
    assert young.exists()
    monkeypatch.setattr(cache_module, "ABANDONED_S", -1.0)
    sources.structure_graph()
    assert not young.exists()


def test_each_source_has_its_own_ontology(server, sources, folder):
    sources.accept_structure_graph(sources.structure_graph())
    local = Sources(str(folder), sources.cache)
    with pytest.raises(CcfError, match="There is no ontology of"):
        local.ontology(ENTRY)
    local.accept_structure_graph(local.structure_graph())
    assert local.ontology(ENTRY).path != sources.ontology(ENTRY).path


# --- a folder ---


def test_a_folder_is_a_source_and_its_files_are_kept_when_it_goes(folder, tmp_path):
    sources = Sources(str(folder), tmp_path / "downloads")
    fetched = sources.annotation(ENTRY)
    assert fetched.fetched
    assert fetched.url == (folder / ENTRY.annotation).as_uri()
    (folder / ENTRY.annotation).unlink()
    assert not sources.annotation(ENTRY).fetched


def test_an_ontology_replaced_in_the_folder_is_noticed(folder, tmp_path):
    sources = Sources(str(folder), tmp_path / "downloads")
    accepted = sources.accept_structure_graph(sources.structure_graph())
    assert sources.structure_graph(refresh=True) == dataclasses.replace(accepted, fetched=False)
    (folder / "ontology/structure_graph.csv").write_bytes(NEW_GRAPH)
    candidate = sources.structure_graph()
    assert candidate.fetched
    assert candidate.sha256 == sha256(NEW_GRAPH)
    assert sources.ontology(ENTRY).path.read_bytes() == GRAPH


def test_a_volume_replaced_in_the_folder_is_noticed_where_no_checksum_binds(folder, tmp_path):
    sources = Sources(str(folder), tmp_path / "downloads")
    free = dataclasses.replace(ENTRY, sha256=None, size_bytes=None)
    sources.annotation(free)
    (folder / ENTRY.annotation).write_bytes(b"NRRD0005\n")
    assert not sources.annotation(ENTRY).fetched
    assert sources.annotation(free).path.read_bytes() == b"NRRD0005\n"
    (folder / ENTRY.annotation).unlink()
    assert not sources.annotation(free).fetched


def test_a_wrong_file_in_the_folder_is_refused(folder, tmp_path):
    (folder / ENTRY.annotation).write_bytes(VOLUME[:-1])
    with pytest.raises(CcfError, match=ENTRY.sha256):
        Sources(str(folder), tmp_path / "downloads").annotation(ENTRY)


def test_a_folder_without_the_file_or_no_folder_at_all_is_refused(folder, tmp_path):
    (folder / ENTRY.annotation).unlink()
    with pytest.raises(CcfError, match=f"{ENTRY.annotation} does not exist") as refused:
        Sources(str(folder), tmp_path / "downloads").annotation(ENTRY)
    assert is_one_sentence(refused.value)
    with pytest.raises(CcfError, match="which is not a folder") as refused:
        Sources(str(tmp_path / "nowhere"), tmp_path / "downloads").structure_graph()
    assert is_one_sentence(refused.value)
    assert not isinstance(refused.value, SourceUnreachableError)


def test_a_cache_that_cannot_be_written_is_refused_with_a_sentence(folder, tmp_path):
    (tmp_path / "downloads").write_text("a file where the folder should be")
    with pytest.raises(CcfError, match="could not be read or written") as refused:
        Sources(str(folder), tmp_path / "downloads").annotation(ENTRY)
    assert is_one_sentence(refused.value)


# --- several runs at once, and killed ones ---


def test_threads_that_want_the_same_file_fetch_it_once(server, sources):
    server.forever[VOLUME_PATH] = server.slow(0.2)
    got: list[FetchedFile] = []
    lines: list[str] = []
    threads = [
        threading.Thread(target=lambda: got.append(sources.annotation(ENTRY, report=lines.append)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f.sha256 for f in got} == {sha256(VOLUME)}
    assert sorted(f.fetched for f in got) == [False, False, False, True]
    assert len(server.requests) == 1
    assert "waiting for another run that is fetching annotation_100.nrrd" in lines


def process(sources: Sources, entry: AtlasEntry) -> subprocess.Popen[str]:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ccf_assets.ccf.catalogue import AtlasEntry\n"
        "from ccf_assets.ccf.voxel_grid import VoxelGrid\n"
        "from ccf_assets.sources.source import Sources\n"
        f"entry = {entry!r}\n"
        "print(Sources(sys.argv[1], Path(sys.argv[2])).annotation(entry).sha256)\n"
    )
    command = [sys.executable, "-c", code, sources.source, str(sources.cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_want_the_same_file_fetch_it_once(server, sources):
    server.forever[VOLUME_PATH] = server.slow(1.0)
    both = [process(sources, ENTRY) for _ in range(2)]
    said = [p.communicate(timeout=30)[0].strip() for p in both]
    assert said == [sha256(VOLUME)] * 2
    assert len(server.requests) == 1


def test_what_a_killed_process_leaves_does_not_matter(server, sources):
    server.faults[VOLUME_PATH] = [server.stalled(30)]
    killed = process(sources, ENTRY)
    partial = sources.cache / Path(ENTRY.annotation).with_name("annotation_100.partial.nrrd")
    deadline = time.monotonic() + 20
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()
    killed.communicate(timeout=10)
    assert partial.exists()
    assert not (sources.cache / ENTRY.annotation).exists()
    assert sources.annotation(ENTRY).path.read_bytes() == VOLUME
    assert files_in(sources.cache) == {ENTRY.annotation}


# --- settings, Allen, phantom ---


def test_the_environment_names_source_and_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CCF_HOME", str(tmp_path))
    monkeypatch.delenv("CCF_SOURCE", raising=False)
    allen = Sources.from_settings()
    assert (allen.source, allen.cache, allen.label) == (
        "allen",
        tmp_path / "downloads",
        "the Allen Institute",
    )
    monkeypatch.setenv("CCF_SOURCE", "phantom")
    assert Sources.from_settings().is_phantom


def test_the_allen_institutes_addresses_are_asked_and_shown_in_full(monkeypatch, tmp_path):
    asked: list[tuple[str, str]] = []

    def download(url: str, into: Path, shown: str, *_args: object, **_kwargs: object) -> None:
        asked.append((url, shown))
        into.write_bytes(VOLUME if url.endswith(".nrrd") else GRAPH)

    monkeypatch.setattr(source_module, "download", download)
    allen = Sources("allen", tmp_path)
    assert allen.structure_graph().url == ALLEN_ONTOLOGY_URL
    assert allen.annotation(ENTRY).url == f"{ALLEN_ARCHIVE_URL}annotation/ccf_2017/annotation_100.nrrd"
    assert all(url == shown for url, shown in asked)


def test_a_real_atlas_is_refused_under_the_phantom_source(tmp_path):
    phantom = Sources("phantom", tmp_path)
    for ask in (phantom.annotation, phantom.ontology):
        with pytest.raises(CcfError, match="unset CCF_SOURCE, or load phantom_100um") as refused:
            ask(ENTRY)
        assert is_one_sentence(refused.value)


PHANTOM_ENTRY = BUILT_IN["phantom_100um"]


def test_a_phantom_atlas_is_computed_whatever_the_source_and_only_once(server, sources):
    first = sources.annotation(PHANTOM_ENTRY)
    assert first.path == sources.cache / "annotation/phantom/annotation_100.nrrd"
    assert first.path.read_bytes().startswith(b"NRRD")
    assert first.url.startswith("phantom:100um?code=")
    assert first.warning is None
    assert sources.annotation(PHANTOM_ENTRY) == dataclasses.replace(first, fetched=False)
    assert server.requests == []


def test_a_phantom_computed_by_other_code_is_computed_again(sources, monkeypatch):
    sources.annotation(PHANTOM_ENTRY)
    monkeypatch.setattr(source_module.phantom_ontology, "structure_graph_csv", lambda: GRAPH)
    assert sources.annotation(PHANTOM_ENTRY).fetched


def test_a_phantom_atlas_has_the_phantoms_ontology_whatever_the_source(server, sources):
    sources.accept_structure_graph(sources.structure_graph())
    own = sources.ontology(PHANTOM_ENTRY).path
    assert own != sources.ontology(ENTRY).path
    assert own.read_bytes() == source_module.phantom_ontology.structure_graph_csv()
    assert sources.ontology(PHANTOM_ENTRY).path == own
    assert server.requests == [GRAPH_PATH]


def test_the_phantom_source_gives_the_phantoms_ontology_until_its_code_changes(tmp_path, monkeypatch):
    phantom = Sources("phantom", tmp_path)
    accepted = phantom.accept_structure_graph(phantom.structure_graph())
    assert accepted.path == phantom.ontology(PHANTOM_ENTRY).path
    assert phantom.structure_graph(refresh=True) == dataclasses.replace(accepted, fetched=False)
    monkeypatch.setattr(source_module.phantom_ontology, "structure_graph_csv", lambda: NEW_GRAPH)
    assert phantom.structure_graph().sha256 == sha256(NEW_GRAPH)
