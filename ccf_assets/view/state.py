"""What the page of Neuroglancer shows at first: layers, colours, place, and four panels.

Left is left in every panel, and nothing is mirrored: the axes AP, DV, ML, to posterior, inferior and right,
are right-handed, as Neuroglancer's own are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccf_assets.ccf.space import AXES
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.view.files import BRAIN

_HALF = 0.5**0.5

CORONAL = (0.0, -_HALF, 0.0, _HALF)
"""Seen from behind: ML to the right, DV downwards. This and the others are quaternions, which turn the axes
AP, DV, ML to the right, downwards and into the screen."""

HORIZONTAL = (-0.5, -0.5, -0.5, 0.5)
"""Seen from above: ML to the right, AP downwards, so that the nose is above."""

SAGITTAL = (0.0, 0.0, 0.0, 1.0)
"""Seen from the left: AP to the right, so that the nose is left; DV downwards."""

FROM_BEHIND_LEFT = (-0.8, 0.45, 0.4)
"""Where the 3-D view looks to, along AP, DV, ML: from behind, above and left."""

_MANY_SITES, _SPACING_PX, _SPACING_OF_MANY_PX = 50_000, 1, 4
"""Neuroglancer draws so many points as would fill the panel at this distance from one another. With its own 8
pixels it leaves out nine of ten of 43,000 sites, and probes look dashed; with 1 it draws them all. Of a
million, 1 and 2 pixels show hardly more than 4, and without a graphics card take 4 and 2 times as long."""

BRAIN_LAYER = "brain"
"""The layer below the atlas: the surface of the whole brain."""

_GRAIN = 1e-6
"""How large the volume is that is below the atlas in the planes, as a share of the atlas's. Neuroglancer
paints the first volume of a plane without its opacity, so there has to be one; where it has voxels, it has a
row of its own under the mouse, so it is a grain in the corner."""

_BRAIN_ALPHA = 0.15
"""Opacity of the surface of the whole brain."""

_ALPHA, _AROUND_ALPHA = 0.9, 0.4
"""Opacity of regions in the planes, and where some are selected, of those that are not."""

_PANEL_PIXELS = 420
"""Height of a panel in a window of 1,000 pixels: the longest axis just fits in."""


@dataclass(frozen=True)
class AtlasLayer:
    """A layer of the regions of an atlas.

    Attributes:
        name: of the layer.
        source: address of its files.
        grid: its grid.
        colors: segment → #RRGGBB.
        selected: segments that are selected: shown as surfaces, too.
    """

    name: str
    source: str
    grid: VoxelGrid
    colors: Mapping[str, str]
    selected: Sequence[int] = ()


@dataclass(frozen=True)
class SitesLayer:
    """A layer of points.

    Attributes:
        name: of the layer.
        source: address of its files.
        shader: how they are drawn.
        points: how many there are.
        relation: of the points, to the segments of the first atlas; none if not given.
    """

    name: str
    source: str
    shader: str
    points: int
    relation: str | None = None


def first_state(
    title: str,
    atlases: Sequence[AtlasLayer],
    brain: str,
    sites: SitesLayer | None,
    at_um: tuple[float, float, float],
) -> Any:  # noqa: ANN401 - of a library that may not be installed
    """The state of the page at first: a ViewerState of Neuroglancer.

    Args:
        title: of the page.
        atlases: the atlas, and another one beside it, if any.
        brain: address of the surface of the whole brain.
        sites: the points.
        at_um: where the planes meet: AP, DV, ML in µm of the atlas's space.
    """
    import neuroglancer as ng

    first = atlases[0]
    state = ng.ViewerState(title=title, dimensions=_space([1, 1, 1]), position=at_um)
    state.layers[BRAIN_LAYER] = ng.SegmentationLayer(
        source=[
            ng.LayerDataSource(
                url=first.source,
                transform=_in_space(first.grid.edges_um, _GRAIN),
                enable_default_subsources=False,
                subsources={"default": True},
            ),
            ng.LayerDataSource(url=brain, transform=_in_space([1e-3] * 3)),  # a surface is in nm
        ],
        segments=[BRAIN],
        segment_colors={BRAIN: "#ffffff"},
        object_alpha=_BRAIN_ALPHA,
        pick=False,
        hover_highlight=False,
    )
    for layer in atlases:
        state.layers[layer.name] = ng.SegmentationLayer(
            # The second one would cover the first, and draw its surfaces once more: that is for the slider.
            source=ng.LayerDataSource(
                url=layer.source,
                transform=_in_space(layer.grid.edges_um),
                subsources={} if layer is first else {"mesh": False},
            ),
            segments=layer.selected,
            segment_colors=layer.colors,
            selected_alpha=_ALPHA if layer is first else 0,
            not_selected_alpha=_AROUND_ALPHA if layer.selected and layer is first else 0,
            tab="segments",
        )
    if sites is not None:
        linked = {sites.relation: first.name} if sites.relation else {}
        spacing = _SPACING_PX if sites.points <= _MANY_SITES else _SPACING_OF_MANY_PX
        state.layers[sites.name] = ng.AnnotationLayer(
            {"crossSectionAnnotationSpacing": spacing, "projectionAnnotationSpacing": spacing},
            source=sites.source,
            shader=sites.shader,
            linked_segmentation_layer=linked,
        )
    extent = max(first.grid.extent_um)
    state.cross_section_scale = extent / _PANEL_PIXELS
    state.projection_scale = 1.2 * extent
    state.projection_orientation = looking_to(FROM_BEHIND_LEFT)
    state.show_slices = state.show_default_annotations = False
    state.cross_section_background_color = "#000000"
    state.selected_layer = ng.SelectedLayerState(layer=first.name, visible=True, size=380)
    if len(atlases) > 1:
        state.tool_palettes["opacity: the second is in front"] = ng.viewer_state.ToolPalette(
            tools=[ng.SelectedAlphaTool(layer=layer.name) for layer in atlases]
        )
    names = [layer.name for layer in state.layers]
    state.layout = ng.column_layout(
        [
            ng.row_layout([_plane(names, CORONAL), _plane(names, HORIZONTAL)]),
            ng.row_layout([_plane(names, SAGITTAL), ng.LayerGroupViewer(layers=names, layout="3d")]),
        ]
    )
    # What is under the mouse: of a region its name and size, of a site all that is known of it.
    return ng.ViewerState({**state.to_json(), "selection": {"layers": {}, "visible": True, "row": 1}})


def looking_to(into: Sequence[float]) -> tuple[float, float, float, float]:
    """The quaternion of a view that looks along ``into`` (AP, DV, ML), with the superior side up."""
    forward = np.array(into) / np.linalg.norm(into)
    right = np.cross((0, 1, 0), forward)
    right /= np.linalg.norm(right)
    m = np.stack([right, np.cross(forward, right), forward], axis=1)
    w = float(np.sqrt(1 + np.trace(m)) / 2)
    x, y, z = (float(m[b, a] - m[a, b]) / (4 * w) for a, b in ((1, 2), (2, 0), (0, 1)))
    return x, y, z, w


def _space(edges_um: Sequence[float]) -> Any:  # noqa: ANN401
    import neuroglancer as ng

    return ng.CoordinateSpace(names=AXES, units="um", scales=edges_um)


def _in_space(edges_um: Sequence[float], share: float = 1) -> Any:  # noqa: ANN401
    """A source's own axes x, y, z, with voxels of these edges, as AP, DV, ML; made as large as a share."""
    import neuroglancer as ng

    return ng.CoordinateSpaceTransform(output_dimensions=_space(edges_um), matrix=share * np.eye(3, 4))


def _plane(layers: Sequence[str], orientation: Sequence[float]) -> Any:  # noqa: ANN401
    import neuroglancer as ng

    turned = ng.LinkedOrientationState(link="unlinked", value=orientation)
    return ng.LayerGroupViewer(layers=layers, layout="xy", cross_section_orientation=turned)
