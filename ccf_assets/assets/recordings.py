"""Group *recordings*: sites as they are given, and the region of each in every loaded atlas.

A run may cover a range of partitions, so that a thousand small files are a few runs and not a thousand.
A file that cannot be taken does not keep back the others of its run: it is refused by itself, in words, and
what is stored of it from before stays.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets import findings, recordings, registration, schema, settings
from ccf_assets.assets.common import OWNERS, column_schema
from ccf_assets.brain import Brain, brain_atlas, read_brain
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding
from ccf_assets.frames import Frame, frame_rows, load_frames
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
        "looked_at_with": pl.String(),
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


def _check_of_files(asset: str, name: str, told: Sequence[tuple[str, Finding]]) -> dg.AssetCheckResult:
    """One check over the files of a run: an error if a file is refused for it, else a warning."""
    bad = [(key, finding) for key, finding in told if not finding.passed]
    lines = [f"{key}: {finding.sentence}" for key, finding in bad] or ["Nothing found."]
    if len(told) == 1:
        lines = [told[0][1].sentence]
    more = len(lines) - _LINES_OF_A_CHECK
    text = "\n".join([*lines[:_LINES_OF_A_CHECK], *([f"… and {more} more files."] if more > 0 else [])])
    refused = any(finding.blocking for _, finding in bad)
    return dg.AssetCheckResult(
        asset_key=asset,
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


def _out(table: sa.Table, description: str) -> dg.AssetOut:
    return dg.AssetOut(
        description=description,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres", "csv", "polars"},
        code_version="1",
        metadata=_table_metadata(table),
        dagster_type=pl.DataFrame,
    )


@dg.multi_asset(
    # In this order: a file counts as read only when its sites are stored, so a run that is killed between
    # the two is asked for again.
    outs={
        "recording_site": _out(
            schema.recording_site,
            "The sites of the files that were taken, in their own frames; and a lab's own rows.\n\n"
            "A file replaces its own sites only. A site that another file has already stays that file's.",
        ),
        "recording_file": _out(
            schema.recording_file,
            "Each file of recording sites in the folder, and what was found in it.\n\n"
            "What is impossible (a coordinate lost, indices for micrometres, a site twice) refuses the file: "
            "none of its sites is taken, those stored from before stay. What is suspicious is said, and the "
            "sites are taken.",
        ),
    },
    check_specs=[
        *_specs("recording_file", _FILE_CHECKS),
        *_specs("recording_site", {"claimed_elsewhere": findings.CHECKS["claimed_elsewhere"]}),
    ],
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def read_recordings(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Read and check the files of the run's partitions; store their sites, then what was found."""
    engine = postgres.create_engine()
    frames, brain = load_frames(*settings.frames_files()), read_brain(engine)
    read = [_read_file(key, frames, brain) for key in context.partition_keys if is_file(key)]
    taken = {file.key: file.sites for file in read if file.sites is not None}
    owned = _owned(engine, taken)
    parts = [_stored(engine, schema.recording_site.c.source.in_(set(context.partition_keys) - set(taken)))]
    told: dict[str, list[tuple[str, Finding]]] = {name: [] for name in _FILE_CHECKS}
    claims: list[tuple[str, Finding]] = []
    for place, file in enumerate(read):
        if file.sites is not None:
            finding = findings.claimed_elsewhere(file.sites, owned)
            claims.append((file.key, finding))
            parts.append(findings.unclaimed(file.sites, owned))
            owned = pl.concat([owned, parts[-1].select(owned.columns)])
            if not finding.passed:
                read[place] = replace(file, seen=[*file.seen, finding])
        for finding in file.seen:
            told[finding.name].append((file.key, finding))
    for file in read:
        if file.refused:
            context.log.warning(f"{file.key} was refused: {file.refused}")
        elif file.warnings:
            context.log.warning(f"{file.key}: {file.warnings}")
    yield from (_check_of_files("recording_file", name, about) for name, about in told.items())
    yield _check_of_files("recording_site", "claimed_elsewhere", claims)
    yield dg.Output(pl.concat(parts), output_name="recording_site")
    now = circumstances(engine)
    rows = [(f.key, f.digest, None if f.settled else now, f.height, f.refused, f.warnings) for f in read]
    yield dg.Output(
        pl.DataFrame(rows, schema=_FILE_SCHEMA, orient="row"),
        output_name="recording_file",
        metadata={"files": len(read), "files_refused": sum(file.refused is not None for file in read)},
    )


def circumstances(engine: sa.Engine) -> str:
    """A digest of what files are looked at with: the frames, and the atlas that serves as the brain."""
    atlas, frames = brain_atlas(engine), load_frames(*settings.frames_files())
    return hashlib.sha256(repr((atlas and atlas.key, frame_rows(frames))).encode()).hexdigest()


@dataclass(frozen=True)
class _ReadFile:
    """A file of sites as it was read: its sites, or None where they are not to be taken.

    Attributes:
        settled: other frames or another brain would not change what becomes of it.
    """

    key: str
    digest: str
    height: int
    sites: pl.DataFrame | None
    seen: Sequence[Finding]
    settled: bool

    @property
    def refused(self) -> str | None:
        """Why it was refused, if it was."""
        return "\n".join(finding.sentence for finding in self.seen if finding.blocking) or None

    @property
    def warnings(self) -> str | None:
        """What is suspicious about it, a sentence a line."""
        told = (finding.sentence for finding in self.seen if not finding.passed and not finding.blocking)
        return "\n".join(told) or None


def _read_file(key: str, frames: Mapping[str, Frame], brain: Brain | None) -> _ReadFile:
    """Read one file and look at it; whatever is wrong with it becomes a finding."""
    folder, digest = settings.recordings(), ""
    try:
        file = recordings.site_file(folder, key)
        if file is None:
            raise CcfError(f"{key} is gone; its sites stay until they are deleted.")
        digest = file.digest
        sites = recordings.read_sites(folder, key, frames)
        seen = findings.site_findings(
            sites, frames, brain.in_brain if brain else None, brain.surface_y if brain else None
        )
    except (CcfError, OSError) as error:
        return _refused(key, digest, str(error))
    except Exception as error:  # what nobody thought of must not hold back the other files
        return _refused(key, digest, f"{key} cannot be read: {type(error).__name__}: {error}.")
    seen = [Finding(READABLE, False, True, f"{sites.height:,} sites."), *seen]
    impossible = any(finding.blocking for finding in seen)
    settled = brain is not None and not impossible
    return _ReadFile(key, digest, sites.height, None if impossible else sites, seen, settled)


def _refused(key: str, digest: str, why: str) -> _ReadFile:
    return _ReadFile(key, digest, 0, None, [Finding.required(READABLE, False, why, {})], False)


def _owned(engine: sa.Engine, taken: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """recording_id, site_id, source of the stored sites that files of this run claim and cannot have.

    They are another file's. Where that other file is read in this run too, and no longer has a site, the
    site is free.
    """
    key, table = ["recording_id", "site_id"], schema.recording_site.c
    claimed = pl.concat([pl.DataFrame(schema=recordings.SITES_SCHEMA), *taken.values()])
    ids = sa.literal(claimed["recording_id"].unique().to_list(), sa.ARRAY(sa.Text))
    stored = _stored(engine, table.recording_id == sa.any_(ids)).select(*key, "source")
    read_again = pl.col("source").is_in(list(taken))
    still_there = stored.join(claimed.select(*key, "source").unique(), on=[*key, "source"], how="semi")
    return pl.concat([stored.filter(~read_again), still_there])


def _stored(engine: sa.Engine, condition: sa.ColumnElement[bool]) -> pl.DataFrame:
    """Sites in the database, with the columns of recordings.SITES_SCHEMA."""
    query = sa.select(*(schema.recording_site.c[name] for name in recordings.SITES_SCHEMA)).where(condition)
    return _frame(engine, query).cast(recordings.SITES_SCHEMA)


def _frame(engine: sa.Engine, query: sa.Select[Any]) -> pl.DataFrame:
    frame = pl.from_arrow(read_arrow(engine.url, query).read_all())
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
    return registration.registrations(recording_site, registration.loaded_atlases(), hold=True)


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
    with engine.connect() as connection:
        return None if sites.is_empty() else connection.scalar(registration.loaded_atlases())
