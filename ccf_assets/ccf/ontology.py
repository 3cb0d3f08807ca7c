"""The structure graph (the CCF's ontology): parsed, checked, and turned into table rows.

Pure functions over polars; the check that needs the database is in db.ontology_checks. The file is the CSV
of the Allen Institute's ontology query; older releases order the columns differently and lack some, so
columns are read by name.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import polars as pl

from ccf_assets.ccf.region_id import LARGEST_ID
from ccf_assets.errors import CcfError, first_line
from ccf_assets.finding import Finding, Numbers, listed
from ccf_assets.text_columns import decoded

REQUIRED_COLUMNS = (
    "id",
    "acronym",
    "safe_name",
    "parent_structure_id",
    "depth",
    "graph_order",
    "structure_id_path",
    "color_hex_triplet",
)

CASE_TWINS = "case_twins"

CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "one_root": "There is exactly one root, a structure without a parent",
        "no_orphan": "Every parent is in the file",
        "no_cycle": "No structure is its own ancestor",
        "unique_ids": "Every id and every acronym occurs once, and every id has at most 32 bits",
        "depth_equals_path": "Path and depth of every structure agree with its parents",
        CASE_TWINS: "Acronyms that differ by upper and lower case only; this one only reports",
    }
)
"""Name of each check of `check_structure_graph` → what it looks at; all must pass, except CASE_TWINS."""

_NUMBERS: Mapping[str, pl.DataType] = MappingProxyType(
    {"id": pl.Int64(), "parent_structure_id": pl.Int64(), "depth": pl.Int64(), "graph_order": pl.Int32()}
)
"""Columns of whole numbers. Ids are wider than in the tables, so that one that is too large can be named."""

LONGEST_TEXT = 500
"""Bytes of an acronym or a name, which are in indexes; the longest official name has 104."""


def read_structure_graph(path: Path) -> pl.DataFrame:
    """Read the ontology's CSV.

    Everything is read as text first: 139 colours begin with a zero, atlas_id has blanks, and ids must
    never pass through a float.

    Returns:
        One row per structure in the file's order: region_id, parent_id (null for the root), depth (Int64),
        structure_order (Int32), acronym, region_name (safe_name), full_name (name, with its commas),
        color_hex (6 characters) and path (structure_id_path).

    Raises:
        CcfError: the file is no CSV in UTF-8 or is cut short; a required column is missing, occurs twice or
            is blank in a row; a number or a colour is invalid, or a text is too long or not printable.
    """
    try:
        text = decoded(path, path.read_bytes())
        raw = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CcfError(f"{path} cannot be read as a CSV of structures: {first_line(error)}.") from error
    missing = [name for name in REQUIRED_COLUMNS if name not in raw.columns]
    if missing:
        raise CcfError(
            f"{path} is not a structure graph: it has no column {', '.join(missing)} "
            f"(columns found: {listed(raw.columns):.500}); "
            "it must be a CSV with commas, as the Allen Institute publishes it."
        )
    twice = [name for name in (*REQUIRED_COLUMNS, "name") if f"{name}_duplicated_0" in raw.columns]
    if twice:
        raise CcfError(f"{path} has more than one column {', '.join(twice)}; remove all but the right one.")
    if not text.endswith(("\n", "\r")):
        # If a server gives no file length, this is how a name that lost its end is recognised.
        raise CcfError(f"{path} ends within a line, so it may be cut short; get it again, or end that line.")
    raw = raw.filter(~pl.all_horizontal(pl.all().is_null()))  # blank lines
    if raw.is_empty():
        raise CcfError(f"{path} is not a structure graph: it has a header and no row.")
    # Releases before 2017 have no `name`; their safe_name is the only name there is.
    names = [*REQUIRED_COLUMNS, *({"name"} & set(raw.columns))]
    raw = raw.select(pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)) for name in names)
    # A spreadsheet turns 019399 into 19399: only zeros can be lost.
    raw = raw.with_columns(pl.col("color_hex_triplet").str.zfill(6))

    def refuse(name: str, where: pl.Expr, problem: str) -> None:
        rows = raw.filter(where)
        if not rows.is_empty():
            who = [
                f"{' '.join(str(acronym).split()):.40} ({i})"
                for acronym, i in rows.select("acronym", "id").iter_rows()
            ]
            raise CcfError(f"{path}: {name} is {problem} for {listed(who)}.")

    for name in names:
        if name != "parent_structure_id":
            refuse(name, pl.col(name).is_null(), "missing")
    for name, dtype in _NUMBERS.items():
        unreadable = pl.col(name).is_not_null() & pl.col(name).cast(dtype, strict=False).is_null()
        refuse(name, unreadable, "not a whole number")
    for name in {"acronym", "safe_name", "name"} & set(names):
        text_of = pl.col(name)
        refuse(
            name,
            text_of.str.contains(r"\p{Cc}") | (text_of.str.len_bytes() > LONGEST_TEXT),
            f"longer than {LONGEST_TEXT} bytes, or has a control character,",
        )
    colour = "color_hex_triplet"
    refuse(colour, ~pl.col(colour).str.contains("^[0-9A-Fa-f]{6}$"), "not six hexadecimal digits")
    return raw.with_columns(pl.col(name).cast(dtype) for name, dtype in _NUMBERS.items()).select(
        region_id="id",
        parent_id="parent_structure_id",
        depth="depth",
        structure_order="graph_order",
        acronym="acronym",
        region_name="safe_name",
        full_name="name" if "name" in names else "safe_name",
        color_hex="color_hex_triplet",
        path="structure_id_path",
    )


@dataclass(frozen=True)
class _Hierarchy:
    """The structures of a graph and how they hang together."""

    graph: pl.DataFrame

    @cached_property
    def ids(self) -> list[int]:
        """The ids as they are in the file, repeated ones too."""
        return self.graph["region_id"].to_list()

    @cached_property
    def acronyms(self) -> list[str]:
        """The acronym of each of `ids`."""
        return self.graph["acronym"].to_list()

    @cached_property
    def parent_of(self) -> Mapping[int, int | None]:
        """Id → id of the parent, None for a root."""
        return dict(zip(self.ids, self.graph["parent_id"].to_list(), strict=True))

    @cached_property
    def roots(self) -> list[int]:
        """The structures without a parent."""
        return [i for i, parent in self.parent_of.items() if parent is None]

    @cached_property
    def orphans(self) -> list[int]:
        """The structures whose parent is not in the file."""
        parents = self.parent_of
        return [i for i, parent in parents.items() if parent is not None and parent not in parents]

    @cached_property
    def depth_of(self) -> Mapping[int, int]:
        """Id → steps from a root, of the structures that reach one."""
        return _depths(self.roots, self.parent_of)

    def named(self, ids: list[int]) -> str:
        """Structures for a sentence."""
        acronym_of = dict(zip(self.ids, self.acronyms, strict=True))
        return listed([f"{acronym_of[i]} ({i})" for i in ids])


def check_structure_graph(graph: pl.DataFrame) -> list[Finding]:
    """Check for what would spoil everything that is built on the ontology.

    Returns:
        The checks one_root, no_orphan, no_cycle, unique_ids and depth_equals_path, each of which must pass
        before the ontology is used, and case_twins, which only reports.
    """
    hierarchy = _Hierarchy(graph)
    return [
        _one_root(hierarchy),
        _no_orphan(hierarchy),
        _no_cycle(hierarchy),
        _unique_ids(hierarchy),
        _depth_equals_path(hierarchy),
        _case_twins(hierarchy),
    ]


def _one_root(hierarchy: _Hierarchy) -> Finding:
    name, roots = "one_root", hierarchy.roots
    numbers: Numbers = {"roots": len(roots)}
    if not roots:
        return Finding.blocks(name, "There is no root: every structure names a parent.", numbers)
    sentence = f"The number of roots is {len(roots)}: {hierarchy.named(roots)}."
    return Finding.required(name, len(roots) == 1, sentence, numbers)


def _no_orphan(hierarchy: _Hierarchy) -> Finding:
    name, orphans = "no_orphan", hierarchy.orphans
    numbers: Numbers = {"orphans": len(orphans)}
    if not orphans:
        return Finding.passes(name, "Every parent is in the file.", numbers)
    names = hierarchy.named(orphans)
    sentence = f"{len(orphans)} structures name a parent that is not in the file: {names}."
    return Finding.blocks(name, sentence, numbers)


def _no_cycle(hierarchy: _Hierarchy) -> Finding:
    name, below_orphans = "no_cycle", _depths(hierarchy.orphans, hierarchy.parent_of)
    in_cycle = [i for i in hierarchy.parent_of if i not in hierarchy.depth_of and i not in below_orphans]
    numbers: Numbers = {"structures_in_cycles": len(in_cycle)}
    if not in_cycle:
        return Finding.passes(name, "No structure is its own ancestor.", numbers)
    sentence = (
        f"{len(in_cycle)} structures never reach the root, their parents run in a circle: "
        f"{hierarchy.named(in_cycle)}."
    )
    return Finding.blocks(name, sentence, numbers)


def _unique_ids(hierarchy: _Hierarchy) -> Finding:
    name, ids = "unique_ids", hierarchy.ids
    repeated = _repeated(ids) + _repeated(hierarchy.acronyms)
    out_of_range = [i for i in ids if not 0 < i <= LARGEST_ID]
    numbers: Numbers = {
        "structures": len(ids),
        "repeated": len(repeated),
        "out_of_range": len(out_of_range),
    }
    if repeated:
        sentence = f"{len(repeated)} ids or acronyms occur more than once: {listed(repeated)}."
        return Finding.blocks(name, sentence, numbers)
    if out_of_range:
        names = hierarchy.named(out_of_range)
        sentence = f"{len(out_of_range)} ids are not whole numbers of 1 to {LARGEST_ID:,}: {names}."
        return Finding.blocks(name, sentence, numbers)
    return Finding.passes(name, f"{len(ids)} ids and as many acronyms, each once.", numbers)


def _depth_equals_path(hierarchy: _Hierarchy) -> Finding:
    name, depth_of, parent_of = "depth_equals_path", hierarchy.depth_of, hierarchy.parent_of
    wrong = [
        i
        for i, path, depth in hierarchy.graph.select("region_id", "path", "depth").iter_rows()
        # Those that do not reach a root have no true path; they are named by another check.
        if i in depth_of and not (depth == depth_of[i] and _is_path(path, i, depth, parent_of))
    ]
    numbers: Numbers = {"disagreements": len(wrong)}
    if not wrong:
        sentence = "Every path leads from the root by the parents, and depth is its length."
        return Finding.passes(name, sentence, numbers)
    names = hierarchy.named(wrong)
    sentence = f"Depth, path and parents disagree for {len(wrong)} structures: {names}."
    return Finding.blocks(name, sentence, numbers)


def _case_twins(hierarchy: _Hierarchy) -> Finding:
    groups = _by_lower_case(hierarchy.acronyms).values()
    twins = ["/".join(sorted(group)) for group in groups if len(group) > 1]
    numbers: Numbers = {"groups": len(twins)}
    if not twins:
        return Finding.passes(CASE_TWINS, "No two acronyms differ by case only.", numbers)
    sentence = f"{len(twins)} groups of acronyms differ by case only: {listed(twins)}."
    return Finding.passes(CASE_TWINS, sentence, numbers)


def _depths(tops: list[int], parent_of: Mapping[int, int | None]) -> dict[int, int]:
    """Steps below one of ``tops`` for each structure that descends from one; 0 for the tops themselves.

    Level by level: climbing up from each structure would take quadratic time in a single long chain.
    """
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for i, parent in parent_of.items():
        children[parent].append(i)
    depth_of: dict[int, int] = {}
    level, depth = tops, 0
    while level:
        depth_of.update(dict.fromkeys(level, depth))
        level, depth = [child for i in level for child in children[i]], depth + 1
    return depth_of


def _is_path(path: str, region_id: int, depth: int, parent_of: Mapping[int, int | None]) -> bool:
    """Whether a path names the ancestors of a structure, from the root down to itself, in ``depth`` steps."""
    steps = path.strip("/").split("/")
    if len(steps) != depth + 1:
        return False
    here: int | None = region_id
    for step in reversed(steps):
        if step != str(here):
            return False
        here = parent_of[here] if here is not None else None
    return True


def _repeated(values: list[int] | list[str]) -> list[str]:
    return [str(value) for value, times in Counter(values).items() if times > 1]


def _by_lower_case(acronyms: list[str]) -> dict[str, set[str]]:
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for acronym in acronyms:
        groups[acronym.lower()].add(acronym)
    return groups


def missing_regions(graph: pl.DataFrame, painted: Set[int]) -> list[int]:
    """The painted region ids, ascending, that the ontology does not have."""
    return sorted(painted - set(graph["region_id"].to_list()))


LARGEST_INT32 = 2**31 - 1


def _number(name: str, ids: pl.Expr | None = None) -> pl.Expr:
    """Ids as their numbers in tables: `region_id.table_number` of a column."""
    ids = pl.col(name) if ids is None else ids
    return pl.when(ids > LARGEST_INT32).then(ids - 2**32).otherwise(ids).cast(pl.Int32).alias(name)


def brain_region_rows(graph: pl.DataFrame, ccf_id: int) -> pl.DataFrame:
    """The rows of table brain_region for one atlas."""
    return graph.select(
        pl.lit(ccf_id, pl.Int32).alias("ccf_id"),
        _number("region_id"),
        "acronym",
        "region_name",
        "full_name",
        "color_hex",
        pl.col("structure_order").cast(pl.Int32),
    )


def region_parent_rows(graph: pl.DataFrame, ccf_id: int) -> pl.DataFrame:
    """The rows of table region_parent for one atlas; the root is its own parent, at depth 0."""
    return graph.select(
        pl.lit(ccf_id, pl.Int32).alias("ccf_id"),
        _number("region_id"),
        _number("parent_id", pl.coalesce("parent_id", "region_id")),
        pl.col("depth").cast(pl.Int16),
    )


def region_ancestor_rows(parents: pl.DataFrame) -> pl.DataFrame:
    """The closure of region_parent: each structure with each of its ancestors and itself.

    Args:
        parents: rows of region_parent (ccf_id, region_id, parent_id, depth) of one atlas.

    Returns:
        ccf_id, region_id, ancestor_id (Int32) and distance (Int16; 0 is the structure itself). Its length
        is the sum of depth + 1 over the structures.
    """
    step = parents.filter(pl.col("depth") > 0).select(ancestor_id="region_id", next_id="parent_id")
    level = parents.select(
        "ccf_id", "region_id", pl.col("region_id").alias("ancestor_id"), pl.lit(0, pl.Int16).alias("distance")
    )
    levels = []
    while not level.is_empty():
        levels.append(level)
        level = level.join(step, on="ancestor_id").select(
            "ccf_id", "region_id", pl.col("next_id").alias("ancestor_id"), pl.col("distance") + 1
        )
    return pl.concat(levels).sort("region_id", "distance")
