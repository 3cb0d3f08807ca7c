"""Asset checks on an atlas's tables. A failure stops the downstream assets of the run.

Not here: the checks of files, made before anything is loaded (ccf.file_checks, db.ontology_checks).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets.ccf import nrrd, runs
from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry, catalogue
from ccf_assets.db import schema
from ccf_assets.db.loaded import stored_grid
from ccf_assets.db.stored_runs import StoredRuns, find_stored_runs
from ccf_assets.defs import found
from ccf_assets.defs.provenance import checked_volume
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.finding import Finding, listed
from ccf_assets.refusals import in_words
from ccf_assets.sources.annotation import Annotation

_COUNTS, _SHAPE = "voxel_counts_equal_file", "runs_maximal_and_disjoint"


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


@dg.multi_asset_check(
    name="voxel_run_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            _COUNTS,
            asset="voxel_run",
            description="In each hemisphere the runs hold as many voxels of every region as the annotation "
            "file.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            _SHAPE,
            asset="voxel_run",
            description="No two runs share a voxel, every run is at least one voxel long, equal neighbours "
            "are one.",
            blocking=True,
        ),
    ],
)
@in_words
def voxel_run_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource, sources: SourcesResource
) -> Iterator[dg.AssetCheckResult]:
    """Count every region in the file and in the table, in independent ways; compare each run with the next.

    By hemisphere, because the total counts of a volume mirrored from left to right would be the same.
    Skipped where no atlas is loaded.
    """
    engine = postgres.create_engine()
    atlases = _atlases_of(context, engine)
    if not atlases:
        return
    selected = {key.name for key in context.selected_asset_check_keys}
    stored = {
        entry.key: find_stored_runs(engine, entry.ccf_id, stored_grid(engine, entry.key)) for entry in atlases
    }
    if _COUNTS in selected:
        in_file = {
            entry.key: _in_file(checked_volume(context.instance, sources.get(), entry), context.log.info)
            for entry in atlases
        }
        yield check_result(_counts_compared(in_file, {key: each.voxels for key, each in stored.items()}))
    if _SHAPE in selected:
        yield check_result(_shape(list(stored.values())))


def _in_file(file: Annotation, report: Callable[[str], object]) -> runs.VoxelCounts:
    return found.voxel_counts.of(
        file, lambda: runs.count_sides(nrrd.planes(file.path, file.grid, report), file.grid)
    )


def _counts_compared(
    in_file: Mapping[str, runs.VoxelCounts], in_table: Mapping[str, runs.VoxelCounts]
) -> Finding:
    """Whether both have the same voxels of every region on each side, by key of the atlas."""
    expected, there = _by_side(in_file), _by_side(in_table)
    wrong = sorted(key for key in expected.keys() | there.keys() if expected.get(key) != there.get(key))
    differ = [
        f"{region} on the {side} in {atlas}: {there.get((atlas, side, region), 0)}, "
        f"not {expected.get((atlas, side, region), 0)}"
        for atlas, side, region in wrong
    ]
    return Finding.required(
        _COUNTS,
        not wrong,
        f"{len(wrong)} voxel counts are not those of the file: {listed(differ)}."
        if wrong
        else f"{sum(there.values())} voxels in {len({(atlas, region) for atlas, _, region in there})} "
        "regions, as in the file, left and right.",
        {
            "voxels_in_table": sum(there.values()),
            "voxels_in_file": sum(expected.values()),
            "counts_that_differ": len(wrong),
        },
    )


def _by_side(of_atlases: Mapping[str, runs.VoxelCounts]) -> dict[tuple[str, str, int], int]:
    """(Key of the atlas, side, region id) → voxels."""
    return {
        (key, side, region): count
        for key, voxels in of_atlases.items()
        for side, counts in (("left", voxels.left), ("right", voxels.right))
        for region, count in counts.items()
    }


def _shape(stored: Sequence[StoredRuns]) -> Finding:
    """Whether the runs of all atlases are disjoint, not empty, and as long as they can be."""
    numbers = {
        name: sum(getattr(each, name) for each in stored)
        for name in ("overlapping", "empty", "divided", "outside")
    }
    passed = not any(numbers.values())
    return Finding.required(
        _SHAPE,
        passed,
        "No run overlaps the next, is empty, or could be one with it."
        if passed
        else f"{numbers['overlapping']} runs overlap the next, {numbers['empty']} are empty, "
        f"{numbers['divided']} could be one with the next, {numbers['outside']} reach out of the grid.",
        numbers,
    )


atlas_checks = [voxel_run_checks]
