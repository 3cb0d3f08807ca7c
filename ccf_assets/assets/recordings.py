"""Group *recordings*: sites as they are given, and the region of each in every loaded atlas.

A run may cover a range of partitions, so that a thousand small files are a few runs and not a thousand.
A file that cannot be taken does not keep back the others of its run: it is refused by itself, in words, and
what is stored of it from before stays.
"""

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets import findings, recordings, registration, schema, settings
from ccf_assets.arrow import read_arrow
from ccf_assets.assets.common import OWNERS, whole_table_metadata
from ccf_assets.assets.figures import sites_on_plane
from ccf_assets.brain import Brain, brain_atlas, read_brain
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding, counted
from ccf_assets.frames import Frame, frame_rows, load_frames
from ccf_assets.io_manager import Stream
from ccf_assets.partitions import keys_of_run, recording_partitions
from ccf_assets.postgres import let_go_if_interrupted
from ccf_assets.progress import Progress
from ccf_assets.resources import PostgresResource

GROUP = "recordings"

READABLE = "readable"
REPORTED = "reported_region"
_FILE_CHECKS = {
    READABLE: "Files that cannot be read, or do not say all that is needed",
    **{name: about for name, about in findings.CHECKS.items() if name != REPORTED},
}
_FILE_SCHEMA = pl.Schema(
    {
        "source": pl.String(),
        "digest": pl.String(),
        "looked_at_with": pl.String(),
        "sites": pl.Int32(),
        "refused": pl.Boolean(),
    }
)
_FINDING_SCHEMA = pl.Schema(
    {"source": pl.String(), "name": pl.String(), "blocking": pl.Boolean(), "sentence": pl.String()}
)
_CLAIM_SCHEMA = pl.Schema(
    {name: recordings.SITES_SCHEMA[name] for name in ("recording_id", "site_id", "source")}
)
_AGREEMENT_SCHEMA = pl.Schema(
    {
        "source": pl.String(),
        "ccf_id": pl.Int32(),
        "compared": pl.Int32(),
        "agreeing": pl.Int32(),
        "unknown": pl.Int32(),
        "passed": pl.Boolean(),
        "sentence": pl.String(),
    }
)
_LINES_OF_A_CHECK = 20

DRAWN_SITES = 5_000
"""Most sites in the picture of a run: more are no more to be told apart, and each is looked up once more."""


def _table_metadata(table: sa.Table) -> dict[str, Any]:
    return {"partition_expr": "source", **whole_table_metadata(table)}


def _specs(asset: str, checks: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in checks.items()]


def _check_of_files(
    name: str, read: Mapping[str, Finding], others: Mapping[str, Finding]
) -> dg.AssetCheckResult:
    """One check over all files: an error if a file is refused for it, else a warning.

    Args:
        name: of the check.
        read: what was found in the files of this run, by key.
        others: what is still wrong with the files that this run does not read.
    """
    bad = {key: finding for key, finding in {**read, **others}.items() if not finding.passed}
    refused = any(finding.blocking for finding in bad.values())
    lines = [f"{key}: {finding.sentence}" for key, finding in bad.items()]
    if not lines:
        lines = [finding.sentence for finding in read.values()] if len(read) == 1 else ["Nothing found."]
    return dg.AssetCheckResult(
        asset_key="recording_finding",
        check_name=name,
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR if refused else dg.AssetCheckSeverity.WARN,
        description=_listed(lines),
        metadata={"files_read": len(read), "files_with_it": len(bad), **_numbers(read)},
    )


def _numbers(found: Mapping[str, Finding]) -> dict[str, Any]:
    """The numbers behind a check as metadata: of one source by name, of several the failing ones as JSON."""
    if len(found) == 1:
        return dict(next(iter(found.values())).numbers)
    bad = {source: dict(finding.numbers) for source, finding in found.items() if not finding.passed}
    told = dict(itertools.islice(bad.items(), _LINES_OF_A_CHECK))
    return {"numbers": dg.MetadataValue.json(told)} if told else {}


def _listed(lines: Sequence[str]) -> str:
    more = len(lines) - _LINES_OF_A_CHECK
    return "\n".join([*lines[:_LINES_OF_A_CHECK], *([f"… and {more} more."] if more > 0 else [])])


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
    # In this order: a file counts as read only when all of it is stored, so a run that is killed on the way
    # is asked for again.
    outs={
        "recording_site": _out(
            schema.recording_site,
            "The sites of the files that were taken, in their own frames; and a lab's own rows.\n\n"
            "A file replaces its own sites only. A site that another file, or a lab's own rows, have already "
            "stays theirs.",
        ),
        "recording_claim": _out(
            schema.recording_claim,
            "Sites in a file that another file, or a lab's own rows, have already.\n\n"
            "They stay the other's. When it gives them up, the file is read again and gets them.",
        ),
        "recording_finding": _out(
            schema.recording_finding,
            "What is wrong with each file, or suspicious about it, in words.\n\n"
            "What is impossible (a coordinate lost, indices for micrometres, a site twice) refuses the file: "
            "none of its sites is taken, those stored from before stay. What is suspicious is said, and the "
            "sites are taken.",
        ),
        "recording_file": _out(
            schema.recording_file,
            "Each file of recording sites that was read, whether its sites were taken or not.",
        ),
    },
    check_specs=_specs("recording_finding", _FILE_CHECKS),
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def read_recordings(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Read and check the files of the run's partitions; store their sites, then what was found."""
    engine = postgres.create_engine()
    frames, keys = load_frames(*settings.frames_files()), context.partition_keys
    others = [key for key in keys if not recordings.is_file(key)]
    if others:
        # Reading its rows and writing them back would undo what the lab inserts meanwhile.
        raise CcfError(
            f"{', '.join(others)} is no file: these rows were inserted. Run the job register_sites for them."
        )
    with engine.begin() as connection:
        schema.keep_frames(connection, frames)
    now = circumstances(engine, frames)  # first: should they change meanwhile, the files are looked at again
    read, left = _read_files(keys, frames, engine, context.log.info)
    taken = {file.key: file.sites for file in read if file.sites is not None}
    owned = _owned(engine, taken)
    claim, finding_, file_ = schema.recording_claim, schema.recording_finding, schema.recording_file
    parts = []
    claims = [_stored(engine, claim, _CLAIM_SCHEMA, claim.c.source.in_(left))]
    for place, file in enumerate(read):
        if file.sites is not None:
            finding, claimed = (
                findings.claimed_elsewhere(file.sites, owned),
                findings.claims(file.sites, owned),
            )
            claims.append(claimed)
            parts.append(
                file.sites.join(claimed, on=["recording_id", "site_id"], how="anti", maintain_order="left")
            )
            owned = pl.concat([owned, parts[-1].select(owned.columns)])
            read[place] = replace(file, seen=[*file.seen, finding])
    found = [
        (file.key, finding.name, finding.blocking, finding.sentence)
        for file in read
        for finding in file.seen
        if not finding.passed
    ]
    for key, name, blocking, sentence in found:
        context.log.warning(f"{key} {'was refused' if blocking else f'is suspicious ({name})'}: {sentence}")
    with engine.begin() as holding, let_go_if_interrupted(holding):  # where storing them fails, it is, too
        parts.append(_held_sites(holding, set(keys) - set(taken)))
        yield dg.Output(pl.concat(parts), output_name="recording_site")
    yield dg.Output(pl.concat(claims), output_name="recording_claim")
    found_before = _stored(engine, finding_, _FINDING_SCHEMA, finding_.c.source.in_(left))
    yield dg.Output(
        pl.concat([found_before, pl.DataFrame(found, schema=_FINDING_SCHEMA, orient="row")]),
        output_name="recording_finding",
    )
    still = _findings_of_others(engine, set(keys) - set(left))
    for name in _FILE_CHECKS:
        of_run = {file.key: finding for file in read for finding in file.seen if finding.name == name}
        yield _check_of_files(name, of_run, still.get(name, {}))
    rows = [(f.key, f.digest, _rests_on(f.sites, now), f.height, f.sites is None) for f in read]
    files_before = _stored(engine, file_, _FILE_SCHEMA, file_.c.source.in_(left))
    yield dg.Output(
        pl.concat([files_before, pl.DataFrame(rows, schema=_FILE_SCHEMA, orient="row")]),
        output_name="recording_file",
        metadata={
            "files": len(read),
            "files_refused": sum(file.sites is None for file in read),
            "files_still_being_written": len(left),
        },
    )


def _findings_of_others(engine: sa.Engine, keys: Collection[str]) -> dict[str, dict[str, Finding]]:
    """Check → file → what was found in it before, of the files that are not in ``keys``."""
    t = schema.recording_finding.c
    found: dict[str, dict[str, Finding]] = {}
    with engine.connect() as connection:
        query = sa.select(t.name, t.source, t.blocking, t.sentence).where(t.source.not_in(keys))
        for name, source, blocking, sentence in connection.execute(query.order_by(t.source)):
            if not recordings.is_file(source):  # inserted_sites says it
                continue
            found.setdefault(name, {})[source] = Finding(name, blocking, False, sentence)
    return found


def circumstances(engine: sa.Engine, frames: Mapping[str, Frame]) -> dict[str, str]:
    """What the verdict on a file can rest on, by name, each with a digest or, of the brain, its tables.

    ``brain`` is the loaded atlas that serves as the brain, ``frames`` all frames, ``frame ibl`` one of them.
    """
    entry, loaded = brain_atlas(engine), registration.loaded_atlases().subquery()
    query = sa.select(loaded.c.voxels_of, loaded.c.surface_of).where(
        loaded.c.ccf_id == (entry and entry.ccf_id)
    )
    with engine.connect() as connection:
        tables = connection.execute(query).first()
    rows = frame_rows(frames)
    return {
        "brain": f"{entry.key} {tuple(tables)}" if entry and tables else "none",
        "frames": _digest(rows),
        **{f"frame {row['name']}": _digest(row) for row in rows},
    }


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _rests_on(sites: pl.DataFrame | None, now: Mapping[str, str]) -> str:
    """The lines of `circumstances` that the verdict on a file rests on: ``name digest``, one per line.

    A file that was taken rests on the frames that it uses; any frame might make a refused one good.
    """
    frames = ["frames"] if sites is None else [f"frame {name}" for name in sites["frame"].unique().sort()]
    return "\n".join(f"{name} {now[name]}" for name in ["brain", *frames])


def judged_alike(looked_at_with: str | None, now: Mapping[str, str]) -> bool:
    """Whether what a file was looked at with (recording_file) is as it was, so that the verdict stands."""
    lines = {f"{name} {digest}" for name, digest in now.items()}
    return looked_at_with is not None and lines.issuperset(looked_at_with.splitlines())


@dataclass(frozen=True)
class _ReadFile:
    """A file of sites as it was read and when it was written; its sites are None where they are not taken."""

    key: str
    digest: str
    height: int
    sites: pl.DataFrame | None
    seen: Sequence[Finding]
    mtime_ns: int = 0


def _read_files(
    keys: Sequence[str], frames: Mapping[str, Frame], engine: sa.Engine, report: Callable[[str], object]
) -> tuple[list[_ReadFile], list[str]]:
    """What the files hold, and the keys of those that are still being written.

    The older file comes first, since of two that claim a site it has it.
    """
    progress = Progress(report, "read", "files", total=len(keys))
    read: list[_ReadFile] = []
    left: list[str] = []
    with ThreadPoolExecutor(1) as beside:
        brain = beside.submit(read_brain, engine)  # takes half a second, in which the first file is parsed
        for key in keys:
            try:
                file = _read_file(key, frames, brain)
            except recordings.StillWritingError as error:
                left.append(key)
                report(f"{error} The sensor asks for it again; what is stored of it stays till then.")
            else:
                if file is not None:
                    read.append(file)
                else:
                    report(f"{key} is gone; its sites stay, what was found in it does not.")
            progress.advance(1)
            brain.result()  # raises what kept it from being read
    return sorted(read, key=lambda file: (file.mtime_ns, file.key)), left


def _read_file(key: str, frames: Mapping[str, Frame], brain: Future[Brain | None]) -> _ReadFile | None:
    """Read one file and look at it; None if it is gone.

    Raises:
        StillWritingError: it is still being written, or changed while it was read.
    """
    folder = settings.recordings()
    try:
        file = recordings.site_file(folder, key)
        if file is None:
            return None
        looked_at = _look_at(folder, key, file.digest, frames, brain)
        if recordings.site_file(folder, key) != file:
            raise recordings.StillWritingError(f"{file.path} changed while it was read.")
    except (CcfError, OSError) as error:
        return _refused(key, "", str(error))
    return replace(looked_at, mtime_ns=file.mtime_ns)


def _look_at(
    folder: Path, key: str, digest: str, frames: Mapping[str, Frame], brain: Future[Brain | None]
) -> _ReadFile:
    """Look at what stands in a file; whatever is wrong with it becomes a finding."""
    try:
        sites = recordings.read_sites(folder, key, frames)
        # Without a brain where it cannot be read, which is no fault of the file: _read_files says it.
        seen = _findings(sites, frames, None if brain.exception() else brain.result())
    except (CcfError, OSError) as error:
        return _refused(key, digest, str(error))
    except Exception as error:  # what nobody thought of must not hold back the other files
        return _refused(key, digest, f"{key} cannot be read: {type(error).__name__}: {error}.")
    seen = [Finding(READABLE, False, True, f"{counted(sites.height, 'site')}."), *seen]
    impossible = any(finding.blocking for finding in seen)
    return _ReadFile(key, digest, sites.height, None if impossible else sites, seen)


def _findings(sites: pl.DataFrame, frames: Mapping[str, Frame], brain: Brain | None) -> list[Finding]:
    return findings.site_findings(
        sites, frames, brain.in_brain if brain else None, brain.surface_y if brain else None
    )


def _refused(key: str, digest: str, why: str) -> _ReadFile:
    return _ReadFile(key, digest, 0, None, [Finding.required(READABLE, False, why, {})])


def _owned(engine: sa.Engine, taken: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """recording_id, site_id, source of the stored sites that files of this run claim and cannot have.

    They are another file's. Where that other file is read in this run too, and no longer has a site, the
    site is free.
    """
    key, table = ["recording_id", "site_id"], schema.recording_site.c
    claimed = pl.concat([pl.DataFrame(schema=recordings.SITES_SCHEMA), *taken.values()])
    ids = sa.literal(claimed["recording_id"].unique().to_list(), sa.ARRAY(sa.Text))
    stored = _stored(engine, schema.recording_site, _CLAIM_SCHEMA, table.recording_id == sa.any_(ids))
    read_again = pl.col("source").is_in(list(taken))
    still_there = stored.join(claimed, on=[*key, "source"], how="semi")
    return pl.concat([stored.filter(~read_again), still_there])


def _held_sites(connection: sa.Connection, sources: Collection[str]) -> pl.DataFrame:
    """The stored sites of some sources, which nobody can delete or change before the transaction ends.

    They are written back as they are; without the hold, one that is deleted meanwhile would come back.
    """
    site = schema.recording_site.c
    query = (
        sa.select(*(site[name] for name in recordings.SITES_SCHEMA))
        .where(site.source.in_(sources))
        .order_by(site.recording_id, site.site_id)
        .with_for_update(read=True)
    )
    rows = [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(rows, schema=recordings.SITES_SCHEMA, orient="row")


def _stored(
    engine: sa.Engine, table: sa.Table, columns: pl.Schema, condition: sa.ColumnElement[bool]
) -> pl.DataFrame:
    """Rows of a table, with the columns of a polars schema."""
    query = sa.select(*(table.c[name] for name in columns)).where(condition)
    return _frame(engine, query).cast(columns)


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
    metadata=_table_metadata(schema.recording_region) | {"rows_stay": True},
)
def recording_region(
    context: dg.AssetExecutionContext, postgres: PostgresResource, recording_site: sa.Select[Any]
) -> Stream:
    """The region of every site in every loaded atlas, computed in the database; no site is left out.

    What has its region stays as it is: a row goes with its site, when that moves, and with its atlas.

    A site in no region has a status that says why: outside_brain, outside_volume, invalid_nan or
    invalid_infinite. The view recording_site_region has the regions' names; sites_in('TH') lists the sites in
    a region or anything inside it.
    """
    engine, region = postgres.create_engine(), schema.recording_region.c
    some = sa.select(sa.exists().where(region.source.in_(context.partition_keys)))
    with engine.connect() as connection:
        lacking = bool(connection.scalar(some))  # else all do, and none need be looked up
        many = not lacking and bool(connection.scalar(registration.many_sites(recording_site)))
    atlases = registration.loaded_atlases()
    some_sites = _spread(recording_site, DRAWN_SITES)
    return Stream(
        registration.registrations(recording_site, atlases, hold=True, lacking=lacking, many=many),
        # Drawn while the rows are made, so that the picture finds the sites' places itself.
        lambda: sites_on_plane(context.log, engine, some_sites),
    )


def _spread(sites: sa.Select[Any], most: int) -> sa.Select[Any]:
    """At most so many of some sites (rows of recording_site), always the same, from all over them."""
    site = sites.selected_columns
    return sites.order_by(sa.func.hashtextextended(site.recording_id, site.site_id)).limit(most)


@dg.asset_check(
    asset=recording_region,
    name="inserted_sites",
    description="Rows that a lab inserted itself, looked at as files are; they stay, whatever is found",
)
def inserted_sites(context: dg.AssetCheckExecutionContext, postgres: PostgresResource) -> dg.AssetCheckResult:
    """Look for a lost column, another unit and the like in the rows that came by SQL, source by source.

    In the sources of the run; what was found in others before is said again as long as they have sites.
    """
    engine, site, found = postgres.create_engine(), schema.recording_site.c, schema.recording_finding.c
    keys = keys_of_run(
        context.run.tags, context.instance.get_dynamic_partitions(str(recording_partitions.name))
    )
    sources = [key for key in keys or () if not recordings.is_file(key)]
    sites = pl.DataFrame(schema=recordings.SITES_SCHEMA)
    bad: dict[tuple[str, str], Finding] = {}
    if sources:
        frames, brain = load_frames(*settings.frames_files()), read_brain(engine)
        # A frame that its file no longer describes stays in the database, for the sites that use it.
        these = site.source.in_(sources) & site.frame.in_(list(frames))
        sites = _stored(engine, schema.recording_site, recordings.SITES_SCHEMA, these)
        for (source,), of in sites.group_by("source", maintain_order=True):
            for finding in _findings(of, frames, brain):
                if not finding.passed:
                    bad[str(source), finding.name] = finding
    rows = [
        {"source": source, "name": name, "blocking": False, "sentence": finding.sentence}
        for (source, name), finding in bad.items()
    ]
    of_inserted = sa.exists().where(site.source == found.source) & ~found.source.in_(sources)
    with engine.begin() as connection:
        before = connection.execute(
            sa.select(found.source, found.name, found.sentence).where(of_inserted).order_by(*found)
        )
        others = [row for row in before if not recordings.is_file(row.source)]
        connection.execute(sa.delete(schema.recording_finding).where(found.source.in_(sources)))
        if rows:
            connection.execute(sa.insert(schema.recording_finding), rows)
    told = [*((row["source"], row["name"], row["sentence"]) for row in rows), *others]
    lines = [f"{source}, {name}: {sentence}" for source, name, sentence in told] or ["Nothing found."]
    numbers = {f"{source}, {name}": finding for (source, name), finding in bad.items()}
    return dg.AssetCheckResult(
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description=_listed(lines),
        metadata={"sites": sites.height, **_numbers(numbers)},
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars"},
    code_version="1",
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[recording_region],
    metadata=_table_metadata(schema.recording_agreement),
    check_specs=_specs("recording_agreement", {REPORTED: findings.CHECKS[REPORTED]}),
)
def recording_agreement(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Compare the regions that came with the sites with those computed in the finest loaded atlas."""
    engine = postgres.create_engine()
    with engine.connect() as connection:
        atlas = connection.scalar(registration.loaded_atlases())
    compared = {} if atlas is None else _compared(engine, atlas, context.partition_keys)
    found = {source: findings.reported_region(of) for source, of in compared.items()}
    rows = [
        (
            source,
            atlas,
            *(finding.numbers.get(name, 0) for name in ("compared", "agreeing", "unknown")),
            finding.passed,
            finding.sentence,
        )
        for source, finding in found.items()
    ]
    yield dg.MaterializeResult(value=pl.DataFrame(rows, schema=_AGREEMENT_SCHEMA, orient="row"))
    yield _reported_check(engine, compared, found, context.partition_keys)


def _compared(engine: sa.Engine, atlas: int, sources: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Of each source that reports regions, what is reported beside what is computed."""
    site, region = schema.recording_site.c, schema.recording_region.c
    ontology, up = schema.brain_region.c, schema.region_ancestor.c
    sites = _frame(
        engine,
        sa.select(site.recording_id, site.site_id, site.reported_region, site.source).where(
            site.source.in_(sources), site.reported_region.is_not(None)
        ),
    )
    if sites.is_empty():
        return {}
    computed = _frame(
        engine,
        sa.select(region.recording_id, region.site_id, region.region_id, region.status).where(
            region.source.in_(sources), region.ccf_id == atlas
        ),
    )
    regions = _frame(engine, sa.select(ontology.region_id, ontology.acronym).where(ontology.ccf_id == atlas))
    ancestors = _frame(engine, sa.select(up.region_id, up.ancestor_id).where(up.ccf_id == atlas))
    return {
        str(source): findings.compared_regions(of, computed, regions, ancestors)
        for (source,), of in sites.group_by("source", maintain_order=True)
    }


def _reported_check(
    engine: sa.Engine,
    compared: Mapping[str, pl.DataFrame],
    found: Mapping[str, Finding],
    sources: Sequence[str],
) -> dg.AssetCheckResult:
    """One check over all sources: those of this run, and those that did not agree before.

    Args:
        engine: the database.
        compared: of the run's sources that report regions, what findings.compared_regions gives.
        found: what is said of each of them.
        sources: those of the run.
    """
    t = schema.recording_agreement.c
    with engine.connect() as connection:
        others = connection.execute(
            sa.select(t.source, t.passed, t.sentence).where(t.source.not_in(sources)).order_by(t.source)
        ).all()
    told = [*((source, finding.passed, finding.sentence) for source, finding in found.items()), *others]
    bad = [f"{source}: {sentence}" for source, passed, sentence in told if not passed]
    good = [told[0][-1]] if len(found) == 1 else ["Where regions were reported, they agree."]
    return dg.AssetCheckResult(
        asset_key="recording_agreement",
        check_name=REPORTED,
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN,
        description=_listed(bad or good) if told else "No site came with a region.",
        metadata={
            "sources_compared": len(told),
            "sources_that_differ": len(bad),
            **_numbers(found),
            **(_in_all(pl.concat(compared.values())) if compared else {}),
        },
    )


def _in_all(compared: pl.DataFrame) -> dict[str, Any]:
    """Counts and shares of all of a run's sources together, and a table of what differs most often."""
    metadata: dict[str, Any] = dict(findings.reported_region(compared).numbers)
    if pairs := [dg.TableRecord(pair) for pair in findings.commonest_differences(compared).to_dicts()]:
        metadata["commonest_differences"] = dg.MetadataValue.table(pairs)
    return metadata
