import csv
import gzip
import io
from functools import cache
from itertools import pairwise

import nrrd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccf_assets.ccf.catalogue import BUILT_IN
from ccf_assets.ccf.phantom.ontology import structure_graph_csv
from ccf_assets.ccf.phantom.shape import region_at
from ccf_assets.ccf.phantom.volume import SAMPLE_OFFSET_UM, planes, write_annotation
from ccf_assets.ccf.space import EXTENT_UM, MIDLINE_UM
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.grids import edge_of, grid_of

OFFICIAL_HEADER = (
    "id,atlas_id,name,acronym,st_level,ontology_id,hemisphere_id,weight,parent_structure_id,depth,graph_id,"
    "graph_order,structure_id_path,color_hex_triplet,neuro_name_structure_id,neuro_name_structure_id_path,"
    "failed,sphinx_id,structure_name_facet,failed_facet,safe_name"
)

VISP_LAYERS = ["VISp1", "VISp2/3", "VISp4", "VISp5", "VISp6a", "VISp6b"]


@cache
def volume(resolution_um):
    """The phantom as (AP, DV, ML), as nrrd.read gives a file."""
    whole = np.stack(list(planes(resolution_um))).T
    whole.flags.writeable = False
    return whole


@cache
def structures():
    return list(csv.DictReader(io.StringIO(structure_graph_csv().decode())))


@cache
def id_of(acronym):
    (found,) = [int(s["id"]) for s in structures() if s["acronym"] == acronym]
    return found


def acronym_of(region):
    return {0: "outside", **{int(s["id"]): s["acronym"] for s in structures()}}[int(region)]


def children_of(acronym):
    return [s["acronym"] for s in structures() if s["parent_structure_id"] == str(id_of(acronym))]


def path_of(acronym):
    (path,) = [s["structure_id_path"] for s in structures() if s["acronym"] == acronym]
    return [acronym_of(part) for part in path.strip("/").split("/")]


# --- ontology ---


def test_the_ontology_has_the_official_columns_in_their_order():
    assert structure_graph_csv().decode().splitlines()[0] == OFFICIAL_HEADER


def test_the_ontology_is_written_as_the_official_file_is():
    text = structure_graph_csv().decode()
    assert "\r" not in text
    assert text.endswith("\n")
    assert '"CUL4, 5"' in text
    assert text.count('"') == 2 * sum("," in v for s in structures() for v in s.values())


def test_the_ontology_is_one_tree_with_paths_depths_and_order_that_agree():
    ids = [int(s["id"]) for s in structures()]
    assert len(set(ids)) == len(ids)
    assert [int(s["graph_order"]) for s in structures()] == list(range(len(ids)))
    assert [s["id"] for s in structures() if not s["parent_structure_id"]] == ["997"]
    seen = {}
    for s in structures():
        above = seen.get(s["parent_structure_id"], "/")  # a parent comes before its children
        assert s["structure_id_path"] == f"{above}{s['id']}/"
        assert above != "/" or s["id"] == "997"
        assert int(s["depth"]) == len(s["structure_id_path"].strip("/").split("/")) - 1
        seen[s["id"]] = s["structure_id_path"]


def test_the_order_goes_through_the_tree_depth_first():
    paths = [s["structure_id_path"] for s in structures()]
    for path in paths:
        inside = [i for i, other in enumerate(paths) if other.startswith(path)]
        assert inside == list(range(inside[0], inside[0] + len(inside)))


def test_safe_names_are_the_names_without_commas():
    assert all(s["safe_name"] == s["name"].replace(",", "") for s in structures())
    assert any("," in s["name"] for s in structures())


def test_the_tutorial_finds_its_regions():
    assert path_of("VISp1") == ["root", "grey", "CH", "CTX", "CTXpl", "Isocortex", "VIS", "VISp", "VISp1"]
    assert id_of("VISp") == 385
    assert children_of("VISp") == VISP_LAYERS
    assert sum("Visual" in s["safe_name"] for s in structures()) == 7
    assert sum("visual" in s["safe_name"].lower() for s in structures()) > 7


def test_the_ontology_has_what_makes_the_real_one_hard():
    acronyms = {s["acronym"] for s in structures()}
    assert {"CM", "cm", "CUL4, 5", "fiber tracts"} <= acronyms
    ids = np.array([int(s["id"]) for s in structures()])
    assert ids.max() > 2**24
    assert len(np.unique(ids.astype(np.float32))) < len(ids)
    assert any(s["color_hex_triplet"].startswith("0") for s in structures())
    assert all(len(s["color_hex_triplet"]) == 6 for s in structures())
    assert any(not s["atlas_id"] for s in structures())


# --- volumes ---


@pytest.mark.parametrize("entry", [e for e in BUILT_IN.values() if e.is_phantom], ids=lambda e: e.key)
def test_planes_are_those_of_the_catalogues_grid(entry):
    ap, dv, ml = grid_of(entry.key).shape
    first = next(planes(edge_of(entry.key)))
    assert first.shape == (dv, ap)
    assert first.dtype == np.uint32
    assert first.flags.c_contiguous
    if edge_of(entry.key) >= 50:
        assert sum(1 for _ in planes(edge_of(entry.key))) == ml


@pytest.mark.parametrize("resolution_um", [0, 5, 30, 1000, -25])
def test_a_resolution_that_does_not_divide_the_grid_is_refused_with_a_sentence(resolution_um, tmp_path):
    with pytest.raises(CcfError, match=f"no grid of {resolution_um} µm"):
        planes(resolution_um)
    with pytest.raises(CcfError, match=f"no grid of {resolution_um} µm"):
        write_annotation(tmp_path / "a.nrrd", resolution_um)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("resolution_um", [25, 50, 100])
def test_every_painted_id_is_in_the_ontology(resolution_um):
    known = {int(s["id"]) for s in structures()}
    assert set(np.unique(volume(resolution_um)).tolist()) - {0} <= known


def test_the_same_regions_are_painted_at_every_resolution():
    assert np.unique(volume(100)).tolist() == np.unique(volume(50)).tolist() == np.unique(volume(25)).tolist()


def test_some_regions_own_no_voxel_and_some_inner_ones_do():
    painted = {acronym_of(r) for r in np.unique(volume(100))}
    assert not painted & {"retina", "VISp", "VIS", "Isocortex", "HPF"}
    assert set(VISP_LAYERS) <= painted
    assert {
        "CA1",
        "CA3",
        "DG",
        "CP",
        "TH",
        "CM",
        "cm",
        "CUL4, 5",
        "fiber tracts",
        "VL",
        "MOp",
        "HY",
    } <= painted
    assert {"root", "TH", "CB", "CBX", "RHP"} <= painted, "regions with children that own voxels"


def test_ids_that_float32_would_merge_stay_apart():
    large = {acronym_of(r) for r in np.unique(volume(100)) if r > 2**24}
    assert large == {"ProS", "VISli", "VISa"}
    assert np.float32(id_of("VISli")) == np.float32(id_of("VISa"))


def test_coarser_volumes_are_exact_corner_samples_of_25_um():
    assert np.array_equal(volume(50), volume(25)[::2, ::2, ::2])
    assert np.array_equal(volume(100), volume(25)[::4, ::4, ::4])


def test_100_um_planes_are_exact_corner_samples_of_10_um():
    for index, plane in enumerate(planes(10)):
        if index % 10 == 0:
            assert np.array_equal(plane[::10, ::10], volume(100)[:, :, index // 10].T)
        if index >= 400:
            break


def test_a_flip_of_any_axis_changes_many_voxels():
    whole = volume(50)
    for axis in range(3):
        changed = np.count_nonzero(whole != np.flip(whole, axis))
        assert changed > 0.03 * np.count_nonzero(whole)


def test_left_and_right_have_different_sizes():
    left, right = np.split(volume(50), 2, axis=2)
    for acronym in ("CP", "VL", "CA1", "VISp4", "ProS", "cm"):
        sizes = [np.count_nonzero(half == id_of(acronym)) for half in (left, right)]
        assert min(sizes) > 0
        assert sizes[0] != sizes[1]
    assert np.count_nonzero(left) != np.count_nonzero(right)


def test_the_brain_extends_differently_along_each_axis():
    extents = [np.ptp(np.flatnonzero(volume(50).any(axis=others))) for others in ((1, 2), (0, 2), (0, 1))]
    assert len({*extents}) == 3
    assert min(abs(a - b) for a, b in pairwise(extents)) > 20


def test_the_brain_stem_is_cut_off_by_the_end_of_the_volume_and_nothing_else_touches_it():
    whole = volume(50)
    assert {acronym_of(r) for r in np.unique(whole[-1])} == {"outside", "MY"}
    for face in (whole[0], whole[:, 0], whole[:, -1], whole[:, :, 0], whole[:, :, -1]):
        assert not face.any()


@pytest.mark.parametrize("resolution_um", [25, 50, 100])
@pytest.mark.parametrize("bregma_ap_ml", [(5400, 5700), (5400, 5739), (5200, 5705)])
@pytest.mark.parametrize("side", [-1, 1], ids=["left", "right"])
@pytest.mark.parametrize(
    ("ap", "dv", "ml", "expected"),
    [(-3500, 500, 2500, "VISp4"), (-1800, 1200, 1500, "CA1")],
    ids=["VISp4", "CA1"],
)
def test_the_tutorials_sites_fall_where_they_fall_in_the_atlas(
    resolution_um, bregma_ap_ml, side, ap, dv, ml, expected
):
    bregma_ap, bregma_ml = bregma_ap_ml
    column = volume(resolution_um)[
        (bregma_ap - ap) // resolution_um, :, (bregma_ml + side * ml) // resolution_um
    ]
    surface = np.flatnonzero(column)[0] * resolution_um
    assert acronym_of(column[(surface + dv) // resolution_um]) == expected


def test_the_tutorials_sites_fall_where_they_fall_in_the_atlas_at_10_um():
    y = np.arange(0, EXTENT_UM[1], 10)
    for x, dv, ml, expected in ((8900, 500, 2500, "VISp4"), (7200, 1200, 1500, "CA1")):
        for z in (MIDLINE_UM - ml, MIDLINE_UM + ml):
            column = region_at(x + SAMPLE_OFFSET_UM, y + SAMPLE_OFFSET_UM, z + SAMPLE_OFFSET_UM)
            assert acronym_of(column[np.flatnonzero(column)[0] + dv // 10]) == expected


def test_a_column_of_visual_cortex_passes_its_layers_in_order():
    y = np.arange(0, MIDLINE_UM // 2, 10)
    column = region_at(8900, y, MIDLINE_UM + 2500)
    passed = [acronym_of(r) for r, before in zip(column[1:], column, strict=False) if r != before]
    assert passed[:7] == [*VISP_LAYERS, "fiber tracts"]


# --- points ---


@settings(deadline=None)  # the first example at a resolution paints its volume
@given(
    resolution_um=st.sampled_from([25, 50, 100]),
    index=st.lists(
        st.tuples(*(st.integers(0, extent // 100 - 1) for extent in EXTENT_UM)), min_size=1, max_size=50
    ),
    within=st.integers(0, 3),
)
def test_region_at_a_voxels_sample_is_that_voxel(resolution_um, index, within):
    voxel = np.array(index).T * (100 // resolution_um) + within % (100 // resolution_um)
    points = voxel * resolution_um + SAMPLE_OFFSET_UM
    assert np.array_equal(region_at(*points), volume(resolution_um)[tuple(voxel)])


def test_region_at_every_sample_of_the_grid_is_the_volume():
    x, y, z = np.ogrid[tuple(slice(SAMPLE_OFFSET_UM, extent, 100) for extent in EXTENT_UM)]
    assert np.array_equal(region_at(x, y, z), volume(100))


def test_region_at_points_is_that_of_a_10_um_plane():
    x, y = np.ogrid[SAMPLE_OFFSET_UM : EXTENT_UM[0] : 10, SAMPLE_OFFSET_UM : EXTENT_UM[1] : 10]
    for index, plane in zip(range(331), planes(10), strict=False):
        if index == 330:
            assert np.array_equal(region_at(x, y, 10 * index + SAMPLE_OFFSET_UM), plane.T)


def test_region_at_broadcasts_any_shapes_and_gives_uint32():
    assert region_at(7000, 4000, 5000).shape == ()
    assert acronym_of(region_at(7000, 4000, 5000)) == "TH"
    assert region_at([], [], []).shape == (0,)
    grid = region_at(np.zeros((2, 1, 3)), [[1], [2]], 5700)
    assert grid.shape == (2, 2, 3)
    assert grid.dtype == region_at([], 0, 0).dtype == np.uint32


def test_many_points_are_answered_as_each_alone():
    x, y, z = (np.linspace(0, extent, 150_001) for extent in EXTENT_UM)
    together = region_at(x, y, z)
    for i in range(0, len(x), 10_007):
        assert region_at(x[i], y[i], z[i]) == together[i]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-9, 1e300])
def test_points_that_are_nowhere_in_the_volume_are_outside_the_brain(axis, value):
    point = [12_500.0, 5400.0, 5700.0]
    assert acronym_of(region_at(*point)) == "MY"
    point[axis] = value
    assert region_at(*point) == 0


def test_a_point_past_the_cut_brain_stem_is_outside():
    assert acronym_of(region_at(EXTENT_UM[0] - 0.001, 5400, 5700)) == "MY"
    assert region_at(EXTENT_UM[0], 5400, 5700) == 0


# --- files ---


@pytest.fixture(scope="module")
def annotation_100(tmp_path_factory):
    path = tmp_path_factory.mktemp("phantom") / "new" / "annotation_100.nrrd"
    write_annotation(path, 100)
    return path


def test_pynrrd_reads_the_file_with_the_official_header(annotation_100):
    data, header = nrrd.read(str(annotation_100))
    assert data.dtype == np.uint32
    assert np.array_equal(data, volume(100))
    assert header["type"] == "unsigned int"
    assert header["dimension"] == 3
    assert header["space"] == "left-posterior-superior"
    assert header["sizes"].tolist() == [132, 80, 114]
    assert np.array_equal(header["space directions"], 100 * np.eye(3))
    assert header["kinds"] == ["domain"] * 3
    assert header["endian"] == "little"
    assert header["encoding"] == "gzip"
    assert header["space origin"].tolist() == [0, 0, 0]
    assert set(header) == {
        *("type", "dimension", "space", "sizes", "space directions"),
        *("kinds", "endian", "encoding", "space origin"),
    }


def test_the_file_says_that_it_is_not_the_atlas(annotation_100):
    header, _, packed = annotation_100.read_bytes().partition(b"\n\n")
    assert header.startswith(b"NRRD0004\n")
    assert b"phantom" in header
    assert b"not the Allen CCF" in header
    assert gzip.decompress(packed) == np.ascontiguousarray(volume(100).T).astype("<u4").tobytes()


def test_the_same_bytes_are_written_every_time(annotation_100, tmp_path):
    write_annotation(tmp_path / "another name.nrrd", 100)
    assert (tmp_path / "another name.nrrd").read_bytes() == annotation_100.read_bytes()


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "annotation_100.nrrd"
    path.write_bytes(b"old")

    def two_planes_and_a_full_disk(resolution_um):
        yield from (np.zeros((80, 132), np.uint32) for _ in range(2))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ccf_assets.ccf.phantom.volume.planes", two_planes_and_a_full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_annotation(path, 100)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_long_write_reports_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("ccf_assets.progress.time.monotonic", iter(range(0, 10_000, 3)).__next__)
    sentences = []
    write_annotation(tmp_path / "annotation_100.nrrd", 100, sentences.append)
    assert sentences
    assert sentences[0].startswith("painted ")
    assert "of 1.2 M" in sentences[0]
