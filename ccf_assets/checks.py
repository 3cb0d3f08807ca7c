"""Checks: what must hold before, and after, an atlas is loaded.

The first two groups run inside the asset they guard, which is not materialized when one fails. The others
are asset checks on the tables, each one SQL statement; a failure stops what is downstream in the same run.
"""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets import ontology, schema, volume
from ccf_assets.atlases import CATALOGUE, MIDLINE_UM, AtlasEntry, atlas_entry
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding
from ccf_assets.resources import PostgresResource, SourcesResource

ONTOLOGY_CHECKS = ("columns", *ontology.CHECKS, "painted_regions_kept")
ANNOTATION_CHECKS = ("volume_as_catalogued", "painted_ids_known")


def check_result(finding: Finding) -> dg.AssetCheckResult:
    """A finding as Dagster records it: one that does not block is a warning."""
    warns = not finding.passed and not finding.blocking
    return dg.AssetCheckResult(
        check_name=finding.name,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        description=finding.sentence,
        metadata=dict(finding.numbers),
    )


def ontology_checks(path: Path, engine: sa.Engine, *, phantom: bool) -> tuple[list[Finding], pl.DataFrame]:
    """All checks of a new ontology: its own consistency, and that no loaded voxel loses its region.

    Args:
        path: the CSV.
        engine: the database with the atlases that are loaded.
        phantom: whether it is the phantom's ontology, which only the phantom's atlases use.

    Returns:
        The checks, and the structures (ontology.read_structure_graph); where the columns are wrong there are
        none, and nothing else is looked at.
    """
    try:
        graph = ontology.read_structure_graph(path)
    except CcfError as error:
        return [Finding.required("columns", False, str(error), {})], pl.DataFrame()
    told = f"All {len(ontology.REQUIRED_COLUMNS)} columns are there, and every value can be read."
    columns = Finding.required("columns", True, told, {"structures": graph.height})
    painted = painted_regions_kept(graph, engine, phantom=phantom)
    return [columns, *ontology.check_structure_graph(graph), painted], graph


def painted_regions_kept(graph: pl.DataFrame, engine: sa.Engine, *, phantom: bool) -> Finding:
    """Whether an ontology has every region that owns voxels, of the phantom's atlases or of the others."""
    run, region, atlas = schema.voxel_run.c, schema.brain_region.c, schema.atlas.c
    users = [entry.ccf_id for entry in CATALOGUE.values() if entry.is_phantom == phantom]
    # An id that does not fit is another check's to tell, and no voxel's.
    ids = graph["region_id"].cast(pl.Int32, strict=False).drop_nulls().to_list()
    known = sa.bindparam("known", ids, sa.ARRAY(sa.Integer))
    painted = (
        sa.select(run.ccf_id, run.region_id)
        .where(run.ccf_id.in_(users), run.region_id != sa.all_(known))
        .distinct()
        .subquery()
    )
    query = (
        sa.select(atlas.key, region.acronym, region.region_id)
        .join_from(painted, schema.atlas, painted.c.ccf_id == atlas.ccf_id)
        .join(
            schema.brain_region,
            sa.and_(region.ccf_id == painted.c.ccf_id, region.region_id == painted.c.region_id),
        )
        .order_by(atlas.ccf_id, region.structure_order)
    )
    with engine.connect() as connection:
        lost = connection.execute(query).all()
    by_region: dict[str, list[str]] = {}
    for key, acronym, region_id in lost:
        by_region.setdefault(f"{acronym} ({region_id})", []).append(key)
    keys = sorted({key for key, _, _ in lost})
    return Finding.required(
        "painted_regions_kept",
        not lost,
        f"It lacks {len(by_region)} regions that still own voxels in {', '.join(keys)}: "
        f"{', '.join(by_region)}. Load the annotation that belongs to it first, or drop those atlases."
        if lost
        else "Every region that owns voxels is in it.",
        {"regions_lost": len(by_region)},
    )


def annotation_checks(
    path: Path, entry: AtlasEntry, graph: pl.DataFrame, report: Callable[[str], object]
) -> tuple[list[Finding], Mapping[int, int]]:
    """Look at a volume before anything is built on it.

    Args:
        path: the NRRD file.
        entry: what the catalogue says of it.
        graph: the ontology its ids must be in.
        report: receives progress.

    Returns:
        The checks, and how many voxels carry each id (none where the header is already wrong).
    """
    name = Path(entry.path).name  # its own may be that of a file on its way
    problems = volume.header_problems(volume.read_header(path), entry)
    as_catalogued = Finding.required(
        "volume_as_catalogued",
        not problems,
        f"The header of {name} is not that of {entry.key}: {'; '.join(problems)}. {volume.OFFICIAL}"
        if problems
        else f"Type, shape and resolution are those of {entry.key}.",
        {"differences": len(problems)},
    )
    counts = {} if problems else volume.count_voxels(volume.planes(path, entry, report))
    unknown = [f"{i} ({counts[i]} voxels)" for i in ontology.missing_regions(graph, set(counts))]
    painted_ids_known = Finding.required(
        "painted_ids_known",
        bool(counts or problems) and not unknown,
        f"{len(unknown)} ids in {name} are not in the ontology: {ontology.listed(unknown)}; "
        "load the ontology that belongs to it."
        if unknown
        else "Not looked at, since the header is wrong."
        if problems
        else f"No voxel in {name} has an id, so there is no brain in it. {volume.OFFICIAL}"
        if not counts
        else f"All {len(counts)} ids are in the ontology.",
        {"ids": len(counts), "unknown_ids": len(unknown)},
    )
    return [as_catalogued, painted_ids_known], counts


def _atlases_of(context: dg.AssetCheckExecutionContext, engine: sa.Engine) -> list[AtlasEntry]:
    """The atlas the run is for; for a check that is run by itself, every atlas that is loaded."""
    key = context.run.tags.get("dagster/partition")
    if key is not None:
        return [atlas_entry(key)]
    with engine.connect() as connection:
        keys = connection.scalars(sa.select(schema.atlas.c.key).order_by(schema.atlas.c.ccf_id))
        return [atlas_entry(key) for key in keys if key in CATALOGUE]


@dg.asset_check(
    asset="voxel_run",
    blocking=True,
    description="In each hemisphere the runs hold as many voxels of every region as the annotation file.",
)
def voxel_counts_equal_file(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource, sources: SourcesResource
) -> dg.AssetCheckResult:
    """Count every region in the file and in the table, by independent ways, and compare.

    By hemisphere, because a volume that was turned left to right has the same counts altogether.
    """
    engine = postgres.create_engine()
    in_file: dict[tuple[str, str, int], int] = {}
    in_table: dict[tuple[str, str, int], int] = {}
    for entry in _atlases_of(context, engine):
        planes = volume.planes(sources.get().annotation(entry).path, entry, context.log.info)
        left = volume.count_voxels(itertools.islice(planes, MIDLINE_UM // entry.resolution_um))
        for side, counts in (("left", left), ("right", volume.count_voxels(planes))):
            in_file.update({(entry.key, side, region): count for region, count in counts.items()})
        with engine.connect() as connection:
            for side, region, count in connection.execute(_voxels_by_side(entry)):
                in_table[entry.key, side, region] = int(count)
    wrong = sorted(k for k in in_file.keys() | in_table.keys() if in_file.get(k) != in_table.get(k))
    told = [f"{k[2]} on the {k[1]} in {k[0]}: {in_table.get(k, 0)}, not {in_file.get(k, 0)}" for k in wrong]
    return check_result(
        Finding.required(
            "voxel_counts_equal_file",
            not wrong,
            f"{len(wrong)} voxel counts are not those of the file: {ontology.listed(told)}."
            if wrong
            else f"{sum(in_table.values())} voxels in {len({(k[0], k[2]) for k in in_table})} regions, "
            "as in the file, left and right.",
            {
                "voxels_in_table": sum(in_table.values()),
                "voxels_in_file": sum(in_file.values()),
                "counts_that_differ": len(wrong),
            },
        )
    )


def _voxels_by_side(entry: AtlasEntry) -> sa.Select[Any]:
    """Side, region and voxels of an atlas's runs; a run across the midline counts to both sides."""
    run = schema.voxel_run.c
    of_side = {
        "left": (run.z, sa.func.least(run.z_end, MIDLINE_UM)),
        "right": (sa.func.greatest(run.z, MIDLINE_UM), run.z_end),
    }
    part = sa.union_all(
        *(
            sa.select(sa.literal(side).label("side"), run.region_id, (end - start).label("um")).where(
                run.ccf_id == entry.ccf_id, start < end
            )
            for side, (start, end) in of_side.items()
        )
    ).subquery("part")
    voxels = sa.func.sum(part.c.um // entry.resolution_um)
    return sa.select(part.c.side, part.c.region_id, voxels).group_by(part.c.side, part.c.region_id)


@dg.asset_check(
    asset="voxel_run",
    blocking=True,
    description="No two runs share a voxel, every run is at least one voxel long, equal neighbours are one.",
)
def runs_maximal_and_disjoint(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Look at each run and the next on its line."""
    engine, run = postgres.create_engine(), schema.voxel_run.c
    line = sa.over(sa.func.lead(run.z), partition_by=(run.ccf_id, run.x, run.y), order_by=run.z)
    after = sa.over(sa.func.lead(run.region_id), partition_by=(run.ccf_id, run.x, run.y), order_by=run.z)
    pair = (
        sa.select(run.z, run.z_end, run.region_id, line.label("next_z"), after.label("next_region"))
        .where(run.ccf_id.in_([entry.ccf_id for entry in _atlases_of(context, engine)]))
        .subquery()
        .c
    )
    query = sa.select(
        sa.func.count().filter(pair.next_z < pair.z_end),
        sa.func.count().filter(pair.z_end <= pair.z),
        sa.func.count().filter(pair.next_z == pair.z_end, pair.next_region == pair.region_id),
    )
    with engine.connect() as connection:
        overlapping, empty, divided = connection.execute(query).one()
    numbers = {"overlapping": overlapping, "empty": empty, "divided": divided}
    passed = not any(numbers.values())
    return check_result(
        Finding.required(
            "runs_maximal_and_disjoint",
            passed,
            "No run overlaps the next, is empty, or could be one with it."
            if passed
            else f"{overlapping} runs overlap the next, {empty} are empty, "
            f"{divided} could be one with the next.",
            numbers,
        )
    )


atlas_checks = [voxel_counts_equal_file, runs_maximal_and_disjoint]
