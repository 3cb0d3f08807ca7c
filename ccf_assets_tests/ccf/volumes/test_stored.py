"""What a file says of its volume is read as stated; what is no volume of ids is refused in a sentence."""

from __future__ import annotations

import bz2
import gzip
import json
import re
import struct
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from ccf_assets.ccf.volumes import zarr_folder
from ccf_assets.ccf.volumes.stored import StoredVolume, open_volume
from ccf_assets.errors import CcfError
from ccf_assets_tests.ccf.volumes.forms import (
    FORMS,
    Volume,
    affine_of,
    write_nifti,
    write_nrrd,
    write_zarr,
)

RAS = ("right", "anterior", "superior")

ARRAY: Volume = np.random.default_rng(1).integers(0, 2**32, (4, 3, 5), np.uint32)

ZARR_3 = not zarr.__version__.startswith("2.")


def whole(volume: StoredVolume) -> Volume:
    """The volume along its stored axes, from its slabs."""
    slabs = list(volume.slabs())
    assert all(slab.dtype.isnative for slab in slabs)
    return np.stack(slabs, axis=volume.slow_axis)


def refusal(path: Path) -> str:
    """The sentence that the file, its header or its data, is refused with."""
    with pytest.raises(CcfError) as refused:
        whole(open_volume(path))
    sentence = str(refused.value)
    assert str(path) in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 1_200
    return sentence


# --- Recognised ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_known_by_its_content_and_read_as_its_library_gives_it(tmp_path: Path, form: str) -> None:
    path = FORMS[form](tmp_path, ARRAY, RAS)
    volume = open_volume(path.rename(tmp_path / "renamed.dat"))
    assert volume.form == form.split(maxsplit=1)[0]
    assert volume.shape == ARRAY.shape
    assert volume.dtype == ARRAY.dtype
    assert np.array_equal(whole(volume), ARRAY)
    assert np.array_equal(whole(volume), ARRAY), "a second time"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"<html><body>503 Service Unavailable</body></html>",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        gzip.compress(b"NRRD0004\n"),
        b"\x1f\x8bno gzip at all",
        bytes(1000),
        b"PK\x03\x04" + bytes(60),
    ],
    ids=["empty", "blank", "web page", "picture", "gzip of another", "no gzip", "zeros", "zip"],
)
def test_what_is_in_no_form_is_told_which_there_are(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.nii.gz").write_bytes(content)
    assert refusal(tmp_path / "v.nii.gz").endswith(
        "it is in none of the forms that are read: NRRD (.nrrd), NIfTI (.nii, .nii.gz), TIFF (.tif, .tiff), "
        "OME-Zarr and Zarr (folders)."
    )


def test_a_folder_of_something_else_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "v.nrrd").touch()
    assert "it is a folder without a Zarr array" in refusal(tmp_path)


def test_a_path_without_a_file_is_told_so(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory" in refusal(tmp_path / "nothing.nrrd")


@pytest.mark.parametrize(
    ("form", "library"), [("NIfTI", "nibabel"), ("TIFF", "tifffile"), ("Zarr", "zarr")], ids="-".join
)
def test_a_missing_library_is_named_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, library: str
) -> None:
    path = FORMS[form](tmp_path, ARRAY, RAS)
    monkeypatch.setitem(sys.modules, library, None)
    assert refusal(path) == f"To read {path} needs {library}: pip install 'ccf_assets[atlases]'."


def test_nrrd_needs_none_of_the_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("nibabel", "tifffile", "imagecodecs", "zarr"):
        monkeypatch.setitem(sys.modules, library, None)
    assert np.array_equal(whole(open_volume(write_nrrd(tmp_path / "v", ARRAY))), ARRAY)


@pytest.mark.parametrize("kind", ["complex64", "complex128"])
@pytest.mark.parametrize("form", ["NIfTI", "TIFF", "Zarr"])
def test_a_type_that_holds_no_ids_is_refused(tmp_path: Path, form: str, kind: str) -> None:
    path = FORMS[form](tmp_path, ARRAY.astype(kind), RAS)
    assert f"its voxels are of type {kind}, and region ids are whole numbers" in refusal(path)


# --- NRRD ------------------------------------------------------------------------------------------------


def nrrd_file(path: Path, data: bytes, **changed: str) -> Path:
    """A NRRD file; a field in ``changed`` replaces what is right for `ARRAY`."""
    fields = {
        "type": "unsigned int",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": "4 3 5",
        "space directions": "(25,0,0) (0,25,0) (0,0,25)",
        "endian": "little",
        "encoding": "raw",
        **{name.replace("_", " "): value for name, value in changed.items()},
    }
    text = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    path.write_bytes(f"NRRD0004\n{text}\n".encode() + data)
    return path


DATA = ARRAY.astype("<u4").tobytes(order="F")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "v"


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("raw", bytes),
        ("gzip", gzip.compress),
        ("gz", gzip.compress),
        ("bzip2", bz2.compress),
        ("bz2", bz2.compress),
    ],
)
def test_nrrd_data_are_unpacked(file: Path, encoding: str, pack) -> None:
    assert np.array_equal(whole(open_volume(nrrd_file(file, pack(DATA), encoding=encoding))), ARRAY)


@pytest.mark.parametrize(
    ("changed", "edges_um", "bare"),
    [
        ({}, None, (25, 25, 25)),
        ({"space_units": '"um" "um" "um"'}, (25, 25, 25), None),
        ({"space_units": '"mm" "um" "m"'}, (25_000, 25, 25_000_000), None),
        ({"space_units": '"px" "px" "px"'}, None, (25, 25, 25)),
        ({"space_directions": "(0,0,-10) (0.025,0,0) (0,20,0)"}, None, (10, 0.025, 20)),
        ({"space_directions": "", "space": "", "spacings": "1 2 3"}, None, (1, 2, 3)),
        (
            {"space_directions": "", "space": "", "spacings": "1 2 3", "units": '"mm" "mm" "mm"'},
            (1e3, 2e3, 3e3),
            None,
        ),
        ({"space_directions": "", "space": ""}, None, None),
    ],
)
def test_edges_of_nrrd_are_those_with_a_unit_or_bare(file: Path, changed, edges_um, bare) -> None:
    volume = open_volume(nrrd_file(file, DATA, **changed))
    assert (volume.edges_um, volume.bare_edges) == (edges_um, bare)


def test_the_space_of_nrrd_is_no_statement_of_orientation(ccf_data) -> None:
    volume = open_volume(ccf_data("annotation/ccf_2017/annotation_100.nrrd"))
    assert volume.axes is None
    assert volume.bare_edges == (100, 100, 100)
    assert volume.shape == (132, 80, 114)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"data_file": "v.raw.gz"},
            "its header has data file: v.raw.gz; write header and voxels in one file",
        ),
        ({"datafile": "LIST"}, "its header has datafile: LIST"),
        ({"line_skip": "1"}, "its header has line skip: 1"),
        ({"byte_skip": "-1"}, "its header has byte skip: -1"),
        ({"encoding": "ascii"}, "its encoding is ascii; read are raw, gzip and bzip2"),
        ({"encoding": "text"}, "its encoding is text"),
        ({"encoding": "hex"}, "its encoding is hex"),
        ({"endian": ""}, "does not say whether endian is little or big"),
        ({"type": "block"}, "its voxels are of type block"),
        ({"type": "colour"}, "its voxels are of type colour"),
        ({"sizes": "4 15", "dimension": "2"}, "it has 2 axes (4 × 15), and a volume has three"),
        ({"sizes": "-4 3 5"}, "its header says -4 × 3 × 5 voxels"),
        ({"sizes": "4 3 0"}, "its header says 4 × 3 × 0 voxels"),
        ({"sizes": "4 3 1000000"}, "4 × 3 × 1,000,000 voxels; there may be 1 to 8,191 along an axis"),
        ({"sizes": "8000 8000 8000"}, "1 to 8,191 along an axis and 17,179,869,184 in all"),
        ({"sizes": f"{10**30} 3 5"}, ""),
        ({"sizes": "9" * 5000}, ""),
        ({"space_directions": "(20,15,0) (0,25,0) (0,0,25)"}, "its space directions are oblique"),
        ({"space_directions": "(25,0,0) (25,0,0) (0,0,25)"}, "its space directions are oblique"),
        ({"space_directions": "none (0,25,0) (0,0,25)"}, "its space directions are not three vectors"),
        ({"space_directions": "(0,0,0) (0,25,0) (0,0,25)"}, "a voxel's edges are 0, 25, 25"),
        ({"space_directions": "(25,0"}, "its NRRD header is not readable"),
        ({"sizes": ""}, "it has 0 axes"),
    ],
)
def test_a_nrrd_header_of_something_else_is_refused(file: Path, changed: dict[str, str], told: str) -> None:
    assert told in refusal(nrrd_file(file, DATA, **changed))


def test_a_nrrd_header_without_end_is_not_read_to_its_end(file: Path) -> None:
    file.write_bytes(b"NRRD0004\n" + b"# \n" * 30_000)
    assert "its NRRD header is not readable (it does not end within 65,536 bytes)" in refusal(file)


# --- Data of the wrong length, or damaged ----------------------------------------------------------------


def nifti_of(path: Path, data: bytes, pack=bytes) -> Path:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint32)
    header.set_data_shape((4, 3, 5))
    header.set_sform(affine_of(RAS), 1)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path.write_bytes(pack(header.binaryblock + bytes(4) + data))
    return path


PACKED = {
    "raw": nrrd_file,
    "gzip": lambda path, data: nrrd_file(path, gzip.compress(data), encoding="gzip"),
    "bzip2": lambda path, data: nrrd_file(path, bz2.compress(data), encoding="bzip2"),
    ".nii": nifti_of,
    ".nii.gz": lambda path, data: nifti_of(path, data, gzip.compress),
}


@pytest.mark.parametrize("form", PACKED)
def test_data_that_end_early_or_go_on_are_told(file: Path, form: str) -> None:
    assert np.array_equal(whole(open_volume(PACKED[form](file, DATA))), ARRAY)
    assert "is damaged: it ends after 3 of 5 planes" in refusal(PACKED[form](file, DATA[:-49]))
    assert "is damaged: it goes on after its 5 planes" in refusal(PACKED[form](file, DATA + b"\0"))


def test_a_header_of_nifti_2_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "v.nii", ARRAY, RAS, version=2)
    path.write_bytes(path.read_bytes()[:539])
    assert "its NIfTI header is not readable" in refusal(path)


@pytest.mark.parametrize("form", PACKED)
def test_a_file_that_was_cut_is_refused_wherever_it_was(file: Path, form: str) -> None:
    content = PACKED[form](file, DATA).read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        refusal(file)


@pytest.mark.parametrize("form", ["gzip", "bzip2", ".nii.gz"])
def test_a_changed_byte_of_packed_data_is_noticed_or_changes_no_voxel(file: Path, form: str) -> None:
    content = PACKED[form](file, DATA).read_bytes()
    for place in range(len(content) - len(DATA), len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            array = whole(open_volume(file))
        except CcfError:
            continue
        assert np.array_equal(array, ARRAY)


@pytest.mark.parametrize("form", ["gzip", "bzip2", ".nii.gz"])
def test_of_data_that_unpack_to_more_only_what_the_header_says_is_read(file: Path, form: str) -> None:
    bomb = PACKED[form](file, DATA + bytes(200_000_000))
    assert bomb.stat().st_size < 1_000_000
    volume = open_volume(bomb)
    slabs = volume.slabs()
    assert np.array_equal(np.stack([next(slabs) for _ in range(5)], axis=2), ARRAY)
    with pytest.raises(CcfError, match="it goes on after its 5 planes"):
        next(slabs)


# --- NIfTI -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [False, True])
def test_nifti_of_both_versions_and_byte_orders(
    tmp_path: Path, version: int, order: str, packed: bool
) -> None:
    path = tmp_path / ("v.nii.gz" if packed else "v.nii")
    write_nifti(path, ARRAY.astype(f"{order}u4"), RAS, version=version)
    volume = open_volume(path)
    assert np.array_equal(whole(volume), ARRAY)
    assert volume.dtype == np.dtype(f"{order}u4")
    assert volume.axes == RAS


@pytest.mark.parametrize(
    ("unit", "edges_um", "bare", "scale"),
    [
        ("mm", (25, 40, 25), None, 1),
        ("micron", (0.025, 0.04, 0.025), None, 0.001),
        ("meter", (25_000, 40_000, 25_000), None, 1000),
        ("unknown", None, (0.025, 0.04, 0.025), None),
    ],
)
def test_the_unit_of_nifti_is_the_one_it_states(tmp_path: Path, unit: str, edges_um, bare, scale) -> None:
    affine = affine_of(("left", "posterior", "superior"), (0.025, 0.04, 0.025))
    affine[:3, 3] = (5.7, 1.5, -8)
    image = nibabel.Nifti1Image(ARRAY, affine, dtype=np.uint32)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "v.nii")
    volume = open_volume(tmp_path / "v.nii")
    assert volume.axes == ("left", "posterior", "superior")
    assert (volume.edges_um, volume.bare_edges) == (edges_um, bare)
    if scale is None:
        assert volume.world is None
    else:
        assert np.allclose(np.reshape(volume.world, (3, 4)), affine[:3] * scale, rtol=1e-6, atol=0)


def test_the_sform_goes_before_the_qform_as_nibabel_has_it(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(ARRAY, None, dtype=np.uint32)
    image.header.set_qform(affine_of(RAS), 1)
    nibabel.save(image, tmp_path / "v.nii")
    assert open_volume(tmp_path / "v.nii").axes == RAS
    image.header.set_sform(affine_of(("left", "superior", "posterior")), 2)
    nibabel.save(image, tmp_path / "v.nii")
    assert open_volume(tmp_path / "v.nii").axes == ("left", "superior", "posterior")


def test_a_nifti_without_a_form_states_no_axes(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(ARRAY, None, dtype=np.uint32)
    image.header["sform_code"] = image.header["qform_code"] = 0
    image.header.set_zooms((0.1, 0.2, 0.3))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "v.nii")
    volume = open_volume(tmp_path / "v.nii")
    assert volume.axes is None
    assert volume.world is None
    assert volume.edges_um == (100, 200, 300)


def test_a_nifti_of_four_axes_with_one_volume_is_one(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "v.nii", ARRAY[..., np.newaxis], RAS)
    assert np.array_equal(whole(open_volume(path)), ARRAY)
    path = write_nifti(tmp_path / "v.nii", np.stack([ARRAY, ARRAY], axis=-1), RAS)
    assert "it has 4 axes (4 × 3 × 5 × 2), and a volume has three" in refusal(path)


def test_voxels_follow_the_header_where_no_offset_is_said(file: Path) -> None:
    assert np.array_equal(whole(open_volume(nifti_with(file, vox_offset=0))), ARRAY)


@pytest.mark.parametrize("version", [1, 2])
def test_extensions_between_header_and_voxels_are_passed_over(tmp_path: Path, version: int) -> None:
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(ARRAY, affine_of(RAS), dtype=np.uint32)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"about " * 1000))
    for name in ("v.nii", "v.nii.gz"):
        nibabel.save(image, tmp_path / name)
        assert np.array_equal(whole(open_volume(tmp_path / name)), ARRAY)


@pytest.mark.parametrize("degrees", [0.5, 30, 44])
def test_an_oblique_nifti_is_refused_with_its_angle(tmp_path: Path, degrees: float) -> None:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[:2, :2] = [[c, -s], [s, c]]
    nibabel.save(nibabel.Nifti1Image(ARRAY, turn, dtype=np.uint32), tmp_path / "v.nii")
    assert f"its axes are oblique, by {degrees:.2f}°" in refusal(tmp_path / "v.nii")


@given(
    st.sampled_from(
        [(b, c, d) for b in (0, 0.5, -0.5, 2**-0.5) for c in (0, 0.5, 2**-0.5) for d in (0, 0.5, 1)]
    )
)
@settings(deadline=None)
def test_what_float32_makes_of_a_right_angle_is_still_one(quaternion: tuple[float, float, float]) -> None:
    if sum(q * q for q in quaternion) > 1 + 1e-6:
        return
    image = nibabel.Nifti1Image(ARRAY, None, dtype=np.uint32)
    header = image.header
    header["quatern_b"], header["quatern_c"], header["quatern_d"] = quaternion
    header["qform_code"], header["sform_code"] = 1, 0
    straight = np.isclose(np.abs(header.get_qform()[:3, :3]).max(axis=0), 1, atol=1e-3).all()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.nii"
        path.write_bytes(nifti_of(path, DATA).read_bytes())
        content = bytearray(path.read_bytes())
        block = header.binaryblock
        content[252:268] = block[252:268]
        path.write_bytes(content)
        if straight:
            assert open_volume(path).axes is not None
        else:
            assert "oblique" in refusal(path)


def nifti_with(path: Path, **fields: object) -> Path:
    content = bytearray(nifti_of(path, DATA).read_bytes())
    header = nibabel.Nifti1Header.from_fileobj(path.open("rb"), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"scl_slope": 2, "scl_inter": 0}, "its header says to multiply its values by 2 and add 0"),
        ({"scl_slope": 1, "scl_inter": -1}, "its header says to multiply its values by 1 and add -1"),
        ({"scl_slope": 1, "scl_inter": np.nan}, "its NIfTI header is not readable"),
        ({"datatype": 128}, "and region ids are whole numbers"),
        ({"datatype": 9999}, "its NIfTI header is not readable"),
        ({"dim": [3, 1000, 1000, 32767, 1, 1, 1, 1]}, "there may be 1 to 8,191 along an axis"),
        ({"dim": [3, -4, 3, 5, 1, 1, 1, 1]}, "voxels; there may be"),
        ({"dim": [2, 4, 15, 1, 1, 1, 1, 1]}, "it has 2 axes"),
        ({"dim": [99, 4, 15, 1, 1, 1, 1, 1]}, ""),
        ({"magic": b"ni1"}, "its voxels are in another file; save it as one file"),
        ({"srow_x": [0, 0, 0, 0]}, "its affine has a column that is no direction"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "its affine has a column that is no direction"),
        ({"srow_y": [1, 0, 0, 0]}, ""),
        ({"vox_offset": -1000}, "its header says that voxels begin at byte -1,000"),
        ({"vox_offset": 100}, "its header says that voxels begin at byte 100"),
        ({"vox_offset": 1e9}, "it ends after 0 of 5 planes"),
        ({"vox_offset": np.nan}, ""),
        ({"xyzt_units": 77}, ""),
        ({"sform_code": 0, "pixdim": [1, 0, 1, 1, 1, 1, 1, 1]}, "a voxel's edges are 0, 1, 1"),
        ({"sform_code": 0, "qform_code": 1, "quatern_b": 5}, ""),
    ],
)
def test_a_nifti_header_of_something_else_is_refused(
    file: Path, fields: dict[str, object], told: str
) -> None:
    assert told in refusal(nifti_with(file, **fields))


# --- TIFF ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"byteorder": ">", "bigtiff": True}]
)
@pytest.mark.parametrize("compression", [None, "zlib", "lzma", "lzw", "zstd", "packbits"])
def test_tiff_in_all_packings(file: Path, how, compression: str | None) -> None:
    tifffile.imwrite(file, ARRAY, compression=compression, photometric="minisblack", **how)
    volume = open_volume(file)
    assert np.array_equal(whole(volume), ARRAY)
    assert volume.dtype == np.dtype(how.get("byteorder", "<") + "u4")
    assert (volume.axes, volume.edges_um, volume.bare_edges) == (None, None, None)


@pytest.mark.parametrize(
    "how", [{"tile": (16, 16)}, {"predictor": True, "compression": "zlib"}, {"rowsperstrip": 1}]
)
def test_tiff_in_tiles_strips_and_differences(file: Path, how) -> None:
    array = np.random.default_rng(2).integers(0, 2**16, (6, 40, 50), np.uint16)
    tifffile.imwrite(file, array, **how)
    assert np.array_equal(whole(open_volume(file)), array)


def test_pages_without_any_description_are_a_volume(file: Path) -> None:
    with tifffile.TiffWriter(file) as writer:
        for page in ARRAY:
            writer.write(page, metadata=None, contiguous=False)
    assert np.array_equal(whole(open_volume(file)), ARRAY)


@pytest.mark.parametrize("shape", [(2, 1, 4), (300, 2, 3), (2, 3, 3), (2, 3, 4)])
def test_thin_tiffs_keep_their_axes(file: Path, shape) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(file, array, photometric="minisblack")
    assert open_volume(file).shape == shape
    assert np.array_equal(whole(open_volume(file)), array)


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "CYX"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_of_imagej_is_a_volume(file: Path, axes: str, compression: str | None) -> None:
    array = ARRAY.astype(np.uint16)
    tifffile.imwrite(file, array, imagej=True, metadata={"axes": axes}, compression=compression)
    assert np.array_equal(whole(open_volume(file)), array)


@pytest.mark.parametrize(
    ("stated", "edges_um", "bare"),
    [
        ({"spacing": 25, "unit": "um"}, (25, 10, 20), None),
        ({"spacing": 25, "unit": "\\u00B5m"}, (25, 10, 20), None),
        ({"spacing": 0.025, "unit": "mm"}, (25, 10_000, 20_000), None),
        ({"spacing": 25}, None, (25, 10, 20)),
        ({"unit": "um"}, None, None),
        ({"spacing": 25, "unit": "pixel"}, None, None),
        ({"spacing": "wide"}, None, None),
    ],
)
def test_edges_of_imagej_are_those_with_a_unit_or_bare(file: Path, stated, edges_um, bare) -> None:
    tifffile.imwrite(
        file,
        ARRAY.astype(np.uint16),
        imagej=True,
        resolution=(1 / 20, 1 / 10),
        metadata={"axes": "ZYX", **stated},
    )
    volume = open_volume(file)
    assert (volume.edges_um, volume.bare_edges) == (edges_um, bare)


def test_edges_of_ome_xml_are_in_its_unit_or_in_its_schemas(file: Path) -> None:
    for unit, factor in ((None, 1), ("mm", 1000), ("nm", 0.001)):
        sizes = {"PhysicalSizeZ": 25.0, "PhysicalSizeY": 10.0, "PhysicalSizeX": 20.0}
        units = {f"PhysicalSize{axis}Unit": unit for axis in "ZYX"} if unit else {}
        tifffile.imwrite(file, ARRAY, ome=True, metadata={"axes": "ZYX", **sizes, **units})
        volume = open_volume(file)
        assert volume.edges_um == (25 * factor, 10 * factor, 20 * factor)
        assert np.array_equal(whole(volume), ARRAY)
    tifffile.imwrite(file, ARRAY, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 20.0})
    assert open_volume(file).edges_um is None


@pytest.mark.parametrize(
    ("shape", "how", "told"),
    [
        ((3, 5), {}, "it is one plane, and a volume has several"),
        ((4, 5, 3), {"photometric": "rgb"}, ""),
        ((4, 6, 5, 3), {"photometric": "rgb"}, "its pages hold colours or several planes each"),
        (
            (2, 4, 6, 5),
            {"metadata": {"axes": "TZYX"}, "photometric": "minisblack"},
            "its pages are 2 T × 4 Z × 6 Y × 5 X",
        ),
        ((16, 16, 16), {"volumetric": True, "tile": (16, 16, 16)}, ""),
    ],
)
def test_a_tiff_of_something_else_is_refused(file: Path, shape, how, told: str) -> None:
    tifffile.imwrite(file, np.ones(shape, np.uint8), **how)
    assert told in refusal(file)


def test_a_tiff_of_two_images_is_refused(file: Path) -> None:
    tifffile.imwrite(file, ARRAY, photometric="minisblack")
    tifffile.imwrite(file, ARRAY[:, :2], append=True, photometric="minisblack")
    assert "it has 2 series of pages, and a volume is one" in refusal(file)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_that_was_cut_is_refused_wherever_it_was(file: Path, compression: str | None) -> None:
    tifffile.imwrite(file, ARRAY, compression=compression, photometric="minisblack")
    content = file.read_bytes()
    for length in range(len(content) - 1):
        file.write_bytes(content[:length])
        try:
            array = whole(open_volume(file))
        except CcfError:
            continue
        assert np.array_equal(array, ARRAY), length


@pytest.mark.parametrize("next_page", [8, 0], ids=["itself", "the second"])
def test_a_chain_of_pages_without_end_is_refused(file: Path, next_page: int) -> None:
    tags = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 1))
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in tags)
    last = 8 + 150 * (len(page) + 4)
    pages = b"".join(page + struct.pack("<I", 8 + (i + 1) * (len(page) + 4)) for i in range(150))
    file.write_bytes(b"II*\0" + struct.pack("<I", 8) + pages + page + struct.pack("<I", next_page or last))
    refusal(file)


def test_a_tiff_of_a_million_pages_is_refused(file: Path) -> None:
    with tifffile.TiffWriter(file) as writer:
        for _ in range(8_192):
            writer.write(np.ones((1, 1), np.uint8), metadata=None, contiguous=False)
    assert "it has more than 8,191 pages" in refusal(file)


def test_pages_in_another_file_are_not_looked_for(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "other.ome.tif", ARRAY, ome=True)
    xml = tifffile.TiffFile(tmp_path / "other.ome.tif").ome_metadata
    xml = re.sub(
        r"<TiffData[^>]*/>",
        '<TiffData IFD="0" PlaneCount="4"><UUID FileName="other.ome.tif">u</UUID></TiffData>',
        xml,
    )
    tifffile.imwrite(tmp_path / "v.ome.tif", ARRAY[0], description=xml.encode(), metadata=None)
    refusal(tmp_path / "v.ome.tif")


# --- Zarr ------------------------------------------------------------------------------------------------

FORMATS = [2, 3] if ZARR_3 else [2]


@pytest.mark.parametrize("new", FORMATS)
@pytest.mark.parametrize("chunks", [(1, 1, 1), (2, 2, 2), (4, 3, 5), (1, 3, 5), (4, 3, 1), (9, 9, 9)])
def test_zarr_in_chunks_of_any_shape(file: Path, new: int, chunks) -> None:
    write_zarr(file, ARRAY, zarr_format=new, chunks=chunks)
    volume = open_volume(file)
    assert np.array_equal(whole(volume), ARRAY)
    assert volume.form == "Zarr"


@pytest.mark.skipif(not ZARR_3, reason="zarr 2 does not read format 3")
def test_zarr_in_shards(file: Path) -> None:
    array = np.random.default_rng(1).integers(0, 9, (16, 8, 8), np.uint32)
    write_zarr(file, array, zarr_format=3, chunks=(2, 2, 2), shards=(8, 4, 8))
    assert np.array_equal(whole(open_volume(file)), array)


def image(path: Path, array: Volume, *, new: int = 2, axes=None, **multiscale: object) -> Path:
    """An OME-Zarr image with one resolution."""
    path.mkdir()
    write_zarr(path / "0", array, chunks=(2,) * array.ndim, zarr_format=new)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"] if axes is None else axes
    scale = [{"type": "scale", "scale": [25, 10, 20]}]
    told = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}], **multiscale}
    if new == 2:
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text(json.dumps({"multiscales": [{"version": "0.4", **told}]}))
    else:
        attributes = {"ome": {"version": "0.5", "multiscales": [told]}}
        (path / "zarr.json").write_text(
            json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes})
        )
    return path


@pytest.mark.parametrize("new", FORMATS)
def test_the_finest_array_of_an_image_is_read_with_its_scale(file: Path, new: int) -> None:
    volume = open_volume(image(file, ARRAY, new=new))
    assert volume.form == "OME-Zarr"
    assert volume.edges_um == (25, 10, 20)
    assert volume.axes is None
    assert np.array_equal(whole(volume), ARRAY)


def test_the_scale_of_the_whole_image_counts_too(file: Path) -> None:
    scale = [{"type": "scale", "scale": [2, 2, 2]}]
    assert open_volume(image(file, ARRAY, coordinateTransformations=scale)).edges_um == (50, 20, 40)


def test_a_scale_without_units_is_bare(file: Path) -> None:
    volume = open_volume(image(file, ARRAY, axes=[{"name": name, "type": "space"} for name in "zyx"]))
    assert (volume.edges_um, volume.bare_edges) == (None, (25, 10, 20))


def test_axes_of_time_and_channel_are_accepted_if_they_are_one_long(file: Path) -> None:
    units = ("second", None, "millimeter", "millimeter", "millimeter")
    axes = [{"name": name, "unit": unit} for name, unit in zip("tczyx", units, strict=True)]
    scale = [{"type": "scale", "scale": [1, 1, 0.025, 0.01, 0.02]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    volume = open_volume(image(file, ARRAY[np.newaxis, np.newaxis], axes=axes, datasets=datasets))
    assert volume.edges_um == (25, 10, 20)
    assert np.array_equal(whole(volume), ARRAY)
    write_zarr(file.with_name("w"), np.stack([ARRAY, ARRAY]), chunks=(1, 2, 2, 2))
    assert "it has 4 axes (2 × 4 × 3 × 5), and a volume has three" in refusal(file.with_name("w"))


def oriented(*values: str) -> list[dict[str, object]]:
    return [
        {"name": name, "orientation": {"type": "anatomical", "value": v}}
        for name, v in zip("zyx", values, strict=True)
    ]


def test_an_anatomical_orientation_is_a_statement(file: Path) -> None:
    axes = oriented("anterior-to-posterior", "ventral-to-dorsal", "right-to-left")
    assert open_volume(image(file, ARRAY, axes=axes)).axes == ("posterior", "superior", "left")


def test_an_orientation_of_some_axes_is_none(file: Path) -> None:
    axes = [*oriented("anterior-to-posterior", "ventral-to-dorsal", "x")[:2], {"name": "x"}]
    assert open_volume(image(file, ARRAY, axes=axes)).axes is None


def test_an_orientation_that_names_an_axis_twice_is_refused(file: Path) -> None:
    axes = oriented("left-to-right", "ventral-to-dorsal", "right-to-left")
    assert "its axes run to right, superior, left, which are not three axes" in refusal(
        image(file, ARRAY, axes=axes)
    )


@pytest.mark.parametrize(
    "multiscale",
    [
        {"datasets": []},
        {"datasets": [{}]},
        {"datasets": [{"path": "1"}]},
        {"datasets": [{"path": "../v"}]},
        {"datasets": [{"path": "/etc"}]},
        {"datasets": [{"path": "0\0"}]},
        {"datasets": [{"path": ["0"]}]},
        {"datasets": 5},
        {"axes": 5},
        {"coordinateTransformations": [{"type": "scale", "scale": "wide"}]},
        {"coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]},
        {"coordinateTransformations": [{"type": "scale", "scale": [0, 1, 1]}]},
        {"coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1e999]}]},
        {"coordinateTransformations": [{"type": "scale"}]},
        {"coordinateTransformations": [5]},
    ],
    ids=str,
)
def test_multiscales_that_are_not_readable_are_refused(file: Path, multiscale: dict[str, object]) -> None:
    refusal(image(file, ARRAY, **multiscale))


def test_a_group_is_told_to_name_an_array(file: Path) -> None:
    file.mkdir()
    (file / ".zgroup").write_text('{"zarr_format": 2}')
    assert "it has no array here; name the folder of one array" in refusal(file)


def metadata(path: Path, **changed: object) -> Path:
    """An array of format 2 whose metadata say something else."""
    write_zarr(path, ARRAY, chunks=(2, 2, 2))
    about = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps({**about, **changed}))
    return path


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"filters": [{"id": "pickle"}]}, "it is packed with pickle; read are blosc, zstd, gzip, zlib, lz4"),
        ({"compressor": {"id": "pickle"}}, "it is packed with pickle"),
        ({"compressor": {"id": "blosc"}, "filters": [{"id": "zlib"}]}, "it is packed more than once"),
        ({"compressor": 5}, "its codecs are not readable"),
        ({"shape": [10**6, 3, 5]}, "1,000,000 × 3 × 5 voxels; there may be 1 to 8,191 along an axis"),
        ({"shape": [1000, 1000, 1000], "chunks": [1000, 1000, 1000]}, "do not fit into memory"),
        ({"chunks": [10**9, 10**9, 10**9]}, "do not fit into memory"),
        ({"chunks": [0, 2, 2]}, ""),
        ({"chunks": [2, 2]}, ""),
        ({"shape": [60]}, ""),
        ({"shape": "wide"}, ""),
        ({"dtype": "|O"}, ""),
        ({"dtype": "|V4"}, ""),
        ({"dtype": "<U4"}, ""),
        ({"dtype": "<M8[s]"}, ""),
        ({"dtype": [["a", "<u2"], ["b", "<u2"]]}, ""),
        ({"order": "X"}, ""),
        ({"zarr_format": 7}, ""),
    ],
    ids=str,
)
def test_metadata_of_something_else_are_refused(file: Path, changed: dict[str, object], told: str) -> None:
    assert told in refusal(metadata(file, **changed))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b"5", b" " * 16_000_001])
def test_metadata_that_are_no_json_are_refused(file: Path, content: bytes) -> None:
    metadata(file)
    (file / ".zarray").write_bytes(content)
    refusal(file)


CODECS = {
    "blosc": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
    "zstd": {"id": "zstd", "level": 1},
    "gzip": {"id": "gzip", "level": 1},
    "zlib": {"id": "zlib", "level": 1},
    "lz4": {"id": "lz4", "acceleration": 1},
    "": None,
}


def packed_with(path: Path, name: str, data: bytes) -> Path:
    """An array of one chunk, 4 × 3 × 5, whose file holds ``data``, packed."""
    import numcodecs

    path.mkdir(exist_ok=True)
    about = {
        "zarr_format": 2,
        "shape": [4, 3, 5],
        "chunks": [4, 3, 5],
        "dtype": "<u4",
        "order": "C",
        "fill_value": 0,
    }
    (path / ".zarray").write_text(json.dumps({**about, "compressor": CODECS[name], "filters": None}))
    packed = numcodecs.get_codec(CODECS[name]).encode(data) if name else data
    (path / "0.0.0").write_bytes(bytes(packed))
    return path


@pytest.mark.parametrize("name", CODECS)
def test_a_chunk_that_unpacks_to_more_or_less_than_it_should_is_refused(file: Path, name: str) -> None:
    data = ARRAY.tobytes()
    assert np.array_equal(whole(open_volume(packed_with(file, name, data))), ARRAY)
    assert "its chunk 0.0.0" in refusal(packed_with(file, name, data + bytes(100_000_000)))
    assert "its chunk 0.0.0 is smaller than its header says" in refusal(packed_with(file, name, data[:-1]))
    packed = (packed_with(file, name, data) / "0.0.0").read_bytes()
    for length in range(len(packed)):
        (file / "0.0.0").write_bytes(packed[:length])
        refusal(file)


def test_other_files_beside_the_chunks_do_not_matter(file: Path) -> None:
    (packed_with(file, "gzip", ARRAY.tobytes()) / "README.txt").write_text("about " * 100_000)
    assert np.array_equal(whole(open_volume(file)), ARRAY)


def test_a_chunk_without_a_file_is_the_fill_value(file: Path) -> None:
    (packed_with(file, "gzip", ARRAY.tobytes()) / "0.0.0").unlink()
    assert not whole(open_volume(file)).any()


@pytest.mark.parametrize("what", ["array", "metadata", "chunk", "folder of chunks"])
def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, what: str) -> None:
    elsewhere = image(tmp_path / "elsewhere", ARRAY)
    path = image(tmp_path / "v", ARRAY)
    if what == "array":
        (path / "0").rename(tmp_path / "0")
        (path / "0").symlink_to(elsewhere / "0")
    elif what == "folder of chunks":
        (path / "0" / "0").symlink_to(elsewhere / "0", target_is_directory=True)
    else:
        name = ".zarray" if what == "metadata" else next((path / "0").glob("[0-9]*")).name
        if (path / "0" / name).is_dir():
            pytest.skip("chunks are in folders")
        (path / "0" / name).unlink()
        (path / "0" / name).symlink_to(elsewhere / "0" / name)
    assert "leads out of the folder" in refusal(path)


def test_a_link_inside_the_folder_and_to_it_is_followed(tmp_path: Path) -> None:
    path = image(tmp_path / "v", ARRAY)
    (path / "0").rename(path / "full")
    (path / "0").symlink_to("full")
    (tmp_path / "link").symlink_to(path)
    assert np.array_equal(whole(open_volume(tmp_path / "link")), ARRAY)


def test_a_volume_whose_layers_do_not_fit_is_read_along_another_axis(file: Path, monkeypatch) -> None:
    write_zarr(file, ARRAY, chunks=(4, 3, 1))
    monkeypatch.setattr(zarr_folder, "_MOST_IN_MEMORY", 4 * 3 * 4)
    volume = open_volume(file)
    assert (volume.slow_axis, volume.readable_along) == (2, (2,))
    assert np.array_equal(whole(volume), ARRAY)


@pytest.mark.skipif(ZARR_3, reason="zarr 3 reads format 3")
def test_format_3_is_told_what_it_needs(file: Path) -> None:
    file.mkdir()
    (file / "zarr.json").write_text(
        '{"zarr_format": 3, "node_type": "array", "shape": [1, 1, 1], "codecs": []}'
    )
    assert "needs zarr 3 and with it Python 3.11 or later" in refusal(file)


# --- Any bytes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["NRRD gzip", "NIfTI", "TIFF"])
@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(deadline=None, max_examples=150)
def test_a_changed_byte_gives_a_volume_or_a_sentence(form: str, place: int, flip: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = FORMS[form](Path(folder), ARRAY, RAS)
        content = bytearray(path.read_bytes())
        content[place % len(content)] ^= flip
        path.write_bytes(content)
        try:
            volume = open_volume(path)
            array = whole(volume)
        except CcfError:
            return
        assert array.shape == volume.shape
