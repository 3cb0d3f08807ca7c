"""An atlas with its sites as a folder of files that any web server shows with Neuroglancer.

The folder has the volume, the surfaces and the sites in Neuroglancer's precomputed format, what its page
shows at first, and its web client, so that no other address is needed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.export_volume import volume_levels
from ccf_assets.atlas.regions import read_regions
from ccf_assets.ccf.grid import paint_box
from ccf_assets.ccf.region_id import Ids
from ccf_assets.ccf.runs import Runs
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db.loaded import LoadedAtlas, pick_atlas
from ccf_assets.errors import CcfError
from ccf_assets.files import new_folder
from ccf_assets.view.segments import segment_properties
from ccf_assets.view.shards import SHARD_FILE, shard
from ccf_assets.view.site_points import SitePoints, chosen_sites, site_points

_CHUNK = 64
"""Voxels along each axis of a chunk, which a page loads as a whole: 1 MB unpacked, some 10 KB packed."""

_SHARD_BITS = 6
"""Of the number of a chunk: a file has 4 × 4 × 4 chunks, 67 MB unpacked, which is in memory as a whole."""

_NM_PER_UM = 1000

VOLUME, SITES, CLIENT = "segmentation", "sites", "client"
"""Folders in the folder."""


@dataclass(frozen=True)
class ExportedFolder:
    """What was written.

    Attributes:
        atlas: the atlas.
        shapes: voxels along AP, DV, ML of each scale.
        regions: regions that have voxels.
        sites: sites that are shown.
        without_place: sites that are not, as their place is not known.
    """

    atlas: LoadedAtlas
    shapes: tuple[tuple[int, int, int], ...]
    regions: int
    sites: int
    without_place: int


def export_precomputed(
    engine: sa.Engine,
    folder: Path,
    key: str | None = None,
    *,
    recordings: Sequence[str] = (),
    meshes: bool = False,
    force: bool = False,
) -> ExportedFolder:
    """Write an atlas with recording sites to a folder. If this fails, there is none, or the one of before.

    Every voxel is as in the database, in the finest scale; a coarser one has every second voxel of the one
    before. Memory is needed for the runs of the atlas and for 67 MB of voxels.

    Args:
        engine: the database.
        folder: the folder, which is made.
        key: the atlas; the finest loaded one if not given.
        recordings: whose sites are shown; all if none is named.
        meshes: write the surfaces of all regions, too.
        force: replace an existing folder of this kind.

    Raises:
        CcfError: there is no such atlas or recording, a library is not installed, the folder holds something
            else or exists, it cannot be written, or the atlas was loaded again meanwhile.
    """
    _require_libraries(folder)
    atlas = pick_atlas(engine, key)
    with new_folder(folder, kind="precomputed atlas", is_kind=_is_ours, force=force) as aside:
        regions = read_regions(engine, atlas.ccf_id, atlas.key)
        sites = site_points(chosen_sites(Atlas(atlas.key, engine=engine), recordings), regions, atlas.grid)
        painted, shapes = _write_volume(engine, atlas, aside / VOLUME)
        shown = [regions.by_id[each] for each in painted.tolist()]
        _write_json(aside / VOLUME / "properties" / "info", segment_properties(shown))
        _write_points(aside / SITES, sites)
    return ExportedFolder(atlas, shapes, len(shown), len(sites.points), sites.without_place)


def _require_libraries(folder: Path) -> None:
    try:
        import neuroglancer  # noqa: F401
        import tensorstore  # noqa: F401
    except ImportError as error:
        raise CcfError(f"To write {folder} needs {error.name}: pip install 'ccf_assets[view]'.") from None


def _is_ours(folder: Path) -> bool:
    return (folder / "state.json").is_file() and (folder / VOLUME / "info").is_file()


def _write_volume(
    engine: sa.Engine, atlas: LoadedAtlas, folder: Path
) -> tuple[Ids, tuple[tuple[int, int, int], ...]]:
    """Returns: the ids of the regions that have voxels, ascending; voxels of each scale."""
    painted: Ids = np.empty(0, np.uint32)
    shapes: list[tuple[int, int, int]] = []
    for runs, grid in volume_levels(engine, atlas):
        painted = painted if shapes else np.unique(runs.region_id)
        _write_scale(folder, str(len(shapes)), runs, grid)
        shapes.append(grid.shape)
    info = json.loads((folder / "info").read_text())
    _write_json(folder / "info", {**info, "segment_properties": "properties", "mesh": "mesh"})
    return painted, tuple(shapes)


def _write_scale(folder: Path, key: str, runs: Runs, grid: VoxelGrid) -> None:
    """Write one scale, a shard at a time; a chunk that is all outside the brain is left out."""
    import tensorstore

    bits = sum((-(-voxels // _CHUNK) - 1).bit_length() for voxels in grid.shape)
    in_shard = min(bits, _SHARD_BITS)
    opened: Any = tensorstore.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint32", "num_channels": 1},
            "scale_metadata": {
                "key": key,
                "size": grid.shape,
                "resolution": [edge * _NM_PER_UM for edge in grid.edges_um],
                "chunk_size": [_CHUNK] * 3,
                "encoding": "compressed_segmentation",
                "compressed_segmentation_block_size": [8, 8, 8],
                "sharding": {
                    "@type": "neuroglancer_uint64_sharded_v1",
                    "hash": "identity",
                    "preshift_bits": in_shard,
                    "minishard_bits": 0,
                    "shard_bits": bits - in_shard,
                    "minishard_index_encoding": "gzip",
                    "data_encoding": "gzip",
                },
            },
        },
        create=True,
    )
    array = opened.result()
    step = array.chunk_layout.write_chunk.shape
    written: Any = opened
    for first in np.ndindex(*(-(-voxels // size) for voxels, size in zip(grid.shape, step[:3], strict=True))):
        ap, dv, ml = (index * size for index, size in zip(first, step[:3], strict=True))
        aps, dvs, mls = (
            min(size, voxels - at)
            for size, voxels, at in zip(step[:3], grid.shape, (ap, dv, ml), strict=True)
        )
        box = paint_box(runs, grid, (ap, dv, ml), (aps, dvs, mls))
        written.result()  # one box is packed while the next one is painted
        written = array[ap : ap + aps, dv : dv + dvs, ml : ml + mls, 0].write(box)
    written.result()


def _write_points(folder: Path, sites: SitePoints) -> None:
    sharding = {}
    for key, numbers, entries in sites.points.indices():
        sharding[key], content = shard(numbers, entries, packed=key != "by_id")
        (folder / key).mkdir(parents=True)
        (folder / key / SHARD_FILE).write_bytes(content)
    _write_json(folder / "info", sites.points.info(sharding))


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
