"""The real 25 µm annotation, to look up regions without a database."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from isal import igzip

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import ap_dv_ml, to_ccf
from ccf_assets.ccf.nrrd import parse_header
from ccf_assets.ccf.space import AXES
from ccf_assets.recordings.files.table import Table


@dataclass(frozen=True)
class Volume25:
    """Ids by voxel, and the texts that stand for each id."""

    ids: npt.NDArray[np.uint32]
    id_of: dict[str, int]
    acronym_of: dict[int, str]

    def regions(self, table: Table) -> list[int]:
        """The id of the region of each row; 0 outside."""
        assert table.frame
        columns = {name: column.cast(pl.Float64).to_numpy() for name, column in _coordinates(table)}
        frame = FRAMES[table.frame]
        axes = [columns[axis] for axis in AXES if axis in columns] or ap_dv_ml(
            frame, columns["x"], columns["y"], columns["z"]
        )
        voxels = np.floor(np.nan_to_num(to_ccf(frame, *axes), nan=-1.0) / 25).astype(int)
        inside = ((voxels >= 0) & (voxels < self.ids.shape)).all(axis=1)
        found = np.zeros(len(voxels), int)
        found[inside] = self.ids[tuple(voxels[inside].T)]
        return [int(each) for each in found]

    def reported(self, table: Table) -> list[int]:
        """The id of each row's reported region; 0 for none."""
        return [self.id_of.get(text, 0) for text in table.columns["reported_region"].to_list()]


def _coordinates(table: Table) -> list[tuple[str, pl.Series]]:
    return [(name, column) for name, column in table.columns.items() if name in (*AXES, "x", "y", "z")]


def read_volume_25(annotation: Path, ontology: Path) -> Volume25:
    """Read the volume and the names of its regions."""
    with annotation.open("rb") as file:
        header = parse_header(file, annotation)
        ids = np.frombuffer(igzip.decompress(file.read()), "<u4").reshape(header.shape, order="F")
    with ontology.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {
        row[key]: int(row["id"])
        for row in rows
        for key in ("id", "acronym", "name", "safe_name")
        if row.get(key)
    }
    return Volume25(ids, names, {int(row["id"]): row["acronym"] for row in rows})
