"""Group *recordings*: sites as they are given, and the region of each in every loaded atlas.

A run may cover a range of partitions, so that a thousand small files are a few runs and not a thousand.
A file that cannot be taken does not keep back the others of its run: it is refused by itself, in words, and
what is stored of it from before stays.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.ccf.frames.files import load_frames
from ccf_assets.db import schema, site_regions
from ccf_assets.db.frames import keep_frames
from ccf_assets.db.loaded import select_loaded_atlases
from ccf_assets.defs.figures import sites_on_plane
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.defs.resources import PostgresResource
from ccf_assets.defs.table_metadata import OWNERS, whole_table_metadata
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding
from ccf_assets.pg.bring import Stream
from ccf_assets.pg.connect import let_go_if_interrupted
from ccf_assets.recordings.files.keys import is_file
from ccf_assets.recordings.findings import look
from ccf_assets.recordings.findings.claims import claimed_elsewhere
from ccf_assets.recordings.findings.claims import claims as claims_of
from ccf_assets.recordings.folders import folder_of
from ccf_assets.recordings.intake import (
    CLAIM_SCHEMA,
    READABLE,
    circumstances,
    findings_of_others,
    held_sites,
    owned_sites,
    read_files,
    rests_on,
    stored_rows,
)


def check_of_files(
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
        description=listed(lines),
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

_LINES_OF_A_CHECK = 20

DRAWN_SITES = 5_000
"""Most sites in the picture of a run: more are no more to be told apart, and each is looked up once more."""


def source_metadata(table: sa.Table) -> dict[str, Any]:
    return {"partition_expr": "source", **whole_table_metadata(table)}


def check_specs(asset: str, checks: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in checks.items()]


def check_numbers(found: Mapping[str, Finding]) -> dict[str, Any]:
    """The numbers behind a check as metadata: of one source by name, of several the failing ones as JSON."""
    if len(found) == 1:
        return dict(next(iter(found.values())).numbers)
    bad = {source: dict(finding.numbers) for source, finding in found.items() if not finding.passed}
    told = dict(itertools.islice(bad.items(), _LINES_OF_A_CHECK))
    return {"numbers": dg.MetadataValue.json(told)} if told else {}


def listed(lines: Sequence[str]) -> str:
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
    check_specs=check_specs("recording_finding", _FILE_CHECKS),
    partitions_def=recording_partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def read_recordings(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Read and check the files of the run's partitions; store their sites, then what was found."""
    engine = postgres.create_engine()
    frames, keys = load_frames(*settings.frames_files()), context.partition_keys
    others = [key for key in keys if not is_file(key)]
    if others:
        # Reading its rows and writing them back would undo what the lab inserts meanwhile.
        raise CcfError(
            f"{', '.join(others)} is no file: these rows were inserted. Run the job register_sites for them."
        )
    with engine.begin() as connection:
        keep_frames(connection, frames)
    now = circumstances(engine, frames)  # first: should they change meanwhile, the files are looked at again
    folder = folder_of(engine, settings.recordings())
    read, left = read_files(folder, keys, frames, engine, context.log.info)
    taken = {file.key: file.sites for file in read if file.sites is not None}
    owned = owned_sites(engine, taken)
    claim, finding_, file_ = schema.recording_claim, schema.recording_finding, schema.recording_file
    parts = []
    claims = [stored_rows(engine, claim, CLAIM_SCHEMA, claim.c.source.in_(left))]
    for place, file in enumerate(read):
        if file.sites is not None:
            finding, claimed = (
                claimed_elsewhere(file.sites, owned),
                claims_of(file.sites, owned),
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
        parts.append(held_sites(holding, set(keys) - set(taken)))
        yield dg.Output(pl.concat(parts), output_name="recording_site")
    yield dg.Output(pl.concat(claims), output_name="recording_claim")
    found_before = stored_rows(engine, finding_, _FINDING_SCHEMA, finding_.c.source.in_(left))
    yield dg.Output(
        pl.concat([found_before, pl.DataFrame(found, schema=_FINDING_SCHEMA, orient="row")]),
        output_name="recording_finding",
    )
    still = findings_of_others(engine, set(keys) - set(left))
    for name in _FILE_CHECKS:
        of_run = {file.key: finding for file in read for finding in file.seen if finding.name == name}
        yield check_of_files(name, of_run, still.get(name, {}))
    rows = [(f.key, f.digest, rests_on(f.sites, now), f.height, f.sites is None) for f in read]
    files_before = stored_rows(engine, file_, _FILE_SCHEMA, file_.c.source.in_(left))
    yield dg.Output(
        pl.concat([files_before, pl.DataFrame(rows, schema=_FILE_SCHEMA, orient="row")]),
        output_name="recording_file",
        metadata={
            "files": len(read),
            "files_refused": sum(file.sites is None for file in read),
            "files_still_being_written": len(left),
        },
    )


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
        missing = bool(connection.scalar(some))  # otherwise all are missing, and none is looked up
        in_bulk = not missing and bool(connection.scalar(site_regions.many_sites(recording_site)))
    atlases = select_loaded_atlases()
    some_sites = _spread(recording_site, DRAWN_SITES)
    return Stream(
        site_regions.site_regions(
            recording_site, atlases, lock_sites=True, only_missing=missing, in_bulk=in_bulk
        ),
        # Drawn while the rows are made, so that the picture finds the sites' places itself.
        lambda: sites_on_plane(context.log, engine, some_sites),
    )


def _spread(sites: sa.Select[Any], most: int) -> sa.Select[Any]:
    """At most so many of some sites (rows of recording_site), always the same, from all over them."""
    site = sites.selected_columns
    return sites.order_by(sa.func.hashtextextended(site.recording_id, site.site_id)).limit(most)
