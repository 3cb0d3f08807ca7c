"""Assets and checks of sites with regions: reported regions are compared, inserted rows are checked.

Files are checked when they are read; see recordings.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets.atlas.brain_mask import read_brain
from ccf_assets.db import schema
from ccf_assets.db.frames import stored_frames
from ccf_assets.defs.assets.recordings import (
    GROUP,
    REPORTED,
    check_numbers,
    check_specs,
    description_of,
    recording_region,
    refuse_check_alone,
    source_metadata,
)
from ccf_assets.defs.atlas_checks import skippable_check
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.defs.resources import PostgresResource
from ccf_assets.defs.table_metadata import OWNERS
from ccf_assets.finding import Finding
from ccf_assets.recordings.comparison import Comparison, compare_reports
from ccf_assets.recordings.files.table import SITES_SCHEMA
from ccf_assets.recordings.findings import agreement, look
from ccf_assets.recordings.intake import file_findings
from ccf_assets.recordings.ownership import of_files
from ccf_assets.recordings.stored import stored_rows
from ccf_assets.refusals import in_words
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


@skippable_check(
    "inserted_sites",
    "recording_region",
    "Rows inserted by SQL, checked as files are; it only warns and never removes rows",
)
@in_words
def inserted_sites(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Check the rows inserted by SQL for a lost column, another unit and the like, source by source.

    Only the sources of the run are checked; the stored findings of others are repeated as long as they have
    sites. If there are neither, the check is skipped.
    """
    engine, site, stored = postgres.create_engine(), schema.recording_site.c, schema.recording_finding.c
    keys = keys_of_run(
        context.run.tags, context.instance.get_dynamic_partitions(str(recording_partitions.name))
    )
    files = of_files(engine, keys or ())
    sources = [key for key in keys or () if key not in files]
    sites = pl.DataFrame(schema=SITES_SCHEMA)
    bad: dict[tuple[str, str], Finding] = {}
    if sources:
        frames, brains = stored_frames(engine), functools.partial(read_brain, engine)
        # A frame that no file describes any more stays in the database, for the sites that use it.
        these = site.source.in_(sources) & site.frame.in_(list(frames))
        sites = stored_rows(engine, schema.recording_site, SITES_SCHEMA, these)
        for (source,), of in sites.group_by("source", maintain_order=True):
            for finding in file_findings(of, frames, brains):
                if not finding.passed:
                    bad[str(source), finding.name] = finding
    rows = [
        {"source": source, "name": name, "blocking": False, "sentence": finding.sentence}
        for (source, name), finding in bad.items()
    ]
    for row in rows:
        context.log.warning(f"{row['source']} is suspicious ({row['name']}): {row['sentence']}")
    with_sites = sa.select(schema.recording_source.c.source)
    of_inserted = stored.source.in_(with_sites) & ~stored.source.in_(sources)
    with engine.begin() as connection:
        before = connection.execute(
            sa.select(stored.source, stored.name, stored.sentence).where(of_inserted).order_by(*stored)
        )
        others = before.all()
        files = of_files(engine, {row.source for row in others})
        others = [row for row in others if row.source not in files]
        connection.execute(sa.delete(schema.recording_finding).where(stored.source.in_(sources)))
        if rows:
            connection.execute(sa.insert(schema.recording_finding), rows)
    if not sources and not others:
        return
    failed = [*((row["source"], row["name"], row["sentence"]) for row in rows), *others]
    lines = [f"{source}, {name}: {sentence}" for source, name, sentence in failed] or ["Nothing found."]
    numbers = {f"{source}, {name}": finding for (source, name), finding in bad.items()}
    yield dg.AssetCheckResult(
        check_name="inserted_sites",
        asset_key="recording_region",
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description_of(lines),
        metadata={"sites": sites.height, **check_numbers(numbers)},
    )


@dg.multi_asset(
    can_subset=True,  # its check is skipped where no site has a reported region
    outs={
        "recording_agreement": dg.AssetOut(
            description="The regions that came with the sites, compared with those computed in the finest "
            "loaded atlas.",
            group_name=GROUP,
            owners=OWNERS,
            kinds={"postgres", "polars"},
            code_version="2",
            metadata=source_metadata(schema.recording_agreement),
            dagster_type=pl.DataFrame,
            is_required=False,
        )
    },
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[recording_region],
    check_specs=check_specs("recording_agreement", {REPORTED: look.CHECKS[REPORTED]}),
)
@in_words
def recording_agreement(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Compare the regions that came with the sites with those computed in the finest loaded atlas."""
    refuse_check_alone(
        context, "Reports are compared when sites are registered: materialize recording_agreement"
    )
    engine = postgres.create_engine()
    found = compare_reports(engine, context.partition_keys, stored_frames(engine))
    rows = [
        (
            source,
            one.atlas.ccf_id,
            *(one.finding.numbers.get(name, 0) for name in ("compared", "agreeing", "unknown")),
            one.finding.passed,
            one.finding.sentence,
            one.finding.numbers.get("not_drawn", 0),
        )
        for source, one in found.items()
    ]
    stored = schema.recording_agreement.c
    with engine.connect() as connection:
        before = connection.scalar(sa.select(sa.exists().where(stored.source.in_(context.partition_keys))))
    yield dg.MaterializeResult(value=pl.DataFrame(rows, schema=_AGREEMENT_SCHEMA, orient="row"))
    if (check := _reported_check(engine, found, context.partition_keys)) is not None:
        yield check
    elif before:
        yield dg.AssetCheckResult(
            asset_key="recording_agreement",
            check_name=REPORTED,
            passed=True,
            description="No site has a reported region any more.",
        )


def _reported_check(
    engine: sa.Engine, found: Mapping[str, Comparison], sources: Sequence[str]
) -> dg.AssetCheckResult | None:
    """One check of all sources: those of this run, and the stored results of others; None if there are none.

    Args:
        engine: the database.
        found: source → its comparison, of the run's sources that report regions.
        sources: the sources of the run.
    """
    t = schema.recording_agreement.c
    with engine.connect() as connection:
        others = connection.execute(
            sa.select(t.source, t.passed, t.sentence).where(t.source.not_in(sources)).order_by(t.source)
        ).all()
    if not found and not others:
        return None
    findings = {source: one.finding for source, one in found.items()}
    results = [*((source, finding.passed, finding.sentence) for source, finding in findings.items()), *others]
    bad = [f"{source}: {sentence}" for source, passed, sentence in results if not passed]
    good = [results[0][-1]] if len(findings) == 1 else ["Where regions were reported, they agree."]
    return dg.AssetCheckResult(
        asset_key="recording_agreement",
        check_name=REPORTED,
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN,
        description=description_of(bad or good),
        metadata={
            "sources_compared": len(results),
            "sources_that_differ": len(bad),
            **check_numbers(findings),
            **_in_all([one.compared for one in found.values()]),
        },
    )


def _in_all(compared: Sequence[pl.DataFrame]) -> dict[str, Any]:
    """Counts and shares of all sources of a run together, and a table of the most frequent differences."""
    if not compared:
        return {}
    together = pl.concat(compared)
    metadata: dict[str, Any] = dict(agreement.numbers(together))
    if pairs := [dg.TableRecord(pair) for pair in agreement.commonest_differences(together).to_dicts()]:
        metadata["commonest_differences"] = dg.MetadataValue.table(pairs)
    return metadata
