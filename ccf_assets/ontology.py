"""The structure graph (the CCF's ontology): parse it, check it, and turn it into table rows.

Pure functions over polars; no Dagster, no database. The file is the CSV of the Allen Institute's ontology
query; older releases order the columns differently and lack some, so columns are taken by name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from pathlib import Path
from types import MappingProxyType

import polars as pl

from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding

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

CHECKS = ("one_root", "no_orphan", "no_cycle", "unique_ids", "depth_equals_path", CASE_TWINS)
"""Names of what check_structure_graph looks at; each must pass but CASE_TWINS, which only reports."""

_NUMBERS: Mapping[str, pl.DataType] = MappingProxyType(
    {"id": pl.Int64(), "parent_structure_id": pl.Int64(), "depth": pl.Int64(), "graph_order": pl.Int32()}
)
"""Columns of whole numbers. Ids are wider here than in the tables, so that one too large can be named."""

_LARGEST_INT32 = 2**31 - 1
_SHOWN = 8


def listed(items: list[str]) -> str:
    """The first few of ``items`` for a sentence, and how many more there are."""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def read_structure_graph(path: Path) -> pl.DataFrame:
    """Read the ontology's CSV.

    Everything is read as text first: 139 colours begin with a zero, atlas_id has blanks, and ids must
    never pass through a float.

    Returns:
        One row per structure in the file's order: region_id, parent_id (null for the root), depth (Int64),
        structure_order (Int32), acronym, region_name (safe_name), full_name (name, with its commas),
        color_hex (6 characters) and path (structure_id_path).

    Raises:
        CcfError: a required column is missing or blank in a row, a number is not a number, or a colour is
            not hexadecimal.
    """
    try:
        raw = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise CcfError(f"{path} cannot be read as a CSV of structures: {reason}.") from error
    missing = [name for name in REQUIRED_COLUMNS if name not in raw.columns]
    if missing:
        raise CcfError(
            f"{path} is not a structure graph: it has no column {', '.join(missing)} "
            f"(columns found: {listed(raw.columns)})."
        )
    if raw.is_empty():
        raise CcfError(f"{path} is not a structure graph: it has a header and no row.")
    # Releases before 2017 have no `name`; their safe_name is the only name there is.
    names = [*REQUIRED_COLUMNS, *({"name"} & set(raw.columns))]
    raw = raw.select(pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)) for name in names)
    # 019399 becomes 19399 where a file once went through a spreadsheet: only zeros can be lost there.
    raw = raw.with_columns(pl.col("color_hex_triplet").str.zfill(6))

    def refuse(name: str, where: pl.Expr, problem: str) -> None:
        rows = raw.filter(where)
        if not rows.is_empty():
            who = [f"{acronym} ({i})" for acronym, i in rows.select("acronym", "id").iter_rows()]
            raise CcfError(f"{path}: {name} is {problem} for {listed(who)}.")

    for name in names:
        if name != "parent_structure_id":
            refuse(name, pl.col(name).is_null(), "missing")
    for name, dtype in _NUMBERS.items():
        unreadable = pl.col(name).is_not_null() & pl.col(name).cast(dtype, strict=False).is_null()
        refuse(name, unreadable, "not a whole number")
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


def check_structure_graph(graph: pl.DataFrame) -> list[Finding]:
    """Look for what would poison everything built on the ontology.

    Returns:
        The checks one_root, no_orphan, no_cycle, unique_ids and depth_equals_path, each of which must pass
        before the ontology is used, and case_twins, which only reports.
    """
    ids, acronyms = graph["region_id"].to_list(), graph["acronym"].to_list()
    parent_of = dict(zip(ids, graph["parent_id"].to_list(), strict=True))
    acronym_of = dict(zip(ids, acronyms, strict=True))

    def names(region_ids: list[int]) -> str:
        return listed([f"{acronym_of[i]} ({i})" for i in region_ids])

    chains = {i: _chain(i, parent_of) for i in parent_of}
    roots = [i for i, parent in parent_of.items() if parent is None]
    orphans = [i for i, parent in parent_of.items() if parent is not None and parent not in parent_of]
    in_cycle = [i for i, chain in chains.items() if parent_of[chain[-1]] in parent_of]
    wrong_path = [
        i
        for i, path, depth in graph.select("region_id", "path", "depth").iter_rows()
        # Those that do not reach a root have no true path; they are named by another check.
        if parent_of[chains[i][-1]] is None
        and (path.strip("/"), depth) != ("/".join(map(str, reversed(chains[i]))), len(chains[i]) - 1)
    ]
    repeated = _repeated(ids) + _repeated(acronyms)
    out_of_range = [i for i in ids if not 0 < i <= _LARGEST_INT32]
    twins = ["/".join(sorted(group)) for group in _by_lower_case(acronyms).values() if len(group) > 1]
    return [
        Finding.required(
            "one_root",
            len(roots) == 1,
            f"The number of roots is {len(roots)}: {names(roots)}."
            if roots
            else "There is no root: every structure names a parent.",
            {"roots": len(roots)},
        ),
        Finding.required(
            "no_orphan",
            not orphans,
            f"{len(orphans)} structures name a parent that is not in the file: {names(orphans)}."
            if orphans
            else "Every parent is in the file.",
            {"orphans": len(orphans)},
        ),
        Finding.required(
            "no_cycle",
            not in_cycle,
            f"{len(in_cycle)} structures never reach the root, their parents run in a circle: "
            f"{names(in_cycle)}."
            if in_cycle
            else "No structure is its own ancestor.",
            {"structures_in_cycles": len(in_cycle)},
        ),
        Finding.required(
            "unique_ids",
            not repeated and not out_of_range,
            f"{len(repeated)} ids or acronyms occur more than once: {listed(repeated)}."
            if repeated
            else f"{len(out_of_range)} ids are not positive numbers of 32 bits: {names(out_of_range)}."
            if out_of_range
            else f"{len(ids)} ids and as many acronyms, each once.",
            {"structures": len(ids), "repeated": len(repeated), "out_of_range": len(out_of_range)},
        ),
        Finding.required(
            "depth_equals_path",
            not wrong_path,
            f"Depth, path and parents disagree for {len(wrong_path)} structures: {names(wrong_path)}."
            if wrong_path
            else "Every path leads from the root by the parents, and depth is its length.",
            {"disagreements": len(wrong_path)},
        ),
        Finding(
            CASE_TWINS,
            blocking=False,
            passed=True,
            sentence=f"{len(twins)} groups of acronyms differ by case only: {listed(twins)}."
            if twins
            else "No two acronyms differ by case only.",
            numbers={"groups": len(twins)},
        ),
    ]


def _chain(start: int, parent_of: Mapping[int, int | None]) -> list[int]:
    """A structure and its ancestors upwards: to a root, to one whose parent is missing, or once round."""
    chain = {start: None}
    here = parent_of[start]
    while here is not None and here in parent_of and here not in chain:
        chain[here] = None
        here = parent_of[here]
    return list(chain)


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


def brain_region_rows(graph: pl.DataFrame, ccf_id: int) -> pl.DataFrame:
    """The rows of table brain_region for one atlas."""
    return graph.select(
        pl.lit(ccf_id, pl.Int32).alias("ccf_id"),
        pl.col("region_id").cast(pl.Int32),
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
        pl.col("region_id").cast(pl.Int32),
        pl.coalesce("parent_id", "region_id").cast(pl.Int32).alias("parent_id"),
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
