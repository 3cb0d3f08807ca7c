"""An exported volume has every voxel of the atlas, and its header says where each is, to other libraries."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
import zarr

from ccf_assets.atlas import export_volume
from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.export_volume import NIFTI, NRRD, OME_ZARR
from ccf_assets.ccf.volumes.canonical import sagittal_planes
from ccf_assets.ccf.volumes.stored import open_volume
from ccf_assets.db import levels, schema
from ccf_assets.errors import CcfError

KEY = "phantom_100um"
CORNER_RAS = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""AP, DV, ML of a place → right, anterior, superior of it."""


def _array(path: Path, form: str) -> npt.NDArray[Any]:
    """The voxels, as the library that belongs to the form reads them."""
    if form == NIFTI:
        return np.asarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]
    if form == NRRD:
        return nrrd.read(str(path))[0]
    return np.asarray(zarr.open_group(str(path), mode="r")["0"])


FILES = [(NIFTI, "a.nii.gz"), (NIFTI, "a.NII"), (NRRD, "a.nrrd"), (OME_ZARR, "a.ome.zarr")]


@pytest.mark.parametrize(("form", "name"), FILES)
def test_every_voxel_is_that_of_the_atlas(
    phantom_database: sa.Engine, tmp_path: Path, form: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccf_assets.ccf.grid.BLOCK_BYTES", 4 * 132 * 80 * 7)  # 7 planes at a time
    path = tmp_path / name
    written = export_volume.export_volume(phantom_database, form, path, KEY)
    volume = Atlas(KEY).volume()
    found = _array(path, form)
    assert written.atlas.key == KEY
    assert written.shapes == (volume.shape,)
    assert found.dtype == written.dtype == ("int32" if form == NIFTI else "uint32")
    assert np.array_equal(found, volume)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("form", "name"), FILES)
def test_the_real_atlas_reads_back_and_is_itself_as_an_own_atlas(
    real_database: sa.Engine, tmp_path: Path, form: str, name: str
) -> None:
    path = tmp_path / name
    export_volume.export_volume(real_database, form, path, "ccf_2017_100um")
    volume = Atlas("ccf_2017_100um").volume()
    assert np.array_equal(_array(path, form), volume)
    again = open_volume(path)
    assert again.shape == volume.shape
    assert again.edges_um == (100, 100, 100)
    stated = ("posterior", "inferior", "right")
    assert again.axes == (None if form == NRRD else stated)
    planes = list(sagittal_planes(again, stated, tmp_path))
    assert np.array_equal(np.stack(planes).transpose(2, 1, 0), volume)


def test_ids_beyond_int32_stay_what_they_are(phantom_database: sa.Engine, tmp_path: Path) -> None:
    large, run = 2_906_756_445, schema.voxel_run
    atlas = Atlas(KEY)
    with phantom_database.begin() as connection:
        row = connection.execute(sa.select(run).where(run.c.ccf_id == atlas.ccf_id).limit(1)).one()
        columns = schema.brain_region.c
        first = connection.execute(
            sa.select(schema.brain_region).where(
                columns.ccf_id == atlas.ccf_id, columns.region_id == row.region_id
            )
        ).one()
        new = {"region_id": large - 2**32, "acronym": "large"}
        values = {name: value for name, value in first._mapping.items() if name != "source_id"}
        connection.execute(sa.insert(schema.brain_region).values({**values, **new}))
        same = (run.c.ccf_id == row.ccf_id, run.c.x == row.x, run.c.y == row.y, run.c.z == row.z)
        connection.execute(sa.update(run).where(*same).values(region_id=large - 2**32))
    volume = atlas.volume()
    assert (volume == large).sum() == (row.z_end - row.z) // 100
    for form, name in FILES:
        path = tmp_path / name
        written = export_volume.export_volume(phantom_database, form, path, KEY)
        assert written.dtype == "uint32"
        assert np.array_equal(_array(path, form), volume)


def test_the_affine_of_nifti_puts_centres_where_they_are(phantom_database: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    export_volume.export_volume(phantom_database, NIFTI, path, KEY)
    image: Any = nibabel.load(path)  # type: ignore[attr-defined]
    assert nibabel.aff2axcodes(image.affine) == ("P", "I", "R")
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header.get_intent()[0] == "label"
    index = np.array([3, 40, 100])
    expected = CORNER_RAS @ ((index + 0.5) * 0.1)
    for affine in (image.get_sform(), image.get_qform()):
        assert np.allclose(affine @ [*index, 1], [*expected, 1], atol=1e-5)
    assert np.allclose(image.header.get_zooms(), 0.1)
    canonical = nibabel.as_closest_canonical(image)  # type: ignore[attr-defined]
    turned = Atlas(KEY).volume().transpose(2, 0, 1)[:, ::-1, ::-1]
    assert np.array_equal(np.asarray(canonical.dataobj), turned)


def test_the_header_of_nrrd_puts_centres_where_they_are(phantom_database: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    export_volume.export_volume(phantom_database, NRRD, path, KEY)
    header = nrrd.read_header(str(path))
    assert header["space"] == "right-anterior-superior"
    assert header["space units"] == ["mm", "mm", "mm"]
    assert header["labels"] == ["AP to posterior", "DV to inferior", "ML to right"]
    assert header["atlas"] == KEY
    index = np.array([3, 40, 100])
    place = header["space origin"] + index @ header["space directions"]
    assert np.allclose(place, CORNER_RAS @ ((index + 0.5) * 0.1))


def test_the_levels_of_ome_zarr_are_placed_and_its_labels_named(
    real_database: sa.Engine, tmp_path: Path
) -> None:
    path, atlas = tmp_path / "a.zarr", Atlas("ccf_2017_50um")
    written = export_volume.export_volume(real_database, OME_ZARR, path, atlas.key)
    assert written.shapes == ((264, 160, 228), (132, 80, 114))
    group, volume = zarr.open_group(str(path), mode="r"), atlas.volume()
    image = dict(group.attrs)["multiscales"][0]
    assert [axis["name"] for axis in image["axes"]] == ["z", "y", "x"]
    assert {axis["unit"] for axis in image["axes"]} == {"micrometer"}
    assert [axis["orientation"]["value"] for axis in image["axes"]] == [
        "anterior-to-posterior",
        "superior-to-inferior",
        "left-to-right",
    ]
    for level, step in zip(image["datasets"], (1, 2), strict=True):
        scale, translation = (each[each["type"]] for each in level["coordinateTransformations"])
        assert scale == [50 * step] * 3
        found = np.asarray(group[level["path"]])
        places = [np.arange(n) * s + t for n, s, t in zip(found.shape, scale, translation, strict=True)]
        index = np.ix_(*(np.floor(place / 50).astype(int) for place in places))
        assert np.array_equal(found, volume[index])  # each is the region at its centre
    about = dict(group.attrs)["image-label"]
    names = {each["label-value"]: each["acronym"] for each in about["properties"]}
    assert set(names) == set(np.unique(volume).tolist()) - {0}
    assert names[atlas.region("VISp1").id] == "VISp1"
    colors = {each["label-value"]: each["rgba"] for each in about["colors"]}
    assert colors[atlas.region("VISp1").id] == [*bytes.fromhex(atlas.region("VISp1").color_hex), 255]


@pytest.mark.parametrize(
    ("form", "name", "words"),
    [
        ("nifty", "a.nii", "There is no form 'nifty' of a volume; did you mean nifti"),
        (NIFTI, "a.nrrd", "the name of a volume as nifti ends in .nii.gz or .nii"),
        (OME_ZARR, "a.zip", "the name of a volume as ome-zarr ends in .ome.zarr or .zarr"),
        (NRRD, "no/such/a.nrrd", "cannot be written: No such file or directory"),
        (OME_ZARR, "no/such/a.zarr", "cannot be written: No such file or directory"),
        (NRRD, "mine.nrrd", "exists already; --force replaces it"),
        (OME_ZARR, "mine.zarr", "exists and is no image of OME-Zarr"),
    ],
)
def test_what_cannot_be_written_is_said_and_leaves_nothing(
    phantom_database: sa.Engine, tmp_path: Path, form: str, name: str, words: str
) -> None:
    (tmp_path / "mine.nrrd").write_text("mine")
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(CcfError, match=re.escape(words)):
        export_volume.export_volume(phantom_database, form, tmp_path / name, KEY, force=name == "mine.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.nrrd", "mine.zarr"]
    assert (tmp_path / "mine.nrrd").read_text() == "mine"


def test_a_folder_of_ome_zarr_is_replaced_only_on_request(
    phantom_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"
    export_volume.export_volume(phantom_database, OME_ZARR, path, KEY)
    before = (path / ".zattrs").read_text()
    with pytest.raises(CcfError, match="exists already; --force replaces it"):
        export_volume.export_volume(phantom_database, OME_ZARR, path, KEY)
    with monkeypatch.context() as patch:
        patch.setattr(levels, "loaded_atlases", lambda _engine: [])
        with pytest.raises(CcfError, match="loaded again, or dropped"):
            export_volume.export_volume(phantom_database, OME_ZARR, path, KEY, force=True)
    assert (path / ".zattrs").read_text() == before
    link = tmp_path / "link.zarr"
    link.symlink_to(path)
    export_volume.export_volume(phantom_database, OME_ZARR, link, "phantom_50um", force=True)
    link.unlink()
    assert "phantom_50um" in json.loads((path / ".zattrs").read_text())["multiscales"][0]["name"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("form", "library"), [(NIFTI, "nibabel"), (OME_ZARR, "zarr")])
def test_a_missing_library_is_named_with_how_to_get_it(
    phantom_database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    name = f"a{export_volume.FORMS[form][0]}"
    with pytest.raises(CcfError, match=rf"needs {library}: pip install 'ccf_assets\[atlases\]'"):
        export_volume.export_volume(phantom_database, form, tmp_path / name, KEY)
    assert not list(tmp_path.iterdir())
