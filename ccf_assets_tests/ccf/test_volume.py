"""The annotation volume: what is not one is refused in words, and what is one is read exactly."""

from __future__ import annotations

import gzip
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nrrd
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ccf_assets.ccf import grid
from ccf_assets.ccf.catalogue import BUILT_IN
from ccf_assets.ccf.nrrd import header_problems, planes, read_header
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.ccf.region_id import source_id, table_number, table_numbers
from ccf_assets.ccf.runs import (
    ROWS_KEY,
    Runs,
    brain_surface,
    count_voxels,
    find_runs,
    run_batches,
    voxel_batches,
)
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.grids import grid_of

Volume = npt.NDArray[np.uint32]
"""A volume in the order of the field: (AP, DV, ML)."""

LARGEST_REAL_ID = 614_454_277
IDS = (0, 1, 8, 255, 256, 65_536, 16_777_217, LARGEST_REAL_ID, 2**31 - 1, 2**31, 2**32 - 1)
"""Ids that a narrower type, or a float, would change."""

SMALL = VoxelGrid((4, 3, 5), (25.0, 25.0, 25.0))

unhurried = settings(deadline=None)
"""The machine may have other things to do."""

volumes = hnp.arrays(
    np.uint32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.sampled_from(IDS)
)

odd_volumes = st.permutations([1, 2, 150]).flatmap(
    lambda most: hnp.arrays(
        np.uint32,
        st.tuples(*(st.integers(1, side) for side in most)),
        elements=st.sampled_from(IDS),
        fill=st.sampled_from(IDS),
    )
)
"""Long and thin along any axis, mostly of one region."""


def grid_around(array: Volume, resolution_um: int = 25) -> VoxelGrid:
    ap, dv, ml = array.shape
    return VoxelGrid((ap, dv, ml), (float(resolution_um),) * 3)


def sagittal(array: Volume) -> Iterator[Volume]:
    """The planes of a volume as planes() yields them: (DV, AP), ML ascending."""
    return (np.ascontiguousarray(array[:, :, z].T) for z in range(array.shape[2]))


def header(grid: VoxelGrid = SMALL, **changed: str) -> bytes:
    """A header like the official ones; a field in ``changed`` replaces the official value."""
    x, y, z = grid.edges_um
    fields = {
        "type": "unsigned int",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, grid.shape)),
        "space directions": f"({x:g},0,0) (0,{y:g},0) (0,0,{z:g})",
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "gzip",
        "space origin": "(0,0,0)",
    }
    fields |= {name.replace("_", " "): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return ("NRRD0004\n" + "\n".join(lines) + "\n\n").encode()


def packed(array: Volume) -> bytes:
    """The data of a volume as the official files hold them: AP fastest, little endian, gzip."""
    return gzip.compress(array.astype("<u4").tobytes(order="F"), mtime=0)


A_VOLUME: Volume = np.random.default_rng(1).choice(np.array(IDS, np.uint32), SMALL.shape)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "small.nrrd"


def read(path: Path, grid: VoxelGrid = SMALL) -> Volume:
    """The file's planes put together: (AP, DV, ML)."""
    return np.stack(list(planes(path, grid))).transpose(2, 1, 0)


def refusal(path: Path, grid: VoxelGrid = SMALL) -> str:
    with pytest.raises(CcfError) as refused:
        read(path, grid)
    return str(refused.value)


# --- Reading ---------------------------------------------------------------------------------------------


def test_a_file_of_the_official_form_is_read_as_pynrrd_reads_it(file: Path) -> None:
    file.write_bytes(header() + packed(A_VOLUME))
    array = read(file)
    assert array.dtype == np.uint32
    assert np.array_equal(array, nrrd.read(str(file))[0])
    assert np.array_equal(array, A_VOLUME)


@given(volumes)
@unhurried
def test_any_volume_that_pynrrd_writes_is_read_back(array: Volume) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.nrrd"
        directions = np.eye(3) * 25
        nrrd.write(str(path), array, {"space directions": directions, "encoding": "gzip", "endian": "little"})
        assert np.array_equal(read(path, grid_around(array)), array)


def test_planes_are_separate_arrays_in_the_order_of_ml(file: Path) -> None:
    file.write_bytes(header() + packed(A_VOLUME))
    kept = list(planes(file, SMALL))
    assert [plane.shape for plane in kept] == [(3, 4)] * 5
    assert not any(np.shares_memory(a, b) for a, b in itertools.pairwise(kept))


def test_the_real_files_have_the_headers_the_catalogue_says(ccf_data) -> None:
    for resolution in (100, 50, 25):
        entry = BUILT_IN[f"ccf_2017_{resolution}um"]
        found = read_header(ccf_data(entry.annotation))
        assert header_problems(found, grid_of(entry.key)) == []
        assert found.shape == grid_of(entry.key).shape


def test_progress_is_told_of_a_long_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(header() + packed(A_VOLUME))
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("ccf_assets.progress.time.monotonic", lambda: float(next(clock)))
    lines: list[str] = []
    list(planes(file, SMALL, lines.append))
    assert len(lines) == 5
    assert lines[0].startswith("read 12 of 60 voxels")


# --- Refusing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"type": "float"},
            "type is float32, expected uint32 (above 16,777,216 several ids become the same float32",
        ),
        ({"type": "double"}, "type is float64, expected uint32"),
        ({"type": "unsigned char"}, "type is uint8, expected uint32"),
        ({"type": "unsigned short"}, "type is uint16, expected uint32"),
        ({"type": "int"}, "type is int32, expected uint32"),
        ({"type": "long long int"}, "type is int64, expected uint32"),
        ({"type": "uint64"}, "type is uint64, expected uint32"),
        ({"type": "block"}, "type is void, expected uint32"),
        ({"endian": "big"}, "byte order is big, expected little"),
        ({"endian": ""}, "byte order is not given, expected little"),
        ({"encoding": "raw"}, "encoding is raw, expected gzip"),
        ({"encoding": "bzip2"}, "encoding is bzip2, expected gzip"),
        ({"encoding": "ascii"}, "encoding is ascii, expected gzip"),
        ({"data_file": "small.raw.gz"}, "data file is small.raw.gz, expected none"),
        ({"datafile": "LIST"}, "datafile is LIST, expected none"),
        ({"line_skip": "1"}, "line skip is 1, expected none"),
        ({"byte_skip": "-1"}, "byte skip is -1, expected none"),
        ({"sizes": "5 3 4"}, "shape (AP, DV, ML) is (5, 3, 4), expected (4, 3, 5)"),
        ({"sizes": "4 3"}, "shape (AP, DV, ML) is (4, 3), expected (4, 3, 5)"),
        ({"sizes": "-4 3 5"}, "shape (AP, DV, ML) is (-4, 3, 5), expected (4, 3, 5)"),
        (
            {"sizes": "1000000 1000000 1000000"},
            "shape (AP, DV, ML) is (1000000, 1000000, 1000000), expected (4, 3, 5)",
        ),
        (
            {"space_directions": "(-25,0,0) (0,25,0) (0,0,25)"},
            "direction of the axes is ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), "
            "expected ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))",
        ),
        (
            {"space_directions": "(0,0,25) (0,25,0) (25,0,0)"},
            "direction of the axes is ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), "
            "expected ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))",
        ),
        (
            {"space_directions": "(20,15,0) (0,25,0) (0,0,25)"},
            "direction of the axes is ((0.8, 0.6, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), "
            "expected ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))",
        ),
        (
            {"space_directions": "none (0,25,0) (0,0,25)"},
            "voxel size in µm is (nan, 25.0, 25.0), expected (25.0, 25.0, 25.0)",
        ),
        (
            {"sizes": "4 15", "dimension": "2", "kinds": ""},
            "shape (AP, DV, ML) is (4, 15), expected (4, 3, 5)",
        ),
        (
            {"space_directions": "(50,0,0) (0,50,0) (0,0,50)"},
            "voxel size in µm is (50.0, 50.0, 50.0), expected (25.0, 25.0, 25.0)",
        ),
        ({"space directions": ""}, "voxel size in µm is (), expected (25.0, 25.0, 25.0)"),
    ],
)
def test_a_header_that_differs_from_the_catalogue_is_refused_by_name(
    file: Path, changed: dict[str, str], told: str
) -> None:
    file.write_bytes(header(**changed) + packed(A_VOLUME))
    assert any(told in line for line in header_problems(read_header(file), SMALL))
    sentence = refusal(file)
    assert str(file) in sentence
    assert "is not the volume that was asked for: " in sentence
    assert told in sentence
    assert sentence.endswith("Set CCF_SOURCE to a source that has the official file.")


def test_spacings_serve_where_no_direction_is_given(file: Path) -> None:
    file.write_bytes(header(space_directions="", space="", spacings="25 25 25") + packed(A_VOLUME))
    assert np.array_equal(read(file), A_VOLUME)


@pytest.mark.parametrize("sizes", [f"{10**30} 3 5", "9" * 5000, " ".join(["4"] * 20_000)])
def test_sizes_beyond_all_measure_are_refused_briefly(file: Path, sizes: str) -> None:
    file.write_bytes(header(sizes=sizes) + packed(A_VOLUME))
    assert len(refusal(file)) < 700


@pytest.mark.parametrize(
    "line", [b"content: " + bytes(range(33, 127)) * 1000, b"# \n" * 30_000], ids=["long", "many"]
)
def test_a_header_without_end_is_not_read_to_its_end(file: Path, line: bytes) -> None:
    file.write_bytes(header()[:-1] + line + b"\n\n" + packed(A_VOLUME))
    assert "its NRRD header cannot be read (it does not end within 65,536 bytes)" in refusal(file)


def test_all_differences_of_a_header_are_told_at_once(file: Path) -> None:
    file.write_bytes(header(type="float", endian="big", sizes="1 1 1") + packed(A_VOLUME))
    assert len(header_problems(read_header(file), SMALL)) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"<html><body>503 Service Unavailable</body></html>",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        gzip.compress(b"NRRD0004\n"),
        b"NRRD0004\ntype: unsigned int\n\n",
        header(type="colour"),
        header(sizes="four three five"),
        header(space_directions="(25,0"),
    ],
    ids=["empty", "blank", "web page", "picture", "gzip", "no size", "no such type", "words", "cut"],
)
def test_what_is_no_nrrd_file_is_refused_in_a_sentence(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    sentence = refusal(file)
    assert sentence.startswith(f"{file} is not an annotation volume: its NRRD header cannot be read (")
    assert "()" not in sentence
    assert sentence.endswith("Delete it, if it still exists, and load again.")


def test_a_file_that_ends_early_is_refused_wherever_it_was_cut(file: Path) -> None:
    whole = header() + packed(A_VOLUME)
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert str(file) in refusal(file), length


def test_a_truncated_file_says_so(file: Path) -> None:
    file.write_bytes((header() + packed(A_VOLUME))[:-30])
    assert refusal(file).startswith(f"{file} is damaged: ")


def test_a_file_with_too_few_planes_says_how_many_it_has(file: Path) -> None:
    file.write_bytes(header() + packed(A_VOLUME[:, :, :3]))
    assert "is damaged: it ends after 3 of 5 planes" in refusal(file)


@pytest.mark.parametrize(
    "more",
    [b"junk", b"\0\0junk", gzip.compress(b"\0"), packed(A_VOLUME)],
    ids=["junk", "padded junk", "a voxel's byte", "another volume"],
)
def test_what_follows_the_gzip_data_is_not_overlooked(file: Path, more: bytes) -> None:
    file.write_bytes(header() + packed(A_VOLUME) + more)
    assert refusal(file).startswith(f"{file} is damaged: ")


@pytest.mark.parametrize("more", [b"", b"\0" * 512, gzip.compress(b"")], ids=["none", "padding", "no data"])
def test_gzip_data_in_several_parts_or_padded_is_read(file: Path, more: bytes) -> None:
    data = A_VOLUME.astype("<u4").tobytes(order="F")
    file.write_bytes(header() + gzip.compress(data[:101]) + gzip.compress(data[101:]) + more)
    assert np.array_equal(read(file), A_VOLUME)


def test_a_file_that_goes_on_after_its_last_plane_says_so(file: Path) -> None:
    file.write_bytes(header() + packed(np.concatenate([A_VOLUME, A_VOLUME[:, :, :1]], axis=2)))
    assert "is damaged: it goes on after its 5 planes" in refusal(file)


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(unhurried, max_examples=400)
def test_a_changed_byte_is_noticed_or_changes_no_voxel(place: int, flip: int) -> None:
    whole = bytearray(header() + packed(A_VOLUME))
    whole[place % len(whole)] ^= flip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.nrrd"
        path.write_bytes(whole)
        try:
            array = read(path)
        except CcfError:
            return
        assert np.array_equal(array, A_VOLUME)


@given(st.binary(max_size=400))
@unhurried
def test_random_bytes_after_a_sound_header_are_never_taken(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.nrrd"
        path.write_bytes(header() + data)
        refusal(path)


# --- Counting --------------------------------------------------------------------------------------------


@given(volumes)
@unhurried
def test_counts_are_those_of_numpy_without_the_outside(array: Volume) -> None:
    ids, counts = np.unique(array[array != 0], return_counts=True)
    assert count_voxels(sagittal(array)) == dict(zip(ids.tolist(), counts.tolist(), strict=True))


def test_an_empty_volume_has_no_counts() -> None:
    assert count_voxels(sagittal(np.zeros(SMALL.shape, np.uint32))) == {}


# --- Runs ------------------------------------------------------------------------------------------------


def expanded(runs: Runs, shape: tuple[int, ...]) -> Volume:
    """The runs written back into an empty volume, each voxel at most once."""
    array = np.zeros(shape, np.uint32)
    for line, z, z_end, region in zip(runs.line, runs.z, runs.z_end, runs.region_id, strict=True):
        x, y = divmod(int(line), shape[1])
        assert not array[x, y, z:z_end].any(), "runs overlap"
        array[x, y, z:z_end] = region
    return array


def runs_by_numpy(array: Volume) -> list[tuple[int, int, int, int, int]]:
    """(x, y, z, z_end, region) of every run, by differences along ML of the whole volume."""
    edge = np.zeros((*array.shape[:2], 1), array.dtype)
    along = np.concatenate([edge, array, edge], axis=2)
    x, y, z = np.nonzero(along[:, :, 1:] != along[:, :, :-1])
    found = []
    for i in range(len(x) - 1):
        if (x[i], y[i]) == (x[i + 1], y[i + 1]) and array[x[i], y[i], z[i]]:
            region = array[x[i], y[i], z[i]]
            found.append((int(x[i]), int(y[i]), int(z[i]), int(z[i + 1]), int(region)))
    return found


@given(volumes)
@unhurried
def test_the_runs_of_any_volume_give_it_back_exactly(array: Volume) -> None:
    runs = find_runs(sagittal(array))
    assert np.array_equal(expanded(runs, array.shape), array)


@given(volumes)
@unhurried
def test_runs_are_maximal_and_ordered_by_x_y_z(array: Volume) -> None:
    runs = find_runs(sagittal(array))
    keys = list(zip(runs.line.tolist(), runs.z.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert (runs.z < runs.z_end).all()
    assert (runs.region_id != 0).all()
    same_line = runs.line[1:] == runs.line[:-1]
    touching = same_line & (runs.z[1:] == runs.z_end[:-1])
    assert (runs.region_id[1:][touching] != runs.region_id[:-1][touching]).all()
    assert (runs.z[1:][same_line] >= runs.z_end[:-1][same_line]).all()


@given(volumes)
@unhurried
def test_runs_are_those_that_differences_along_ml_show(array: Volume) -> None:
    runs = find_runs(sagittal(array))
    x, y = np.divmod(runs.line, array.shape[1])
    columns = (c.tolist() for c in (x, y, runs.z, runs.z_end, runs.region_id))
    assert list(zip(*columns, strict=True)) == runs_by_numpy(array)


def test_an_empty_volume_has_no_run() -> None:
    assert len(find_runs(sagittal(np.zeros(SMALL.shape, np.uint32)))) == 0


def test_a_volume_of_one_plane_has_runs_of_one_voxel() -> None:
    runs = find_runs(sagittal(np.full((2, 3, 1), LARGEST_REAL_ID, np.uint32)))
    assert runs.line.tolist() == [0, 1, 2, 3, 4, 5]
    assert set(runs.z) == {0}
    assert set(runs.z_end) == {1}


def test_a_full_volume_has_one_run_per_line() -> None:
    runs = find_runs(sagittal(np.full((2, 3, 300), LARGEST_REAL_ID, np.uint32)))
    assert runs.line.tolist() == [0, 1, 2, 3, 4, 5]
    assert set(runs.z_end) == {300}
    assert set(runs.region_id) == {LARGEST_REAL_ID}


def test_the_planes_are_left_as_they_were() -> None:
    planes = list(sagittal(A_VOLUME))
    find_runs(planes)
    brain_surface(planes, SMALL)
    assert all(np.array_equal(a, b) for a, b in zip(planes, sagittal(A_VOLUME), strict=True))


# --- Runs as rows ----------------------------------------------------------------------------------------


@given(volumes, st.sampled_from([10, 25, 50, 100]))
@example(np.zeros((1, 1, 1), np.uint32), 25)
@unhurried
def test_rows_are_the_runs_in_um_as_int32(array: Volume, resolution: int) -> None:
    reader = run_batches(find_runs(sagittal(array)), 7, grid_around(array, resolution))
    assert reader.schema.names == ["ccf_id", "x", "y", "z", "z_end", "region_id"]
    assert set(reader.schema.types) == {pa.int32()}
    expected = [
        (7, x * resolution, y * resolution, z * resolution, z_end * resolution, table_number(region))
        for x, y, z, z_end, region in runs_by_numpy(array)
    ]
    assert int(reader.schema.metadata[ROWS_KEY]) == len(expected)
    assert [tuple(row.values()) for row in reader.read_all().to_pylist()] == expected


@given(odd_volumes, st.sampled_from([10, 25, 50, 100]), st.integers(1, 9), st.integers(1, 9))
@example(np.zeros((1, 2, 3), np.uint32), 25, 1, 1)
@unhurried
def test_rows_and_paint_give_any_volume_back_wherever_their_turns_end(
    array: Volume, resolution: int, rows_per_batch: int, runs_at_once: int
) -> None:
    small = grid_around(array, resolution)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ccf_assets.ccf.runs.ROWS_PER_BATCH", rows_per_batch)
        patch.setattr(grid, "RUNS_AT_ONCE", runs_at_once)
        runs = find_runs(sagittal(array))
        batches = list(run_batches(runs, 7, small))
        painted = grid.paint(runs, runs.region_id, small)
    assert painted.dtype == np.uint32
    assert np.array_equal(painted, array)
    assert all(0 < len(batch) <= rows_per_batch for batch in batches)
    from_rows = np.zeros_like(array)
    for row in itertools.chain.from_iterable(batch.to_pylist() for batch in batches):
        x, y, z, z_end = (row[name] // resolution for name in ("x", "y", "z", "z_end"))
        from_rows[x, y, z:z_end] = source_id(row["region_id"])
    assert np.array_equal(from_rows, array)


@given(volumes | odd_volumes, st.data())
def test_any_part_of_any_volume_is_painted_as_it_is(array: Volume, data: st.DataObject) -> None:
    runs, around = find_runs(sagittal(array)), grid_around(array)
    first = tuple(data.draw(st.integers(0, n - 1)) for n in array.shape)
    shape = tuple(data.draw(st.integers(1, n - at)) for n, at in zip(array.shape, first, strict=True))
    part = grid.paint_box(runs, around, first, shape)
    assert part.dtype == np.uint32
    assert np.array_equal(part, array[tuple(slice(at, at + n) for at, n in zip(first, shape, strict=True))])


@given(volumes | odd_volumes, st.integers(1, 5_000))
def test_painted_planes_are_those_of_the_volume_however_many_at_a_time(array: Volume, block: int) -> None:
    runs = find_runs(sagittal(array))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "BLOCK_BYTES", block)
        planes = list(grid.painted_planes(runs, grid_around(array)))
    assert np.array_equal(np.stack(planes).transpose(2, 1, 0), array)
    assert all(plane.flags.owndata for plane in planes)


@given(volumes, st.sampled_from([10, 25, 50, 100]), st.integers(1, 9))
@unhurried
def test_rows_of_voxels_are_the_painted_voxels(array: Volume, resolution: int, runs_at_once: int) -> None:
    runs = run_batches(find_runs(sagittal(array)), 7, grid_around(array, resolution))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ccf_assets.ccf.runs.RUNS_EXPANDED_AT_ONCE", runs_at_once)
        reader = voxel_batches(runs, grid_around(array, resolution), count=int((array != 0).sum()))
        rows = reader.read_all()
    assert reader.schema.names == ["ccf_id", "x", "y", "z", "region_id"]
    assert set(reader.schema.types) == {pa.int32()}
    painted = np.argwhere(array)
    expected = np.column_stack([painted * resolution, table_numbers(array[tuple(painted.T)])]).tolist()
    assert [list(row.values())[1:] for row in rows.to_pylist()] == expected
    assert set(rows["ccf_id"].to_pylist()) <= {7}


def test_a_grid_or_an_ontology_too_large_for_packed_runs_is_refused() -> None:
    with pytest.raises(CcfError, match="8,191 sagittal planes at most"):
        find_runs(np.zeros((3, 4), np.uint32) for _ in range(8192))
    with pytest.raises(CcfError, match="4,095 regions at most"):
        find_runs([np.arange(1, 4097, dtype=np.uint32).reshape(64, 64)])
    endless = np.lib.stride_tricks.as_strided(np.zeros((1, 1), np.uint32), (8193, 8192), (0, 0))
    with pytest.raises(CcfError, match="67,108,864 lines along ML at most"):
        find_runs([endless])


def test_the_largest_numbers_of_a_packed_run_come_back() -> None:
    ids = np.arange(1, 4096, dtype=np.uint32)[None]
    runs = find_runs([np.zeros_like(ids)] * 8190 + [ids])
    assert set(runs.z) == {8190}
    assert set(runs.z_end) == {8191}
    assert runs.region_id.tolist() == ids[0].tolist()


def test_rows_come_in_batches_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccf_assets.ccf.runs.ROWS_PER_BATCH", 7)
    runs = find_runs(sagittal(A_VOLUME))
    sizes = [batch.num_rows for batch in run_batches(runs, 7, SMALL)]
    assert max(sizes) == 7
    assert sum(sizes) == len(runs)


def test_the_far_corner_of_the_10_um_grid_fits() -> None:
    ten = grid_of("ccf_2017_10um")
    ap, dv, ml = ten.shape
    far = Runs(
        line=np.array([ap * dv - 1], np.uint32),
        z=np.array([ml - 1], np.uint16),
        z_end=np.array([ml], np.uint16),
        region_id=np.array([LARGEST_REAL_ID], np.uint32),
    )
    (row,) = run_batches(far, 2, ten).read_all().to_pylist()
    assert row == {
        "ccf_id": 2,
        "x": 13_190,
        "y": 7_990,
        "z": 11_390,
        "z_end": 11_400,
        "region_id": LARGEST_REAL_ID,
    }


# --- Surface ---------------------------------------------------------------------------------------------


@given(volumes, st.sampled_from([10, 25, 50, 100]))
@unhurried
def test_the_surface_is_the_first_voxel_in_the_brain_going_ventrally(array: Volume, resolution: int) -> None:
    columns = brain_surface(sagittal(array), grid_around(array, resolution))
    assert {name: column.dtype for name, column in columns.items()} == dict.fromkeys("xzy", np.int32)
    in_brain = array != 0
    x, z = np.nonzero(in_brain.any(axis=1))
    top = in_brain.argmax(axis=1)[x, z]
    found = zip(*(columns[name].tolist() for name in "xzy"), strict=True)
    expected = zip(*((c * resolution).tolist() for c in (x, z, top)), strict=True)
    assert sorted(found) == sorted(expected)


# --- Memory ----------------------------------------------------------------------------------------------

_PEAK_OF_READING = """
import sys
from pathlib import Path
from ccf_assets.ccf import nrrd, runs
from ccf_assets.ccf.catalogue import BUILT_IN

def status(field):
    (line,) = [l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(field)]
    return int(line.split()[1]) * 1024

grid = BUILT_IN["phantom_25um"].grid
before = status("VmRSS:")
found = runs.find_runs(nrrd.planes(Path(sys.argv[1]), grid))
rows = sum(batch.num_rows for batch in runs.run_batches(found, 901, grid))
print(len(found), rows, status("VmHWM:") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_is_that_of_the_runs_not_of_the_unpacked_volume(tmp_path: Path) -> None:
    path = tmp_path / "annotation_25.nrrd"
    phantom_volume.write_annotation(path, 25)
    result = subprocess.run(
        [sys.executable, "-c", _PEAK_OF_READING, str(path)], capture_output=True, text=True, check=True
    )
    runs, rows, peak = map(int, result.stdout.split())
    assert runs == rows > 500_000
    unpacked = 4 * np.prod(grid_of("phantom_25um").shape)
    assert peak < unpacked / 4
