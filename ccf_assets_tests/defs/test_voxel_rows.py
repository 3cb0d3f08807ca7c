"""One row per voxel: only for an atlas that was asked for by name, and only where there is room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg
import pytest
import sqlalchemy as sa

from ccf_assets.ccf.catalogue import BUILT_IN
from ccf_assets.db import room
from ccf_assets.definitions import defs
from ccf_assets.defs.partitions import add_atlases, atlas_partitions, voxel_row_partitions
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.records import new_records

LARGE = "phantom_25um"
"""Its rows are not loaded by default; it is not loaded here, so a run that begins makes none."""


@pytest.fixture
def records(phantom_database: sa.Engine) -> Iterator[dg.DagsterInstance]:
    with new_records() as instance:
        yield instance


def make(
    records: dg.DagsterInstance, key: str, *, tags: Mapping[str, str] = {}, by_the_way: bool = False
) -> str:
    """Materialize the rows of an atlas; why it failed, or nothing."""
    config = {"ops": {"voxel": {"config": {"not_by_name": by_the_way}}}}
    done = defs.resolve_job_def("load_voxel_rows").execute_in_process(
        config, instance=records, partition_key=key, tags=dict(tags), raise_on_error=False,
    )  # fmt: skip
    failed = [event.step_failure_data.user_failure_data for event in done.all_events if event.is_step_failure]
    assert bool(failed) != done.success
    return "".join((data.description or "") if data else "unforeseen" for data in failed)


def test_a_backfill_makes_no_rows_that_are_not_loaded_by_default(records: dg.DagsterInstance) -> None:
    backfill = {"dagster/backfill": "abcdefgh"}
    said = make(records, LARGE, tags=backfill)
    assert said.startswith("phantom_25um has 32 million voxels; a row for each is made only when asked for")
    assert "`ccf-assets load phantom_25um --rows`" in said
    # Asked for, it would be made, if it were loaded here.
    not_loaded = f"Atlas '{LARGE}' is not in the database; run `ccf-assets load {LARGE}`."
    assert make(records, LARGE, tags=backfill, by_the_way=True) == not_loaded
    assert make(records, LARGE) == not_loaded
    assert make(records, "phantom_50um", tags=backfill) == ""


def test_all_assets_of_all_atlases_hold_the_rows_of_those_alone_that_were_asked_for() -> None:
    """What Dagster would make of "Materialize all", from the partitions of voxel_run down."""
    graph = defs.resolve_asset_graph()
    with dg.DagsterInstance.ephemeral() as records:
        add_atlases(records, {"ccf_2017_10um": False, "ccf_2017_25um": False, "ccf_2017_50um": True})
        mapping = graph.get_partition_mapping(dg.AssetKey("voxel"), dg.AssetKey("voxel_run"))
        keys = records.get_dynamic_partitions("atlas")
        below = mapping.get_downstream_partitions_for_partitions(
            atlas_partitions.subset_with_partition_keys(keys),
            atlas_partitions,
            voxel_row_partitions,
            dynamic_partitions_store=records,
        )
    assert list(below.get_partition_keys()) == ["ccf_2017_50um"]
    assert graph.get(dg.AssetKey("voxel")).group_name == "voxel_rows"


def contents(engine: sa.Engine) -> list[tuple[object, ...]]:
    query = (
        "SELECT 'runs', count(*), sum(hashtextextended(r.xmin || r::text, 0)) FROM ccf.voxel_run r UNION ALL "
        "SELECT 'rows', count(*), sum(hashtextextended(v.xmin || v::text, 0)) FROM ccf.voxel v ORDER BY 1"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.mark.parametrize("asset", ["voxel", "voxel_run"])
def test_without_room_on_the_disk_nothing_is_written_and_the_failure_says_how_much_is_needed(
    phantom_database: sa.Engine, records: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, asset: str
) -> None:
    before = contents(phantom_database)

    def full(_engine: sa.Engine, what: str, rows: int) -> None:
        assert rows > 30_000
        raise CcfError(f"{what} need some 65 GB.", needed_gb=65.0, free_gb=20.0)

    monkeypatch.setattr(room, "require_disk", full)
    job = "load_voxel_rows" if asset == "voxel" else "load_atlas"
    done = defs.resolve_job_def(job).execute_in_process(
        instance=records, partition_key="phantom_100um", asset_selection=[dg.AssetKey(asset)],
        raise_on_error=False,
    )  # fmt: skip
    (event,) = [event for event in done.all_events if event.is_step_failure]
    failed = event.step_failure_data.user_failure_data
    assert failed is not None
    numbers = {name: value.value for name, value in failed.metadata.items()}
    assert numbers == {"needed_gb": 65.0, "free_gb": 20.0}
    assert contents(phantom_database) == before


def test_rows_are_loaded_by_default_where_they_are_few() -> None:
    by_default = {key for key, entry in BUILT_IN.items() if entry.voxel_rows}
    assert by_default >= {"ccf_2017_100um", "ccf_2017_50um", "phantom_50um"}
    assert not BUILT_IN[LARGE].voxel_rows
