"""The structures of an atlas in memory: their hierarchy, sizes and colours, found by acronym, id or words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import sqlalchemy as sa

from ccf_assets.ccf import space
from ccf_assets.ccf.likeness import everyday, folded, nearest
from ccf_assets.ccf.region_id import is_id, source_id, table_number
from ccf_assets.db import schema
from ccf_assets.errors import CcfError, InvalidValueError, UnknownNameError, suggestion

_SHORT = 3
"""A text of at most so many letters has no other spelling: it would be in many names."""


@dataclass(frozen=True)
class Size:
    """How large a region is, with everything inside it, and where its middle is.

    Attributes:
        voxels: how many voxels it has.
        volume_mm3: its volume, mm³.
        centroid: mean of its voxels' centres as (x, y, z), CCF µm; None for a region without voxels. That of
            a region with parts on both sides lies near the midline, inside the region or not.
    """

    voxels: int
    volume_mm3: float
    centroid: tuple[float, float, float] | None


@dataclass(frozen=True, repr=False)
class Region:
    """One structure of an atlas. Its sizes are those of the structure and everything inside it.

    Attributes:
        atlas: key of the atlas.
        id: structure id, as the ontology has it.
        acronym: exact; case matters.
        name: the ontology's name, with its commas.
        safe_name: the ontology's safe_name, without commas: region_name in the tables.
        color_hex: the ontology's colour, RRGGBB.
        depth: steps from the root, which is 0.
        sizes: by hemisphere: left, right, both, or only both in a space without a midline; empty before the
            table region_volume is loaded.
    """

    atlas: str
    id: int
    acronym: str
    name: str
    safe_name: str
    color_hex: str
    depth: int
    parent_id: int = field(compare=False)
    sizes: Mapping[str, Size] = field(compare=False)
    family: Regions = field(compare=False)

    def __repr__(self) -> str:
        return f"<Region {self.acronym}: {self.name} ({self.id}, {self.not_drawn or self.atlas})>"

    @property
    def color(self) -> str:
        """The ontology's colour as #RRGGBB, as pictures take it."""
        return f"#{self.color_hex}"

    @property
    def parent(self) -> Region | None:
        """The region it is a part of; None for the root."""
        return None if self.parent_id == self.id else self.family.by_id[self.parent_id]

    @property
    def children(self) -> tuple[Region, ...]:
        """The regions it is divided into, in the ontology's order."""
        return self.family.children_of.get(self.id, ())

    @property
    def ancestors(self) -> tuple[Region, ...]:
        """The region itself and all that contain it, up to the root: those of ``ccf.ancestors`` in SQL."""
        return (self,) if self.parent is None else (self, *self.parent.ancestors)

    @property
    def descendants(self) -> tuple[Region, ...]:
        """The region itself and everything inside it, in the ontology's order, as ``ccf.descendants`` in SQL.

        The region itself is included because many divided regions also own voxels.
        """
        return (self, *self.inside)

    @property
    def around(self) -> tuple[Region, ...]:
        """The regions that contain it, itself not included, from the root down to its parent."""
        return self.ancestors[:0:-1]

    @property
    def inside(self) -> tuple[Region, ...]:
        """Everything inside it, itself not included, in the ontology's order."""
        return tuple(each for child in self.children for each in child.descendants)

    @property
    def drawn_as(self) -> Region | None:
        """The nearest region with voxels in this atlas: itself, or the nearest one that contains it.

        The ontology is finer than the atlas: 488 of the 1,327 structures, such as the layers of CA1, have no
        voxel in CCFv3 2017, even with everything inside them. None before region_volume is loaded.
        """
        return next((each for each in self.ancestors if each.sizes and each.voxels), None)

    @property
    def not_drawn(self) -> str:
        """For a sentence: ``not drawn in ccf_2017_25um; CA1 is``; empty if it is, or is not known."""
        if not self.sizes or self.voxels:
            return ""
        nearest = self.drawn_as
        return f"not drawn in {self.atlas}" + (f"; {nearest.acronym} is" if nearest else "")

    @property
    def voxels(self) -> int:
        """How many voxels it has, all inside it included; 0 if it is not drawn, see `drawn_as`."""
        return self.size().voxels

    @property
    def volume_mm3(self) -> float:
        """Its volume in mm³, all inside it included."""
        return self.size().volume_mm3

    @property
    def centroid(self) -> tuple[float, float, float] | None:
        """Mean of its voxels' centres as (x, y, z), CCF µm; None without voxels."""
        return self.size().centroid

    @property
    def left(self) -> Size:
        """Its part in the left hemisphere."""
        return self.size("left")

    @property
    def right(self) -> Size:
        """Its part in the right hemisphere."""
        return self.size("right")

    def size(self, hemisphere: str = "both") -> Size:
        """Its size in one hemisphere or in both.

        Raises:
            CcfError: there is no such hemisphere, the sizes are not loaded yet, or the space has no midline.
        """
        check_hemisphere(hemisphere)
        if not self.sizes:
            raise CcfError(
                f"The sizes of the regions of {self.atlas} are not loaded yet; "
                f"run `ccf-assets load {self.atlas}`."
            )
        if hemisphere not in self.sizes:
            raise InvalidValueError(
                f"The space of {self.atlas} has no midline, so there is no {hemisphere} side."
            )
        return self.sizes[hemisphere]


class Regions:
    """All structures of one atlas, in the ontology's order (iterate), by id, by acronym, by words."""

    def __init__(self, atlas: str) -> None:
        self.atlas = atlas
        self.by_id: dict[int, Region] = {}

    def __iter__(self) -> Iterator[Region]:
        return iter(self.by_id.values())

    def __len__(self) -> int:
        return len(self.by_id)

    @property
    def narrow(self) -> bool:
        """Whether every id fits 32 bits with a sign, as those of the Allen Institute do."""
        return max(self.by_id, default=0) == table_number(max(self.by_id, default=0))

    @cached_property
    def by_acronym(self) -> Mapping[str, Region]:
        """The regions by exact acronym."""
        return {region.acronym: region for region in self}

    @cached_property
    def children_of(self) -> Mapping[int, tuple[Region, ...]]:
        """The children of each region that has some, in the ontology's order."""
        found: dict[int, list[Region]] = {}
        for region in self:
            if region.parent_id != region.id:
                found.setdefault(region.parent_id, []).append(region)
        return {parent: tuple(children) for parent, children in found.items()}

    def find(self, name: str | int) -> Region | None:
        """The region with exactly this acronym, or this id."""
        if isinstance(name, int):
            return self.by_id.get(name)
        text = str(name)
        found = self.by_acronym.get(text)
        if found is None and is_id(text):
            found = self.by_id.get(int(text))
        return found

    def called(self, text: str) -> list[Region]:
        """The regions that have a text as an everyday name, of those that there are."""
        known = everyday(text)
        return [self.by_acronym[each] for each in known.acronyms if each in self.by_acronym] if known else []

    def search(self, words: str, *, near: bool = True) -> list[Region]:
        """The regions that words mean, the best first.

        These are the regions whose acronym or name has all the words in it, in any case, and those whose
        everyday name the words are (V1, hippocampus; see ccf/everyday_names.csv). Where there are none, those
        that have the words in another spelling (coeruleus for ceruleus); and where there are none either, the
        nearest five by likeness.

        Best is the acronym itself (in the same case before another), then the everyday name, then the name
        itself, then what begins with the text, then what has it at the beginning of a word, then the rest;
        among equals the more general, then in the ontology's order.

        Args:
            words: text to look for; parts that blanks separate may stand anywhere.
            near: whether to offer the nearest where no region has the words.
        """
        text = " ".join(words.split())
        called = [region.acronym for region in self.called(text)]
        found = [region for region in self if text and _has(region, text.lower().split())]
        found += self.called(text)
        if not found:
            alike = folded(text)
            found = [region for region in self if len(alike) > _SHORT and _has_alike(region, alike.split())]
        if not found and near:
            regions = list(self)
            names = [region.name for region in regions]
            return [regions[i] for i in nearest(text, [region.acronym for region in regions], names)]
        unique = {region.id: region for region in found}.values()
        return sorted(unique, key=lambda region: (*_rank(region, text, called), region.depth))


def _has(region: Region, words: Iterable[str]) -> bool:
    where = f"{region.acronym}\n{region.name}\n{region.safe_name}".lower()
    return all(word in where for word in words)


def _has_alike(region: Region, words: Iterable[str]) -> bool:
    where = folded(region.name)
    return all(word in where for word in words)


def _rank(region: Region, text: str, called: Sequence[str]) -> tuple[int, int]:
    """How well a region is meant, the best first; ``called``: the acronyms of an everyday name, in order."""
    low = text.lower()
    acronym, names = region.acronym.lower(), (region.name.lower(), region.safe_name.lower())
    better = (
        region.acronym == text,
        acronym == low,
        region.acronym in called,
        low in names,
        acronym.startswith(low),
        any(name.startswith(low) for name in names),
        any(f" {low}" in name for name in names),
    )
    place = better.index(True) if True in better else len(better)
    return place, called.index(region.acronym) if region.acronym in called else len(called)


def check_hemisphere(name: str) -> None:
    """Refuse what is no hemisphere.

    Raises:
        CcfError: it is not left, right or both.
    """
    if name not in space.HEMISPHERES:
        raise InvalidValueError(f"There is no hemisphere {name!r}; there are {', '.join(space.HEMISPHERES)}.")


def no_such_region(engine: sa.Engine, ccf_id: int, name: str) -> str:
    """The sentence for a region that is not there, with those that are near: the same as in SQL."""
    with engine.connect() as connection:
        return str(connection.scalar(sa.select(sa.func.ccf.no_such_region(ccf_id, name))))


def read_regions(engine: sa.Engine, ccf_id: int, atlas: str) -> Regions:
    """The regions of a loaded atlas.

    Args:
        engine: the database.
        ccf_id: number of the atlas.
        atlas: its key, for what the regions say of themselves.
    """
    r, p, v = schema.brain_region.c, schema.region_parent.c, schema.region_volume.c
    same = sa.and_(p.ccf_id == r.ccf_id, p.region_id == r.region_id)
    structures = (
        sa.select(
            r.region_id, r.acronym, r.full_name, r.region_name, r.color_hex, p.depth, p.parent_id
        )
        .join_from(schema.brain_region, schema.region_parent, same)
        .where(r.ccf_id == ccf_id)
        .order_by(r.structure_order)
    )  # fmt: skip
    measured = sa.select(
        v.region_id, v.hemisphere, v.voxels, v.volume_mm3, v.centroid_x, v.centroid_y, v.centroid_z
    ).where(v.ccf_id == ccf_id)
    with engine.connect() as connection:
        rows = connection.execute(structures).all()
        sizes: dict[int, dict[str, Size]] = {}
        for region_id, hemisphere, voxels, mm3, *centroid in connection.execute(measured):
            place = None if centroid[0] is None else tuple(centroid)
            sizes.setdefault(source_id(region_id), {})[hemisphere] = Size(voxels, mm3, place)
    regions = Regions(atlas)
    for number, acronym, name, safe_name, color_hex, depth, parent in rows:
        region_id = source_id(number)
        regions.by_id[region_id] = Region(
            atlas, region_id, acronym, name, safe_name, color_hex, depth, source_id(parent),
            sizes.get(region_id, {}), regions,
        )  # fmt: skip
    return regions


def groups_of(engine: sa.Engine, ccf_id: int, atlas: str, region_set: str) -> dict[int, str]:
    """The group of each region that is in one: region id → name of the group.

    Args:
        engine: the database.
        ccf_id: number of the atlas.
        atlas: its key, for the sentence of an error.
        region_set: name of the set.

    Raises:
        CcfError: the atlas has no such set.
    """
    member, sets = schema.region_set_member.c, schema.region_set.c
    of_set = sa.select(member.region_id, member.group_name).where(
        member.ccf_id == ccf_id, member.set_name == region_set
    )
    with engine.connect() as connection:
        groups = {source_id(number): group for number, group in connection.execute(of_set)}
        if not groups:
            names = sa.select(sets.set_name).where(sets.ccf_id == ccf_id).order_by(sets.set_name)
            known = connection.scalars(names).all()
            hint = suggestion(region_set, known) if known else "none are loaded."
            raise UnknownNameError(f"{atlas} has no region set {region_set!r}; {hint}")
    return groups
