"""Currency: what is loaded and unchanged is left alone, and what changed is loaded with all made from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa

from ccf_assets.ccf import nrrd
from ccf_assets.ccf import runs as runs_module
from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.db import region_volumes
from ccf_assets.db.database import create_engine
from ccf_assets.definitions import defs
from ccf_assets.defs import freshness
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect
from ccf_assets.sources import source
from ccf_assets.sources.cache import FetchedFile
from ccf_assets.sources.source import Sources
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.records import new_records

KEY = "phantom_100um"
ATLAS = atlas_entry(KEY)

FROM_ONTOLOGY = ["brain_region", "region_parent", "region_ancestor", "region_volume"]
ASSETS = {"annotation", "atlas", "voxel_run", "brain_surface", "voxel", *FROM_ONTOLOGY}


@dataclass
class Loader:
    """What the command line does, with records of its own."""

    engine: sa.Engine
    instance: dg.DagsterInstance
    definitions: dg.Definitions = defs
    sources: Sources | None = None

    def outdated(self, key: str = KEY) -> list[str]:
        graph = self.definitions.resolve_asset_graph()
        return freshness.outdated(
            graph, self.instance, self.engine, self.sources or Sources.from_settings(), ASSETS, key
        )

    def run(self, job: str, *assets: str, partition: str | None = None) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(name) for name in assets] or None,
            raise_on_error=False,
        )

    def refresh(self) -> None:
        assert self.run("refresh_ontology").success

    def load(self, *assets: str) -> None:
        """Load what is named, or else all that is outdated."""
        named = list(assets) or self.outdated()
        without_rows = [name for name in named if name != "voxel"]
        if without_rows:
            assert self.run("load_atlas", *without_rows, partition=KEY).success
        if "voxel" in named:
            assert self.run("load_voxel_rows", partition=KEY).success

    def with_code_version(self, asset: str, version: str) -> Loader:
        def change(spec: dg.AssetSpec) -> dg.AssetSpec:
            ours = spec.key == dg.AssetKey(asset)
            return spec.replace_attributes(code_version=version) if ours else spec

        return replace(self, definitions=self.definitions.map_asset_specs(func=change))

    def ask(self, query: str) -> object:
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(query))
            return result.scalar() if result.returns_rows else result.rowcount

    def writers(self, table: str) -> object:
        """The transactions that wrote the table's rows: another set once any row is written again."""
        query = f"SELECT string_agg(DISTINCT xmin::text, ',' ORDER BY xmin::text) FROM ccf.{table}"
        return self.ask(query)


@pytest.fixture(scope="module")
def _database_and_records(server_url: sa.URL) -> Iterator[tuple[sa.URL, dg.DagsterInstance]]:
    with new_database(server_url) as url, new_records() as instance:
        yield url, instance


@pytest.fixture
def loaded(
    _database_and_records: tuple[sa.URL, dg.DagsterInstance], monkeypatch: pytest.MonkeyPatch
) -> Loader:
    """phantom_100um with one row per voxel, all current; what an earlier test changed is loaded again."""
    url, instance = _database_and_records
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(url))
    monkeypatch.setenv("CCF_SOURCE", "phantom")
    loader = Loader(create_engine(), instance)
    ontology = hashlib.sha256(phantom_ontology.structure_graph_csv()).hexdigest()
    if freshness.versions(instance, "structure_graph")[:1] != [ontology]:
        loader.refresh()
    loader.load()
    return loader


@pytest.fixture
def fresh(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loader]:
    """An empty database and empty records, with the phantom as source."""
    monkeypatch.setenv("CCF_SOURCE", "phantom")
    with new_records() as instance:
        yield Loader(database, instance)


def rename(monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes) -> None:
    text = phantom_ontology.structure_graph_csv()
    assert old in text
    changed = text.replace(old, new)
    monkeypatch.setattr(phantom_ontology, "structure_graph_csv", lambda: changed)


def test_before_the_first_load_everything_is_outdated_in_order_of_dependency(fresh: Loader) -> None:
    stale = fresh.outdated()
    assert set(stale) == ASSETS
    assert len(stale) == len(ASSETS)
    for first, then in (
        ("annotation", "atlas"),
        ("atlas", "brain_region"),
        ("brain_region", "voxel_run"),
        ("region_parent", "region_ancestor"),
        ("region_ancestor", "region_volume"),
        ("voxel_run", "region_volume"),
        ("voxel_run", "voxel"),
    ):
        assert stale.index(first) < stale.index(then)


def test_after_a_load_everything_is_current_and_other_atlases_are_not(loaded: Loader) -> None:
    assert loaded.outdated() == []
    assert set(loaded.outdated("phantom_50um")) == ASSETS


def test_only_what_is_selected_is_told(loaded: Loader) -> None:
    loaded.ask("DELETE FROM ccf.region_volume")
    graph, sources = defs.resolve_asset_graph(), Sources.from_settings()
    selection = ["atlas", "voxel"]
    assert freshness.outdated(graph, loaded.instance, loaded.engine, sources, selection, KEY) == []


def test_content_is_compared_with_the_sources_that_are_given_not_with_the_settings(loaded: Loader) -> None:
    class Renamed(Sources):
        def accepted_ontology(self, entry: AtlasEntry | None) -> FetchedFile | None:
            accepted = super().accepted_ontology(entry)
            return accepted and replace(accepted, sha256="0" * 64)

    given = Sources.from_settings()
    assert replace(loaded, sources=Renamed(given.source, given.cache)).outdated() == FROM_ONTOLOGY


def test_of_each_job_its_own_assets_are_stale_and_rows_only_where_they_are_kept_or_wanted(
    loaded: Loader,
) -> None:
    def stale(*jobs: str, with_rows: bool = False) -> list[str]:
        graph, sources = defs.resolve_asset_graph(), Sources.from_settings()
        return freshness.stale(graph, loaded.instance, loaded.engine, sources, KEY, jobs, with_rows=with_rows)

    sets = ["region_set", "region_set_member"]
    assert stale("load_region_sets") == sets  # no run of this instance has made any
    assert set(stale("load_atlas", "load_region_sets")) == set(sets)
    assert stale("load_voxel_rows") == []
    loaded.ask("DELETE FROM ccf.region_volume")
    assert set(stale("load_atlas", "load_voxel_rows")) == {"region_volume", *sets}
    loaded.ask("DELETE FROM ccf.voxel_run")
    assert {"voxel_run", "region_volume", "voxel"} <= set(stale("load_atlas", "load_voxel_rows"))
    loaded.ask("DELETE FROM ccf.voxel")
    assert stale("load_voxel_rows") == []
    assert "voxel" not in stale("load_atlas", "load_voxel_rows")
    assert stale("load_voxel_rows", with_rows=True) == ["voxel"]


def test_the_version_of_the_ontology_is_that_of_its_content(fresh: Loader) -> None:
    assert freshness.versions(fresh.instance, "structure_graph") == []
    fresh.refresh()
    first = freshness.versions(fresh.instance, "structure_graph")
    assert len(first) == 1
    fresh.refresh()
    assert freshness.versions(fresh.instance, "structure_graph") == first * 2


def test_the_same_ontology_again_makes_nothing_outdated(loaded: Loader) -> None:
    loaded.refresh()
    assert loaded.outdated() == []


def test_the_ontology_of_another_source_outdates_nothing(loaded: Loader) -> None:
    of_another = dg.AssetMaterialization("structure_graph", tags={"dagster/data_version": "another's"})
    loaded.instance.report_runless_asset_event(of_another)
    assert loaded.outdated() == []


def test_a_renamed_region_outdates_what_is_made_of_the_ontology_and_no_voxel(
    loaded: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    voxels = {name: loaded.writers(name) for name in ("voxel_run", "voxel", "brain_surface", "atlas")}
    rename(monkeypatch, b"Field CA1", b"Field of CA1")
    loaded.refresh()
    assert loaded.outdated() == FROM_ONTOLOGY
    loaded.load()
    assert loaded.outdated() == []
    assert loaded.ask("SELECT region_name FROM ccf.brain_region WHERE acronym = 'CA1'") == "Field of CA1"
    assert {name: loaded.writers(name) for name in voxels} == voxels


def test_what_is_made_of_content_that_stayed_the_same_is_not_made_again(
    loaded: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename(monkeypatch, b"Field CA1", b"Field of CA1")
    loaded.refresh()
    loaded.load("brain_region", "region_parent")
    assert loaded.outdated() == []


def test_a_moved_region_outdates_the_closure_too(loaded: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    def ancestors() -> list[str]:
        query = (
            "SELECT string_agg(up.acronym, ' ' ORDER BY distance DESC) FROM ccf.region_ancestor a "
            "JOIN ccf.brain_region up ON (up.ccf_id, up.region_id) = (a.ccf_id, a.ancestor_id) "
            "WHERE a.region_id = 304325711"
        )
        return str(loaded.ask(query)).split()

    assert ancestors() == ["root", "retina"]
    old, new = b",997,1,1,", b",8,2,1,"
    (line,) = [
        each for each in phantom_ontology.structure_graph_csv().splitlines() if b",retina,retina," in each
    ]
    moved = line.replace(old, new).replace(b"/997/304325711/", b"/997/8/304325711/")
    rename(monkeypatch, line, moved)
    loaded.refresh()
    loaded.load("brain_region", "region_parent")
    assert loaded.outdated() == ["region_ancestor", "region_volume"]
    loaded.load()
    assert loaded.outdated() == []
    assert ancestors() == ["root", "grey", "retina"]


def test_another_volume_outdates_all_that_is_made_of_it(loaded: Loader) -> None:
    def painted() -> object:
        return loaded.ask("SELECT count(*) FROM ccf.voxel WHERE region_id = 672")

    true, before = phantom_volume.planes, painted()

    def without_cp(resolution_um: int) -> Iterator[nrrd.SagittalPlane]:
        return (np.where(plane == 672, np.uint32(997), plane) for plane in true(resolution_um))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom_volume, "planes", without_cp)
        # The phantom's address names its code, so that changed code is painted anew.
        patch.setattr(source, "_phantom_url", lambda entry: f"phantom:{entry.key}, changed")
        loaded.load("annotation")
        assert set(loaded.outdated()) == {"atlas", "voxel_run", "brain_surface", "region_volume", "voxel"}
        loaded.load()
        assert loaded.outdated() == []
        assert painted() == 0
    loaded.load("annotation")
    loaded.load()
    assert painted() == before


@pytest.mark.parametrize(
    ("table", "stale"),
    [
        ("region_ancestor", ["region_ancestor", "region_volume"]),
        ("voxel_run", ["voxel_run", "region_volume", "voxel"]),
    ],
)
def test_a_table_without_the_atlass_rows_is_loaded_again(
    loaded: Loader, table: str, stale: list[str]
) -> None:
    content = f"SELECT count(*) || ':' || sum(hashtextextended(t::text, 0)) FROM ccf.{table} t"
    before = loaded.ask(content)
    loaded.ask(f"DELETE FROM ccf.{table} WHERE ccf_id = {ATLAS.ccf_id}")
    assert sorted(loaded.outdated()) == sorted(stale)
    loaded.load()
    assert loaded.outdated() == []
    assert loaded.ask(content) == before


def test_newer_code_outdates_what_it_makes_and_what_is_made_of_that(loaded: Loader) -> None:
    for asset, stale in (
        ("voxel_run", {"voxel_run", "region_volume", "voxel"}),
        ("brain_region", {"brain_region"}),
        ("region_volume", {"region_volume"}),
        ("annotation", {"annotation", "atlas", "voxel_run", "brain_surface", "region_volume", "voxel"}),
    ):
        assert set(loaded.with_code_version(asset, "2").outdated()) == stale


def test_newer_code_that_makes_the_same_leaves_the_rest_current(loaded: Loader) -> None:
    newer = loaded.with_code_version("region_parent", "2")
    newer.load("region_parent")
    assert newer.outdated() == []


def test_a_load_that_a_check_stopped_is_not_current(loaded: Loader) -> None:
    true = runs_module.find_runs

    def one_lost(planes: Iterator[nrrd.SagittalPlane]) -> runs_module.Runs:
        runs = true(planes)
        return runs_module.Runs(runs.line[1:], runs.z[1:], runs.z_end[1:], runs.region_id[1:])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs_module, "find_runs", one_lost)
        assert not loaded.run("load_atlas", "voxel_run", "region_volume", partition=KEY).success
    stale = loaded.outdated()
    loaded.load("voxel_run", "region_volume")
    assert {"voxel_run", "region_volume"} <= set(stale)


def test_what_passed_its_checks_stays_current_when_something_later_in_the_run_fails(
    loaded: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise CcfError("region volumes cannot be had.")

    monkeypatch.setattr(region_volumes, "region_volumes", broken)
    assert not loaded.run("load_atlas", "voxel_run", "region_volume", partition=KEY).success
    assert loaded.outdated() == []  # the volumes that are there were made of the same runs
