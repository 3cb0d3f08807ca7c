"""Checks: what would poison the tables is named, stops what is downstream, and leaves what was there."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import nrrd
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from ccf_assets.ccf import file_checks, ontology, runs
from ccf_assets.ccf import nrrd as volume_file
from ccf_assets.ccf.catalogue import ALLEN, BUILT_IN, PHANTOM, AtlasEntry, atlas_entry
from ccf_assets.ccf.file_checks import ANNOTATION_CHECKS
from ccf_assets.ccf.nrrd import SagittalPlane
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.space import MIDLINE_UM
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import ontology_checks, schema
from ccf_assets.db.ontology_checks import ONTOLOGY_CHECKS
from ccf_assets.db.stored_runs import find_stored_runs
from ccf_assets.definitions import build_defs
from ccf_assets.defs import atlas_checks
from ccf_assets.defs.assets.files import structure_graph
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding
from ccf_assets.settings import home
from ccf_assets_tests.support.grids import grid_of
from ccf_assets_tests.support.records import new_records

defs = build_defs()  # the phantom's atlases and the real ones

KEY = "phantom_100um"
ATLAS = atlas_entry(KEY)

Tamper = Callable[[Runs], Runs]


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's records; no test here looks at what another recorded."""
    with new_records() as ephemeral:
        yield ephemeral


def refresh_ontology(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    config = {"ops": {"structure_graph": {"config": {"refresh": True}}}}
    job = defs.resolve_job_def("refresh_ontology")
    return job.execute_in_process(config, instance=instance, raise_on_error=False)


def load(instance: dg.DagsterInstance, key: str = KEY, *assets: str) -> dg.ExecuteInProcessResult:
    """Load an atlas, or only some of its assets."""
    return defs.resolve_job_def("load_atlas").execute_in_process(
        instance=instance,
        partition_key=key,
        asset_selection=[dg.AssetKey(name) for name in assets] or None,
        raise_on_error=False,
    )


def check_loaded(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Run the checks of voxel_run by themselves, as the UI's button does."""
    look = dg.define_asset_job("look", selection=dg.AssetSelection.checks_for_assets("voxel_run"))
    job = dg.Definitions.merge(defs, dg.Definitions(jobs=[look])).resolve_job_def("look")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """name → sentence of the checks that did not pass."""
    evaluations = result.get_asset_check_evaluations()
    return {each.check_name: each.description or "" for each in evaluations if not each.passed}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What made the run's first failing step fail."""
    assert not result.success
    error = next(event.step_failure_data.error for event in result.all_events if event.is_step_failure)
    return str(error.cause.message if error.cause else error.message)


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}


def contents(engine: sa.Engine) -> dict[str, tuple[object, ...]]:
    """Rows and a hash of each table's rows, with the transactions that wrote them."""
    found = {}
    names = "atlas brain_region region_parent region_ancestor voxel_run voxel brain_surface region_volume"
    with engine.connect() as connection:
        for name in names.split():
            query = f"SELECT count(*), sum(hashtextextended(t.xmin || t::text, 0)) FROM ccf.{name} t"
            found[name] = tuple(connection.execute(sa.text(query)).one())
    return found


def without(csv_text: bytes, *acronyms: str) -> bytes:
    """The phantom's ontology without some structures that have no children."""
    rows = list(csv.DictReader(io.StringIO(csv_text.decode())))
    kept = [row for row in rows if row["acronym"] not in acronyms]
    assert len(kept) == len(rows) - len(acronyms)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    return text.getvalue().encode()


def phantom_graph(tmp_path: Path) -> pl.DataFrame:
    path = tmp_path / "phantom_graph.csv"
    path.write_bytes(phantom_ontology.structure_graph_csv())
    return ontology.read_structure_graph(path)


# --- Findings in Dagster ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocking", "passed", "severity"),
    [(True, False, "ERROR"), (False, False, "WARN"), (False, True, "ERROR")],
)
def test_a_finding_that_does_not_block_is_a_warning(blocking: bool, passed: bool, severity: str) -> None:
    finding = Finding("name", blocking=blocking, passed=passed, sentence="A sentence.", numbers={"sites": 3})
    result = atlas_checks.check_result(finding)
    assert (result.check_name, result.passed, result.severity.name) == ("name", passed, severity)
    assert result.description == "A sentence."
    assert result.metadata["sites"].value == 3


def test_no_finding_both_blocks_and_passes() -> None:
    with pytest.raises(ValueError, match="cannot both block and pass"):
        Finding("name", blocking=True, passed=True, sentence="Fine.")
    assert [Finding.passes("name", "Fine.").blocking, Finding.passes("name", "Fine.").passed] == [False, True]
    assert [Finding.warns("name", "Odd.").blocking, Finding.warns("name", "Odd.").passed] == [False, False]
    assert [Finding.blocks("name", "Bad.").blocking, Finding.blocks("name", "Bad.").passed] == [True, False]


def test_what_is_required_blocks_when_it_does_not_pass() -> None:
    assert not Finding.required("name", True, "Fine.", {}).blocking
    assert Finding.required("name", False, "Not fine.", {}).blocking


# --- Runs that are not those of the file -----------------------------------------------------------------


def one_run_deleted(runs: Runs) -> Runs:
    keep = np.arange(len(runs)) != len(runs) // 2
    return Runs(runs.line[keep], runs.z[keep], runs.z_end[keep], runs.region_id[keep])


def one_id_changed(runs: Runs) -> Runs:
    ids = runs.region_id.copy()
    middle = len(ids) // 2
    ids[middle] = 997 if ids[middle] != 997 else 8
    return replace(runs, region_id=ids)


def one_run_too_long(runs: Runs) -> Runs:
    touching = (runs.line[1:] == runs.line[:-1]) & (runs.z[1:] == runs.z_end[:-1])
    ends = runs.z_end.copy()
    ends[np.flatnonzero(touching)[100]] += 1
    return replace(runs, z_end=ends)


def one_run_cut_in_two(runs: Runs) -> Runs:
    (long, *_) = np.flatnonzero(runs.z_end - runs.z > 1)
    ends, starts = runs.z_end.copy(), runs.z.copy()
    ends[long] = starts[long] + 1
    return Runs(
        np.insert(runs.line, long + 1, runs.line[long]),
        np.insert(starts, long + 1, starts[long] + 1),
        np.insert(ends, long + 1, runs.z_end[long]),
        np.insert(runs.region_id, long + 1, runs.region_id[long]),
    )


def one_run_empty(runs: Runs) -> Runs:
    ends = runs.z_end.copy()
    ends[5] = runs.z[5]
    return replace(runs, z_end=ends)


def left_for_right(runs: Runs) -> Runs:
    ml = np.uint16(grid_of(KEY).shape[2])
    order = np.lexsort((ml - runs.z_end, runs.line))
    turned = Runs(runs.line, ml - runs.z_end, ml - runs.z, runs.region_id)
    return Runs(*(getattr(turned, name)[order] for name in ("line", "z", "z_end", "region_id")))


def everything_gone(runs: Runs) -> Runs:
    return Runs(runs.line[:0], runs.z[:0], runs.z_end[:0], runs.region_id[:0])


COUNTS, SHAPE = "voxel_counts_equal_file", "runs_maximal_and_disjoint"


@pytest.mark.parametrize(
    ("tamper", "failing", "told"),
    [
        (one_run_deleted, {COUNTS}, f"in {KEY}: "),
        (one_id_changed, {COUNTS}, "2 voxel counts are not those of the file"),
        (one_run_too_long, {COUNTS, SHAPE}, "1 runs overlap the next"),
        (one_run_cut_in_two, {SHAPE}, "1 could be one with the next"),
        (one_run_empty, {COUNTS, SHAPE}, "1 are empty"),
        (left_for_right, {COUNTS}, f"on the left in {KEY}: "),
        (everything_gone, {COUNTS}, f"in {KEY}: 0, not "),
    ],
)
def test_runs_that_are_not_those_of_the_file_stop_the_load(
    phantom_database: sa.Engine,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    tamper: Tamper,
    failing: set[str],
    told: str,
) -> None:
    before = contents(phantom_database)
    true = runs.find_runs
    monkeypatch.setattr(runs, "find_runs", lambda planes: tamper(true(planes)))
    result = load(instance, KEY, "voxel_run", "region_volume")
    failed = failed_checks(result)
    assert not result.success
    assert failed.keys() == failing
    assert any(told in sentence for sentence in failed.values())
    assert materialized(result) == {"voxel_run"}
    assert contents(phantom_database)["region_volume"] == before["region_volume"]


def test_a_sound_load_passes_every_check(phantom_database: sa.Engine, instance: dg.DagsterInstance) -> None:
    result = load(instance)
    assert result.success
    evaluations = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert evaluations.keys() > {COUNTS, SHAPE, *ANNOTATION_CHECKS}
    assert all(each.passed for each in evaluations.values())
    numbers = {name: each.value for name, each in evaluations[COUNTS].metadata.items()}
    voxels = sum(int(np.count_nonzero(plane)) for plane in phantom_volume.planes(100))
    assert numbers == {"voxels_in_table": voxels, "voxels_in_file": voxels, "counts_that_differ": 0}


def test_a_load_reads_its_volume_twice_and_a_check_only_what_was_not_counted_last(
    phantom_database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    planes = volume_file.planes

    def noted(path: Path, *others: Any) -> Iterator[volume_file.SagittalPlane]:
        read.append(path.name)
        return planes(path, *others)

    monkeypatch.setattr(volume_file, "planes", noted)
    assert load(instance).success
    assert len(read) == 2
    assert check_loaded(instance).success
    assert read[2:] == [BUILT_IN["phantom_50um"].annotation_name]


def test_checks_run_by_themselves_look_at_every_loaded_atlas(
    phantom_database: sa.Engine, instance: dg.DagsterInstance
) -> None:
    sound = check_loaded(instance)
    assert sound.success
    assert failed_checks(sound) == {}
    with phantom_database.begin() as connection:
        for statement in (
            "DELETE FROM ccf.voxel_run WHERE (ccf_id, x, y, z) = "
            "(SELECT ccf_id, x, y, z FROM ccf.voxel_run WHERE ccf_id = 903 AND z_end <= 5700 LIMIT 1)",
            "UPDATE ccf.voxel_run SET z_end = z_end + 100 WHERE (ccf_id, x, y, z) = "
            "(SELECT a.ccf_id, a.x, a.y, a.z FROM ccf.voxel_run a JOIN ccf.voxel_run b "
            "ON (b.ccf_id, b.x, b.y, b.z) = (a.ccf_id, a.x, a.y, a.z_end) WHERE a.ccf_id = 904 LIMIT 1)",
        ):
            assert connection.execute(sa.text(statement)).rowcount == 1
    failed = failed_checks(check_loaded(instance))
    assert failed.keys() == {COUNTS, SHAPE}
    assert "on the left in phantom_50um" in failed[COUNTS]
    assert "in phantom_100um" in failed[COUNTS]
    assert failed[SHAPE].startswith("1 runs overlap the next, 0 are empty")


def test_without_an_atlas_the_checks_have_nothing_to_say(
    database: sa.Engine, instance: dg.DagsterInstance
) -> None:
    assert failed_checks(check_loaded(instance)) == {}


# --- An ontology that lacks painted regions --------------------------------------------------------------


def cached_ontologies() -> dict[Path, bytes]:
    """The accepted ontologies in the cache; candidates are not yet accepted."""
    return {path: path.read_bytes() for path in home().rglob("structure_graph.csv*") if path.is_file()}


def test_an_ontology_without_a_painted_region_is_refused_and_nothing_changes(
    phantom_database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refresh_ontology(instance).success
    before, cached = contents(phantom_database), cached_ontologies()
    assert cached
    lacking = without(phantom_ontology.structure_graph_csv(), "CA1", "CUL4, 5", "VISp4")
    monkeypatch.setattr(phantom_ontology, "structure_graph_csv", lambda: lacking)
    result = refresh_ontology(instance)
    sentence = failed_checks(result)["painted_regions_kept"]
    assert failed_checks(result).keys() == {"painted_regions_kept"}
    assert (
        "The new ontology lacks 3 regions that still own voxels in phantom_100um, phantom_50um: " in sentence
    )
    assert all(name in sentence for name in ("CA1 (382)", "CUL4, 5 (1091)", "VISp4 (721)"))
    assert sentence in failure(result)
    assert failure(result).startswith("ccf_assets.refusals.Refused: The ontology from ")
    assert materialized(result) == set()
    assert contents(phantom_database) == before
    assert cached_ontologies() == cached


def test_an_ontology_may_lose_a_region_that_owns_no_voxel(
    phantom_database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with phantom_database.connect() as connection:
        unpainted = connection.scalar(
            sa.text(
                "SELECT acronym FROM ccf.brain_region r JOIN ccf.region_volume USING (ccf_id, region_id) "
                "WHERE hemisphere = 'both' AND voxels = 0 AND NOT EXISTS (SELECT FROM ccf.region_parent p "
                "WHERE p.parent_id = r.region_id) LIMIT 1"
            )
        )
    assert unpainted is not None
    lacking = without(phantom_ontology.structure_graph_csv(), unpainted)
    monkeypatch.setattr(phantom_ontology, "structure_graph_csv", lambda: lacking)
    assert refresh_ontology(instance).success


def test_an_unsound_ontology_is_refused_by_each_check_that_it_fails(
    phantom_database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(phantom_database)
    beyond = phantom_ontology.structure_graph_csv().replace(b"\n382,", b"\n7640000000,")
    monkeypatch.setattr(phantom_ontology, "structure_graph_csv", lambda: beyond)
    result = refresh_ontology(instance)
    failed = failed_checks(result)
    assert failed.keys() == {"unique_ids", "depth_equals_path", "painted_regions_kept"}
    assert "CA1 (7640000000)" in failed["unique_ids"]
    assert all(sentence in failure(result) for sentence in failed.values())
    assert contents(phantom_database) == before


def test_an_ontology_without_a_column_is_refused_by_a_check_of_its_own(
    phantom_database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(phantom_database)
    lacking = phantom_ontology.structure_graph_csv().replace(b"acronym", b"short", 1)
    monkeypatch.setattr(phantom_ontology, "structure_graph_csv", lambda: lacking)
    result = refresh_ontology(instance)
    failed = failed_checks(result)
    assert failed.keys() == {"columns"}
    assert "it has no column acronym" in failed["columns"]
    assert failed["columns"] in failure(result)
    assert contents(phantom_database) == before


def test_a_sound_ontology_has_every_check_on_record(
    database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCF_SOURCE", "phantom")
    result = refresh_ontology(instance)
    evaluations = result.get_asset_check_evaluations()
    assert [each.check_name for each in evaluations] == list(ONTOLOGY_CHECKS)
    blocks = {spec.name for spec in structure_graph.check_specs if spec.blocking}
    assert set(ONTOLOGY_CHECKS) - blocks == {"case_twins"}
    assert all(each.passed for each in evaluations)
    assert materialized(result) == {"structure_graph"}


def test_the_older_ontology_is_refused_while_the_2017_atlas_is_loaded(
    database: sa.Engine,
    instance: dg.DagsterInstance,
    ccf_data: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, entry = tmp_path / "source", BUILT_IN["ccf_2017_100um"]
    for name in ("ontology/structure_graph.csv", entry.annotation):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ccf_data(name), source / name)
    monkeypatch.setenv("CCF_SOURCE", str(source))
    assert refresh_ontology(instance).success
    assert load(instance, entry.key, "annotation", "atlas", "brain_region", "voxel_run").success
    before, cached = contents(database), cached_ontologies()

    older = ccf_data("ontology/structure_graph_1305.csv")
    shutil.copyfile(older, source / "ontology/structure_graph.csv")
    result = refresh_ontology(instance)
    painted = set(np.unique(nrrd.read(str(ccf_data(entry.annotation)))[0]).tolist()) - {0}
    known = pl.read_csv(older)["id"].to_list()
    names = dict(pl.read_csv(ccf_data("ontology/structure_graph.csv")).select("id", "acronym").iter_rows())
    lost = painted - set(known)
    assert lost
    sentence = failed_checks(result)["painted_regions_kept"]
    assert f"The new ontology lacks {len(lost)} regions that still own voxels in ccf_2017_100um" in sentence
    assert all(f"{names[region]} ({region})" in sentence for region in lost)
    assert sentence in failure(result)
    assert contents(database) == before
    assert cached_ontologies() == cached

    # What is in use is still what was there: the regions load again, and no row changes.
    assert load(instance, entry.key, "brain_region").success
    assert contents(database) == before


def kept(graph: pl.DataFrame, engine: sa.Engine, ontology_name: str) -> Finding:
    users = ontology_checks.atlases_with(ontology_name)
    return ontology_checks.painted_regions_kept(graph, engine, users, "Drop")


def test_the_phantoms_atlases_are_held_against_the_phantoms_ontology_only(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    graph = phantom_graph(tmp_path).head(1)
    of_allen = ontology_checks.painted_regions_kept(
        graph, phantom_database, ontology_checks.atlases_with(ALLEN), "Drop"
    )
    of_phantom = ontology_checks.painted_regions_kept(
        graph, phantom_database, ontology_checks.atlases_with(PHANTOM), "Drop"
    )
    assert of_allen.passed
    assert of_phantom.blocking
    assert of_phantom.numbers["regions_lost"] > 30


def test_the_official_atlases_are_held_against_the_official_ontology_only(
    real_database: sa.Engine, tmp_path: Path
) -> None:
    graph = phantom_graph(tmp_path)
    of_allen = ontology_checks.painted_regions_kept(
        graph, real_database, ontology_checks.atlases_with(ALLEN), "Drop"
    )
    of_phantom = ontology_checks.painted_regions_kept(
        graph, real_database, ontology_checks.atlases_with(PHANTOM), "Drop"
    )
    assert of_phantom.passed
    assert of_allen.blocking
    assert of_allen.numbers["regions_lost"] > 600


# --- A volume that is not the catalogue's, or not the ontology's -----------------------------------------


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    path = tmp_path / "annotation_100.nrrd"
    phantom_volume.write_annotation(path, 100)
    return path


def look(path: Path, entry: AtlasEntry, graph: pl.DataFrame) -> tuple[dict[str, Finding], dict[int, int]]:
    found, sides = file_checks.annotation_checks(path, entry, grid_of(entry.key), graph, lambda _line: None)
    assert [each.name for each in found] == list(ANNOTATION_CHECKS)
    return {each.name: each for each in found}, sides.both


def test_a_volume_with_its_ontology_passes_and_is_counted(painted: Path, tmp_path: Path) -> None:
    found, counts = look(painted, ATLAS, phantom_graph(tmp_path))
    assert all(each.passed for each in found.values())
    ids, expected = np.unique(nrrd.read(str(painted))[0], return_counts=True)
    assert counts == dict(zip(ids.tolist()[1:], expected.tolist()[1:], strict=True))


def test_a_painted_id_that_the_ontology_lacks_is_named_with_its_voxels(painted: Path, tmp_path: Path) -> None:
    graph = phantom_graph(tmp_path).filter(pl.col("acronym") != "CA1")
    found, counts = look(painted, ATLAS, graph)
    assert found["volume_as_catalogued"].passed
    assert found["painted_ids_known"].blocking
    sentence = found["painted_ids_known"].sentence
    assert sentence.startswith(
        f"1 ids in annotation_100.nrrd are not in the ontology: 382 ({counts[382]} voxels)"
    )


def test_a_header_that_is_not_the_catalogues_is_named_and_the_data_are_not_read(
    painted: Path, tmp_path: Path
) -> None:
    found, counts = look(painted, BUILT_IN["phantom_50um"], phantom_graph(tmp_path))
    assert found["volume_as_catalogued"].blocking
    sentence = found["volume_as_catalogued"].sentence
    assert sentence.startswith("The header of annotation_50.nrrd is not that of phantom_50um: shape ")
    assert "(132, 80, 114), expected (264, 160, 228)" in sentence
    assert not found["painted_ids_known"].blocking
    assert counts == {}


def unknown_id_painted() -> Callable[[int], Iterator[SagittalPlane]]:
    true = phantom_volume.planes

    def planes(resolution_um: int) -> Iterator[SagittalPlane]:
        return (np.where(plane == 382, np.uint32(4242), plane) for plane in true(resolution_um))

    return planes


def test_a_volume_with_an_unknown_id_is_refused_and_the_rows_of_the_last_load_stay(
    phantom_database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(phantom_database)
    monkeypatch.setattr(phantom_volume, "planes", unknown_id_painted())
    result = load(instance)
    assert failed_checks(result).keys() == {"painted_ids_known"}
    assert "The volume from phantom:100um" in failure(result)
    assert "was refused" in failure(result)
    assert "4242 (" in failure(result)
    assert materialized(result) == set()
    assert contents(phantom_database) == before


def test_a_volume_without_a_brain_is_refused(
    painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, true = phantom_graph(tmp_path), phantom_volume.planes
    monkeypatch.setattr(phantom_volume, "planes", lambda r: (np.zeros_like(plane) for plane in true(r)))
    phantom_volume.write_annotation(painted, 100)
    found, counts = look(painted, ATLAS, graph)
    assert counts == {}
    assert found["volume_as_catalogued"].passed
    assert found["painted_ids_known"].blocking
    assert found["painted_ids_known"].sentence.startswith("No voxel in annotation_100.nrrd has an id")


def test_a_volume_with_another_header_is_refused_and_the_rows_of_the_last_load_stay(
    phantom_database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(phantom_database)
    true = phantom_volume._header
    monkeypatch.setattr(phantom_volume, "_header", lambda r: true(r).replace(b"little", b"big"))
    result = load(instance)
    assert failed_checks(result) == {
        "volume_as_catalogued": "The header of annotation_100.nrrd is not that of phantom_100um: "
        "byte order is big, expected little. Set CCF_SOURCE to a source that has the official file."
    }
    assert materialized(result) == set()
    assert contents(phantom_database) == before


def test_a_file_of_another_resolution_under_the_10_um_name_is_refused(
    database: sa.Engine, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 10 µm checksum does not bind, so the header must."""
    source, entry = tmp_path / "source", BUILT_IN["ccf_2017_10um"]
    (source / "ontology").mkdir(parents=True)
    (source / "ontology/structure_graph.csv").write_bytes(phantom_ontology.structure_graph_csv())
    phantom_volume.write_annotation(source / entry.annotation, 100)
    monkeypatch.setenv("CCF_SOURCE", str(source))
    assert refresh_ontology(instance).success
    result = load(instance, entry.key)
    assert failed_checks(result).keys() == {"volume_as_catalogued"}
    assert "expected (1320, 800, 1140)" in failure(result)
    assert contents(database)["atlas"] == (0, None)


# --- A load that fails on its way ------------------------------------------------------------------------


def test_a_load_that_fails_while_rows_stream_leaves_the_rows_of_the_last(
    phantom_database: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(phantom_database)
    true = runs.run_batches

    def broken(runs: Runs, ccf_id: int, grid: VoxelGrid) -> pa.RecordBatchReader:
        reader = true(runs, ccf_id, grid)

        def batches() -> Iterator[pa.RecordBatch]:
            yield reader.read_next_batch()
            raise CcfError("The disk is gone.")

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    monkeypatch.setattr(runs, "run_batches", broken)
    result = load(instance)
    assert "The disk is gone." in failure(result)
    after = contents(phantom_database)
    assert after["voxel_run"] == before["voxel_run"]
    assert after["region_volume"] == before["region_volume"]
    assert set(sa.inspect(phantom_database).get_table_names(schema.SCHEMA)) == {
        *(table.name for table in schema.metadata.tables.values()),
        *(f"{table}_{atlas}" for table in ("brain_surface", "voxel_run") for atlas in (903, 904)),
    }


def test_a_run_that_crosses_the_midline_is_counted_on_both_sides(
    phantom_database: sa.Engine,
) -> None:
    stored = find_stored_runs(phantom_database, ATLAS.ccf_id, grid_of(KEY)).voxels
    array = np.stack(list(phantom_volume.planes(100)))
    middle = MIDLINE_UM // 100
    for counted, half in ((stored.left, array[:middle]), (stored.right, array[middle:])):
        ids, counts = np.unique(half[half != 0], return_counts=True)
        assert counted == dict(zip(ids.tolist(), counts.tolist(), strict=True))
