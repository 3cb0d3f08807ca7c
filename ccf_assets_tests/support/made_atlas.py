"""Small atlases that tests make: any grid in any space, put into the tables without a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ccf_assets.ccf.region_id import table_number
from ccf_assets.ccf.run_sums import run_sums
from ccf_assets.ccf.runs import Runs, brain_surface, find_runs, run_batches
from ccf_assets.ccf.space import Space
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import schema
from ccf_assets.db.loaded import loaded_atlases
from ccf_assets.db.region_volumes import region_volumes
from ccf_assets.db.spaces import AtlasIdentity, keep_space

Volume = npt.NDArray[np.uint32]

ROOT = 997


@dataclass(frozen=True)
class MadeAtlas:
    """An atlas that a test put into the tables: ids of the volume are regions below one root."""

    ccf_id: int
    volume: Volume
    grid: VoxelGrid
    space: Space

    @property
    def key(self) -> str:
        return f"made_{self.ccf_id}"

    @property
    def ids(self) -> list[int]:
        return [ROOT, *sorted(set(np.unique(self.volume).tolist()) - {0, ROOT})]

    @property
    def runs(self) -> Runs:
        return find_runs(self.volume[:, :, k].T for k in range(self.grid.shape[2]))

    def put(self, engine: sa.Engine) -> None:
        """Into the tables; what is there of the number is replaced."""
        with engine.begin() as connection:
            for table in ("voxel_run", "brain_surface"):
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS ccf.{table}_{self.ccf_id}")
            for table in ("region_volume", "region_ancestor", "region_parent", "brain_region", "atlas"):
                connection.exec_driver_sql(f"DELETE FROM ccf.{table} WHERE ccf_id = {self.ccf_id}")
            connection.execute(sa.text("DELETE FROM ccf.atlas_number WHERE ccf_id = :i"), {"i": self.ccf_id})
            taken = sa.exists().where(schema.atlas.c.space == self.space.name)
            if not connection.scalar(sa.select(taken)):
                connection.execute(
                    sa.text("DELETE FROM ccf.coordinate_frame WHERE space = :n AND space <> 'allen_ccf_v3'"),
                    {"n": self.space.name},
                )
                connection.execute(
                    sa.text("DELETE FROM ccf.reference_space WHERE name = :n AND name <> 'allen_ccf_v3'"),
                    {"n": self.space.name},
                )
                identity = AtlasIdentity(self.ccf_id, self.key)
                keep_space(connection, identity, self.grid, self.space, [])
            axes = ("ap", "dv", "ml")
            row: dict[str, object] = {
                "ccf_id": self.ccf_id,
                "key": self.key,
                "ccf_version": f"made {self.ccf_id}",
                "ccf_resolution": self.grid.resolution_um,
                "ccf_description": "made by a test",
                "space": self.space.name,
                "source_url": "test",
                "sha256": "0",
            }
            row |= {f"shape_{a}": n for a, n in zip(axes, self.grid.shape, strict=True)}
            row |= {f"edge_{a}": e for a, e in zip(axes, self.grid.edges_um, strict=True)}
            connection.execute(sa.insert(schema.atlas), [row])
            numbers = [(i, table_number(i)) for i in self.ids]
            connection.execute(
                sa.insert(schema.brain_region),
                [
                    {
                        "ccf_id": self.ccf_id, "region_id": number, "acronym": f"r{i}",
                        "region_name": f"r {i}", "full_name": f"r {i}", "color_hex": "808080",
                        "structure_order": order,
                    }
                    for order, (i, number) in enumerate(numbers)
                ],
            )  # fmt: skip
            connection.execute(
                sa.insert(schema.region_parent),
                [
                    {"ccf_id": self.ccf_id, "region_id": n, "parent_id": ROOT, "depth": int(i != ROOT)}
                    for i, n in numbers
                ],
            )
            above = [(n, n, 0) for _, n in numbers] + [(n, ROOT, 1) for i, n in numbers if i != ROOT]
            connection.execute(
                sa.insert(schema.region_ancestor),
                [
                    {"ccf_id": self.ccf_id, "region_id": n, "ancestor_id": up, "distance": d}
                    for n, up, d in above
                ],
            )
            for table in (schema.voxel_run, schema.brain_surface):
                connection.exec_driver_sql(
                    f"CREATE TABLE ccf.{table.name}_{self.ccf_id} PARTITION OF ccf.{table.name} "
                    f"FOR VALUES IN ({self.ccf_id})"
                )
            for batch in run_batches(self.runs, self.ccf_id, self.grid):
                if len(batch):
                    connection.execute(sa.insert(schema.voxel_run), batch.to_pylist())
            planes = (self.volume[:, :, k].T for k in range(self.grid.shape[2]))
            tops = {name: column.tolist() for name, column in brain_surface(planes, self.grid).items()}
            rows = [
                {"ccf_id": self.ccf_id, "x": x, "z": z, "y": y}
                for x, z, y in zip(tops["x"], tops["z"], tops["y"], strict=True)
            ]
            connection.execute(sa.insert(schema.brain_surface), rows)
            above_each = sa.select(schema.region_ancestor).where(
                schema.region_ancestor.c.ccf_id == self.ccf_id
            )
            sizes = region_volumes(run_sums(self.runs, self.grid), above_each, self.grid)
            names = [column.key or "" for column in sizes.selected_columns]
            connection.execute(sa.insert(schema.region_volume).from_select(names, sizes))
        assert self.key in {atlas.key for atlas in loaded_atlases(engine)}
