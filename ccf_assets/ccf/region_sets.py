"""Region sets: coarse maps that put the regions of an ontology into groups, to count and to group sites by.

A map names regions and gives each a group. A region that the map does not name belongs to the group of the
nearest region above it that the map names; if there is none, it belongs to no group.

Built in are a map for each level of the hierarchy (``depth_1`` …), and those in ``region_sets.csv``:

``summary_structures``
    316 structures, the level at which the makers of the CCF analyse it. From Table S2 of Wang et al. 2020
    (doi:10.1016/j.cell.2020.04.007), in the transcription of the software BraiAn 1.0.5 (released as CC0). The
    set of this name in the Allen Institute's API is near to it and not the same: it is known to hold ENTmv.
``beryl``, ``cosmos``
    306 and 10 structures: the maps of the International Brain Laboratory, from iblatlas 1.3.0. For every
    structure the group is the one iblatlas gives, except that what iblatlas puts into "root" or "void"
    belongs to no group.

A lab can write others, as TOML or CSV; see `read_maps`. Pure functions; the views that use the sets are in
db/sql/region_sets.sql.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from ccf_assets import settings
from ccf_assets.ccf.region_id import is_id, source_id, table_number
from ccf_assets.errors import CcfError, as_text, first_line
from ccf_assets.files import TomlError, toml_tables
from ccf_assets.objects import Address, Objects, copies, nothing_below
from ccf_assets.text_columns import decoded

SUFFIXES = (".csv", ".toml")
"""Suffixes of files of maps."""

TAKEN = "ccf/region_maps"
"""Tag of a materialization: the `digest` of its files; missing if a file was refused."""

BUILT_IN = "built in"
"""Source of the maps that come with the program."""

_CSV_COLUMNS = ("set", "region", "group")

_TOML_KEYS = ("description", "regions")

_DESCRIPTIONS: Mapping[str, str] = {
    "summary_structures": "316 summary structures of the CCFv3 (Wang et al. 2020, Table S2, by BraiAn 1.0.5)",
    "beryl": "306 structures of the International Brain Laboratory's Beryl map (iblatlas 1.3.0)",
    "cosmos": "10 structures of the International Brain Laboratory's Cosmos map (iblatlas 1.3.0)",
}


@dataclass(frozen=True)
class RegionMap:
    """Regions and their groups, as the author of a map gives them.

    Attributes:
        name: of the set.
        groups: acronym, or id in decimal digits, of each region that is named → its group.
        description: one line for people.
        source: the file's name, or BUILT_IN.
    """

    name: str
    groups: Mapping[str, str]
    description: str = ""
    source: str = BUILT_IN


@dataclass(frozen=True)
class Ontology:
    """The regions of one atlas, as far as groups need them.

    Attributes:
        id_of: acronym → region_id.
        above: region_id → the region itself and those that contain it, the nearest first.
        no_such_region: makes the error message for an unknown region, with similar ones.
    """

    id_of: Mapping[str, int]
    above: Mapping[int, Sequence[int]]
    no_such_region: Callable[[str], str]

    @functools.cached_property
    def acronym_of(self) -> Mapping[int, str]:
        """region_id → acronym."""
        return {region_id: acronym for acronym, region_id in self.id_of.items()}

    @classmethod
    def of_tables(
        cls, regions: pl.DataFrame, ancestors: pl.DataFrame, no_such_region: Callable[[str], str]
    ) -> Ontology:
        """From an atlas's rows of brain_region (region_id, acronym) and region_ancestor."""
        upwards = ancestors.sort("distance").group_by("region_id", maintain_order=True).agg("ancestor_id")
        return cls(
            dict(regions.select("acronym", "region_id").iter_rows()),
            dict(upwards.select("region_id", "ancestor_id").iter_rows()),
            no_such_region,
        )


# ---- maps that are built in
def depth_maps(ontology: Ontology) -> list[RegionMap]:
    """A map for each level of the hierarchy below the root: the group of a region is its ancestor there.

    A region above the level belongs to no group.
    """
    levels: dict[int, list[str]] = {}
    for region_id, acronym in ontology.acronym_of.items():
        levels.setdefault(len(ontology.above[region_id]) - 1, []).append(acronym)
    return [
        RegionMap(
            f"depth_{depth}",
            {str(source_id(ontology.id_of[acronym])): acronym for acronym in levels[depth]},
            f"Each region's ancestor {depth} step{'s' if depth > 1 else ''} below the root",
        )
        for depth in sorted(levels)
        if depth > 0
    ]


@functools.cache
def _published() -> Sequence[tuple[str, Mapping[int, str]]]:
    """Name and regions (id → acronym) of the maps in region_sets.csv."""
    rows = pl.read_csv(Path(__file__).with_name("region_sets.csv"))
    maps: dict[str, dict[int, str]] = {}
    for name, region_id, acronym in rows.select("set", "region", "acronym").iter_rows():
        maps.setdefault(name, {})[region_id] = acronym
    return list(maps.items())


def published_maps(ontology: Ontology) -> list[RegionMap]:
    """The published maps, except those with regions that the ontology does not have: a part would be wrong.

    The name of a group is the acronym of its region in this ontology.
    """
    return [
        RegionMap(name, {str(i): ontology.acronym_of[i] for i in regions}, _DESCRIPTIONS[name])
        for name, regions in _published()
        if regions.keys() <= ontology.above.keys()
    ]


def usual_regions(regions: Mapping[int, tuple[str, int]]) -> dict[int, int]:
    """Under which region people look for each region: VISp for its layers, CA1 and SUB for themselves.

    Where the ontology has all the summary structures of the CCFv3, it is the one that a region is or lies in.
    Elsewhere layers, whose acronym is that of their parent and a number (VISp2/3), are their parent. The rest
    stands for itself.

    Args:
        regions: id → acronym, and id of the parent; the root's is its own.
    """
    summary = dict(_published())["summary_structures"]
    if not summary.keys() <= regions.keys():
        summary = {}

    def usual(region: int) -> int:
        nearest = region
        while nearest not in summary and regions[nearest][1] != nearest:
            nearest = regions[nearest][1]
        if nearest in summary:
            return nearest
        acronym, parent = regions[region]
        while parent != region and _is_layer(acronym, regions[parent][0]):
            region, (acronym, parent) = parent, regions[parent]
        return region

    return {region: usual(region) for region in regions}


def is_of_allen(ids: Mapping[str, int]) -> bool:
    """Whether regions (acronym → id) are the Allen Institute's: whether they have its summary structures."""
    summary = dict(_published())["summary_structures"]
    return all(ids.get(acronym) == region for region, acronym in summary.items())


def _is_layer(acronym: str, area: str) -> bool:
    rest = acronym[len(area) :]
    # In some ontologies every acronym is a number: 12 in 1 is a region of its own.
    longer = area[-1:].isdigit() and rest[:1].isdigit()
    return acronym.startswith(area) and not longer and _LAYER.fullmatch(rest) is not None


_LAYER = re.compile(r"[ ,_-]?[0-9][0-9/a-z]{0,3}")
"""What an acronym of a layer has after that of its area: 1, 2/3, 6a, -4."""


def is_reserved(name: str) -> bool:
    """Whether a set of this name is built in, in whatever ontology."""
    head, _, number = name.partition("_")
    return name in _DESCRIPTIONS or (head == "depth" and number.isdecimal())


# ---- maps of a lab's own
class MapFile(NamedTuple):
    """A file of maps."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The checksum of its content."""
        return hashlib.sha256(self.content).hexdigest()


def map_files(folder: settings.Place) -> list[MapFile]:
    """The files of maps in a folder, by name.

    Raises:
        OSError: the folder or a file cannot be read.
        CcfError: the object store cannot be read, or there is nothing below the address.
    """
    if isinstance(folder, Address):
        paths = copies(folder, settings.home() / "objects" / "region_sets", SUFFIXES)
        if not paths and Objects(folder).is_empty():
            raise CcfError(nothing_below(folder, "files of region sets", "CCF_REGION_SETS"))
    else:
        paths = [path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES]
    return [MapFile(as_text(path.name), path.read_bytes()) for path in sorted(paths)]


def digest(checksums: Mapping[str, str]) -> str:
    """Digest of files of maps, by name and SHA-256: half a SHA-256, which fits into a Dagster tag."""
    return hashlib.sha256(repr(sorted(checksums.items())).encode()).hexdigest()[:32]


def read_maps(file: MapFile) -> list[RegionMap]:
    """Read one file of maps.

    A CSV has the columns set, region, group, and a row for each region that is named. A TOML file has a table
    for each set, which may say what it is, and the group of each region::

        [motor]
        description = "Motor areas by hierarchy"

        [motor.regions]
        MOp = "primary"
        "CUL4, 5" = "cerebellar"     # quote an acronym with spaces or commas
        993 = "secondary"            # an id works, too

    Raises:
        CcfError: it cannot be read as maps, something is missing or of the wrong type, a region is in a set
            twice, or a set has the name of a built-in one.
    """
    try:
        maps = _toml_maps(file) if file.name.lower().endswith(".toml") else _csv_maps(file)
    except (UnicodeDecodeError, TomlError, pl.exceptions.PolarsError) as error:
        raise CcfError(
            f"{file.name} cannot be read as region sets: {first_line(error).rstrip('.')}."
        ) from error
    if not maps:
        raise CcfError(f"{file.name} holds no region set.")
    for one in maps:
        if is_reserved(one.name):
            raise CcfError(f"{file.name}: the set {one.name!r} is built in; give yours another name.")
    return maps


def _toml_maps(file: MapFile) -> list[RegionMap]:
    maps = []
    for name, table in toml_tables(file.content).items():
        where = f"{file.name}, set {name!r}"
        if not isinstance(table, dict) or not isinstance(table.get("regions"), dict) or not table["regions"]:
            raise CcfError(
                f'{where}: give the regions as [{name}.regions], each a line like VISp = "visual".'
            )
        unknown = [key for key in table if key not in _TOML_KEYS]
        if unknown:
            raise CcfError(f"{where}: {unknown[0]!r} is not a key of a set; it has {', '.join(_TOML_KEYS)}.")
        groups: dict[str, str] = {}
        for key, group in _toml_regions(table["regions"]):
            region = _text(key, f"{where}: a region")
            if region in groups:
                raise CcfError(f"{where}: {region} is given twice; keep one line.")
            groups[region] = _text(group, f"{where}: the group of {region!r}")
        description = _text(table.get("description", f"From {file.name}"), f"{where}: the description")
        maps.append(RegionMap(_text(name, f"{file.name}: the name of a set"), groups, description, file.name))
    return maps


def _toml_regions(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Regions and groups; TOML has divided an acronym with a dot into tables, if it was not quoted."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _toml_regions(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _csv_maps(file: MapFile) -> list[RegionMap]:
    # Not from the path: polars would unpack a compressed file, however large that becomes.
    text = decoded(Path(file.name), file.content)
    rows = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False)
    missing = [name for name in _CSV_COLUMNS if name not in rows.columns]
    if missing:
        raise CcfError(
            f"{file.name} has no column {', '.join(missing)}; a CSV of region sets has the columns "
            f"{', '.join(_CSV_COLUMNS)}."
        )
    maps: dict[str, dict[str, str]] = {}
    for number, values in enumerate(rows.select(_CSV_COLUMNS).iter_rows(), start=2):
        name, region, group = (
            _text(value or "", f"{file.name}, line {number}: {column}")
            for column, value in zip(_CSV_COLUMNS, values, strict=True)
        )
        if region in maps.setdefault(name, {}):
            raise CcfError(f"{file.name}, line {number}: {region} is in set {name!r} twice; keep one row.")
        maps[name][region] = group
    return [RegionMap(name, groups, f"From {file.name}", file.name) for name, groups in maps.items()]


def _text(value: object, what: str) -> str:
    """``value`` as text that can be shown and compared."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable():
        raise CcfError(f"{what} must be a text that is not blank, not {value!r}.")
    return text


# ---- from maps to tables
def members(one: RegionMap, ontology: Ontology) -> dict[int, str]:
    """The group of every region that has one, including regions below a named one.

    Raises:
        CcfError: the map names a region that the ontology does not have, or one by acronym and by id.
    """
    named: dict[int, str] = {}
    for region, group in one.groups.items():
        region_id = _region_id(region, one, ontology)
        if region_id in named:
            raise CcfError(
                f"{one.source}, set {one.name!r}: {ontology.acronym_of[region_id]} is given by its "
                f"acronym and by its id {region_id}; keep one."
            )
        named[region_id] = group
    nearest = ((i, next((a for a in above if a in named), None)) for i, above in ontology.above.items())
    return {region_id: named[ancestor] for region_id, ancestor in nearest if ancestor is not None}


def is_for(one: RegionMap, ontology: Ontology, *, whole: bool) -> bool:
    """Whether a map is of this ontology: one of its regions is there, or with ``whole`` each of them."""
    there = (region in ontology.id_of or _is_known_id(region, ontology) for region in one.groups)
    return all(there) if whole else any(there)


def _is_known_id(region: str, ontology: Ontology) -> bool:
    return is_id(region) and table_number(int(region)) in ontology.above


def _region_id(region: str, one: RegionMap, ontology: Ontology) -> int:
    if _is_known_id(region, ontology):
        return table_number(int(region))
    if region in ontology.id_of:
        return ontology.id_of[region]
    raise CcfError(f"{one.source}, set {one.name!r}: {ontology.no_such_region(region)}")


@dataclass(frozen=True)
class RegionSets:
    """The sets of one atlas.

    Attributes:
        sets: ccf_id, set_name, description, source, groups (Int32): rows of region_set.
        members: ccf_id, set_name, region_id, group_name: rows of region_set_member.
        refused: a sentence for each refused file.
    """

    sets: pl.DataFrame
    members: pl.DataFrame
    refused: Sequence[str]


_SETS_SCHEMA = pl.Schema(
    {
        "ccf_id": pl.Int32(),
        "set_name": pl.String(),
        "description": pl.String(),
        "source": pl.String(),
        "groups": pl.Int32(),
    }
)

_MEMBERS_SCHEMA = pl.Schema(
    {"ccf_id": pl.Int32(), "set_name": pl.String(), "region_id": pl.Int32(), "group_name": pl.String()}
)


def region_sets(
    ccf_id: int,
    ontology: Ontology,
    files: Sequence[MapFile],
    *,
    of_allen: bool = True,
    only_one: bool = True,
) -> RegionSets:
    """All sets of an atlas: the built-in ones, and those of a lab's files.

    A file with an error is refused as a whole; the other files are used. A set belongs to the ontology that
    it was made for: the published ones to that of the Allen Institute, a lab's own to those that have its
    regions.

    Args:
        ccf_id: the atlas.
        ontology: its regions.
        files: the lab's files.
        of_allen: whether the ontology is that of the Allen Institute.
        only_one: whether there is no other, so that a set without any of its regions is a mistake.
    """
    published = published_maps(ontology) if of_allen else []
    taken = {one.name: (one, members(one, ontology)) for one in depth_maps(ontology) + published}
    refused = []
    for file in files:
        try:
            read = {
                one.name: (one, members(one, ontology))
                for one in read_maps(file)
                if only_one or is_for(one, ontology, whole=not of_allen)
            }
            for name in read.keys() & taken.keys():
                raise CcfError(
                    f"{file.name}: {taken[name][0].source} has a set {name!r} already; rename one."
                )
        except CcfError as error:
            refused.append(str(error))
        else:
            taken |= read
    return RegionSets(
        pl.DataFrame(
            [
                (ccf_id, name, one.description, one.source, len(set(of.values())))
                for name, (one, of) in taken.items()
            ],
            schema=_SETS_SCHEMA,
            orient="row",
        ),
        pl.DataFrame(
            [(ccf_id, name, i, group) for name, (_, of) in taken.items() for i, group in of.items()],
            schema=_MEMBERS_SCHEMA,
            orient="row",
        ),
        refused,
    )
