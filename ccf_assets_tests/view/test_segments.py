"""The list of segments has each region's names, size and colour, and finds what is inside a region."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.view.segments import segment_colors, segment_properties


def _by_id(properties: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in properties["inline"]["properties"]}


def test_a_segment_has_acronym_name_volume_and_the_regions_around_it(real_database: sa.Engine) -> None:
    atlas = Atlas("ccf_2017_50um", engine=real_database)
    regions = [each for each in atlas.region("TH").descendants if each.voxels]
    regions += [atlas.region(name) for name in ("VISp1", "VISp2/3", "fiber tracts", "cc")]
    made = segment_properties(regions)
    assert made["inline"]["ids"] == [str(region.id) for region in regions]
    found, at = _by_id(made), [region.acronym for region in regions].index("VISp1")
    assert [found["acronym"]["type"], found["name"]["type"]] == ["label", "description"]
    assert found["acronym"]["values"][at] == "VISp1"
    assert found["name"]["values"][at] == "Primary visual area, layer 1"
    assert found["mm3"]["values"][at] == round(atlas.region("VISp1").volume_mm3, 6)
    tags = found["in"]["tags"]
    assert not any(" " in tag for tag in tags)
    assert len({tag.lower() for tag in tags}) == len(tags)
    in_thalamus = [tags.index("TH") in values for values in found["in"]["values"]]
    assert in_thalamus == [True] * (len(regions) - 4) + [False] * 4
    assert tags.index("fiber_tracts") in found["in"]["values"][-1]
    assert "root" not in tags  # of which all are a part
    assert "VISp1" not in tags  # it is itself
    assert all(values == sorted(values) for values in found["in"]["values"])


def test_a_segment_has_the_colour_of_the_ontology(phantom_database: sa.Engine) -> None:
    atlas = Atlas("phantom_100um", engine=phantom_database)
    regions = atlas.region("root").descendants
    colors = segment_colors(regions)
    assert colors == {str(region.id): f"#{region.color_hex}" for region in regions}
