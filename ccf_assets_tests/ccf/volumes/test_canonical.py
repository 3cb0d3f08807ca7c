"""A volume in any form, whichever way its axes run, becomes the same planes, bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nrrd
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from ccf_assets.ccf import nrrd as official
from ccf_assets.ccf.runs import count_voxels
from ccf_assets.ccf.volumes import canonical
from ccf_assets.ccf.volumes.canonical import (
    canonical_edges,
    canonical_shape,
    check_axes,
    sagittal_planes,
    write_canonical,
)
from ccf_assets.ccf.volumes.stored import open_volume
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets_tests.ccf.volumes import forms
from ccf_assets_tests.ccf.volumes.forms import (
    FORMS,
    WAYS,
    Volume,
    turned,
    write_nifti,
    write_nrrd,
    write_zarr,
)

unhurried = settings(deadline=None)

AXES = forms.CANONICAL


def read(path: Path, axes=AXES, scratch: Path | None = None) -> Volume:
    """The planes of a file put together: (AP, DV, ML)."""
    volume = open_volume(path)
    planes = list(sagittal_planes(volume, axes, scratch or path.parent))
    assert all(plane.dtype == np.uint32 and plane.flags.c_contiguous for plane in planes)
    array = np.stack(planes).transpose(2, 1, 0)
    assert array.shape == canonical_shape(volume.shape, axes)
    return array


@pytest.fixture(scope="module")
def real(ccf_data) -> Volume:
    """The official 100 µm volume, (AP, DV, ML)."""
    return nrrd.read(str(ccf_data("annotation/ccf_2017/annotation_100.nrrd")))[0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("axes", WAYS, ids="-".join)
def test_the_real_volume_comes_back_from_any_way_of_its_axes(
    real: Volume, tmp_path: Path, form, axes
) -> None:
    path = FORMS[form](tmp_path, turned(real, axes), axes)
    assert np.array_equal(read(path, axes), real)
    assert open_volume(path).axes in {None, axes}


@pytest.mark.parametrize("axes", WAYS[::11], ids="-".join)
def test_numbers_of_regions_in_an_lzma_packed_tiff_come_back(real: Volume, tmp_path: Path, axes) -> None:
    _, number = np.unique(real, return_inverse=True)
    number = number.reshape(real.shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "v.tif", turned(number, axes), compression="lzma")
    assert np.array_equal(read(tmp_path / "v.tif", axes), number)


INTEGERS = [
    np.dtype(order + kind) for order in "<>" for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
]
FLOATS = [np.dtype(order + kind) for order in "<>" for kind in ("f4", "f8")]


@st.composite
def small_volumes(draw) -> Volume:
    """Canonical, of any type, with ids up to the largest that the type holds exactly."""
    dtype = draw(st.sampled_from(INTEGERS + FLOATS))
    most = min(
        2**32 - 1,
        {4: 2**24 - 1, 8: 2**53 - 1}[dtype.itemsize] if dtype.kind == "f" else int(np.iinfo(dtype).max),
    )
    ids = [*draw(st.lists(st.integers(0, most), min_size=1, max_size=4)), 0, most]
    shape = draw(st.tuples(*(st.integers(2, 7) for _ in range(3))))
    return np.random.default_rng(draw(st.integers(0, 99))).choice(np.array(ids, dtype), shape).astype(dtype)


@given(small_volumes(), st.sampled_from(WAYS), st.sampled_from(list(FORMS)), st.sampled_from([1 << 28, 64]))
@settings(unhurried, max_examples=200)
def test_any_small_volume_comes_back(array: Volume, axes, form: str, block: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_BLOCK_BYTES", block)
        path = FORMS[form](Path(folder), turned(array, axes).astype(array.dtype), axes)
        assert np.array_equal(read(path, axes), array.astype(np.uint32))
        assert open_volume(path).dtype.newbyteorder("=") == array.dtype.newbyteorder("=")


def test_planes_are_separate_arrays_in_the_order_of_ml(tmp_path: Path) -> None:
    array = np.arange(60, dtype=np.uint32).reshape(4, 3, 5)
    for axes in WAYS:
        path = write_zarr(tmp_path / "-".join(axes), turned(array, axes), chunks=(2, 2, 2))
        kept = list(sagittal_planes(open_volume(path), axes, tmp_path))
        assert all(np.array_equal(plane, array[:, :, ml].T) for ml, plane in enumerate(kept))
        assert not any(np.shares_memory(a, b) for a in kept for b in kept if a is not b)


def test_planes_come_while_they_are_read_if_ml_is_slowest(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "v.nrrd", np.ones((4, 3, 5), np.uint8))
    path.write_bytes(path.read_bytes()[:-1])
    planes = sagittal_planes(open_volume(path), AXES, tmp_path / "no such folder")
    assert len([next(planes) for _ in range(4)]) == 4
    with pytest.raises(CcfError, match="it ends after 4 of 5 planes"):
        next(planes)


def test_progress_is_told_of_a_long_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nrrd(tmp_path / "v.nrrd", np.ones((4, 3, 5), np.uint8))
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("ccf_assets.progress.time.monotonic", lambda: float(next(clock)))
    lines: list[str] = []
    list(sagittal_planes(open_volume(path), AXES, tmp_path, lines.append))
    assert lines[0].startswith("read 12 of 60 voxels")


# --- Scratch ---------------------------------------------------------------------------------------------


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.mark.parametrize("axes", [("right", "inferior", "anterior"), ("posterior", "inferior", "left")])
def test_nothing_is_left_in_scratch(tmp_path: Path, scratch: Path, axes) -> None:
    path = write_nrrd(tmp_path / "v.nrrd", np.ones((4, 3, 5), np.uint8))
    read(path, axes, scratch)
    unfinished = sagittal_planes(open_volume(path), axes, scratch)
    next(unfinished)
    unfinished.close()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CcfError, match="it ends after 4 of 5 planes"):
        read(path, axes, scratch)
    assert list(scratch.iterdir()) == []


def test_a_scratch_that_takes_no_file_is_named_with_what_it_must_take(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "v.nrrd", np.ones((4, 3, 5), np.uint8))
    with pytest.raises(
        CcfError, match=r"it takes a file of 0\.0 GB in .*nowhere \(No such file or directory\)"
    ):
        read(path, ("right", "inferior", "anterior"), tmp_path / "nowhere")


# --- Values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "value", "told"),
    [
        ("i2", -1, "-1 at index (1, 2, 4)"),
        ("i8", -5, "-5 at"),
        ("i8", 2**32, "4294967296 at"),
        ("u8", 2**63, "9223372036854775808 at"),
        ("f4", -1, "-1.0 at"),
        ("f4", 0.5, "0.5 at"),
        ("f4", np.nan, "nan at"),
        ("f4", np.inf, "inf at"),
        ("f4", 2**24, "several ids become the same float32, so get it as whole numbers"),
        ("f8", 2**32, "4294967296.0 at"),
    ],
)
def test_a_value_that_is_no_region_id_is_told_with_its_place(tmp_path: Path, dtype, value, told: str) -> None:
    array = np.ones((4, 3, 5), dtype)
    array[1, 2, 4] = value
    for order in "<>":
        path = write_nrrd(tmp_path / "v.nrrd", array.astype(order + dtype))
        for axes in WAYS[::7]:
            with pytest.raises(CcfError) as refused:
                read(path, axes)
            assert told in str(refused.value)
            assert "1 at least" in str(refused.value)


def test_the_largest_values_that_are_exact_are_taken(tmp_path: Path) -> None:
    for dtype, most in (("f4", 2**24 - 1), ("f8", 2**32 - 1), ("i8", 2**32 - 1), ("u4", 2**32 - 1)):
        path = write_nrrd(tmp_path / "v.nrrd", np.full((2, 2, 2), most, dtype))
        assert (read(path) == most).all()


# --- Axes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", WAYS, ids="-".join)
def test_all_ways_are_three_axes(axes) -> None:
    check_axes(axes)
    assert canonical_shape(turned(np.empty((4, 3, 5)), axes).shape, axes) == (4, 3, 5)
    edges = [{"AP": 25.0, "DV": 20.5, "ML": 10.0}[_name(axis)] for axis in axes]
    assert canonical_edges(edges, axes) == (25.0, 20.5, 10.0)


def _name(axis: str) -> str:
    return "AP" if axis in {"posterior", "anterior"} else "DV" if axis in {"inferior", "superior"} else "ML"


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        (("posterior", "inferior"), "Axes are three words"),
        (("posterior", "inferior", "up"), "not posterior, inferior, up."),
        (("posterior", "anterior", "right"), "do not name three different axes"),
        (("right", "inferior", "right"), "do not name three different axes"),
        ((), "Axes are three words"),
    ],
)
def test_what_is_not_three_axes_is_refused(axes, told: str, tmp_path: Path) -> None:
    with pytest.raises(CcfError, match=told):
        check_axes(axes)
    path = write_nrrd(tmp_path / "v.nrrd", np.ones((4, 3, 5), np.uint8))
    with pytest.raises(CcfError, match=told):
        next(sagittal_planes(open_volume(path), axes, tmp_path))


# --- Written again ---------------------------------------------------------------------------------------


def planes_of(array: Volume) -> Iterator[npt.NDArray[np.uint32]]:
    return (np.ascontiguousarray(array[:, :, z].T) for z in range(array.shape[2]))


def test_what_is_written_is_read_as_an_official_file_is(real: Volume, tmp_path: Path) -> None:
    path = tmp_path / "v.nrrd"
    write_canonical(planes_of(real), real.shape, (100.0, 100.0, 100.0), path)
    grid = VoxelGrid(real.shape, (100.0, 100.0, 100.0))
    assert np.array_equal(np.stack(list(official.planes(path, grid))).transpose(2, 1, 0), real)
    found, header = nrrd.read(str(path))
    assert np.array_equal(found, real)
    assert np.array_equal(header["space directions"], np.eye(3) * 100)
    assert open_volume(path).edges_um == (100, 100, 100)


def test_edges_of_fractions_are_written_exactly(tmp_path: Path) -> None:
    edges = (39.0625, 0.1, 1 / 3)
    write_canonical(planes_of(np.ones((4, 3, 5), np.uint32)), (4, 3, 5), edges, tmp_path / "v.nrrd")
    header = nrrd.read_header(str(tmp_path / "v.nrrd"))
    assert np.array_equal(header["space directions"], np.diag(edges))
    assert official.read_header(tmp_path / "v.nrrd").spacing_um == edges


def test_the_same_planes_become_the_same_bytes(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 9, (4, 3, 5), np.uint32)
    for name in "ab":
        write_canonical(planes_of(array), array.shape, (25, 25, 25), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("shape", [(4, 3, 6), (4, 3, 4), (3, 4, 5)])
def test_planes_of_another_shape_are_no_file(shape, tmp_path: Path) -> None:
    (tmp_path / "v").write_text("before")
    with pytest.raises(ValueError, match="plane"):
        write_canonical(planes_of(np.ones((4, 3, 5), np.uint32)), shape, (1, 1, 1), tmp_path / "v")
    assert [file.name for file in tmp_path.iterdir()] == ["v"]
    assert (tmp_path / "v").read_text() == "before"


# --- Other programs' files -------------------------------------------------------------------------------


def test_the_waxholm_rat_has_its_regions_where_they_are(ccf_cases, tmp_path: Path) -> None:
    volume = open_volume(ccf_cases("atlases/whs_rat_v4/labels.nii.gz"))
    right = json.loads(ccf_cases("atlases/whs_rat_v4/right_answers.json").read_text("utf-8"))
    assert volume.axes == ("right", "anterior", "superior")
    assert canonical_shape(volume.shape, volume.axes) == tuple(right["shape_ap_dv_ml"])
    assert canonical_edges(volume.edges_um, volume.axes) == (right["edge_um"],) * 3
    names = ("ap_um", "dv_um", "ml_um")
    places = [tuple(int(point[name] // right["edge_um"]) for name in names) for point in right["points"]]
    labels: dict[tuple[int, ...], int] = {}

    def looked_at() -> Iterator[npt.NDArray[np.uint32]]:
        for ml, plane in enumerate(sagittal_planes(volume, volume.axes, tmp_path)):
            labels.update({place: int(plane[place[1], place[0]]) for place in places if place[2] == ml})
            yield plane

    found = count_voxels(looked_at())
    assert {str(region): n for region, n in found.items()} == right["counts"]
    assert sum(found.values()) == right["voxels"]
    to_mm = np.reshape(volume.world, (3, 4))
    for point, (ap, dv, ml) in zip(right["points"], places, strict=True):
        assert labels[ap, dv, ml] == point["label"]
        # R, A, S: ML as it is, AP and DV counted from the other end.
        index = (ml, volume.shape[1] - 1 - ap, volume.shape[2] - 1 - dv, 1)
        world = [point[name] for name in ("right_mm", "anterior_mm", "superior_mm")]
        assert np.abs(to_mm @ index - world).max() <= right["edge_um"] / 2000 + 1e-5
    assert len(right["points"]) == 200


def test_a_brainglobe_tiff_and_a_nifti_of_numbers_have_the_same_regions(ccf_cases, tmp_path: Path) -> None:
    right = json.loads(ccf_cases("formats/atlas_brainglobe_v2/right_answers.json").read_text("utf-8"))
    tiff = ccf_cases("formats/atlas_brainglobe_v2/coarse_mouse_200um_v1.0/annotation.tiff")
    ids = read(tiff, ("posterior", "inferior", "right"), tmp_path)
    assert {str(region): n for region, n in count_voxels(ids.transpose(2, 1, 0)).items()} == right["counts"]
    volume = open_volume(ccf_cases("formats/atlas_nifti_parcellation/annotation_200.nii.gz"))
    assert volume.edges_um is None
    assert volume.bare_edges == (0.2, 0.2, 0.2)
    assert volume.world is None
    numbers = read(volume.path, volume.axes, tmp_path)
    pairs = np.unique(np.stack([ids.ravel(), numbers.ravel()]), axis=1)
    assert len(pairs.T) == len(right["counts"]) + 1  # and the outside


def test_ids_beyond_31_bits_come_unchanged(ccf_cases, tmp_path: Path) -> None:
    path = ccf_cases("formats/atlas_ids_beyond_int32/annotation_200.nrrd")
    counts = count_voxels(read(path, AXES, tmp_path).transpose(2, 1, 0))
    assert counts[2_906_756_445]
    assert counts[3_314_370_483]


# --- Memory ----------------------------------------------------------------------------------------------

_PEAK = """
import sys
from pathlib import Path
from ccf_assets.ccf.volumes import canonical
from ccf_assets.ccf.volumes.stored import open_volume

def status(field):
    (line,) = [l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(field)]
    return int(line.split()[1]) * 1024

path = Path(sys.argv[1])
volume = open_volume(path)
before = status("VmRSS:")
canonical._BLOCK_BYTES = 1 << 25
voxels = sum(plane.size for plane in canonical.sagittal_planes(volume, sys.argv[2].split(), path.parent))
print(voxels, status("VmHWM:") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    "axes", ["right inferior posterior", "posterior right inferior", "posterior inferior left"]
)
def test_memory_is_that_of_a_block_not_of_the_volume(tmp_path: Path, axes: str) -> None:
    shape = (300, 400, 500)
    path = tmp_path / "v.nii.gz"
    write_nifti(path, np.ones(shape, np.uint8), axes.split())
    result = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path), axes], capture_output=True, text=True, check=True
    )
    voxels, peak = map(int, result.stdout.split())
    assert voxels == np.prod(shape)
    assert peak < 4 * voxels / 3
