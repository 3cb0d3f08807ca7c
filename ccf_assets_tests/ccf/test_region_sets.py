"""Region sets: each region in the group of its nearest mapped ancestor, and what falls to nothing is told."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg
import nrrd
import numpy as np
import pytest
import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.ccf import region_sets
from ccf_assets.ccf.ontology import (
    brain_region_rows,
    read_structure_graph,
    region_ancestor_rows,
    region_parent_rows,
)
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.ccf.region_sets import (
    MapFile,
    Ontology,
    RegionMap,
    depth_maps,
    members,
    published_maps,
    read_maps,
)
from ccf_assets.db import database
from ccf_assets.db.region_maps import keep_maps
from ccf_assets.definitions import defs
from ccf_assets.defs.sensors import unregistered_sites
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.recordings_lab import RecordingsLab
from ccf_assets_tests.support.records import new_records

PHANTOM_100 = 904


def paths(file: Path) -> dict[int, list[int]]:
    """region_id → the ids from the root to the region, as the file spells them out."""
    with file.open(encoding="utf-8") as lines:
        return {
            int(row["id"]): [int(i) for i in row["structure_id_path"].strip("/").split("/")]
            for row in csv.DictReader(lines)
        }


@pytest.fixture(scope="module")
def graph_file(ccf_data: Callable[[str], Path]) -> Path:
    return ccf_data("ontology/structure_graph.csv")


@pytest.fixture(scope="module")
def ontology(graph_file: Path) -> Ontology:
    graph = read_structure_graph(graph_file)
    ancestors = region_ancestor_rows(region_parent_rows(graph, 1))
    return Ontology.of_tables(brain_region_rows(graph, 1), ancestors, "There is no region {!r}.".format)


@pytest.fixture
def small() -> Ontology:
    """root ⊃ A ⊃ (B ⊃ (C, c), "D 4, 5"), and E beside A."""
    id_of = {"root": 1, "A": 10, "B": 20, "C": 30, "c": 31, "D 4, 5": 21, "E": 11}
    above = {1: [1], 10: [10, 1], 20: [20, 10, 1], 30: [30, 20, 10, 1], 31: [31, 20, 10, 1]}
    return Ontology(id_of, {**above, 21: [21, 10, 1], 11: [11, 1]}, "There is no region {!r}.".format)


def expected_groups(tree: Mapping[int, list[int]], named: Mapping[int, str]) -> dict[int, str]:
    """What a walk up each path finds first."""
    found = {i: next((named[a] for a in reversed(path) if a in named), None) for i, path in tree.items()}
    return {i: group for i, group in found.items() if group is not None}


# --- Maps that are built in ------------------------------------------------------------------------------


def test_a_depth_set_gives_each_region_its_ancestor_at_that_depth(
    ontology: Ontology, graph_file: Path
) -> None:
    tree = paths(graph_file)
    maps = depth_maps(ontology)
    assert [one.name for one in maps] == [f"depth_{n}" for n in range(1, 11)]
    for depth, one in enumerate(maps, start=1):
        at_depth = {i: ontology.acronym_of[p[depth]] for i, p in tree.items() if len(p) > depth}
        assert members(one, ontology) == at_depth


def test_the_depth_sets_have_as_many_groups_as_the_ontology_has_regions_there(ontology: Ontology) -> None:
    sizes = [len(set(members(one, ontology).values())) for one in depth_maps(ontology)]
    assert sizes == [5, 18, 61, 109, 130, 262, 324, 272, 139, 6]


def test_the_published_maps_are_whole_and_their_regions_group_what_is_inside_them(
    ontology: Ontology, graph_file: Path
) -> None:
    tree = paths(graph_file)
    maps = {one.name: one for one in published_maps(ontology)}
    assert {name: len(one.groups) for name, one in maps.items()} == {
        "summary_structures": 316, "beryl": 306, "cosmos": 10,
    }  # fmt: skip
    for one in maps.values():
        named = {int(region): group for region, group in one.groups.items()}
        assert all(ontology.id_of[group] == region for region, group in named.items())
        assert members(one, ontology) == expected_groups(tree, named)


def test_summary_structures_are_areas_and_nuclei_but_neither_layers_nor_divisions(ontology: Ontology) -> None:
    [summary] = [one for one in published_maps(ontology) if one.name == "summary_structures"]
    group = members(summary, ontology)
    of = {acronym: group.get(region_id) for acronym, region_id in ontology.id_of.items()}
    assert of["VISp2/3"] == of["VISp"] == "VISp"
    assert of["CA1"] == "CA1"
    assert of["alv"] == "fiber tracts"
    # Within MDRN the list holds its two parts too: what is in a part counts to the part.
    assert (of["MDRNd"], of["MDRNv"], of["MDRN"]) == ("MDRNd", "MDRNv", "MDRN")
    assert of["Isocortex"] is of["TH"] is of["VL"] is of["root"] is None


def test_an_ontology_without_all_regions_of_a_published_map_does_not_have_that_map(small: Ontology) -> None:
    assert published_maps(small) == []


# --- From maps to groups ---------------------------------------------------------------------------------


def test_a_region_belongs_to_the_group_of_its_nearest_mapped_ancestor(small: Ontology) -> None:
    one = RegionMap("s", {"A": "outer", "B": "inner", "30": "by id"})
    assert members(one, small) == {10: "outer", 21: "outer", 20: "inner", 31: "inner", 30: "by id"}


def test_a_region_that_is_not_there_is_refused(small: Ontology) -> None:
    for region in ("D 4,5", "b", "99"):
        with pytest.raises(CcfError, match=f"f.csv, set 's': There is no region '{region}'"):
            members(RegionMap("s", {region: "g"}, source="f.csv"), small)


def test_a_region_that_is_named_by_acronym_and_by_id_is_refused(small: Ontology) -> None:
    with pytest.raises(CcfError, match="B is given by its acronym and by its id 20"):
        members(RegionMap("s", {"B": "g", "20": "h"}), small)


# --- A lab's own files -----------------------------------------------------------------------------------


def test_a_set_reads_the_same_from_toml_and_from_csv() -> None:
    toml = '[mine]\ndescription = "Of ours"\n[mine.regions]\nA = "x"\n"D 4, 5" = "y, z"\n30 = "x"\n'
    csv = 'group,set,region\nx,mine,A\n"y, z",mine,"D 4, 5"\nx,mine,30\nq,other,A\n'
    [from_toml] = read_maps(MapFile("m.toml", toml.encode()))
    from_csv, other = read_maps(MapFile("m.csv", csv.encode("utf-8-sig")))
    assert from_toml.groups == from_csv.groups == {"A": "x", "D 4, 5": "y, z", "30": "x"}
    assert from_toml.description == "Of ours"
    assert (other.name, other.groups) == ("other", {"A": "q"})


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "set,region\nm,A\n", "no column group"),
        ("a.csv", "set,region,group\n", "holds no region set"),
        ("a.csv", "", "cannot be read as region sets"),
        ("a.csv", "set,region,group\nm,A,\n", "line 2: group must be a text that is not blank"),
        ("a.csv", "set,region,group\nm,A,x\nm,A,y\n", "line 3: A is in set 'm' twice"),
        ("a.csv", "set,region,group\ndepth_3,A,x\n", "the set 'depth_3' is built in"),
        ("a.csv", "set,region,group\ncosmos,A,x\n", "the set 'cosmos' is built in"),
        ("a.toml", "", "holds no region set"),
        ("a.toml", "m = [", "cannot be read as region sets"),
        ("a.toml", "[m]\nA = 'x'\n", r"give the regions as \[m.regions\]"),
        ("a.toml", "[m]\nregion = 'x'\n[m.regions]\nA = 'x'\n", "'region' is not a key of a set"),
        ("a.toml", "[m.regions]\nA = " + 5000 * "[", "nested too deeply"),
        ("a.toml", "[m.regions]\nA = " + 5000 * "1", "cannot be read as region sets: Exceeds the limit"),
        ("a.toml", "[m.regions]\nA = 3\n", "the group of 'A' must be a text"),
        ("a.toml", "[m.regions]\nA = 'x'\nA = 'y'\n", "cannot be read as region sets"),
        ("a.toml", "[m.regions]\nA = 'x'\n' A' = 'y'\n", "A is given twice"),
    ],
)
def test_a_file_that_is_not_clear_is_refused_in_a_sentence(name: str, text: str, says: str) -> None:
    with pytest.raises(CcfError, match=says) as error:
        read_maps(MapFile(name, text.encode()))
    assert str(error.value).startswith(name)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_compressed_file_is_not_unpacked(pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(CcfError, match=r"^a\.csv.* UTF-8"):
        read_maps(MapFile("a.csv", pack(b"set,region,group\nmine,A,x\n")))


@pytest.mark.parametrize("region", ["٢٠", 5000 * "2"])
def test_an_id_has_ten_ascii_digits_at_most(small: Ontology, region: str) -> None:
    with pytest.raises(CcfError, match=f"There is no region '{region[:100]}"):
        members(RegionMap("m", {region: "x"}), small)


def test_a_refused_file_keeps_no_other_back(tmp_path: Path, small: Ontology) -> None:
    (tmp_path / "1.csv").write_text("set,region,group\nmine,A,x\n", "utf-8")
    (tmp_path / "2.csv").write_text("set,region,group\ngood,A,x\nbad,Q,x\n", "utf-8")
    (tmp_path / "3.csv").write_text("set,region,group\nmine,B,x\n", "utf-8")
    (tmp_path / "4.toml").write_text("[last.regions]\nE = 'x'\n", "utf-8")
    (tmp_path / "notes.txt").write_text("not a map", "utf-8")
    made = region_sets.region_sets(1, small, region_sets.map_files(tmp_path))
    assert made.sets["set_name"].to_list() == ["depth_1", "depth_2", "depth_3", "mine", "last"]
    assert made.sets["groups"].to_list() == [2, 2, 2, 1, 1]
    assert made.refused == [
        "2.csv, set 'bad': There is no region 'Q'.",
        "3.csv: 1.csv has a set 'mine' already; rename one.",
    ]


# --- In the database -------------------------------------------------------------------------------------


def test_the_voxels_of_every_group_are_those_numpy_counts(
    real_database: sa.Engine, ccf_data: Callable[[str], Path], graph_file: Path, ontology: Ontology
) -> None:
    volume, _ = nrrd.read(str(ccf_data("annotation/ccf_2017/annotation_100.nrrd")))
    half = volume.shape[2] // 2
    counts = {
        side: dict(zip(*(a.tolist() for a in np.unique(part, return_counts=True)), strict=True))
        for side, part in (("left", volume[..., :half]), ("right", volume[..., half:]), ("both", volume))
    }
    tree = paths(graph_file)
    maps = {one.name: one for one in [*depth_maps(ontology), *published_maps(ontology)]}
    query = "SELECT set_name, hemisphere, group_name, voxels, volume_mm3, share FROM ccf.region_set_volume"
    with real_database.connect() as connection:
        rows = connection.execute(sa.text(f"{query} WHERE atlas = 'ccf_2017_100um'")).all()
    found = {(row.set_name, row.hemisphere, row.group_name): row for row in rows}
    assert {row.set_name for row in rows} == maps.keys()
    for name, one in maps.items():
        named = {ontology.id_of.get(r) or int(r): group for r, group in one.groups.items()}
        group = expected_groups(tree, named)
        for side, of_region in counts.items():
            expected: Counter[str | None] = Counter()
            for region_id, voxels in of_region.items():
                if region_id:
                    expected[group.get(region_id)] += voxels
            total = sum(expected.values())
            got = {g: row for (n, h, g), row in found.items() if (n, h) == (name, side)}
            assert {g: row.voxels for g, row in got.items() if row.voxels} == expected
            for g, row in got.items():
                assert row.share == pytest.approx(expected[g] / total)
                assert row.volume_mm3 == pytest.approx(expected[g] * 1e-3)


def load_sets(atlas: str) -> dg.ExecuteInProcessResult:
    keep_maps(database.create_engine(), settings.region_sets())
    with new_records() as instance:
        job = defs.resolve_job_def("load_region_sets")
        return job.execute_in_process(instance=instance, partition_key=atlas)


def test_a_labs_own_maps_come_and_go_with_their_files_and_a_bad_one_is_told(
    phantom_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCF_REGION_SETS", str(tmp_path))
    good, bad = tmp_path / "good.toml", tmp_path / "bad.csv"
    good.write_text('[mine.regions]\nCTX = "cortex"\nIsocortex = "neocortex"\n', "utf-8")
    bad.write_text("set,region,group\nwrong,CtX,x\n", "utf-8")
    groups = sa.text(
        "SELECT DISTINCT group_name FROM ccf.region_set_member "
        "WHERE set_name = 'mine' AND ccf_id = :id ORDER BY 1"
    )

    def mine() -> list[str]:
        with phantom_database.connect() as connection:
            return list(connection.scalars(groups, {"id": PHANTOM_100}))

    checks = {c.check_name: c for c in load_sets("phantom_100um").get_asset_check_evaluations()}
    assert mine() == ["cortex", "neocortex"]
    assert not checks["region_maps_taken"].passed
    assert checks["region_maps_taken"].severity == dg.AssetCheckSeverity.WARN
    assert checks["region_maps_taken"].description == (
        "bad.csv, set 'wrong': There is no region 'CtX' in phantom_100um; "
        "CTX differs by case only, and case matters."
    )
    assert 0 < checks["share_in_groups"].metadata["mine"].value < 1

    bad.unlink()
    good.unlink()
    checks = {c.check_name: c for c in load_sets("phantom_100um").get_asset_check_evaluations()}
    assert mine() == []
    assert all(check.passed for check in checks.values())


def test_a_set_that_groups_no_voxel_is_told(
    phantom_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCF_REGION_SETS", str(tmp_path))
    with phantom_database.connect() as connection:
        empty = connection.scalar(
            sa.text("SELECT region_id FROM ccf.region_volume WHERE ccf_id = :id AND voxels = 0 LIMIT 1"),
            {"id": PHANTOM_100},
        )
    (tmp_path / "m.csv").write_text(f"set,region,group\nmine,{empty},x\n", "utf-8")
    checks = {c.check_name: c for c in load_sets("phantom_100um").get_asset_check_evaluations()}
    told = checks["share_in_groups"].description
    assert told == "No voxel is in a group of mine; check the regions that it names."
    assert not checks["share_in_groups"].passed


def test_every_site_is_in_a_group_or_counted_with_what_falls_to_nothing(lab: RecordingsLab) -> None:
    volume = np.stack([plane.T for plane in phantom_volume.planes(100)], axis=2)
    points = np.random.default_rng(4).integers(-50, 11_400, (400, 3)).astype(float)
    lab.tell(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
        "SELECT 'r' || n % 3, n, ap, dv, ml, 'ccf' FROM unnest(CAST(:ap AS float8[]), CAST(:dv AS float8[]), "
        "CAST(:ml AS float8[])) WITH ORDINALITY AS t (ap, dv, ml, n)",
        **{axis: points[:, column].tolist() for column, axis in enumerate(("ap", "dv", "ml"))},
    )
    lab.serve(unregistered_sites)
    ancestor_at_2 = dict(
        lab.ask(
            "SELECT up.region_id, r.acronym FROM ccf.region_ancestor up JOIN ccf.brain_region r "
            "ON (r.ccf_id, r.region_id) = (up.ccf_id, up.ancestor_id) JOIN ccf.region_parent p "
            "ON (p.ccf_id, p.region_id) = (up.ccf_id, up.ancestor_id) WHERE up.ccf_id = :id AND p.depth = 2",
            id=PHANTOM_100,
        )
    )
    inside = ((points >= 0) & (points < (13_200, 8_000, 11_400))).all(axis=1)
    x, y, z = (np.where(inside, column, 0).astype(int) // 100 for column in points.T)
    regions = np.where(inside, volume[x, y, z], 0).tolist()
    expected = [ancestor_at_2.get(region) for region in regions]
    where = "WHERE atlas = 'phantom_100um' AND set_name = 'depth_2'"
    by_site = lab.ask(f"SELECT site_id, group_name FROM ccf.recording_site_group {where} ORDER BY site_id")
    assert by_site == list(enumerate(expected, start=1))
    assert len(set(expected)) > 3
    counted = lab.ask(f"SELECT group_name, sites, recordings, share FROM ccf.sites_by_group {where}")
    assert {group: sites for group, sites, _, _ in counted} == Counter(expected)
    assert sum(share for _, _, _, share in counted) == pytest.approx(1)  # type: ignore[misc]
    assert max(recordings for _, _, recordings, _ in counted) == 3  # type: ignore[type-var]
