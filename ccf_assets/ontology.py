"""The structure graph (the CCF's ontology): parse it, check it, and turn it into table rows.

Pure functions over polars; no Dagster, no database. The file is the CSV of the Allen Institute's ontology
query; older releases order the columns differently and lack some, so columns are taken by name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from pathlib import Path

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

CHECKS = ("one_root", "no_orphan", "no_cycle", "unique_ids", "depth_equals_path", "case_twins")
"""Names of what check_structure_graph looks at."""

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
        One row per structure in the file's order: region_id, parent_id (null for the root), depth,
        structure_order (Int64), acronym, region_name (safe_name), full_name (name, with its commas),
        color_hex (6 characters) and path (structure_id_path).

    Raises:
        CcfError: a required column is missing, a number is not a number, or a colour is not hexadecimal.
    """
    try:
        raw = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise CcfError(f"{path} cannot be read as a CSV of structures: {error}.") from error
    missing = [name for name in REQUIRED_COLUMNS if name not in raw.columns]
    if missing:
        raise CcfError(
            f"{path} is not a structure graph: it has no column {', '.join(missing)} "
            f"(columns found: {listed(raw.columns)})."
        )
    if raw.is_empty():
        raise CcfError(f"{path} is not a structure graph: it has a header and no row.")
    # Releases before 2017 have no `name`; their safe_name is the only name there is.
    full_name = pl.col("name" if "name" in raw.columns else "safe_name")
    try:
        graph = raw.select(
            region_id=pl.col("id").cast(pl.Int64),
            parent_id=pl.col("parent_structure_id").cast(pl.Int64),
            depth=pl.col("depth").cast(pl.Int64),
            structure_order=pl.col("graph_order").cast(pl.Int64),
            acronym=pl.col("acronym"),
            region_name=pl.col("safe_name"),
            full_name=full_name,
            # 019399 becomes 19399 where a file once went through a spreadsheet: only zeros can be lost there.
            color_hex=pl.col("color_hex_triplet").str.zfill(6),
            path=pl.col("structure_id_path"),
        )
    except pl.exceptions.InvalidOperationError as error:
        raise CcfError(f"{path}: a number in the structure graph is not a whole number ({error}).") from error
    for name in ("region_id", "depth", "structure_order", "acronym", "region_name", "path"):
        blank = graph.filter(pl.col(name).is_null()).height
        if blank:
            raise CcfError(f"{path}: {blank} structures have no {name}.")
    bad_colours = graph.filter(~pl.col("color_hex").fill_null("").str.contains("^[0-9A-Fa-f]{6}$"))
    if not bad_colours.is_empty():
        raise CcfError(
            f"{path}: the colour of {listed(bad_colours['acronym'].to_list())} is not a hexadecimal number of six digits."
        )
    return graph


def check_structure_graph(graph: pl.DataFrame) -> list[Finding]:
    """Look for what would poison everything built on the ontology.

    Returns:
        The checks one_root, no_orphan, no_cycle, unique_ids and depth_equals_path, each of which must pass
        before the ontology is used, and case_twins, which only reports.
    """
    ids = graph["region_id"].to_list()
    parent_of = dict(zip(ids, graph["parent_id"].to_list(), strict=True))
    acronym_of = dict(zip(ids, graph["acronym"].to_list(), strict=True))

    def names(region_ids: list[int]) -> str:
        return listed([f"{acronym_of[i]} ({i})" for i in region_ids])

    roots = [i for i, parent in parent_of.items() if parent is None]
    orphans = [i for i, parent in parent_of.items() if parent is not None and parent not in parent_of]
    in_cycle = _ids_without_root(parent_of) - set(orphans) if not orphans else set()
    repeated = [str(i) for i, times in Counter(ids).items() if times > 1]
    repeated += [a for a, times in Counter(graph["acronym"].to_list()).items() if times > 1]
    out_of_range = [i for i in ids if not 0 < i <= _LARGEST_INT32]
    wrong_path = [
        row["region_id"]
        for row in graph.iter_rows(named=True)
        if not _path_agrees(row["path"], row["region_id"], row["parent_id"], row["depth"])
    ]
    twins = [sorted(group) for group in _by_lower_case(graph["acronym"].to_list()).values() if len(group) > 1]
    return [
        Finding.required(
            "one_root",
            len(roots) == 1,
            f"The number of roots is {len(roots)}: {names(roots)}.",
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
            f"{len(in_cycle)} structures never reach the root, their parents run in a circle: {names(sorted(in_cycle))}."
            if in_cycle
            else "Every structure reaches the root.",
            {"structures_in_cycles": len(in_cycle)},
        ),
        Finding.required(
            "unique_ids",
            not repeated and not out_of_range,
            f"Ids or acronyms occur twice or do not fit int32: {listed(repeated + [str(i) for i in out_of_range])}."
            if repeated or out_of_range
            else f"{len(ids)} ids and as many acronyms, each once.",
            {"structures": len(ids), "repeated": len(repeated), "out_of_range": len(out_of_range)},
        ),
        Finding.required(
            "depth_equals_path",
            not wrong_path,
            f"Depth, path and parent disagree for {len(wrong_path)} structures: {names(wrong_path)}."
            if wrong_path
            else "Depth is the length of the path, which ends in the parent and the structure.",
            {"disagreements": len(wrong_path)},
        ),
        Finding.required(
            "case_twins",
            True,
            f"{len(twins)} groups of acronyms differ by case only: {listed(['/'.join(t) for t in twins])}."
            if twins
            else "No two acronyms differ by case only.",
            {"groups": len(twins)},
        ),
    ]


def _ids_without_root(parent_of: Mapping[int, int | None]) -> set[int]:
    """The ids whose chain of parents never ends in a root."""
    reaches: dict[int, bool] = {}
    for start in parent_of:
        chain: list[int] = []
        here: int | None = start
        while here is not None and here not in reaches and here in parent_of:
            reaches[here] = False  # until shown otherwise: meeting it again on this walk is a circle
            chain.append(here)
            here = parent_of[here]
        good = here is None or reaches.get(here, False)
        reaches.update(dict.fromkeys(chain, good))
    return {i for i, good in reaches.items() if not good}


def _path_agrees(path: str, region_id: int, parent_id: int | None, depth: int) -> bool:
    steps = path.strip("/").split("/")
    ends = [str(parent_id), str(region_id)] if parent_id is not None else [str(region_id)]
    return len(steps) == depth + 1 and steps[-2:] == ends


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
