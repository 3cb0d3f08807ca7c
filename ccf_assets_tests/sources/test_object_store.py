"""A mirror of the atlas's files in an object store: the rules of the cache are those of any other source."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from ccf_assets.ccf.catalogue import BUILT_IN
from ccf_assets.errors import CcfError, SourceUnreachableError
from ccf_assets.sources.source import Sources
from ccf_assets_tests.support.object_store import SECRET, ObjectStore

VOLUME = b"NRRD0004\n" + bytes(range(256)) * 2000
GRAPH = b"id,atlas_id,name\n997,-1,root\n"
ENTRY = dataclasses.replace(
    BUILT_IN["ccf_2017_100um"], sha256=hashlib.sha256(VOLUME).hexdigest(), size_bytes=len(VOLUME)
)


@pytest.fixture
def sources(store: ObjectStore, tmp_path: Path) -> Sources:
    store.put("mirror/ontology/structure_graph.csv", GRAPH)
    store.put(f"mirror/{ENTRY.annotation}", VOLUME)
    store.forget()
    return Sources(source="s3://lab/mirror/", cache=tmp_path / "downloads")


def test_ontology_and_volume_are_fetched_once_and_checked(store: ObjectStore, sources: Sources) -> None:
    lines: list[str] = []
    file = sources.annotation(ENTRY, report=lines.append)
    assert file.path.read_bytes() == VOLUME
    assert file.url == f"s3://lab/mirror/{ENTRY.annotation}"
    assert lines == [f"fetching s3://lab/mirror/{ENTRY.annotation}"]
    graph = sources.accept_structure_graph(sources.structure_graph())
    assert graph.path.read_bytes() == GRAPH
    assert graph.path.parent.name.startswith("lab-")
    assert sources.label == "s3://lab/mirror"
    store.forget()
    assert sources.annotation(ENTRY) == dataclasses.replace(file, fetched=False)
    assert sources.ontology(ENTRY).sha256 == graph.sha256
    assert store.asked == []


def test_a_volume_that_is_not_the_catalogue_s_is_refused(store: ObjectStore, sources: Sources) -> None:
    store.put(f"mirror/{ENTRY.annotation}", VOLUME[:-1])
    with pytest.raises(CcfError, match=r"s3://lab/mirror/.*annotation_100\.nrrd"):
        sources.annotation(ENTRY)
    assert not (sources.cache / ENTRY.annotation).exists()


def test_what_is_missing_refused_or_out_of_reach_is_said(
    store: ObjectStore, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.accept_structure_graph(sources.structure_graph())
    store.delete("mirror/ontology/structure_graph.csv")
    with pytest.raises(CcfError) as missing:
        sources.structure_graph(refresh=True)
    assert str(missing.value) == (
        "s3://lab/mirror/ontology/structure_graph.csv does not exist; put it there, or point CCF_SOURCE at a "
        "server, bucket or folder that has ontology/structure_graph.csv. The copy fetched earlier stays in "
        "use."
    )
    store.refuse = "403 Forbidden", "AccessDenied"
    with pytest.raises(CcfError, match=r"^The store refuses access to s3://lab/mirror/annotation/.*nrrd"):
        sources.annotation(ENTRY)
    monkeypatch.setattr("ccf_assets.objects.RETRY_S", 0.1)
    store.refuse = "503 Slow Down", "SlowDown"
    with pytest.raises(SourceUnreachableError, match="cannot be reached") as gone:
        sources.annotation(ENTRY)
    assert SECRET not in str(gone.value)
    assert sources.structure_graph().path.read_bytes() == GRAPH


def test_an_address_with_a_password_is_refused_without_it(tmp_path: Path) -> None:
    sources = Sources(source="s3://AKIA:hunter2@lab/mirror", cache=tmp_path)
    for ask in (lambda: sources.label, lambda: sources.annotation(ENTRY), sources.structure_graph):
        with pytest.raises(CcfError, match=r"^CCF_SOURCE is not a usable address") as refusal:
            ask()
        assert "hunter2" not in str(refusal.value)
