"""The table of contents: it loads, it is complete, and loading it does nothing."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ccf_assets.ccf.ontology import REQUIRED_COLUMNS
from ccf_assets.db import schema
from ccf_assets.definitions import build_defs, defs
from ccf_assets.defs.assets import comparison, recordings, voxels
from ccf_assets.defs.jobs import jobs
from ccf_assets.defs.partitions import (
    add_atlases,
    atlas_partitions,
    atlases_of,
    missing_partitions,
    remove_atlases,
    unknown_partitions,
    voxel_row_partitions,
)
from ccf_assets.defs.resources import SourcesResource
from ccf_assets_tests.support.program import ROOT


def test_dagster_finds_nothing_wrong_with_it() -> None:
    dg.Definitions.validate_loadable(defs)


def test_dg_finds_nothing_wrong_with_it() -> None:
    dg_command = Path(sys.executable).with_name("dg")
    done = subprocess.run(
        [dg_command, "check", "defs"], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully" in done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    assert "elemetry" not in done.stdout + done.stderr


def test_importing_it_touches_no_network_no_database_and_no_file_and_changes_no_setting() -> None:
    watched = """
import os, sys
BEFORE = {name for name in os.environ}
def refuse(event, arguments):
    written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if written or event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "os.mkdir"}:
        raise SystemExit(f"{event} {arguments}")
sys.dont_write_bytecode = True
sys.addaudithook(refuse)
import ccf_assets.definitions
assert {name for name in os.environ if name.startswith(("CCF", "DAGSTER"))} <= BEFORE
print("quiet")
"""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CCF_", "DAGSTER"))
    }
    environment |= {"CCF_POSTGRES_URL": "nonsense", "CCF_SOURCE": "nonsense://"}
    done = subprocess.run(
        [sys.executable, "-c", watched],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.stdout, done.stderr) == ("quiet\n", ""), "no word of what is beta in Dagster, either"


def test_resources_can_be_replaced() -> None:
    other = SourcesResource()
    assert build_defs(resource_overrides={"sources": other}).resources["sources"] is other
    assert defs.resources["sources"] is not other


@pytest.mark.parametrize(
    "key", sorted(key.path[-1] for key in defs.resolve_asset_graph().get_all_asset_keys())
)
def test_every_asset_says_what_it_is(key: str) -> None:
    [spec] = [spec for spec in defs.resolve_all_asset_specs() if spec.key.path[-1] == key]
    assert spec.description
    assert spec.group_name != "default"
    assert spec.owners
    assert spec.kinds
    assert spec.code_version
    if f"{schema.SCHEMA}.{key}" in schema.metadata.tables:
        columns = spec.metadata["dagster/column_schema"].columns
        assert all(column.description for column in columns)
        assert f"### {schema.SCHEMA}.{key}\n" in spec.metadata["reference"].md_str


def test_the_files_say_what_is_read_of_them() -> None:
    said = {spec.key.path[-1]: spec.metadata.get("reference") for spec in defs.resolve_all_asset_specs()}
    assert all(f"| `{column}` |" in said["structure_graph"].md_str for column in REQUIRED_COLUMNS)
    assert "0 outside the brain" in said["annotation"].md_str


def test_every_table_of_an_atlas_is_an_asset() -> None:
    assets = {key.path[-1] for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert tables_of_atlases() <= assets


def tables_of_atlases() -> set[str]:
    """The tables that are loaded for an atlas: not atlas_number, which a trigger writes."""
    of_atlas = {table.name for table in schema.metadata.tables.values() if "ccf_id" in table.columns}
    return of_atlas - {"atlas_number"}


REAL = [
    "ccf_2017_10um", "ccf_2015_10um", "ccf_2016_10um", "ccf_2022_10um", "abc_2020_10um",
    *(f"ccf_{year}_{um}um" for um in (25, 50, 100) for year in (2017, 2015, 2016, 2022)),
]  # fmt: skip
"""The finest first, and of equals that of 2017."""

PHANTOMS = ["phantom_10um", "phantom_25um", "phantom_50um", "phantom_100um"]


def test_a_source_has_files_of_the_real_atlases_or_it_is_the_phantom() -> None:
    assert atlases_of("phantom") == PHANTOMS
    assert [atlases_of(source) for source in ("allen", "http://a.test/phantom", "/data")] == [REAL] * 3


def test_the_partitions_of_atlases_are_those_that_were_asked_for_and_rows_have_their_own() -> None:
    of = {node.key.path[-1]: node.partitions_def for node in defs.resolve_asset_graph().asset_nodes}
    assert of["voxel"] == voxel_row_partitions
    by_atlas = {name for name, partitions in of.items() if partitions == atlas_partitions}
    assert by_atlas == {"annotation", *tables_of_atlases()} - {
        "voxel", "region_consistency", "recording_region", "recording_agreement",
    }  # fmt: skip


def test_an_atlas_is_a_partition_once_it_is_there_or_asked_for_in_the_order_of_resolution() -> None:
    with dg.DagsterInstance.ephemeral() as records:
        add_atlases(records, {"phantom_100um": True, "ccf_2017_50um": False, "ccf_2017_10um": False})
        add_atlases(records, {"ccf_2017_50um": True, "ccf_2017_25um": False})
        keys = ["ccf_2017_10um", "ccf_2017_50um", "phantom_100um", "ccf_2017_25um"]
        assert records.get_dynamic_partitions("atlas") == keys
        assert records.get_dynamic_partitions("voxel_rows") == ["phantom_100um", "ccf_2017_50um"]
        assert missing_partitions(records, {"ccf_2017_50um": True}) == {}
        remove_atlases(records, ["ccf_2017_50um", "phantom_50um"])
        assert records.get_dynamic_partitions("atlas") == [key for key in keys if key != "ccf_2017_50um"]
        assert records.get_dynamic_partitions("voxel_rows") == ["phantom_100um"]


def test_a_misspelt_atlas_is_no_partition_for_long_and_one_in_the_database_stays() -> None:
    with dg.DagsterInstance.ephemeral() as records:
        records.add_dynamic_partitions("atlas", ["ccf_25", "ccf_2017_25um", "of_another_catalogue"])
        assert unknown_partitions(records, ["of_another_catalogue"]) == {atlas_partitions: ["ccf_25"]}


GROUPS = ["files", "regions", "voxels", "voxel_rows", "comparison", "recordings"]


def test_the_lineage_of_groups_reads_from_left_to_right() -> None:
    graph = defs.resolve_asset_graph()
    arrows = {
        (graph.get(parent).group_name, node.group_name)
        for node in graph.asset_nodes
        for parent in node.parent_keys
        if graph.get(parent).group_name != node.group_name
    }
    assert {group for arrow in arrows for group in arrow} == set(GROUPS)
    assert [arrow for arrow in arrows if GROUPS.index(arrow[0]) > GROUPS.index(arrow[1])] == []


def test_each_group_of_assets_has_its_module() -> None:
    graph = defs.resolve_asset_graph()
    for group in GROUPS:
        assert group == importlib.import_module(f"ccf_assets.defs.assets.{group}").GROUP
        assert graph.asset_keys_for_group(group)


def test_a_load_makes_what_it_made_before_the_groups_were_named() -> None:
    graph = defs.resolve_asset_graph()
    made = {job.name: {key.path[-1] for key in job.selection.resolve(graph)} for job in jobs}
    assert made["load_atlas"] == {
        "annotation", "atlas", "brain_region", "region_parent", "region_ancestor", "voxel_run",
        "brain_surface", "region_volume", "region_set", "region_set_member",
    }  # fmt: skip
    assert made["load_region_sets"] == {"region_set", "region_set_member"}


def test_every_job_says_what_it_does() -> None:
    assert all(job.description for job in defs.jobs or [])
    assert all("ccf/kind" in defs.resolve_job_def(job.name).tags for job in jobs)


def test_every_check_and_sensor_says_what_it_looks_at() -> None:
    graph = defs.resolve_asset_graph()
    silent = [key for key in graph.asset_check_keys if not graph.get_check_spec(key).description]
    assert silent == []
    assert all(sensor.description for sensor in defs.sensors or [])


def test_every_asset_links_to_its_code_and_on_the_web_where_that_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def code(asset: str) -> object:
        [spec] = [each for each in build_defs().resolve_all_asset_specs() if each.key.path[-1] == asset]
        [reference] = spec.metadata["dagster/code_references"].code_references
        return reference

    local = code("voxel_run")
    assert isinstance(local, dg.LocalFileCodeReference)
    path = "ccf_assets/defs/assets/voxels.py"
    assert Path(local.file_path) == ROOT / path
    lines = (ROOT / path).read_text("utf-8").splitlines()
    assert any(line.startswith("def voxel_run(") for line in lines[local.line_number or 0 :][:16])
    monkeypatch.setenv("CCF_CODE_URL", "https://git.example/lab/ccf_assets/blob/main/")
    linked = code("voxel_run")
    assert isinstance(linked, dg.UrlCodeReference)
    assert linked.url == f"https://git.example/lab/ccf_assets/blob/main/{path}#L{local.line_number}"


@pytest.mark.parametrize(
    ("named", "owner"),
    [
        ("", "team:ccf-assets"),
        ("anna@lab.example", "anna@lab.example"),
        ("svoboda-lab", "team:svoboda-lab"),
        ("team:data", "team:data"),
    ],
)
def test_a_lab_names_the_owner_of_all_assets(monkeypatch: pytest.MonkeyPatch, named: str, owner: str) -> None:
    monkeypatch.setenv("CCF_OWNER", named)
    assert {tuple(spec.owners) for spec in build_defs().resolve_all_asset_specs()} == {(owner,)}


@pytest.mark.parametrize(
    ("asset", "column", "upstream"),
    [
        ("recording_region", "region_id", {"recording_site.ap", "voxel_run.region_id"}),
        ("region_volume", "volume_mm3", {"voxel_run.z_end", "region_ancestor.region_id"}),
        ("region_consistency", "reference_mm3", {"region_volume.volume_mm3"}),
    ],
)
def test_the_lineage_of_columns_names_columns_that_exist(asset: str, column: str, upstream: set[str]) -> None:
    made = {
        "recording_region": recordings._REGION_LINEAGE,
        "region_volume": voxels._VOLUME_LINEAGE,
        "region_consistency": comparison._LINEAGE,
    }[asset]["dagster/column_lineage"].deps_by_column
    columns = {table.name: set(table.columns.keys()) for table in schema.metadata.tables.values()}
    assert made.keys() <= columns[asset]
    for deps in made.values():
        assert all(dep.column_name in columns[dep.asset_key.path[-1]] for dep in deps)
    assert {f"{dep.asset_key.path[-1]}.{dep.column_name}" for dep in made[column]} >= upstream


def test_no_page_shows_the_numbers_of_all_atlases() -> None:
    assert not [spec for spec in defs.resolve_all_asset_specs() if "partition_values" in spec.metadata]
