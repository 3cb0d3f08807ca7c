"""Sensors: new recordings, sites without a region, atlases made from content that has changed since.

Each is a thin shell over a pure comparison (recordings.what_is_new, asking.due, currency.outdated). A read
that fails raises, so that it never passes for an empty one; the next tick tries again.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets import asking, currency, inventory, recordings, registration, schema, settings
from ccf_assets.atlases import CATALOGUE
from ccf_assets.errors import CcfError
from ccf_assets.jobs import load_atlas, register_recordings, register_sites
from ccf_assets.partitions import keys_of_run, range_tags, recording_partitions
from ccf_assets.resources import PostgresResource

BATCH_TAG = "ccf_assets/batch"
SETTLE_S = 5.0
"""A file written less than this long ago may still be growing."""

FILES_PER_RUN = 100
"""A run costs some 4 s to start and a small file 10 ms: a thousand files are ten runs."""

RETRY_S = 3600
"""An atlas that is still outdated after a run is asked for again after this long."""

_PARTITIONS = str(recording_partitions.name)


@dg.sensor(
    job=register_recordings,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers new and changed files in the folder of recordings (CCF_RECORDINGS).",
)
def new_recordings(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run for every file that is new or has changed, many files to a run."""
    folder = settings.recordings()
    folder.mkdir(parents=True, exist_ok=True)
    cursor = json.loads(context.cursor or "{}")
    memo = {name: tuple(stamp) for name, stamp in cursor.get("memo", {}).items()}
    try:
        scan = recordings.scan_folder(folder, time.time(), SETTLE_S, memo)
    except CcfError as error:
        return dg.SkipReason(str(error))
    change = recordings.what_is_new(scan, known_files(postgres.create_engine()))
    lacking = {key: scan.files[key].digest for key in (*change.new, *change.changed)}
    waiting = [*scan.waiting.values(), *scan.unreadable.values()]
    idle = waiting[0] if waiting else f"{len(scan.files)} files, nothing new."
    return _requests(context, lacking, cursor.get("asked", {}), {"memo": scan.memo}, idle)


def known_files(engine: sa.Engine) -> dict[str, str]:
    """Partition key → digest of the files that have been read, whether taken or refused."""
    table = schema.recording_file.c
    with engine.connect() as connection:
        return {row.source: row.digest for row in connection.execute(sa.select(table.source, table.digest))}


@dg.sensor(
    job=register_sites,
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers sites that lack a region in a loaded atlas: inserted by SQL, or the atlas came later.",
)
def unregistered_sites(context: dg.SensorEvaluationContext, postgres: PostgresResource) -> dg.SensorResult:
    """Ask for a run for every source that has a site without a row for a loaded atlas."""
    lacking = unregistered(postgres.create_engine())
    for key in _alive(context.instance, register_recordings.name):
        lacking.pop(key, None)  # its run is about to register it
    cursor = json.loads(context.cursor or "{}")
    idle = "Every site has a row for every loaded atlas."
    return _requests(context, lacking, cursor.get("asked", {}), {}, idle)


def unregistered(engine: sa.Engine) -> dict[str, str]:
    """Source → digest of what it lacks, for the sources with a site that lacks a row for a loaded atlas."""
    site, region = schema.recording_site.c, schema.recording_region.c
    atlas = registration.loaded_atlases().subquery().c
    registered = sa.exists().where(
        region.recording_id == site.recording_id,
        region.site_id == site.site_id,
        region.ccf_id == atlas.ccf_id,
    )
    query = (
        sa.select(site.source, atlas.ccf_id, sa.func.count(), sa.func.max(site.inserted_at))
        .join_from(schema.recording_site, atlas.ccf_id.table, sa.true())
        .where(~registered)
        .group_by(site.source, atlas.ccf_id)
        .order_by(site.source, atlas.ccf_id)
    )
    lacks: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for source, *what in connection.execute(query):
            lacks.setdefault(source, []).append(str(what))
    return {source: hashlib.sha256("".join(w).encode()).hexdigest() for source, w in lacks.items()}


def _requests(
    context: dg.SensorEvaluationContext,
    lacking: Mapping[str, str],
    asked_before: Mapping[str, Mapping[str, Any]],
    extra: Mapping[str, object],
    idle: str,
) -> dg.SensorResult:
    """Run requests for what lacks work and is due, new partitions, and the cursor that remembers them."""
    now = time.time()
    asked = {key: asking.Asked(**fields) for key, fields in asked_before.items() if key in lacking}
    due = asking.due(lacking, asked, _alive_batches(context.instance), now)
    there = context.instance.get_dynamic_partitions(_PARTITIONS)
    new = [key for key in due if key not in there]
    requests = []
    for batch in asking.batches(set(due), [*there, *new], FILES_PER_RUN):
        name, remembered = asking.ask(batch, lacking, asked, now)
        asked |= remembered
        requests.append(
            dg.RunRequest(run_key=name, tags={BATCH_TAG: name, **range_tags(batch[0], batch[-1])})
        )
    if lacking and not requests:
        idle = f"Runs for {len(lacking)} have been asked for."
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason(idle),
        dynamic_partitions_requests=[recording_partitions.build_add_request(new)] if new else [],
        cursor=json.dumps({**extra, "asked": {key: dataclasses.asdict(a) for key, a in asked.items()}}),
    )


_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def _unfinished(instance: dg.DagsterInstance, job: str | None = None) -> Iterator[Mapping[str, str]]:
    """Tags of the runs that are queued or running."""
    for run in instance.get_runs(dg.RunsFilter(job_name=job, statuses=_UNFINISHED)):
        yield run.tags


def _alive_batches(instance: dg.DagsterInstance) -> Collection[str]:
    return {tags[BATCH_TAG] for tags in _unfinished(instance) if BATCH_TAG in tags}


def _alive(instance: dg.DagsterInstance, job: str) -> Sequence[str]:
    """The recording partitions that unfinished runs of a job are for."""
    in_order = instance.get_dynamic_partitions(_PARTITIONS)
    return [key for tags in _unfinished(instance, job) for key in keys_of_run(tags, in_order) or ()]


@dg.sensor(
    job=load_atlas,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Brings loaded atlases up to date when the content they were made from has changed.",
)
def outdated_atlases(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for what has become stale of each loaded atlas, after a refresh that brought other content."""
    from ccf_assets.definitions import defs  # not above: the definitions contain this sensor

    engine = postgres.create_engine()
    busy = {tags.get("dagster/partition") for tags in _unfinished(context.instance)}
    wanted = [key.path[-1] for key in defs.resolve_job_def(load_atlas.name).asset_layer.selected_asset_keys]
    asked = False
    for holding in inventory.holdings(engine):
        if holding.key not in CATALOGUE or holding.key in busy:
            continue
        selection = [*wanted, "voxel"] if holding.rows["voxel"] else wanted
        stale = currency.outdated(defs, context.instance, engine, selection, holding.key, holding.ccf_id)
        if stale:
            asked = True
            # With the hour, so that a run that was killed is asked for again, and not every minute.
            content = f"{holding.key} {stale} {time.time() // RETRY_S}"
            yield dg.RunRequest(
                run_key=hashlib.sha256(content.encode()).hexdigest(),
                partition_key=holding.key,
                asset_selection=[dg.AssetKey(name) for name in stale],
            )
    if not asked:
        yield dg.SkipReason("Every loaded atlas is made from the present content.")


sensors = [new_recordings, unregistered_sites, outdated_atlases]
