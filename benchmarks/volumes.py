"""Which volume stands for a resolution; the dense one, which stands in for the official 10 µm.

The phantom at 10 µm has a quarter of the official atlas's runs, so *dense* is the phantom with small blocks
of other regions strewn over it until it has as many: 17.5 million.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import say
from ccf_assets import settings
from ccf_assets.ccf import ontology
from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets.sources.annotation import Annotation
from ccf_assets.sources.cache import FetchedFile
from ccf_assets.sources.source import Sources

DENSE_UM = 10
"""Where the source has no volume of this resolution, the dense one is made."""

BLOCK_VOXELS = (4, 4, 6)
"""Size along AP, DV, ML of the blocks that are strewn."""

BLOCKS_PER_MILLION = 113_000
"""How many of a million blocks get another region; chosen for the number of runs."""


@dataclass(frozen=True)
class Volume:
    """What is loaded: an atlas of the catalogue and, if not its own, the file to load it from."""

    key: str
    file: Path | None = None

    @property
    def entry(self) -> AtlasEntry:
        """Its entry in the catalogue."""
        return atlas_entry(self.key)

    @property
    def grid(self) -> VoxelGrid:
        """Its grid."""
        grid = self.entry.grid
        assert grid is not None
        return grid

    @property
    def edge_um(self) -> int:
        """Edge of a voxel, µm."""
        return int(self.grid.resolution_um)

    @property
    def title(self) -> str:
        """The key, and whether it is the dense one."""
        return f"{self.key}, dense" if self.file else self.key

    def sources(self) -> Sources:
        """Where its files come from, and those of the other atlases."""
        if self.file is None:
            return Sources.from_settings()
        own = FetchedFile(self.file, f"file:{self.file.name}", "", self.file.stat().st_size, fetched=False)
        return _OwnFile(
            settings.PHANTOM,
            settings.home() / "downloads",
            key=self.key,
            own=Annotation.official(own, self.entry),
        )

    def path(self) -> Path:
        """Its NRRD file, fetched if need be."""
        return self.sources().annotation(self.entry).path


def volume_at(resolution_um: int, folder: Path) -> Volume:
    """The official volume where the source has it, else the phantom's, at 10 µm the dense one.

    Args:
        resolution_um: edge of a voxel, µm.
        folder: where the dense volume is written, if it is not there yet.
    """
    official = Volume(f"ccf_2017_{resolution_um}um")
    if os.environ["CCF_SOURCE"] != settings.PHANTOM:
        try:
            official.path()
        except CcfError as error:
            say(f"{official.key} is not at hand, so the phantom stands in for it. {error}")
        else:
            return official
    key = f"phantom_{resolution_um}um"
    if resolution_um != DENSE_UM:
        return Volume(key)
    dense = folder / "dense.nrrd"
    if not dense.exists():
        say("painting the dense volume (about a minute)")
        _write_dense(dense, Volume(key))
    return Volume(key, dense)


@dataclass(frozen=True)
class _OwnFile(Sources):
    """The phantom's sources, with a file of one's own for one atlas."""

    key: str = ""
    own: Annotation | None = None

    def annotation(self, entry: AtlasEntry, **options: Any) -> Annotation:
        """The own file, or the phantom's."""
        return self.own if self.own and entry.key == self.key else super().annotation(entry, **options)

    @contextmanager
    def new_annotation(self, entry: AtlasEntry, **options: Any) -> Iterator[Annotation]:
        """The same."""
        if self.own and entry.key == self.key:
            yield self.own
        else:
            with super().new_annotation(entry, **options) as file:
                yield file


def _write_dense(path: Path, volume: Volume) -> None:
    """Write the dense volume as an NRRD file like the official ones."""
    r = volume.edge_um
    graph = path.with_name("structure_graph.csv")
    graph.write_bytes(phantom_ontology.structure_graph_csv())
    ids = ontology.read_structure_graph(graph)["region_id"].to_numpy()
    header = (
        "NRRD0004\ntype: unsigned int\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, volume.grid.shape))}\nspace directions: ({r},0,0) (0,{r},0) (0,0,{r})\n"
        "kinds: domain domain domain\nendian: little\nencoding: gzip\nspace origin: (0,0,0)\n\n"
    )
    aside = path.with_suffix(".partial")
    with aside.open("wb") as file:
        file.write(header.encode("ascii"))
        with gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            for plane in _dense_planes(r, ids):
                packed.write(plane.astype("<u4").data)
    aside.replace(path)


def _dense_planes(resolution_um: int, ids: np.ndarray) -> Iterator[np.ndarray]:
    """The phantom's planes with blocks of other regions in its brain, the same ones every time."""
    ap, dv, ml = BLOCK_VOXELS
    for z, plane in enumerate(phantom_volume.planes(resolution_um)):
        rows, columns = (-(-size // edge) for size, edge in zip(plane.shape, (dv, ap), strict=True))
        drawn = np.random.default_rng(z // ml).integers(0, 1_000_000, (rows, columns))
        strewn = np.where(drawn < BLOCKS_PER_MILLION, ids[drawn % len(ids)], 0).astype(np.uint32)
        blocks = strewn.repeat(dv, axis=0).repeat(ap, axis=1)[: plane.shape[0], : plane.shape[1]]
        yield np.where((plane != 0) & (blocks != 0), blocks, plane)
