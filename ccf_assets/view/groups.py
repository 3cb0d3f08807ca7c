"""What the segments of a viewer are: the regions that have voxels of their own, or groups of them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ccf_assets.db.regions import Region, Regions, Size, groups_of


@dataclass(frozen=True)
class Segments:
    """The segments that an atlas is painted in.

    Attributes:
        regions: what each segment is called, its colour and size; its id is the segment's. A group is a
            region here, too: the one whose acronym it has, otherwise one made for it.
        inside: segment → the regions whose voxels it has.
        of_groups: whether they are groups of regions.
    """

    regions: Sequence[Region]
    inside: Mapping[int, Sequence[int]]
    of_groups: bool = False

    @property
    def segment_of(self) -> dict[int, int]:
        """Region that has voxels → its segment; one that is in no group has none."""
        return {region: segment for segment, regions in self.inside.items() for region in regions}

    def within(self, region: Region) -> list[int]:
        """The segments that have voxels of a region, or of anything inside it."""
        wanted = {each.id for each in region.descendants}
        return [segment for segment, regions in self.inside.items() if not wanted.isdisjoint(regions)]


def painted(regions: Regions) -> Segments:
    """Each region that has voxels of its own as a segment; all regions before their sizes are loaded."""
    own = [region for region in regions if not region.sizes or _own(region)]
    return Segments(own, {region.id: [region.id] for region in own})


def grouped(engine: sa.Engine, ccf_id: int, regions: Regions, region_set: str) -> Segments:
    """Each group of a region set as a segment; regions in no group are in none.

    Args:
        engine: the database.
        ccf_id: number of the atlas.
        regions: its regions.
        region_set: name of the set.

    Raises:
        CcfError: the atlas has no such set.
    """
    group_of = groups_of(engine, ccf_id, regions.atlas, region_set)
    members: dict[str, list[Region]] = {}
    for region in painted(regions).regions:
        if region.id in group_of:
            members.setdefault(group_of[region.id], []).append(region)
    free = (number for number in itertools.count(1) if number not in regions.by_id)
    groups = {
        name: _group(name, inside, regions.by_acronym.get(name), free) for name, inside in members.items()
    }
    return Segments(
        list(groups.values()),
        {group.id: [each.id for each in members[name]] for name, group in groups.items()},
        of_groups=True,
    )


def _own(region: Region) -> int:
    """Voxels of a region that are in none of its children."""
    return region.voxels - sum(child.voxels for child in region.children)


def _group(name: str, inside: Sequence[Region], same: Region | None, free: Iterator[int]) -> Region:
    """A group as a region: with the size of what is in it, and the colour of its first where it is none."""
    sizes = {}
    if inside[0].sizes:
        share = [(_own(region), region.voxels, region.volume_mm3) for region in inside]
        mm3 = sum(own / voxels * volume for own, voxels, volume in share)
        sizes = {"both": Size(sum(own for own, _, _ in share), mm3, None)}
    if same is not None:
        return dataclasses.replace(same, sizes=sizes)
    number = next(free)
    return dataclasses.replace(
        inside[0], id=number, parent_id=number, acronym=name, name=name, safe_name=name, depth=0, sizes=sizes
    )
