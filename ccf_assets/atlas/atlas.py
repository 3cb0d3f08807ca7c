"""`Atlas`: questions to a loaded atlas, in Python.

The answers to points are in located, sites in recording_sites, pictures in plot, the viewer in showing;
regions are in db.regions, and reading from the database in db.read.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.atlas import plot, recording_sites, showing
from ccf_assets.atlas.asked import asked_places, few_points
from ccf_assets.atlas.located import Located, beside_pandas, beside_polars
from ccf_assets.atlas.points import coordinates, is_pandas, is_polars
from ccf_assets.ccf.frames.files import FRAMES, named_frame
from ccf_assets.ccf.frames.maps import Floats, Frame
from ccf_assets.ccf.places import Places, places_of
from ccf_assets.ccf.space import ALLEN_CCF
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import database
from ccf_assets.db.frames import known_frames
from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases, pick_atlas
from ccf_assets.db.regions import Region, Regions, check_hemisphere, no_such_region, read_regions
from ccf_assets.errors import CcfError, InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from ccf_assets.ccf.planes import Orientation
    from ccf_assets.ccf.voxel_regions import RegionGrid, RegionRuns


class Atlas:
    """A loaded atlas: its regions, points, voxels, tracks and recording sites.

    It is a snapshot: regions, and with many points the region of every voxel (154 MB at 25 µm), stay in
    memory once they have been read. If the atlas is loaded again meanwhile, further questions raise a
    CcfError instead of mixing old and new data. Recording sites are read again each time.

    Coordinates are µm from the corner of the volume in the space of the atlas ("CCF µm"): x = AP to
    posterior, y = DV to ventral, z = ML to the right; arrays of voxels have the axes AP, DV, ML. Ids of
    regions are those of the ontology (source_id of the tables).

    It may be handed to other processes, as those of a pool. Each opens it anew at the database that its own
    settings name; no address and no password travel along.

    Args:
        key: key of the atlas, for example ``ccf_2017_25um``; if not given, the finest loaded one of CCFv3
            2017, and where none is, of what is there (SQL function default_atlas).
        engine: the database, as ``ccf_assets.create_engine`` makes it; the configured one if not
            given. The embedded server is started where none is configured.

    Raises:
        CcfError: no atlas is loaded, or this one is not.
    """

    def __init__(self, key: str | None = None, *, engine: sa.Engine | None = None) -> None:
        self._engine = database.create_engine() if engine is None else engine
        self._loaded = pick_atlas(self._engine, key)

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle may be kept in a file: the address, which may hold a password, is no part of it.
        if self._engine.url != database.database_url():
            raise CcfError(
                "This Atlas has an engine of its own, which cannot be handed to another process; make the "
                f"Atlas there: Atlas({self.key!r}, engine=…)."
            )
        return _handed_over, (self._loaded,)

    @cached_property
    def _engine(self) -> sa.Engine:
        """The database that the settings name, for an atlas that another process handed over."""
        engine = database.create_engine()
        if self._loaded not in loaded_atlases(engine):
            raise CcfError(
                f"{self.key} is not the same here as where it was handed over: it has been loaded again "
                f"meanwhile, or CCF_HOME or CCF_POSTGRES_URL differ. Make another: Atlas({self.key!r})."
            )
        return engine

    def __repr__(self) -> str:
        return f"Atlas({self.key!r})"

    @property
    def key(self) -> str:
        """Key of the atlas, for example ``ccf_2017_25um``."""
        return self._loaded.key

    @property
    def ccf_id(self) -> int:
        """Its number in the tables."""
        return self._loaded.ccf_id

    @property
    def space(self) -> str:
        """Name of the reference space it lies in, for example ``allen_ccf_v3``."""
        return self._loaded.space

    @property
    def grid(self) -> VoxelGrid:
        """Its grid: shape, edges of a voxel, midline."""
        return self._loaded.grid

    @property
    def resolution_um(self) -> float:
        """Edge of a voxel, µm; the smallest where they differ."""
        edge = self.grid.resolution_um
        return int(edge) if edge == int(edge) else edge

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along AP, DV, ML."""
        return self.grid.shape

    # ---- regions

    def regions(self) -> pl.DataFrame:
        """All regions, in the ontology's order.

        Returns:
            Columns region_id, acronym, region_name, full_name, color_hex, parent_id (the root's is its own),
            depth; voxels and volume_mm3 of the region with all inside it, and drawn_as, the acronym of the
            nearest region that has voxels (itself, or one that contains it), null before these are loaded.
        """
        import polars as pl

        return pl.DataFrame(
            [
                {
                    "region_id": region.id,
                    "acronym": region.acronym,
                    "region_name": region.safe_name,
                    "full_name": region.name,
                    "color_hex": region.color_hex,
                    "parent_id": region.parent_id,
                    "depth": region.depth,
                    "voxels": region.voxels if region.sizes else None,
                    "volume_mm3": region.volume_mm3 if region.sizes else None,
                    "drawn_as": drawn.acronym if (drawn := region.drawn_as) else None,
                }
                for region in self._regions
            ],
            schema_overrides={
                "region_id": pl.Int32 if self._regions.narrow else pl.Int64,
                "parent_id": pl.Int32 if self._regions.narrow else pl.Int64,
                "depth": pl.Int16,
                "voxels": pl.Int64,
                "volume_mm3": pl.Float64,
                "drawn_as": pl.String,
            },
        )

    def region(self, name: str | int) -> Region:
        """The region with exactly this acronym, or this id.

        One that has no voxel in this atlas is there too: its drawn_as is the nearest that has.

        Raises:
            CcfError: there is none; the text names near acronyms, and those that differ by case only.
        """
        found = self._regions.find(name)
        if found is None:
            called = [each.acronym for each in self._regions.called(str(name))]
            meant = f" In everyday use it is {' or '.join(called)}." if called else ""
            raise UnknownNameError(no_such_region(self._engine, self.ccf_id, str(name)) + meant)
        return found

    def search(self, words: str, *, near: bool = True) -> list[Region]:
        """The regions that words mean, the best first: by acronym, name or everyday name, in any case.

        Everyday names are those of `ccf_assets/ccf/everyday_names.csv`: ``V1``, ``hippocampus``.

        Args:
            words: text to look for; parts that blanks separate may stand anywhere.
            near: where no region has the words, offer the nearest five by likeness.
        """
        return self._regions.search(words, near=near)

    @cached_property
    def _regions(self) -> Regions:
        regions = read_regions(self._engine, self.ccf_id, self.key)
        self._check_current()
        return regions

    # ---- points

    @overload
    def locate(self, points: pl.DataFrame, frame: str | None = None) -> pl.DataFrame: ...

    @overload
    def locate(self, points: pd.DataFrame, frame: str | None = None) -> pd.DataFrame: ...

    @overload
    def locate(self, points: npt.ArrayLike, frame: str | None = None) -> Located: ...

    def locate(
        self, points: npt.ArrayLike | pl.DataFrame | pd.DataFrame, frame: str | None = None
    ) -> Located | pl.DataFrame | pd.DataFrame:
        """Where points lie: the region of each, or why it has none. No point is left out.

        The first time for more than 10,000 points takes 1.2 s at 25 µm, in which the atlas is read; after
        that a million take 0.05 s. At 10 µm it is the first time for more than 300,000 points, which takes
        5 s, and after that a million take 0.2 s.
        With a million points at 25 µm the process needs at most 500 MB of memory for an array, 650 MB for
        polars and 800 MB for pandas, whose answers have four columns of text.

        Args:
            points: an array of shape (N, 3), or (3,): AP, DV, ML in the frame's unit and signs; or a polars
                or pandas frame with columns ap, dv, ml, or x, y, z in the frame's own order. What is missing
                (None, NaN, null) makes a point invalid, not the call.
            frame: name of the frame of the coordinates; if not given they are µm in the space of the atlas,
                for one in the Allen CCF as in the frame ``ccf``.

        Returns:
            For a frame the same with the columns of `Located.to_polars` added; for an array a `Located`.

        Raises:
            CcfError: there is no such frame, it leads into another space, the points are invalid, or the
                atlas was loaded again meanwhile.
        """
        located = self._located(points, frame)
        if is_polars(points):
            return beside_polars(points, located)
        if is_pandas(points):
            return beside_pandas(points, located)
        return located

    def _located(self, points: npt.ArrayLike | pl.DataFrame | pd.DataFrame, frame: str | None) -> Located:
        """As `locate`, of whatever the points are in."""
        known = self.frame(frame)
        return Located(self._places(known, *coordinates(points, known)), self._regions)

    def frame(self, name: str | None = None) -> Frame:
        """A frame into the space of the atlas; if none is named, that of the space itself.

        Raises:
            CcfError: there is no such frame, or it leads into another space.
        """
        own = "ccf" if self.space == ALLEN_CCF.name else self.space
        # For a built-in frame no file is read, so that none can be in the way.
        frame = FRAMES.get(name or own) or named_frame(name or own, known_frames(self._engine))
        if frame.space != self.space:
            raise InvalidValueError(
                f"The frame {frame.name} leads into the space {frame.space}, and {self.key} lies in "
                f"{self.space}: no point of the one is a place in the other. Name a frame into {self.space}, "
                f"such as {own}, or an atlas in {frame.space}."
            )
        return frame

    def _places(self, frame: Frame, ap: Floats, dv: Floats, ml: Floats) -> Places:
        if len(ap) <= few_points(self.grid) and "_voxels" not in self.__dict__:
            places = asked_places(self._engine, self._loaded, frame, ap, dv, ml)
            self._check_current()
            return places
        voxels, surface = self._voxels, self._surface if frame.dv_from == "surface" else None
        return places_of(voxels.grid, voxels.ids, voxels.at, frame, (ap, dv, ml), surface)

    @cached_property
    def _voxels(self) -> RegionGrid | RegionRuns:
        from ccf_assets.db.read import read_regions

        regions = read_regions(self._engine.url, self._loaded)
        self._check_current()
        return regions

    @cached_property
    def _surface(self) -> Floats:
        from ccf_assets.db.read import read_surface

        surface = read_surface(self._engine.url, self._loaded)
        self._check_current()
        return surface

    # ---- voxels

    def volume(self) -> npt.NDArray[np.uint32]:
        """The annotation volume, as in its file: shape (AP, DV, ML), uint32 region ids, 0 outside the brain.

        It is read anew each time: 308 MB and 3 s at 25 µm, 4.8 GB at 10 µm.
        """
        from ccf_assets.ccf.grid import paint
        from ccf_assets.db.read import read_runs

        runs = read_runs(self._engine.url, self._loaded)
        self._check_current()
        return paint(runs, runs.region_id, self.grid)

    def mask(self, region: str | int, hemisphere: str | None = None) -> npt.NDArray[np.bool_]:
        """The voxels of a region and everything inside it.

        Args:
            region: its exact acronym or its id.
            hemisphere: ``left`` or ``right`` of the midline: the part there; both if not given. Voxels that
                the midline cuts belong to the side of their centre.

        Returns:
            Shape (AP, DV, ML), bool.

        Raises:
            CcfError: there is no such region or hemisphere, or a hemisphere in a space without a midline.
        """
        from ccf_assets.ccf.grid import paint
        from ccf_assets.db.read import read_runs

        check_hemisphere(hemisphere or "both")
        chosen = self.region(region)
        ids = [each.id for each in chosen.descendants]
        runs = read_runs(self._engine.url, self._loaded, ids)
        self._check_current()
        mask = paint(runs, np.ones(len(runs), bool), self.grid)
        middle = self.grid.first_right
        if middle is None and hemisphere in ("left", "right"):
            raise InvalidValueError(f"The space {self.space} has no midline: {self.key} has no hemispheres.")
        if hemisphere == "left":
            mask[:, :, middle:] = False
        elif hemisphere == "right":
            mask[:, :, :middle] = False
        return mask

    def slice(self, orientation: Orientation, position_um: float) -> npt.NDArray[np.uint32]:
        """One plane of voxels: uint32 region ids, 0 outside the brain.

        Args:
            orientation: ``coronal``, ``sagittal`` or ``horizontal``.
            position_um: where, in CCF µm along AP, ML or DV.

        Returns:
            Shape (DV, ML) of a coronal, (DV, AP) of a sagittal, (AP, ML) of a horizontal plane.

        Raises:
            CcfError: there is no such orientation, or the position is outside the volume.
        """
        from ccf_assets.db import read

        plane = read.plane(self._engine, self._loaded, orientation, position_um)
        self._check_current()
        return plane

    def differences(self, other: str, *, by: str = "id") -> pl.DataFrame:
        """The pairs of regions that this atlas and another assign to the same place, the largest first.

        Args:
            other: key of a loaded atlas of the same space, of whatever version and resolution.
            by: what makes two regions the same: ``id``, ``acronym``, or the name of a region set of both
                atlases, for atlases with two ontologies.

        Returns:
            Rows of the SQL function region_diff, this atlas as a: acronym_a and acronym_b, null outside the
            brain; voxels of the finer atlas, mm3, and share of what is brain in either.

        Raises:
            CcfError: the other is not loaded, or lies in another space, or there is no such region set.
        """
        call = sa.func.ccf.region_diff(self.ccf_id, pick_atlas(self._engine, other).ccf_id, by)
        return self._frame(sa.select(sa.text("*")).select_from(call.alias("pair")))

    plot = plot.plot

    # ---- tracks and sites

    def track(self, start: npt.ArrayLike, end: npt.ArrayLike, frame: str | None = None) -> pl.DataFrame:
        """The regions along a straight line, such as a probe's.

        Args:
            start: AP, DV, ML of its first point in the frame's unit and signs.
            end: AP, DV, ML of its second.
            frame: name of the frame of the coordinates, as for `locate`.

        Returns:
            A row per stretch, in order, without a gap: region_id and acronym, null outside the brain;
            entry_um, exit_um and length_um: µm from the first point, and between.

        Raises:
            CcfError: there is no such frame, a point is not a place in the CCF, or both are the same point.
        """
        ends = self.locate(np.array([start, end], dtype=np.float64), frame).ccf_um
        if np.isnan(ends).any():
            raise InvalidValueError(
                f"The track from {start!r} to {end!r} has an end that is no place in the CCF."
            )
        call = sa.func.ccf.regions_along(self.ccf_id, *(float(c) for c in ends.ravel()))
        columns = ("region_id", "acronym", "entry_um", "exit_um", "length_um")
        return self._frame(sa.select(*(call.table_valued(*columns).c)))

    sites = recording_sites.sites

    sites_in = recording_sites.sites_in

    sites_page = recording_sites.sites_page

    view = showing.view

    def _frame(self, query: sa.Select[Any]) -> pl.DataFrame:
        """The answer to a query on this atlas as a frame, which has its columns and types even without a row.

        Ids of regions are those of the ontology; a column with one beyond 2,147,483,647 is Int64.

        Raises:
            CcfError: the database answers with an error, or the atlas was loaded again meanwhile, or dropped.
        """
        import polars as pl

        from ccf_assets.db.read import with_source_ids
        from ccf_assets.pg.arrow import read_arrow

        try:
            found = pl.DataFrame(read_arrow(self._engine.url, query).read_all())
        finally:  # also after an error, whose cause may be that the atlas was dropped
            self._check_current()
        return with_source_ids(found)

    def _check_current(self) -> None:
        """Check that everything read is from the same load of the atlas.

        Raises:
            CcfError: the atlas has been loaded again, or dropped, since this object was made.
        """
        if self._loaded not in loaded_atlases(self._engine):
            raise CcfError(
                f"{self.key} has been loaded again, or dropped, since this Atlas was made; make another: "
                f"Atlas({self.key!r})."
            )


def _handed_over(loaded: LoadedAtlas) -> Atlas:
    """An atlas that another process handed over; the database is opened by the first question."""
    return _here(loaded, settings.postgres_url(), settings.home())


@lru_cache(maxsize=2)  # the tasks of a pool share what has been read
def _here(loaded: LoadedAtlas, _named: str | None, _home: Path) -> Atlas:
    atlas = Atlas.__new__(Atlas)
    atlas._loaded = loaded
    return atlas
