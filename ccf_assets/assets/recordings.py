"""Group *recordings*: sites as they are given, and the region of each in every loaded atlas.

A run may cover a range of partitions, so that a thousand small files are a few runs and not a thousand.
A file that cannot be taken does not keep back the others of its run: it is refused by itself, in words, and
what is stored of it from before stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets import findings, recordings, registration, schema, settings
from ccf_assets.assets.common import OWNERS, column_schema
from ccf_assets.brain import read_brain
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding
from ccf_assets.frames import load_frames
from ccf_assets.io_manager import read_arrow
from ccf_assets.partitions import keys_of_run, recording_partitions
from ccf_assets.resources import PostgresResource

GROUP = "recordings"

READABLE = "readable"
_FILE_CHECKS = {
    READABLE: "Files that cannot be read, or do not say all that is needed",
    **{n: d for n, d in findings.CHECKS.items() if n not in {"claimed_elsewhere", "reported_region"}},
}
_FILE_SCHEMA = pl.Schema(
    {
        "source": pl.String(),
        "digest": pl.String(),
        "sites": pl.Int32(),
        "refused": pl.String(),
        "warnings": pl.String(),
    }
)
_LINES_OF_A_CHECK = 20


def is_file(key: str) -> bool:
    """Whether a partition is a file's; the others are of rows that a lab inserted itself."""
    return key.lower().endswith(recordings.SUFFIXES)


def _table_metadata(table: sa.Table) -> dict[str, Any]:
    return {
        "partition_expr": "source",
        "dagster/table_name": f"{table.schema}.{table.name}",
        "dagster/column_schema": column_schema(table),
    }


def _specs(asset: str, checks: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in checks.items()]


def _check_of_files(name: str, told: Sequence[tuple[str, Finding]]) -> dg.AssetCheckResult:
    """One check over the files of a run: an error if a file is refused for it, else a warning."""
    bad = [(key, finding) for key, finding in told if not finding.passed]
    lines = [f"{key}: {finding.sentence}" for key, finding in bad] or ["Nothing found."]
    if len(told) == 1:
        lines = [told[0][1].sentence]
    more = len(lines) - _LINES_OF_A_CHECK
    text = "\n".join([*lines[:_LINES_OF_A_CHECK], *([f"… and {more} more files."] if more > 0 else [])])
    refused = any(finding.blocking for _, finding in bad)
    return dg.AssetCheckResult(
        check_name=name,
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR if refused else dg.AssetCheckSeverity.WARN,
        description=text,
        metadata={
            "files": len(told),
            "files_with_it": len(bad),
            **(told[0][1].numbers if len(told) == 1 else {}),
        },
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "csv", "polars"},
    code_version="1",
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    metadata=_table_metadata(schema.recording_file),
    check_specs=_specs("recording_file", _FILE_CHECKS),
)
def recording_file(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Each file of recording sites in the folder, and what was found in it.

    What is impossible (a coordinate lost, indices for micrometres, a site twice) refuses the file: none of
    its sites is taken, those stored from before stay. What is suspicious is said, and its sites are taken.
    """
    frames = load_frames(*settings.frames_files())
    brain = read_brain(postgres.create_engine())
    told: dict[str, list[tuple[str, Finding]]] = {name: [] for name in _FILE_CHECKS}
    rows: list[dict[str, Any]] = []
    for key in filter(is_file, context.partition_keys):
        digest, height, seen = "", 0, []
        try:
            file = recordings.site_file(settings.recordings(), key)
            if file is None:
                raise CcfError(f"{key} is gone; its sites stay until they are deleted.")
            digest = file.digest
            sites = recordings.read_sites(settings.recordings(), key, frames)
            height = sites.height
            seen = findings.site_findings(
                sites, frames, brain.in_brain if brain else None, brain.surface_y if brain else None
            )
            seen.append(Finding(READABLE, False, True, f"{height:,} sites."))
        except (CcfError, OSError) as error:
            seen = [Finding.required(READABLE, False, str(error), {})]
        refused = "\n".join(finding.sentence for finding in seen if finding.blocking) or None
        warnings = "\n".join(f.sentence for f in seen if not f.passed and not f.blocking) or None
        rows.append(dict(zip(_FILE_SCHEMA, (key, digest, height, refused, warnings), strict=True)))
        if refused:
            context.log.warning(f"{key} was refused: {refused}")
        elif warnings:
            context.log.warning(f"{key}: {warnings}")
        for finding in seen:
            told[finding.name].append((key, finding))
    yield from (_check_of_files(name, about) for name, about in told.items())
    yield dg.Output(
        pl.DataFrame(rows, schema=_FILE_SCHEMA),
        metadata={"files": len(rows), "files_refused": sum(row["refused"] is not None for row in rows)},
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "csv", "polars"},
    code_version="1",
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    metadata=_table_metadata(schema.recording_site),
    check_specs=_specs("recording_site", {"claimed_elsewhere": findings.CHECKS["claimed_elsewhere"]}),
)
def recording_site(
    context: dg.AssetExecutionContext, postgres: PostgresResource, recording_file: pl.DataFrame
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """The sites of the files that were taken, in their own frames; and those a lab inserted itself.

    A file replaces its own sites only. A site that another file has already stays that file's.
    """
    engine = postgres.create_engine()
    frames = load_frames(*settings.frames_files())
    taken = recording_file.filter(pl.col("refused").is_null())["source"].to_list()
    kept = [key for key in context.partition_keys if key not in taken]
    parts = [_stored(engine, schema.recording_site.c.source.in_(kept))]
    told: list[tuple[str, Finding]] = []
    for key in sorted(taken, key=context.partition_keys.index):
        sites = recordings.read_sites(settings.recordings(), key, frames)
        ids = sites["recording_id"].unique().to_list()
        others = sa.and_(
            schema.recording_site.c.recording_id == sa.any_(sa.literal(ids, sa.ARRAY(sa.Text))),
            schema.recording_site.c.source.not_in(taken),
        )
        owners = pl.concat([_stored(engine, others), *parts])
        told.append((key, findings.claimed_elsewhere(sites, owners)))
        parts.append(findings.unclaimed(sites, owners))
    yield _check_of_files("claimed_elsewhere", told)
    yield dg.Output(pl.concat(parts))


def _stored(engine: sa.Engine, condition: sa.ColumnElement[bool]) -> pl.DataFrame:
    """Sites in the database, with the columns of recordings.SITES_SCHEMA."""
    query = sa.select(*(schema.recording_site.c[name] for name in recordings.SITES_SCHEMA)).where(condition)
    return _frame(engine, query).cast(recordings.SITES_SCHEMA)


def _frame(engine: sa.Engine, query: sa.Select[Any]) -> pl.DataFrame:
    frame = pl.from_arrow(read_arrow(engine.url, query))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a stream of batches is never a Series
    return frame


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "sql"},
    code_version="1",
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[
        dg.AssetDep("voxel_run", partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep("brain_surface", partition_mapping=dg.AllPartitionMapping()),
    ],
    metadata=_table_metadata(schema.recording_region),
)
def recording_region(recording_site: sa.Select[Any]) -> sa.Select[Any]:
    """The region of every site in every loaded atlas, computed in the database; no site is left out.

    A site in no region has a status that says why: outside_brain, outside_volume, invalid_nan or
    invalid_infinite. The view recording_site_region has the regions' names; sites_in('TH') lists the sites in
    a region or anything inside it.
    """
    return registration.registrations(recording_site, registration.loaded_atlases())


@dg.asset_check(asset=recording_region, description=findings.CHECKS["reported_region"])
def reported_region(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Compare the regions that came with the sites with those computed in the finest loaded atlas."""
    engine = postgres.create_engine()
    keys = keys_of_run(
        context.run.tags, context.instance.get_dynamic_partitions(str(recording_partitions.name))
    )
    site, region = schema.recording_site.c, schema.recording_region.c
    about = site.source.in_(keys) if keys is not None else sa.true()
    sites = _frame(
        engine,
        sa.select(site.recording_id, site.site_id, site.reported_region, site.source).where(
            about, site.reported_region.is_not(None)
        ),
    )
    atlas = _finest_with(engine, sites)
    if atlas is None:
        return dg.AssetCheckResult(
            passed=True, description="No site has both a reported and a computed region."
        )
    ours = region.source.in_(keys) if keys is not None else sa.true()
    computed = sa.select(region.recording_id, region.site_id, region.region_id, region.status)
    ontology = schema.brain_region.c
    up = schema.region_ancestor.c
    finding = findings.reported_region(
        sites,
        _frame(engine, computed.where(region.ccf_id == atlas, ours)),
        _frame(engine, sa.select(ontology.region_id, ontology.acronym).where(ontology.ccf_id == atlas)),
        _frame(engine, sa.select(up.region_id, up.ancestor_id).where(up.ccf_id == atlas)),
    )
    return dg.AssetCheckResult(
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=finding.sentence,
        metadata=dict(finding.numbers),
    )


def _finest_with(engine: sa.Engine, sites: pl.DataFrame) -> int | None:
    """The finest loaded atlas, the real before the phantom; None without sites or without an atlas."""
    a = schema.atlas.c
    query = registration.loaded_atlases().order_by(a.ccf_version.startswith("phantom"), a.ccf_resolution)
    with engine.connect() as connection:
        return None if sites.is_empty() else connection.scalar(query)
