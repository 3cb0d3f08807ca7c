"""Asset checks on an atlas's tables, made in SQL. A failure stops the downstream assets of the run.

Not here: the checks of files, made before anything is loaded (ccf.file_checks, db.ontology_checks).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets.ccf import nrrd, runs
from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry, catalogue
from ccf_assets.ccf.region_id import source_id
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db import schema
from ccf_assets.db.loaded import stored_grid
from ccf_assets.db.region_volumes import number_of
from ccf_assets.defs import found
from ccf_assets.defs.provenance import checked_volume
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.finding import Finding, listed
from ccf_assets.refusals import in_words
from ccf_assets.sources.annotation import Annotation


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


def skippable_check(
    name: str,
    asset: str,
    description: str,
    *,
    blocking: bool = False,
    additional_deps: Sequence[str] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetChecksDefinition]:
    """Decorator of a check that is skipped if it yields nothing: with can_subset Dagster needs no result."""
    spec = dg.AssetCheckSpec(
        name, asset=asset, description=description, blocking=blocking, additional_deps=additional_deps
    )
    return dg.multi_asset_check(can_subset=True, specs=[spec])


def _atlases_of(context: dg.AssetCheckExecutionContext, engine: sa.Engine) -> list[AtlasEntry]:
    """The atlas of the run; if the check runs by itself, without a partition, every loaded atlas."""
    key = context.run.tags.get("dagster/partition")
    if key is not None:
        return [atlas_entry(key)]
    with engine.connect() as connection:
        keys = connection.scalars(sa.select(schema.atlas.c.key).order_by(schema.atlas.c.ccf_id))
        known = catalogue().entries
        return [known[key] for key in keys if key in known]


@skippable_check(
    "voxel_counts_equal_file",
    "voxel_run",
    "In each hemisphere the runs hold as many voxels of every region as the annotation file.",
    blocking=True,
)
@in_words
def voxel_counts_equal_file(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource, sources: SourcesResource
) -> Iterator[dg.AssetCheckResult]:
    """Count every region in the file and in the table, in independent ways, and compare.

    By hemisphere, because the total counts of a volume mirrored from left to right would be the same.
    Skipped where no atlas is loaded.
    """
    engine = postgres.create_engine()
    atlases = _atlases_of(context, engine)
    if not atlases:
        return
    in_file: dict[tuple[str, str, int], int] = {}
    in_table: dict[tuple[str, str, int], int] = {}
    for entry in atlases:
        file, grid = checked_volume(context.instance, sources.get(), entry), stored_grid(engine, entry.key)
        sides = found.voxel_counts.of(file, partial(_count_sides, file, context.log.info))
        for side, counts in (("left", sides.left), ("right", sides.right)):
            in_file.update({(entry.key, side, region): count for region, count in counts.items()})
        with engine.connect() as connection:
            for side, number, count in connection.execute(_voxels_by_side(entry.ccf_id, grid)):
                in_table[entry.key, side, source_id(number)] = int(count)
    wrong = sorted(k for k in in_file.keys() | in_table.keys() if in_file.get(k) != in_table.get(k))
    differ = [f"{k[2]} on the {k[1]} in {k[0]}: {in_table.get(k, 0)}, not {in_file.get(k, 0)}" for k in wrong]
    yield check_result(
        Finding.required(
            "voxel_counts_equal_file",
            not wrong,
            f"{len(wrong)} voxel counts are not those of the file: {listed(differ)}."
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


def _count_sides(file: Annotation, report: Callable[[str], object]) -> runs.VoxelCounts:
    return runs.count_sides(nrrd.planes(file.path, file.grid, report), file.grid)


def _voxels_by_side(ccf_id: int, grid: VoxelGrid) -> sa.Select[Any]:
    """Side, region and voxels of an atlas's runs; a run across the midline is divided between the sides."""
    run, edge = schema.voxel_run.c, grid.edges_um[2]
    k, k_end, middle = number_of(run.z, edge), number_of(run.z_end, edge), grid.first_right or 0
    of_side = {"left": (k, sa.func.least(k_end, middle)), "right": (sa.func.greatest(k, middle), k_end)}
    part = sa.union_all(
        *(
            sa.select(sa.literal(side).label("side"), run.region_id, (end - start).label("voxels")).where(
                run.ccf_id == ccf_id, start < end
            )
            for side, (start, end) in of_side.items()
        )
    ).subquery("part")
    voxels = sa.func.sum(part.c.voxels)
    return sa.select(part.c.side, part.c.region_id, voxels).group_by(part.c.side, part.c.region_id)


@skippable_check(
    "runs_maximal_and_disjoint",
    "voxel_run",
    "No two runs share a voxel, every run is at least one voxel long, equal neighbours are one.",
    blocking=True,
)
@in_words
def runs_maximal_and_disjoint(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Compare each run with the next one on its line; skipped where no atlas is loaded."""
    engine, run = postgres.create_engine(), schema.voxel_run.c
    atlases = _atlases_of(context, engine)
    if not atlases:
        return
    line = sa.over(sa.func.lead(run.z), partition_by=(run.ccf_id, run.x, run.y), order_by=run.z)
    after = sa.over(sa.func.lead(run.region_id), partition_by=(run.ccf_id, run.x, run.y), order_by=run.z)
    pair = (
        sa.select(run.z, run.z_end, run.region_id, line.label("next_z"), after.label("next_region"))
        .where(run.ccf_id.in_([entry.ccf_id for entry in atlases]))
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
    yield check_result(
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
