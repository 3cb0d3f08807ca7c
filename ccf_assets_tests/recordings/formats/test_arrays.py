"""`.npy` files: what numpy writes is read, anything else gives one sentence, in bounded memory."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from ccf_assets.errors import CcfError
from ccf_assets.recordings.formats import alf
from ccf_assets.recordings.formats.arrays import read_npy, read_points
from ccf_assets.recordings.formats.bare_array import FORMAT, OTHER_ARRAYS
from ccf_assets.recordings.formats.brainglobe import POINTS_NPY
from ccf_assets.recordings.formats.known import found_in
from ccf_assets_tests.support.sources import found_by, frame_of, listing_of, read_one

NUMBERS = arrays_of.arrays(
    st.sampled_from(["<i4", ">i4", "<f8", ">f4", "u1", "<i8", "?", "<U5", "S4", "<f2"]),
    arrays_of.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
)


def saved(values: object, **how: object) -> bytes:
    """A `.npy`."""
    file = io.BytesIO()
    np.save(file, values, **how)  # type: ignore[arg-type]
    return file.getvalue()


@given(values=NUMBERS, fortran=st.booleans())
def test_what_numpy_writes_is_read_as_it_was(tmp_path_factory, values: np.ndarray, fortran: bool) -> None:
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    path.write_bytes(saved(np.asfortranarray(values) if fortran else values))
    read = read_npy(path)
    assert read.dtype == values.dtype
    assert np.array_equal(read, values, equal_nan=values.dtype.kind == "f")


@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, data: st.DataObject) -> None:
    raw = bytearray(saved(np.arange(12.0).reshape(4, 3)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    with contextlib.suppress(CcfError):
        read_points(path)


def header(text: str) -> bytes:
    """A file with a header of its own, and 24 bytes of numbers."""
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode() + bytes(24)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is no .npy file"),
        (b"PK\3\4", "is no .npy file"),
        (
            saved(np.array([{}, []], dtype=object), allow_pickle=True),
            "pickled objects, which are never opened",
        ),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3)}"), "is damaged"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -3)}"), "is damaged"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3)}"), "is damaged"),
        (header("{'descr': '<f8', 'fortran_order': 1, 'shape': (1, 3)}"), "is damaged"),
        (header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}"), "array of numbers"),
        (header("__import__('os').abort()"), "is damaged"),
        (header("(" * 5000), "is damaged"),
        (header("[" * 200), "is damaged"),
        (header("{}"), "is damaged"),
        (saved(np.zeros((4, 2))), r"an array of 4 × 2 \(float64\), not points"),
        (saved(np.zeros(3)), "not points"),
        (saved(np.zeros((2, 3), complex)), "array of numbers"),
        (saved(np.zeros((2, 3), bool)), "not points"),
        (saved(np.zeros((0, 3))), "holds no points"),
        (saved(np.zeros((2, 3)))[:-8], "promises 48 bytes of numbers, and it has 40"),
    ],
)
def test_anything_else_is_refused_in_words(tmp_path: Path, raw: bytes, says: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(raw)
    with pytest.raises(CcfError, match=says):
        read_points(path)


# An array with settings of its own


def test_a_bare_array_is_a_source_only_with_settings_of_its_own_name(tmp_path: Path) -> None:
    for name in ("a", "b", "spikes.times"):
        np.save(tmp_path / f"{name}.npy", np.zeros((3, 3)))
    (tmp_path / "recordings.toml").write_text('frame = "ccf"\n')
    assert found_by(FORMAT, tmp_path) == []
    (tmp_path / "b.toml").write_text('frame = "ibl_um"\n')
    assert [found.anchor for found in found_by(FORMAT, tmp_path)] == ["b.npy"]


def test_an_array_that_another_format_reads_is_not_read_twice(tmp_path: Path) -> None:
    for name in ("channels.mlapdv", "points"):
        np.save(tmp_path / f"{name}.npy", np.zeros((3, 3)))
        (tmp_path / f"{name}.toml").write_text('frame = "ccf"\n')
    forms = {found.anchor: form for form, found in found_in(listing_of(tmp_path))}
    assert forms == {"channels.mlapdv.npy": alf.FORMAT, "points.npy": POINTS_NPY}


def test_its_rows_are_sites_in_the_order_of_the_frame(ccf_cases, tmp_path: Path) -> None:
    raw = ccf_cases("formats/ibl_mlapdv_npy/channels_mlapdv_5000.npy").read_bytes()
    (tmp_path / "m.npy").write_bytes(raw)
    (tmp_path / "m.toml").write_text('frame = "ibl_um"\n')
    table = read_one(FORMAT, tmp_path)
    assert table.frame is None
    assert table.names == ["recording_id", "site_id", "x", "y", "z"]
    assert frame_of(table)["site_id"].to_list() == list(range(5000))
    assert frame_of(table)["recording_id"].unique().to_list() == ["m"]


@pytest.mark.parametrize(
    "other", ["m.csv", "m.tsv", "m.csv.gz", "m.pqt", "m.Parquet", "m.xlsx", "m.nwb", "m.swc"]
)
def test_the_settings_of_another_source_do_not_describe_an_array(tmp_path: Path, other: str) -> None:
    np.save(tmp_path / "m.npy", np.zeros((3, 3)))
    np.save(tmp_path / "alone.npy", np.zeros((3, 3)))
    for name in (other, "m.toml", "alone.toml"):
        (tmp_path / name).write_text("")
    assert [found.anchor for found in found_by(FORMAT, tmp_path)] == ["alone.npy"]
    assert "give it a name that no other file of sites" in OTHER_ARRAYS.advice


def test_the_settings_of_a_folder_are_not_those_of_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "recordings.npy", np.zeros((3, 3)))
    (tmp_path / "recordings.toml").write_text("")
    assert found_by(FORMAT, tmp_path) == []


def test_a_coordinate_that_is_not_known_leaves_the_others(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([[1, 2, 3], [np.nan, 5, 6], [np.nan] * 3]))
    (tmp_path / "m.toml").write_text('frame = "ccf"\n')
    rows = frame_of(read_one(FORMAT, tmp_path)).select("x", "y", "z").rows()
    assert rows == [(1.0, 2.0, 3.0), (None, 5.0, 6.0), (None, None, None)]
