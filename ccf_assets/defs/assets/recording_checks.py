"""Assets and checks of sites with regions: reported regions are compared, inserted rows are checked.

Files are checked when they are read; see recordings.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.atlas.brain_mask import read_brain
from ccf_assets.ccf.frames.files import load_frames
from ccf_assets.db import schema
from ccf_assets.db.loaded import loaded_atlases
from ccf_assets.defs.assets.recordings import (
    GROUP,
    REPORTED,
    check_numbers,
    check_specs,
    description_of,
    recording_region,
    source_metadata,
)
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.defs.resources import PostgresResource
from ccf_assets.defs.table_metadata import OWNERS
from ccf_assets.finding import Finding
from ccf_assets.recordings.files.keys import is_file
from ccf_assets.recordings.files.table import SITES_SCHEMA
from ccf_assets.recordings.findings import agreement, look
from ccf_assets.recordings.intake import as_frame, file_findings, stored_rows
from ccf_assets.runs.tags import keys_of_run

_AGREEMENT_SCHEMA = pl.Schema(
    {
        "source": pl.String(),
        "ccf_id": pl.Int32(),
        "compared": pl.Int32(),
        "agreeing": pl.Int32(),
        "unknown": pl.Int32(),
        "passed": pl.Boolean(),
        "sentence": pl.String(),
        "not_drawn": pl.Int32(),
    }
)


@dg.asset_check(
    asset=recording_region,
    name="inserted_sites",
    description="Rows inserted by SQL, checked as files are; it only warns and never removes rows",
)
def inserted_sites(context: dg.AssetCheckExecutionContext, postgres: PostgresResource) -> dg.AssetCheckResult:
    """Check the rows inserted by SQL for a lost column, another unit and the like, source by source.

    Only the sources of the run are checked; the stored findings of others are repeated as long as they have
    sites.
    """
    engine, site, stored = postgres.create_engine(), schema.recording_site.c, schema.recording_finding.c
    keys = keys_of_run(
        context.run.tags, context.instance.get_dynamic_partitions(str(recording_partitions.name))
    )
    sources = [key for key in keys or () if not is_file(key)]
    sites = pl.DataFrame(schema=SITES_SCHEMA)
    bad: dict[tuple[str, str], Finding] = {}
    if sources:
        frames, brain = load_frames(*settings.frames_files()), read_brain(engine)
        # A frame that no file describes any more stays in the database, for the sites that use it.
        these = site.source.in_(sources) & site.frame.in_(list(frames))
        sites = stored_rows(engine, schema.recording_site, SITES_SCHEMA, these)
        for (source,), of in sites.group_by("source", maintain_order=True):
            for finding in file_findings(of, frames, brain):
                if not finding.passed:
                    bad[str(source), finding.name] = finding
    rows = [
        {"source": source, "name": name, "blocking": False, "sentence": finding.sentence}
        for (source, name), finding in bad.items()
    ]
    of_inserted = sa.exists().where(site.source == stored.source) & ~stored.source.in_(sources)
    with engine.begin() as connection:
        before = connection.execute(
            sa.select(stored.source, stored.name, stored.sentence).where(of_inserted).order_by(*stored)
        )
        others = [row for row in before if not is_file(row.source)]
        connection.execute(sa.delete(schema.recording_finding).where(stored.source.in_(sources)))
        if rows:
            connection.execute(sa.insert(schema.recording_finding), rows)
    failed = [*((row["source"], row["name"], row["sentence"]) for row in rows), *others]
    lines = [f"{source}, {name}: {sentence}" for source, name, sentence in failed] or ["Nothing found."]
    numbers = {f"{source}, {name}": finding for (source, name), finding in bad.items()}
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description_of(lines),
        metadata={"sites": sites.height, **check_numbers(numbers)},
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars"},
    code_version="2",
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[recording_region],
    metadata=source_metadata(schema.recording_agreement),
    check_specs=check_specs("recording_agreement", {REPORTED: look.CHECKS[REPORTED]}),
)
def recording_agreement(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Compare the regions that came with the sites with those computed in the finest loaded atlas."""
    engine = postgres.create_engine()
    atlas = next(iter(loaded_atlases(engine)), None)
    compared = {} if atlas is None else _compared(engine, atlas.ccf_id, context.partition_keys)
    findings = {source: agreement.reported_region(of, atlas.key) for source, of in compared.items() if atlas}
    rows = [
        (
            source,
            atlas and atlas.ccf_id,
            *(finding.numbers.get(name, 0) for name in ("compared", "agreeing", "unknown")),
            finding.passed,
            finding.sentence,
            finding.numbers.get("not_drawn", 0),
        )
        for source, finding in findings.items()
    ]
    yield dg.MaterializeResult(value=pl.DataFrame(rows, schema=_AGREEMENT_SCHEMA, orient="row"))
    in_all = _in_all(pl.concat(compared.values()), atlas.key) if atlas and compared else {}
    yield _reported_check(engine, findings, in_all, context.partition_keys)


def _compared(engine: sa.Engine, atlas: int, sources: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Source → its reported regions beside the computed ones, of the sources that report any."""
    site, region = schema.recording_site.c, schema.recording_region.c
    ontology, up, size = schema.brain_region.c, schema.region_ancestor.c, schema.region_volume.c
    sites = as_frame(
        engine,
        sa.select(site.recording_id, site.site_id, site.reported_region, site.source).where(
            site.source.in_(sources), site.reported_region.is_not(None)
        ),
    )
    if sites.is_empty():
        return {}
    computed = as_frame(
        engine,
        sa.select(region.recording_id, region.site_id, region.region_id, region.status).where(
            region.source.in_(sources), region.ccf_id == atlas
        ),
    )
    regions = as_frame(
        engine,
        sa.select(ontology.region_id, ontology.acronym, ontology.region_name, ontology.full_name).where(
            ontology.ccf_id == atlas
        ),
    )
    ancestors = as_frame(engine, sa.select(up.region_id, up.ancestor_id).where(up.ccf_id == atlas))
    # None before region_volume is loaded.
    empty = sa.select(size.region_id).where(size.ccf_id == atlas, size.hemisphere == "both", size.voxels == 0)
    with engine.connect() as connection:
        not_drawn = list(connection.scalars(empty))
    return {
        str(source): agreement.compared_regions(of, computed, regions, ancestors, not_drawn)
        for (source,), of in sites.group_by("source", maintain_order=True)
    }


def _reported_check(
    engine: sa.Engine,
    findings: Mapping[str, Finding],
    in_all: Mapping[str, Any],
    sources: Sequence[str],
) -> dg.AssetCheckResult:
    """One check of all sources: those of this run, and the stored results of others.

    Args:
        engine: the database.
        findings: source → the finding of each of the run's sources that report regions.
        in_all: metadata of all of them together.
        sources: the sources of the run.
    """
    t = schema.recording_agreement.c
    with engine.connect() as connection:
        others = connection.execute(
            sa.select(t.source, t.passed, t.sentence).where(t.source.not_in(sources)).order_by(t.source)
        ).all()
    results = [*((source, finding.passed, finding.sentence) for source, finding in findings.items()), *others]
    bad = [f"{source}: {sentence}" for source, passed, sentence in results if not passed]
    good = [results[0][-1]] if len(findings) == 1 else ["Where regions were reported, they agree."]
    return dg.AssetCheckResult(
        asset_key="recording_agreement",
        check_name=REPORTED,
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN,
        description=description_of(bad or good) if results else "No site has a reported region.",
        metadata={
            "sources_compared": len(results),
            "sources_that_differ": len(bad),
            **check_numbers(findings),
            **in_all,
        },
    )


def _in_all(compared: pl.DataFrame, atlas: str) -> dict[str, Any]:
    """Counts and shares of all sources of a run together, and a table of the most frequent differences."""
    metadata: dict[str, Any] = dict(agreement.reported_region(compared, atlas).numbers)
    if pairs := [dg.TableRecord(pair) for pair in agreement.commonest_differences(compared).to_dicts()]:
        metadata["commonest_differences"] = dg.MetadataValue.table(pairs)
    return metadata
