"""A viewer of a loaded atlas: its regions, their surfaces, and sites or points, served until it is closed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ccf_assets.ccf.space import AXES, key_and_space
from ccf_assets.db.loaded import LoadedAtlas
from ccf_assets.db.regions import Region, Regions
from ccf_assets.errors import InvalidValueError
from ccf_assets.finding import counted
from ccf_assets.view.annotations import RELATION
from ccf_assets.view.files import AtlasFiles, points_file
from ccf_assets.view.groups import Segments, grouped, painted
from ccf_assets.view.segments import segment_colors
from ccf_assets.view.server import Files, Server, require_neuroglancer
from ccf_assets.view.site_points import SHADER, site_points
from ccf_assets.view.state import AtlasLayer, SitesLayer, first_state

if TYPE_CHECKING:
    import polars as pl

_FILES = ("atlas", "beside")
"""Names in addresses of the files of the atlas, and of the one beside it."""

_BRAIN, _SITES = "brain", "sites"
"""Those of the surface of the whole brain, and of the points."""


class View:
    """A viewer that is being served. In a ``with`` statement it is closed at the end.

    Attributes:
        about: what it shows, in a line.
    """

    def __init__(self, server: Server, about: str) -> None:
        self._server = server
        self.about = about

    def __repr__(self) -> str:
        return f"View({self.about!r})"

    def _repr_html_(self) -> str:
        frame = f'<iframe src="{self.url}" width="100%" height="640" style="border: 0"></iframe>'
        return f'<p><a href="{self.url}" target="_blank">{self.about}</a></p>{frame}'

    @property
    def url(self) -> str:
        """The address of the page. Whoever has it, on this machine, sees what the viewer shows."""
        return self._server.url

    @property
    def state(self) -> dict[str, Any]:
        """What the page shows now, as Neuroglancer's JSON, with all that was changed there since."""
        return self._server.state

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop: the address answers no more."""
        self._server.close()


def open_view(
    engine: sa.Engine,
    atlas: LoadedAtlas,
    regions: Regions,
    *,
    sites: pl.DataFrame,
    selected: Sequence[Region] = (),
    region_set: str | None = None,
    beside: tuple[LoadedAtlas, Regions] | None = None,
    at_um: tuple[float, float, float] | None = None,
    port: int = 0,
) -> View:
    """Open a viewer. What it shows is said at `ccf_assets.atlas.atlas.Atlas.view`.

    Args:
        engine: the database.
        atlas: the atlas.
        regions: its regions.
        sites: the sites that are shown: rows of the view recording_site_region in this atlas.
        selected: regions that are selected, with everything inside them.
        region_set: name of a region set, whose groups are shown instead of regions.
        beside: another atlas of the space, which is shown as a second layer, and its regions.
        at_um: where the planes meet, AP, DV, ML in µm of the space.
        port: to listen on; 0 for any that is free.

    Raises:
        CcfError: the extra view is not installed; the other atlas is the same one or lies in another space;
            the atlas has no such region set; a region is not drawn in it; the place is outside the volume; or
            the port cannot be used.
    """
    require_neuroglancer()
    shown = [(atlas, regions), *([beside] if beside else [])]
    for other, _ in shown[1:]:
        if other.ccf_id == atlas.ccf_id:
            raise InvalidValueError(f"{atlas.key} cannot be shown beside itself; give another atlas.")
        if other.space != atlas.space:
            raise InvalidValueError(
                f"{other.key} lies in the space {other.space}, and {atlas.key} in {atlas.space}: they cannot "
                "be shown in one place."
            )
    segments = [
        grouped(engine, each.ccf_id, its, region_set) if region_set else painted(its) for each, its in shown
    ]
    chosen = [_selected(selected, segments[0])]
    if beside:
        chosen.append(_same(selected, beside[1], segments[1]))
    place = _place(at_um, atlas, selected, regions)
    points = site_points(sites, regions, atlas.grid)
    files: dict[str, Files] = {}
    for name, (each, all_its), its in zip(_FILES, shown, segments, strict=False):
        of_atlas = AtlasFiles(engine, each, all_its, its)
        files[name] = of_atlas.regions
        files.setdefault(_BRAIN, of_atlas.brain)
    if len(points.points):
        files[_SITES] = partial(points_file, points.points)
    server = Server(files, port)
    layers = [
        AtlasLayer(
            each.key,
            server.source(name),
            each.grid,
            segment_colors(its.regions),
            its_chosen,
        )
        for name, (each, _), its, its_chosen in zip(_FILES, shown, segments, chosen, strict=False)
    ]
    relation = None if region_set else RELATION
    sites_there = len(points.points)
    layer = SitesLayer(_SITES, server.source(_SITES), SHADER, sites_there, relation) if sites_there else None
    about = [key_and_space(each.key, each.space) for each, _ in shown]
    if sites.height:
        about.append(counted(sites_there, "site"))
    if points.without_place:
        about.append(f"{points.without_place:,} more without a place")
    server.show(first_state(", ".join(about), layers, server.source(_BRAIN), layer, place))
    return View(server, ", ".join(about))


def _selected(regions: Sequence[Region], segments: Segments) -> list[int]:
    """The segments of regions and of everything inside them.

    Raises:
        CcfError: one has no segment.
    """
    found: list[int] = []
    for region in regions:
        within = segments.within(region)
        if not within:
            why = region.not_drawn or f"in no group that {region.atlas} is painted in"
            raise InvalidValueError(f"{region.acronym} cannot be shown: it is {why}.")
        found += within
    return list(dict.fromkeys(found))


def _same(regions: Sequence[Region], others: Regions, segments: Segments) -> list[int]:
    """The segments of the same regions, by acronym, of another atlas, which need not have them."""
    same = [others.find(region.acronym) for region in regions]
    return list(dict.fromkeys(number for region in same if region for number in segments.within(region)))


def _place(
    at_um: tuple[float, float, float] | None,
    atlas: LoadedAtlas,
    selected: Sequence[Region],
    regions: Regions,
) -> tuple[float, float, float]:
    """Where the planes meet: the place given, or the middle of a selected region, or of the brain.

    Of a region that is on both sides it is the middle of the right part, since that of both may lie outside.

    Raises:
        CcfError: the place given is outside the volume.
    """
    extent = atlas.grid.extent_um
    if at_um is not None:
        if not all(0 <= place < end for place, end in zip(at_um, extent, strict=True)):
            given, sizes = (
                ", ".join(f"{axis.upper()} {value:g}" for axis, value in zip(AXES, values, strict=True))
                for values in (at_um, extent)
            )
            raise InvalidValueError(
                f"The place {given} µm is outside the volume of {atlas.key}, which ends at {sizes} µm."
            )
        return at_um
    root = [region for region in regions if region.parent is None]
    for region in [*selected, *root]:
        sides = ("right", "left", "both") if selected else ("both",)
        found = [region.sizes[side].centroid for side in sides if side in region.sizes]
        for centroid in found:
            if centroid is not None:
                return centroid
    return extent[0] / 2, extent[1] / 2, extent[2] / 2
