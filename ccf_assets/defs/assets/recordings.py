"""Group *recordings*: sites as they are given, and the region of each in every loaded atlas.

A run may cover a range of partitions, so that a thousand small files are a few runs and not a thousand.
A file with errors is refused with a sentence; the other files of its run are loaded, and its sites stored
earlier stay. Then the run fails with the sentence, so that the partition of a refused file is not green. How
files are read and checked is in the package recordings.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.db import schema, site_regions
from ccf_assets.db.frames import stored_frames
from ccf_assets.db.loaded import select_loaded_atlases
from ccf_assets.defs.figures import sites_on_plane
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.defs.resources import InPlace, PostgresResource
from ccf_assets.defs.table_metadata import OWNERS, column_lineage, whole_table_metadata
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding
from ccf_assets.pg.connect import let_go_if_interrupted
from ccf_assets.pg.copy_in import Stream
from ccf_assets.recordings.findings import look
from ccf_assets.recordings.findings.claims import KEY, claimed_elsewhere
from ccf_assets.recordings.findings.claims import claims as claims_of
from ccf_assets.recordings.folders import folder_to_read
from ccf_assets.recordings.intake import (
    READABLE,
    ReadFile,
    circumstances,
    files_refused,
    findings_of_others,
    read_files,
    rests_on,
)
from ccf_assets.recordings.ownership import CLAIM_SCHEMA, of_files, prepare_to_store
from ccf_assets.recordings.stored import held_sites, store_sources, stored_rows
from ccf_assets.refusals import in_words
from ccf_assets.runs.tags import FILES_TAG, REFUSED_TAG


def check_of_files(
    name: str, read: Mapping[str, Finding], others: Mapping[str, Finding]
) -> dg.AssetCheckResult:
    """One check of all files: an error if a file is refused for it, otherwise a warning.

    Args:
        name: the name of the check.
        read: the findings of the files of this run, by key.
        others: the stored findings of the files that this run does not read.
    """
    bad = {key: finding for key, finding in {**read, **others}.items() if not finding.passed}
    refused = any(finding.blocking for finding in bad.values())
    lines = [f"{key}: {finding.sentence}" for key, finding in bad.items()]
    if not lines:
        nothing = "Nothing found." if read else "Not looked at: no file of this run came to it."
        lines = [finding.sentence for finding in read.values()] if len(read) == 1 else [nothing]
    return dg.AssetCheckResult(
        asset_key="recording_finding",
        check_name=name,
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR if refused else dg.AssetCheckSeverity.WARN,
        description=description_of(lines),
        metadata={"files_read": len(read), "files_with_it": len(bad), **check_numbers(read)},
    )


GROUP = "recordings"

REPORTED = "reported_region"

_FILE_CHECKS = {
    READABLE: "Files that cannot be read, or do not say all that is needed",
    **{name: about for name, about in look.CHECKS.items() if name != REPORTED},
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

_OF_FILES = (
    schema.recording_site,
    schema.recording_claim,
    schema.recording_finding,
    schema.recording_file,
)
"""The tables that a file fills, in the order in which they are written."""

_LINES_OF_A_CHECK = 20

DRAWN_SITES = 5_000
"""Most sites in the picture of a run, and in its share of sites with a region: each costs a lookup."""

_POINT = tuple(f"recording_site.{column}" for column in ("ap", "dv", "ml", "frame"))

_REGION_LINEAGE = column_lineage(
    recording_id=["recording_site.recording_id"],
    site_id=["recording_site.site_id"],
    source=["recording_site.source"],
    ccf_id=["voxel_run.ccf_id"],
    **dict.fromkeys("xz", _POINT),
    y=[*_POINT, "brain_surface.y"],
    hemisphere=_POINT,
    region_id=[*_POINT, "voxel_run.region_id"],
    status=[*_POINT, "voxel_run.region_id"],
)


def source_metadata(table: sa.Table) -> dict[str, Any]:
    """Metadata of an asset whose table has partitions by source."""
    return {"partition_expr": "source", **whole_table_metadata(table)}


def check_specs(asset: str, checks: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    """The checks of an asset, from name → description."""
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in checks.items()]


def check_numbers(findings: Mapping[str, Finding]) -> dict[str, Any]:
    """The numbers of a check as metadata: of one source by name, of several the failing ones as JSON."""
    if len(findings) == 1:
        return dict(next(iter(findings.values())).numbers)
    bad = {source: dict(finding.numbers) for source, finding in findings.items() if not finding.passed}
    numbers = dict(itertools.islice(bad.items(), _LINES_OF_A_CHECK))
    return {"numbers": dg.MetadataValue.json(numbers)} if numbers else {}


def description_of(lines: Sequence[str]) -> str:
    """The first lines of a check's result, and how many more there are."""
    more = len(lines) - _LINES_OF_A_CHECK
    return "\n".join([*lines[:_LINES_OF_A_CHECK], *([f"… and {more} more."] if more > 0 else [])])


def _out(table: sa.Table, description: str) -> dg.AssetOut:
    return dg.AssetOut(
        description=description,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres", "csv", "polars"},
        code_version="1",
        metadata=source_metadata(table),
        is_required=False,
    )


@dg.multi_asset(
    can_subset=True,  # so that a check that no file reached can be skipped; the tables are written together
    # In this order: a file counts as read once all of it is stored, so a killed run is requested again.
    outs={
        "recording_site": _out(
            schema.recording_site,
            "The sites of the files that were loaded, in their own frames, and rows inserted by SQL.\n\n"
            "A file replaces only its own sites. A site that another source has already stays with that one.",
        ),
        "recording_claim": _out(
            schema.recording_claim,
            "Sites in a file that another source has already.\n\n"
            "They stay with that source. When it drops them, the file is read again and takes them over.",
        ),
        "recording_finding": _out(
            schema.recording_finding,
            "Errors and warnings about each file, in words.\n\n"
            "Errors (a coordinate lost, indices instead of micrometres, a site twice) reject the file: none "
            "of its sites is loaded, those stored earlier stay. Doubts are reported as warnings; the sites "
            "are loaded.",
        ),
        "recording_file": _out(
            schema.recording_file,
            "Each file of recording sites that was read, whether its sites were loaded or not.",
        ),
    },
    check_specs=check_specs("recording_finding", _FILE_CHECKS),
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
@in_words
def read_recordings(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
    """Read and check the files of the run's partitions; store their sites, then the findings."""
    refuse_check_alone(context, "Files are checked while they are read: materialize recording_finding")
    engine = postgres.create_engine()
    frames = stored_frames(engine)
    keys, inserted = _files_and_inserted(context, engine)
    if inserted:
        # Reading these rows and writing them back would undo what the lab inserts meanwhile.
        context.log.info(
            f"{', '.join(inserted)}: these rows were inserted by SQL and come from no file; they stay as "
            "they are."
        )
    if not keys:
        yield from _without_files(context, engine)
        return
    now = circumstances(engine, frames)  # first: if they change meanwhile, the files are checked again
    folder = folder_to_read(engine, settings.recordings())
    read, left = read_files(folder, keys, frames, engine, context.log.info)
    taken = {file.key: file.sites for file in read if file.sites is not None}
    owned = prepare_to_store(engine, folder, taken)
    claim, finding_, file_ = schema.recording_claim, schema.recording_finding, schema.recording_file
    read, parts, claims = _divided(read, owned)
    claims.append(stored_rows(engine, claim, CLAIM_SCHEMA, claim.c.source.in_(left)))
    failed = [
        (file.key, finding.name, finding.blocking, finding.sentence)
        for file in read
        for finding in file.findings
        if not finding.passed
    ]
    for key, name, blocking, sentence in failed:
        context.log.warning(f"{key} {'was refused' if blocking else f'is suspicious ({name})'}: {sentence}")
    refused = {file.key for file in read if file.sites is None}
    counts = {FILES_TAG: len(read), REFUSED_TAG: len(refused)}
    context.instance.add_run_tags(context.run_id, {tag: str(count) for tag, count in counts.items()})

    def stored(table: sa.Table, rows: pl.DataFrame, **numbers: int) -> Iterator[dg.Output[Any]]:
        selected = not refused and table.name in context.selected_output_names
        if selected and not inserted:
            yield dg.Output(rows, output_name=table.name, metadata=numbers)
            return
        # An output is of every partition of the run, those of refused files and inserted rows too.
        store_sources(engine, table, keys, rows, context.log.info)
        if selected:
            yield dg.Output(InPlace(), output_name=table.name, metadata=numbers)
            return
        counts = dict(rows["source"].value_counts().iter_rows())
        for key in set(keys) - refused:
            of_key = {"dagster/partition_row_count": counts.get(key, 0), **numbers}
            context.log_event(dg.AssetMaterialization(table.name, partition=key, metadata=of_key))

    # If storing them fails, the generator is closed here, which ends the transaction and its locks.
    with engine.begin() as holding, let_go_if_interrupted(holding):
        parts.append(held_sites(holding, set(keys) - set(taken)))
        yield from stored(schema.recording_site, pl.concat(parts))
    yield from stored(claim, pl.concat(claims))
    before = stored_rows(engine, finding_, _FINDING_SCHEMA, finding_.c.source.in_(keys))
    found = [
        before.filter(pl.col("source").is_in(left)),
        pl.DataFrame(failed, schema=_FINDING_SCHEMA, orient="row"),
    ]
    yield from stored(finding_, pl.concat(found))
    still = findings_of_others(engine, set(keys) - set(left))
    for _, name in sorted(context.selected_asset_check_keys):
        of_run = {file.key: finding for file in read for finding in file.findings if finding.name == name}
        # In a run that fails, Dagster shows a check without a result as failed.
        if of_run or name in still or name in before["name"] or refused:
            yield check_of_files(name, of_run, still.get(name, {}))
    rows = [(f.key, f.digest, rests_on(f.sites, frames, now), f.height, f.sites is None) for f in read]
    files_before = stored_rows(engine, file_, _FILE_SCHEMA, file_.c.source.in_(left))
    yield from stored(
        file_,
        pl.concat([files_before, pl.DataFrame(rows, schema=_FILE_SCHEMA, orient="row")]),
        files=len(read),
        files_refused=len(refused),
        files_still_being_written=len(left),
    )
    if refused:
        raise files_refused({key: text for key, _, blocking, text in failed if blocking}, len(read))


def _files_and_inserted(context: dg.AssetExecutionContext, engine: sa.Engine) -> tuple[list[str], list[str]]:
    """The partitions of a run that are of files, and those of rows inserted by SQL."""
    files = of_files(engine, context.partition_keys)
    return [key for key in context.partition_keys if key in files], [
        key for key in context.partition_keys if key not in files
    ]


def _without_files(
    context: dg.AssetExecutionContext, engine: sa.Engine
) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
    """The outputs and checks of a run that has inserted rows only."""
    names = [table.name for table in _OF_FILES if table.name in context.selected_output_names]
    yield from (dg.Output(InPlace(), output_name=name) for name in names)
    yield from _checks_as_stored(engine, [name for _, name in sorted(context.selected_asset_check_keys)])


def refuse_check_alone(context: dg.AssetExecutionContext, instead: str) -> None:
    """Refuse the run of a check alone, which the UI offers and starts without a partition.

    Args:
        context: of the asset that the check belongs to.
        instead: what to do, without the end of the sentence.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise CcfError(f"{instead} for a file.")


def _divided(
    read: Sequence[ReadFile], owned: pl.DataFrame
) -> tuple[list[ReadFile], list[pl.DataFrame], list[pl.DataFrame]]:
    """Divide the sites among the files: one that another source has already stays with that one.

    Args:
        read: the files, in the order in which they became known.
        owned: the sites of other sources.

    Returns:
        The files, with what was found about claims; the sites that each keeps; and the claims of each.
    """
    files, parts, claims = list(read), [], []
    for place, file in enumerate(files):
        if file.sites is not None:
            claimed = claims_of(file.sites, owned)
            finding = claimed_elsewhere(file.sites, owned)
            files[place] = replace(file, findings=[*file.findings, finding])
            claims.append(claimed)
            parts.append(  # without claims the sites as they are: a join copies them
                file.sites.join(claimed, on=KEY, how="anti", maintain_order="left")
                if claimed.height
                else file.sites
            )
            owned = pl.concat([owned, parts[-1].select(owned.columns)])
    return files, parts, claims


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
    metadata=source_metadata(schema.recording_region) | {"rows_stay": True},
)
@in_words
def recording_region(
    context: dg.AssetExecutionContext, postgres: PostgresResource, recording_site: sa.Select[Any]
) -> Stream:
    """The region of every site in every loaded atlas, computed in the database; no site is left out.

    Existing rows stay as they are: a row is deleted with its site, when the site moves, and with its atlas.

    A site in no region has a status that says why: outside_brain, outside_volume, invalid_nan,
    invalid_infinite or missing. The view recording_site_region has the regions' names; sites_in('TH') lists
    the sites in a region or anything inside it.
    """
    engine, tally = postgres.create_engine(), schema.recording_tally.c
    some = sa.select(sa.func.sum(tally.sites) > 0).where(
        tally.source.in_(context.partition_keys), tally.registered_in.is_not(None)
    )
    with engine.connect() as connection:
        missing = bool(connection.scalar(some))  # otherwise all are missing, and none is looked up
        in_bulk = not missing and bool(connection.scalar(site_regions.many_sites(recording_site)))
    _record_inserted(context, engine)
    atlases = select_loaded_atlases()
    some_sites = _spread(recording_site, DRAWN_SITES)

    def shown() -> dict[str, Any]:
        # While the rows are being made, so this computes the places of some sites itself.
        return {**sites_on_plane(context.log, engine, some_sites), **_REGION_LINEAGE}

    return Stream(
        site_regions.site_regions(
            recording_site, atlases, lock_sites=True, only_missing=missing, in_bulk=in_bulk
        ),
        shown,
    )


def _record_inserted(context: dg.AssetExecutionContext, engine: sa.Engine) -> None:
    """Record once that the rows inserted by SQL are there, in the tables that files would fill.

    No run of those assets makes them, and without it their partition would be shown as missing for ever. The
    results of the checks are repeated: a result of an earlier run is not shown.
    """
    _, keys = _files_and_inserted(context, engine)
    if not keys:
        return
    source = schema.recording_source.c
    with engine.connect() as connection:
        counts = sa.select(source.source, source.sites).where(source.source.in_(keys))
        sites = {row.source: int(row.sites) for row in connection.execute(counts)}
    for table in _OF_FILES:
        new = [key for key in keys if not _is_recorded(context.instance, table.name, key)]
        for key in new:
            rows = {"dagster/partition_row_count": sites.get(key, 0)}
            about = rows if table is schema.recording_site else {}
            said = "Rows inserted by SQL: there is no file to read."
            context.log_event(dg.AssetMaterialization(table.name, said, about, partition=key))
        if new and table is schema.recording_finding:
            for result in _checks_as_stored(engine, list(_FILE_CHECKS)):
                context.log_event(
                    dg.AssetCheckEvaluation(
                        asset_key=dg.AssetKey(table.name),
                        check_name=str(result.check_name),
                        passed=result.passed,
                        severity=result.severity,
                        description=result.description,
                        metadata=result.metadata,
                    )
                )


def _is_recorded(instance: dg.DagsterInstance, name: str, key: str) -> bool:
    """Whether a partition of an asset was ever materialized."""
    of_key = dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[key])
    return bool(instance.fetch_materializations(of_key, limit=1).records)


def _checks_as_stored(engine: sa.Engine, names: Sequence[str]) -> Iterator[dg.AssetCheckResult]:
    """Checks of files in a run that reads none; nothing if no file was ever read."""
    with engine.connect() as connection:
        if not connection.scalar(sa.select(sa.exists().select_from(schema.recording_file))):
            return
    still = findings_of_others(engine, ())
    yield from (check_of_files(name, {}, still.get(name, {})) for name in names)


def _spread(sites: sa.Select[Any], most: int) -> sa.Select[Any]:
    """A sample of at most ``most`` of some sites (rows of recording_site), always the same."""
    site = sites.selected_columns
    return sites.order_by(sa.func.hashtextextended(site.recording_id, site.site_id)).limit(most)
