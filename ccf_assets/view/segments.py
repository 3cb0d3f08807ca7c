"""The regions of an atlas as Neuroglancer's segments: names, sizes and colours, for its list and its search.

The format is described at
https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/segment_properties.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ccf_assets.db.regions import Region


def segment_properties(regions: Sequence[Region]) -> dict[str, Any]:
    """The file ``info`` of the properties of segments, for a list that is searched by acronym.

    Each segment has the acronym as its label, the name as its description, its volume in mm³ with everything
    inside it, and as tags the acronyms of the regions that it is a part of: ``#TH`` in the search finds all
    of the thalamus. A tag has no blanks, so ``fiber tracts`` is ``#fiber_tracts``.

    Args:
        regions: the regions that are segments.
    """
    inside = Counter(each.id for region in regions for each in region.ancestors)
    # One that has a single segment, or all of them, tells nothing in a list.
    groups = {
        each.id: each for region in regions for each in region.ancestors if 1 < inside[each.id] < len(regions)
    }
    ordered = sorted(groups.values(), key=lambda region: -region.depth)
    number = {region.id: at for at, region in enumerate(ordered)}
    properties: list[dict[str, Any]] = [
        {"id": "acronym", "type": "label", "values": [region.acronym for region in regions]},
        {"id": "name", "type": "description", "values": [region.name for region in regions]},
        {
            "id": "in",
            "type": "tags",
            "description": "The regions that it is a part of",
            "tags": _tags(region.acronym for region in ordered),
            "tag_descriptions": [region.name for region in ordered],
            "values": [
                sorted(number[each.id] for each in region.ancestors if each.id in number)
                for region in regions
            ],
        },
    ]
    if all(region.sizes for region in regions):  # they are stored in a step after the voxels
        properties.append(
            {
                "id": "mm3",
                "type": "number",
                "data_type": "float32",
                "description": "Volume with everything inside it, mm³",
                "values": [round(region.volume_mm3, 6) for region in regions],
            }
        )
    return {
        "@type": "neuroglancer_segment_properties",
        "inline": {"ids": [str(region.id) for region in regions], "properties": properties},
    }


def segment_colors(regions: Iterable[Region]) -> dict[str, str]:
    """The colours of segments in a state of Neuroglancer: id → #RRGGBB, those of the ontology."""
    return {str(region.id): region.color for region in regions}


def _tags(acronyms: Iterable[str]) -> list[str]:
    """Acronyms as tags: without blanks, and none like another in another case, as the format demands."""
    tags: dict[str, str] = {}
    for acronym in acronyms:
        tag = acronym.replace(" ", "_")
        while tag.lower() in tags:
            tag += "_"
        tags[tag.lower()] = tag
    return list(tags.values())
