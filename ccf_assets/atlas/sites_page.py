"""Recording sites in the outline of the brain, as one page of HTML that needs nothing else.

It is drawn by K3D's own page, with its program in it. The page asks no other address: a rule in it forbids
the browser to.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ccf_assets.atlas.brain_mask import Brain
from ccf_assets.ccf.space import XYZ
from ccf_assets.errors import CcfError, InvalidValueError
from ccf_assets.files import new_file
from ccf_assets.finding import counted
from ccf_assets.pictures.site_colors import MISS_RGB, recording_rgb

if TYPE_CHECKING:
    import polars as pl

    from ccf_assets.db.regions import Regions

_CELLS = 64
"""Cells of the outline along the longest axis: of the mouse 200 µm, and 40 KB in the page."""

_NAMED = 200
"""Rows of the legend."""

_SITE_UM = 60.0
"""Diameter of a site in the picture."""

_OUTLINE_RGB = 0x9AA4B2

_RULE = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'unsafe-inline' 'unsafe-eval' data: "
    'blob:">'
)

_STYLE = (
    "position:absolute;margin:0;padding:8px 10px;background:rgba(255,255,255,.85);color:#1a1a1a;"
    "font:13px/1.4 sans-serif;max-width:40%;"
)


@dataclass(frozen=True)
class SitesPage:
    """A page of sites: shown by a notebook, and kept as a file.

    Attributes:
        html: the whole page.
        shown: sites that are drawn.
        without_place: sites that are not, as their place is not known.
    """

    html: str
    shown: int
    without_place: int

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the page to a file.

        Raises:
            CcfError: the file exists and may not be replaced, or cannot be written.
        """
        with new_file(Path(path), force=force) as aside:
            aside.write_text(self.html, encoding="utf-8")

    def __repr__(self) -> str:
        return f"<SitesPage of {counted(self.shown, 'site')}>"

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" style="width:100%;height:600px;border:0" '
            'title="Recording sites"></iframe>'
        )


def sites_page(sites: pl.DataFrame, regions: Regions, brain: Brain, title: str, color_by: str) -> SitesPage:
    """The page of some sites: turned with the mouse, dorsal above, left on the left as seen from behind.

    A site without a region is magenta, whatever the others are coloured by.

    Args:
        sites: rows of the view recording_site_region in one atlas.
        regions: the regions of the atlas.
        brain: the outline.
        title: what is shown.
        color_by: ``recording`` or ``region``.

    Raises:
        CcfError: there is nothing to color by that name, or the extra view is not installed.
    """
    if color_by not in ("recording", "region"):
        raise InvalidValueError(f"Sites are coloured by recording or by region, not by {color_by!r}.")
    try:
        import k3d
    except ImportError as error:
        raise CcfError(f"A page of sites needs {error.name}: pip install 'ccf_assets[view]'.") from None

    placed = sites.drop_nulls(XYZ)
    groups = _grouped(placed, color_by, regions)
    plot = k3d.plot(
        grid_visible=False,
        menu_visibility=False,
        axes=["R", "A", "S"],
        camera_auto_fit=False,
        camera_mode="orbit",
        camera_up_axis="z",
        background_color=0xFFFFFF,
        snapshot_type="full",
        camera=_camera(brain.extent_um),
    )
    plot += _outline(brain)
    if len(placed):
        # Whole µm: digits that nobody can see would make the page a third longer.
        places = _world(placed.select(XYZ).to_numpy().astype(np.float64)).round().astype(np.float32)
        plot += k3d.points(
            places, colors=groups.colors, point_size=_SITE_UM, shader="flat", name="sites", mesh_detail=0
        )
    without = len(sites) - len(placed)
    words = _overlay(title, groups.legend, without)
    page: str = plot.get_snapshot(additional_js_code=words)
    head = "<head>\n"
    if page.count(head) != 1 or "[ADDITIONAL]" in page:
        raise CcfError("This version of k3d makes another page than the one that is known; install k3d 3.2.")
    return SitesPage(page.replace(head, f"{head}    {_RULE}\n"), len(placed), without)


@dataclass(frozen=True)
class _Groups:
    """Colours of sites, and what they mean.

    Attributes:
        colors: shape (N,), uint32: 0xRRGGBB of each site.
        legend: name, colour 0xRRGGBB and number of sites of each group: misses, then the largest first.
    """

    colors: npt.NDArray[np.uint32]
    legend: Sequence[tuple[str, int, int]]


def _grouped(placed: pl.DataFrame, color_by: str, regions: Regions) -> _Groups:
    """Colours by recording, or by region; of sites without a region that of misses."""
    import polars as pl

    hit = placed["region_id"].is_not_null()
    if color_by == "region":
        names = placed["region_id"].replace_strict(
            {each.id: each.acronym for each in regions}, default=None, return_dtype=pl.String
        )
        color_of = {each.acronym: int(each.color_hex, 16) for each in regions}
    else:
        names = placed["recording_id"]
        color_of = {name: _packed(rgb[None])[0] for name, rgb in recording_rgb(names).items()}
    miss = _packed(np.array([MISS_RGB]))[0]
    legend = [] if hit.all() else [("without a region", miss, int((~hit).sum()))]
    legend += [(name, color_of[name], number) for name, number in _counts(names.filter(hit))]
    colors = names.replace_strict(color_of, default=miss, return_dtype=pl.UInt32).to_numpy()
    return _Groups(np.where(hit.to_numpy(), colors, np.uint32(miss)), legend)


def _counts(names: pl.Series) -> list[tuple[str, int]]:
    """How often each name is there, the most frequent first, then by name."""
    return sorted(names.value_counts().rows(), key=lambda row: (-row[1], row[0]))


def _packed(rgb: npt.NDArray[Any]) -> list[int]:
    """Colours as 0xRRGGBB."""
    packed: list[int] = (rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)).tolist()
    return packed


def _world(places_um: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """AP, DV, ML in µm → the picture's x to the right, y to anterior, z to superior, in µm."""
    return places_um[:, [2, 0, 1]] * [1, -1, -1]


def _camera(extent_um: Sequence[float]) -> list[float]:
    """Where the picture is seen from: behind, left and above. Position, what is in the middle, and up."""
    middle = _world(np.array([extent_um]) / 2)[0]
    away = np.array([-0.5, -1.0, 0.55]) * 1.05 * max(extent_um)
    return [*(middle + away).tolist(), *middle.tolist(), 0.0, 0.0, 1.0]


def _outline(brain: Brain) -> Any:  # noqa: ANN401 - of a library that may not be installed
    """The surface of the brain, half way through cells of which each has the share that is inside."""
    import k3d

    coarse = max(brain.grid.extent_um) / _CELLS
    step = [max(1, round(coarse / edge)) for edge in brain.grid.edges_um]
    cells = [-(-voxels // size) for voxels, size in zip(brain.inside.shape, step, strict=True)]
    padded = np.zeros([n * size for n, size in zip(cells, step, strict=True)], np.float32)
    aps, dvs, mls = brain.inside.shape
    padded[:aps, :dvs, :mls] = brain.inside
    shares = padded.reshape(cells[0], step[0], cells[1], step[1], cells[2], step[2]).mean(axis=(1, 3, 5))
    shares = np.pad(shares, 1)  # outside all around, so that the surface is closed
    size_um = np.array(step) * brain.grid.edges_um
    # The corners of the field are the centres of its first and last cells; z, y, x as K3D has them.
    first, last = -0.5 * size_um, (np.array(cells) + 0.5) * size_um
    (left, front, top), (right, back, bottom) = _world(np.stack([first, last]))
    field = shares.transpose(1, 0, 2)[::-1, ::-1]
    return k3d.marching_cubes(
        np.ascontiguousarray(field, np.float32),
        level=0.5,
        color=_OUTLINE_RGB,
        opacity=0.18,
        flat_shading=False,
        name="brain",
        bounds=[left, right, back, front, bottom, top],
    )


def _overlay(title: str, legend: Sequence[tuple[str, int, int]], without_place: int) -> str:
    """Title and legend of the page, as a program that adds them to it."""
    rows = [
        f'<div><span style="color:#{color:06x}">&#9679;</span> {html.escape(name)} '
        f'<span style="color:#666">{sites:,}</span></div>'
        for name, color, sites in legend[:_NAMED]
    ]
    if len(legend) > _NAMED:
        rows.append(f"<div>and {len(legend) - _NAMED:,} more</div>")
    if without_place:
        rows.append(f"<div>{counted(without_place, 'site')} without a known place</div>")
    content = (
        f'<div style="{_STYLE}left:0;top:0"><b>{html.escape(title)}</b><br>Drag to turn, scroll to zoom. '
        "R is right, A anterior, S superior.</div>"
        f'<div style="{_STYLE}left:0;bottom:0;max-height:70%;overflow:auto">{"".join(rows)}</div>'
    )
    # In a script "</" would end it.
    add, name = (json.dumps(text).replace("<", "\\u003c") for text in (content, title))
    return f"document.title = {name}; document.body.insertAdjacentHTML('beforeend', {add});"
