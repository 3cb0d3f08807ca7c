"""`Atlas.plot`. What is drawn is put together in section, and drawn in pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ccf_assets.pictures.sites import NEAR_UM

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import polars as pl
    from matplotlib.axes import Axes

    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.ccf.planes import Orientation


def plot(  # noqa: D417 - self is the atlas
    self: Atlas,  # a method of Atlas
    orientation: Orientation,
    position: float | None = None,
    *,
    frame: str | None = None,
    sites: bool | pl.DataFrame | pd.DataFrame | npt.ArrayLike = False,
    within_um: float = NEAR_UM,
    region_set: str | None = None,
    regions: str | int | Iterable[str | int] = (),
    values: Mapping[str, float] | Mapping[int, float] | pl.DataFrame | None = None,
    ax: Axes | None = None,
    crop: bool = True,
) -> Axes:
    """Draw a plane with matplotlib: regions in the Allen colours with their names, sites, values.

    Args:
        orientation: ``coronal``, ``sagittal`` or ``horizontal``.
        position: where, along AP, ML or DV in the frame's unit and sign; if not given, where most sites are.
        frame: name of a frame, as for `locate`; if not given µm in the space of the atlas.
        sites: True draws all recording sites; rows of `sites()` draw these; an
            array of shape (N, 3), or a frame with ap, dv, ml, draws points in ``frame``. Each recording has
            a colour.
        within_um: sites at most so far from the plane are drawn.
        region_set: name of a region set, whose groups are painted and named instead of regions.
        regions: acronyms or ids of regions that are highlighted, or one; the others are faded.
        values: number of each region, by acronym or id; or a polars frame as the command
            ``slice --values`` reads it. Regions inside one have its value unless they have their own.
        ax: axes to draw into; those of a new figure if not given.
        crop: leave out what lies outside the brain's outline.

    Returns:
        The axes, in µm of the space: x along the plane's columns, y along its rows, downwards.
        ``axes.legend()`` names the recordings.

    Raises:
        CcfError: there is no such plane, frame, set or region, or the atlas was loaded again meanwhile.
    """
    from ccf_assets.atlas.section import as_sites, as_values, section
    from ccf_assets.pictures.plane import draw_plane

    drawn = section(
        self, orientation, position, frame=frame, sites=as_sites(self, sites, frame), within_um=within_um,
        region_set=region_set, regions=regions, values=None if values is None else as_values(self, values),
    )  # fmt: skip
    if ax is None:
        from matplotlib import pyplot as plt  # figures of a notebook, which it shows by itself

        _, ax = plt.subplots(figsize=(8, 6), layout="constrained")
    draw_plane(ax, drawn, crop=crop)
    return ax
