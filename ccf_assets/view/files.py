"""The files of the layers that a viewer asks for, each made when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from ccf_assets.db.loaded import LoadedAtlas, loaded_atlases
from ccf_assets.db.regions import Regions
from ccf_assets.view.annotations import Points
from ccf_assets.view.groups import Segments
from ccf_assets.view.meshes import surface
from ccf_assets.view.pyramid import Pyramid, Scale, scales_of
from ccf_assets.view.segments import segment_properties

BRAIN = 2**32
"""The one segment of the surface of the whole brain: no region has this id, since those have 32 bits."""

MESHES = b'{"@type": "neuroglancer_legacy_mesh"}'
"""The file ``info`` of surfaces."""

MANIFEST = ":0"
"""What the file that lists the parts of a surface has behind the number of its segment."""


class AtlasFiles:
    """A segmentation with its segments' properties and surfaces, and the surface of the whole brain.

    Args:
        engine: the database.
        atlas: the atlas.
        regions: its regions.
        segments: what it is painted in.
    """

    def __init__(self, engine: sa.Engine, atlas: LoadedAtlas, regions: Regions, segments: Segments) -> None:
        self._engine, self._segments = engine, segments
        self._all = [region.id for region in regions]
        self._scales: Sequence[Scale] = scales_of(atlas, loaded_atlases(engine))
        segment_of = segments.segment_of if segments.of_groups else None
        self._pyramid = Pyramid(engine, self._scales, segment_of)

    def regions(self, path: str) -> bytes | None:
        """A file of the segmentation: ``info``, ``properties/info``, ``mesh/385``, ``0/0-64_64-128_0-64``."""
        key, _, name = path.partition("/")
        if path == "info":
            return json.dumps(self._pyramid.info()).encode()
        if path == "properties/info":
            return json.dumps(segment_properties(self._segments.regions)).encode()
        if key == "mesh":
            return self._surface(name, self._segments.inside.get(_segment(name)))
        return self._pyramid.chunk(int(key), name) if key.isdecimal() else None

    def brain(self, path: str) -> bytes | None:
        """A file of the surface of all regions taken as one: that of the segment `BRAIN`."""
        return self._surface(path, self._all if _segment(path) == BRAIN else None)

    def _surface(self, name: str, regions: Sequence[int] | None) -> bytes | None:
        if name == "info":
            return MESHES
        if regions is None:
            return None
        if name.endswith(MANIFEST):
            return json.dumps({"fragments": [name.removesuffix(MANIFEST)]}).encode()
        return surface(self._engine, self._scales, regions)


def _segment(name: str) -> int:
    """The segment in the name of a file of a surface; 0, which is none, if there is none in it."""
    number = name.removesuffix(MANIFEST)
    return int(number) if number.isdecimal() else 0


def points_file(points: Points, path: str) -> bytes | None:
    """A file of the layer of points."""
    return json.dumps(points.info()).encode() if path == "info" else points.file(path)
