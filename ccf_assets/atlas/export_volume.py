"""The annotation volume of a loaded atlas as a file: NIfTI, NRRD or OME-Zarr, bit for bit, from the database.

In all three the array has the axes AP, DV, ML, to posterior, inferior and right, as `Atlas.volume`, and the
centre of voxel i along an axis lies (i + 0.5) edges from the corner of the volume. NIfTI and NRRD say it in
the world that their readers know, mm to right, anterior and superior (RAS), which is (ML, -AP, -DV). OME-Zarr
says it in µm along the axes themselves.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ccf_assets.ccf.grid import paint_box, painted_planes
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.space import space_words
from ccf_assets.ccf.volumes.canonical import packed_into, write_planes
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db.levels import VolumeLevel, exported_runs, volume_levels
from ccf_assets.db.loaded import LoadedAtlas, pick_atlas
from ccf_assets.db.regions import read_regions
from ccf_assets.errors import CcfError, UnknownNameError, suggestion
from ccf_assets.files import new_file, new_folder

NIFTI, NRRD, OME_ZARR = "nifti", "nrrd", "ome-zarr"

FORMS: Mapping[str, tuple[str, ...]] = {
    NIFTI: (".nii.gz", ".nii"),
    NRRD: (".nrrd",),
    OME_ZARR: (".ome.zarr", ".zarr"),
}
"""What a volume is written as → how the name of such a file may end."""

_LARGEST_INT32 = 2**31 - 1

_UM_PER_MM = 1000

_CHUNK = 64
"""Voxels along each axis of a chunk of OME-Zarr: 1 MB unpacked."""

_ORIENTATION = ("anterior-to-posterior", "superior-to-inferior", "left-to-right")


@dataclass(frozen=True)
class ExportedVolume:
    """What was written.

    Attributes:
        atlas: the atlas.
        dtype: type of the voxels: ``int32`` or ``uint32``.
        shapes: voxels along AP, DV, ML, of each level; only OME-Zarr has more than one.
    """

    atlas: LoadedAtlas
    dtype: str
    shapes: tuple[tuple[int, int, int], ...]


def export_volume(
    engine: sa.Engine, form: str, path: Path, key: str | None = None, *, force: bool = False
) -> ExportedVolume:
    """Write the annotation of an atlas to a file. If this fails, there is no file, or the one of before.

    Voxels are the ids of regions as the ontology has them, 0 outside the brain: uint32 in NRRD and OME-Zarr;
    in NIfTI int32, which most programs read, or uint32 where an id is beyond 2,147,483,647. Memory is needed
    for the runs of the atlas and a block of voxels, not for the volume.

    NRRD and NIfTI are gzip, ``.nii`` is not. OME-Zarr is a folder, version 0.4, with the colours and names of
    the regions, and with coarser levels until one is small. A coarse voxel is the middle one of those that it
    stands for, and placed where that one is.

    Args:
        engine: the database.
        form: one of `FORMS`.
        path: the file, or for OME-Zarr the folder; its ending is one of its own in `FORMS`.
        key: the atlas; the finest loaded one if not given.
        force: replace an existing file, or an existing folder of OME-Zarr.

    Raises:
        CcfError: there is no such form or atlas, the ending is another, the library is not installed, the
            file exists or cannot be written, or the atlas was loaded again meanwhile.
    """
    if form not in FORMS:
        raise UnknownNameError(f"There is no form {form!r} of a volume; {suggestion(form, FORMS)}")
    if not path.name.lower().endswith(FORMS[form]):
        raise CcfError(f"{path}: the name of a volume as {form} ends in {' or '.join(FORMS[form])}.")
    _require_library(form, path)
    atlas = pick_atlas(engine, key)
    if form == OME_ZARR:
        with new_folder(path, kind="image of OME-Zarr", is_kind=_is_ome_zarr, force=force) as aside:
            return ExportedVolume(atlas, "uint32", _write_ome_zarr(engine, atlas, aside))
    with new_file(path, force=force) as aside:
        runs = exported_runs(engine, atlas)
        if form == NRRD:
            dtype = "uint32"
            _write_nrrd(aside, atlas, runs)
        else:
            dtype = "uint32" if runs.region_id.max(initial=0) > _LARGEST_INT32 else "int32"
            _write_nifti(aside, atlas, runs, dtype, packed=path.name.lower().endswith(".gz"))
    return ExportedVolume(atlas, dtype, (atlas.grid.shape,))


def _require_library(form: str, path: Path) -> None:
    try:
        if form == NIFTI:
            import nibabel  # noqa: F401
        elif form == OME_ZARR:
            import zarr  # noqa: F401
    except ImportError as error:
        raise CcfError(f"To write {path} needs {error.name}: pip install 'ccf_assets[atlases]'.") from None


def _in_mm(um: float) -> str:
    return np.format_float_positional(um / _UM_PER_MM, trim="-")


def _about(atlas: LoadedAtlas) -> str:
    return f"{atlas.key}: AP, DV, ML from the corner of {space_words(atlas.space)}"


# ---- NRRD


def _write_nrrd(path: Path, atlas: LoadedAtlas, runs: Runs) -> None:
    with path.open("wb") as file:
        file.write(_nrrd_header(atlas))
        with packed_into(file) as packed:
            write_planes(painted_planes(runs, atlas.grid), atlas.grid.shape, packed)


def _nrrd_header(atlas: LoadedAtlas) -> bytes:
    """The origin of NRRD is the centre of the first voxel."""
    ap, dv, ml = map(_in_mm, atlas.grid.edges_um)
    half_ap, half_dv, half_ml = (_in_mm(edge / 2) for edge in atlas.grid.edges_um)
    sizes = " ".join(map(str, atlas.grid.shape))
    lines = (
        "NRRD0005",
        f"# {_about(atlas)}",
        "type: unsigned int",
        "dimension: 3",
        "space: right-anterior-superior",
        f"sizes: {sizes}",
        f"space directions: (0,-{ap},0) (0,0,-{dv}) ({ml},0,0)",
        "kinds: domain domain domain",
        "centerings: cell cell cell",
        'labels: "AP to posterior" "DV to inferior" "ML to right"',
        "endian: little",
        "encoding: gzip",
        'space units: "mm" "mm" "mm"',
        f"space origin: ({half_ml},-{half_ap},-{half_dv})",
        f"atlas:={atlas.key}",
        "",
        "",
    )
    return "\n".join(lines).encode("ascii")


# ---- NIfTI


def _write_nifti(path: Path, atlas: LoadedAtlas, runs: Runs, dtype: str, *, packed: bool) -> None:
    """The bytes of an id up to 2,147,483,647 are those of an int32."""
    with path.open("wb") as file, packed_into(file) if packed else nullcontext(file) as data:
        data.write(_nifti_header(atlas, dtype))
        write_planes(painted_planes(runs, atlas.grid), atlas.grid.shape, data)


def _affine(grid: VoxelGrid) -> npt.NDArray[np.float64]:
    """From indices along AP, DV, ML to mm along right, anterior, superior: shape (4, 4)."""
    ap, dv, ml = (edge / _UM_PER_MM for edge in grid.edges_um)
    return np.array(
        [[0, 0, ml, ml / 2], [-ap, 0, 0, -ap / 2], [0, -dv, 0, -dv / 2], [0, 0, 0, 1]], dtype=np.float64
    )


def _nifti_header(atlas: LoadedAtlas, dtype: str) -> bytes:
    import nibabel

    new: Any = nibabel.Nifti1Header
    header = new(endianness="<")
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(atlas.grid.shape)
    affine = _affine(atlas.grid)
    header.set_sform(affine, code="aligned")
    header.set_qform(affine, code="aligned")
    header.set_xyzt_units("mm")
    header.set_intent("label")
    header.set_slope_inter(1, 0)
    header["descrip"] = _about(atlas).encode("ascii", "replace")[:79]
    file = io.BytesIO()
    header.write_to(file)
    return file.getvalue()  # with the four bytes that say that no extension follows


# ---- OME-Zarr


def _is_ome_zarr(folder: Path) -> bool:
    attributes = folder / ".zattrs"
    return attributes.is_file() and b'"multiscales"' in attributes.read_bytes()


def _write_ome_zarr(engine: sa.Engine, atlas: LoadedAtlas, folder: Path) -> tuple[tuple[int, int, int], ...]:
    """Returns: voxels of each level."""
    levels = list(volume_levels(engine, atlas))
    ids = set(np.unique(levels[0].runs.region_id).tolist())
    for number, level in enumerate(levels):
        _write_level(folder / str(number), level.runs, level.grid)
    _write_json(folder / ".zgroup", {"zarr_format": 2})
    regions = [region for region in read_regions(engine, atlas.ccf_id, atlas.key) if region.id in ids]
    colors = [
        {"label-value": region.id, "rgba": [*bytes.fromhex(region.color_hex), 255]} for region in regions
    ]
    names = [{"label-value": region.id, "acronym": region.acronym, "name": region.name} for region in regions]
    _write_json(
        folder / ".zattrs",
        {
            "multiscales": [_multiscales(atlas, levels)],
            "image-label": {"version": "0.4", "colors": colors, "properties": names},
        },
    )
    return tuple(level.grid.shape for level in levels)


def _multiscales(atlas: LoadedAtlas, levels: Sequence[VolumeLevel]) -> dict[str, Any]:
    """The metadata of the image. Readers of OME-Zarr look for axes with the names z, y, x, in this order."""
    return {
        "version": "0.4",
        "name": _about(atlas),
        "type": "the middle voxel",
        "axes": [
            {
                "name": name,
                "type": "space",
                "unit": "micrometer",
                "orientation": {"type": "anatomical", "value": runs_to},
            }
            for name, runs_to in zip("zyx", _ORIENTATION, strict=True)
        ],
        "datasets": [
            {
                "path": str(number),
                "coordinateTransformations": [
                    {"type": "scale", "scale": list(level.grid.edges_um)},
                    {
                        "type": "translation",
                        "translation": [(level.taken + 0.5) * edge for edge in atlas.grid.edges_um],
                    },
                ],
            }
            for number, level in enumerate(levels)
        ],
    }


def _write_level(folder: Path, runs: Runs, grid: VoxelGrid) -> None:
    """Write one array, a layer of chunks at a time; a chunk that is all outside the brain has no file."""
    import zarr
    from numcodecs import Blosc

    own = {"write_empty_chunks": False} if zarr.__version__.startswith("2.") else {"zarr_format": 2}
    create: Any = zarr.create
    array = create(
        shape=grid.shape,
        chunks=tuple(min(_CHUNK, voxels) for voxels in grid.shape),
        dtype="<u4",
        fill_value=0,
        store=str(folder),
        compressor=Blosc("zstd", clevel=5, shuffle=Blosc.BITSHUFFLE),
        dimension_separator="/",
        **own,
    )
    aps, dvs, mls = grid.shape
    for first in range(0, aps, _CHUNK):
        deep = min(_CHUNK, aps - first)
        array[first : first + deep] = paint_box(runs, grid, (first, 0, 0), (deep, dvs, mls))


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
