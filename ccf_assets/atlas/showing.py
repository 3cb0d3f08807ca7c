"""An atlas, with sites or points, for Neuroglancer: `Atlas.view`, and a folder for the web.

What is shown, and how it is written, is in the package view.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ccf_assets.atlas.names import names_in
from ccf_assets.atlas.recording_sites import shown_sites
from ccf_assets.ccf.space import SITE, XYZ
from ccf_assets.errors import InvalidValueError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import polars as pl

    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.view.export_precomputed import ExportedFolder
    from ccf_assets.view.viewing import View


def view(
    self: Atlas,
    points: npt.ArrayLike | pl.DataFrame | pd.DataFrame | None = None,
    frame: str | None = None,
    *,
    regions: str | int | Iterable[str | int] = (),
    recordings: str | Iterable[str] | None = None,
    region_set: str | None = None,
    beside: str | None = None,
    at_um: tuple[float, float, float] | None = None,
    port: int = 0,
) -> View:
    """Open a viewer (Neuroglancer): three planes, surfaces of regions, and recording sites, or points.

    A notebook shows it where it is the last value of a cell; `View.url` is its address. It is served by this
    process, on the loopback address of this machine, until `View.close` or the end of the process; nobody
    sees it without the address. It needs the extra: pip install 'ccf_assets[view]'.

    Args:
        self: the atlas.
        points: points to show instead of the recording sites, as for `locate`.
        frame: name of the frame of the points, as for `locate`.
        regions: acronyms or ids of regions that are selected, or one, with everything inside them: others
            are dimmed in the planes, and the surfaces of these are drawn.
        recordings: the recordings whose sites are shown, or one; all if not given.
        region_set: name of a region set, such as ``cosmos``: its groups are shown instead of regions.
        beside: key of another atlas of the same space: a second layer with the same regions selected, which
            is seen where its slider is moved.
        at_um: where the planes meet: AP, DV, ML in µm of the space. If not given, in the middle of the first
            selected region, or of the brain.
        port: to listen on; 0 for any that is free.

    Raises:
        CcfError: the extra is not installed; there is no such frame, region, recording, region set or atlas;
            a recording is not registered in this atlas; both points and recordings are given; the place is
            outside the volume; the port cannot be used; or the atlas was loaded again meanwhile.
    """
    from ccf_assets.view.viewing import open_view

    if points is not None and recordings is not None:
        raise InvalidValueError("A viewer shows either points or the sites of recordings: give one of them.")
    other = None if beside is None else type(self)(beside, engine=self._engine)
    return open_view(
        self._engine,
        self._loaded,
        self._regions,
        sites=shown_sites(self, recordings) if points is None else _as_sites(self, points, frame),
        selected=[self.region(name) for name in names_in(regions)],
        region_set=region_set,
        beside=None if other is None else (other._loaded, other._regions),
        at_um=at_um,
        port=port,
    )


def export_for_web(
    atlas: Atlas,
    folder: Path,
    recordings: Iterable[str] | None,
    *,
    meshes: bool = False,
    force: bool = False,
) -> ExportedFolder:
    """Write an atlas with recording sites to a folder that any web server shows.

    Args:
        atlas: the atlas.
        folder: the folder, which is made.
        recordings: the recordings whose sites are shown; all if not given.
        meshes: as `export_precomputed`.
        force: as `export_precomputed`.

    Raises:
        CcfError: as `shown_sites` and `export_precomputed`.
    """
    from ccf_assets.view.export_precomputed import export_precomputed

    sites = shown_sites(atlas, recordings)
    return export_precomputed(atlas._engine, folder, atlas._loaded, sites, meshes=meshes, force=force)


def _as_sites(
    atlas: Atlas, points: npt.ArrayLike | pl.DataFrame | pd.DataFrame, frame: str | None
) -> pl.DataFrame:
    """Points in the same columns, numbered from 0."""
    import polars as pl

    return (
        atlas._located(points, frame)
        .to_polars()
        .select(
            pl.lit("points").alias("recording_id"),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("site_id"),
            pl.lit(None, pl.String).alias("site_name"),
            *(pl.col(f"ccf_{axis}_um").alias(axis) for axis in XYZ),
            pl.col("status"),
            pl.col("region_id"),
            pl.lit(None, pl.String).alias("reported_region"),
            pl.lit(SITE).alias("kind"),
        )
    )
