"""Sensors: they request runs for new recordings, sites without a region, and atlases that are stale.

Each is a thin layer over a comparison that is made elsewhere: recordings.backlog, defs.freshness and
runs.requests. When something cannot be read, the tick fails or is skipped with the reason, and the next tick
tries again: an unreadable folder is never taken for an empty one.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import dagster as dg
import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.db.frames import keep_frames
from ccf_assets.db.loaded import atlases_in_database
from ccf_assets.db.own_catalogue import keep_catalogue
from ccf_assets.db.region_maps import digest_of_maps, keep_maps
from ccf_assets.defs import freshness
from ccf_assets.defs.jobs import (
    OF_FILES,
    VOXEL_ROWS,
    load_atlas,
    load_region_sets,
    load_voxel_rows,
    register_recordings,
    register_sites,
)
from ccf_assets.defs.looks import LOOK_S, Looks
from ccf_assets.defs.partitions import (
    known_recordings,
    missing_partitions,
    recording_partitions,
    unknown_partitions,
)
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted
from ccf_assets.recordings.backlog import (
    files_to_read,
    forgotten,
    refused_files,
    siteless,
    sizes_of_files,
    sizes_of_sources,
    unregistered,
)
from ccf_assets.recordings.folders import folder_of
from ccf_assets.recordings.scan.folder import FolderChange, FolderScan
from ccf_assets.recordings.scan.stamps import SETTLE_S, Stamp
from ccf_assets.recordings.sources import put_examples
from ccf_assets.runs.liveness import START_S, UNFINISHED, close_dead_runs
from ccf_assets.runs.requests import Request, batches, due, request
from ccf_assets.runs.tags import BATCH_TAG, atlas_tags, keys_of_run, range_tags

FILES_PER_RUN = 100
"""Most files in one run. A run takes some 4 s to start and a small file 10 ms: 1000 files are ten runs."""

WIDEST_GAP = 10
"""At most so many unchanged files between two changed ones are read again, to save another run."""

_PARTITIONS = str(recording_partitions.name)

PartitionsRequest: TypeAlias = dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest

_memo: dict[str, Mapping[str, Stamp]] = {}
"""Folder → the files of its last scan, so that unchanged files are not read again. This is not in the cursor,
which Dagster stores with every tick: 1000 files would be 150 KB, twelve times a minute."""


_NO_SLICES: tuple[Mapping[str, int], int] = ({}, 0)
"""How large the work is where there is none."""


_looks = Looks()


@dg.sensor(
    job=register_recordings,
    minimum_interval_seconds=LOOK_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers new and changed files in the folder of recordings (CCF_RECORDINGS).",
)
def new_recordings(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    """Request runs for the files that are new or have changed, many files to a run."""
    try:
        place = settings.recordings()
    except CcfError as error:
        return dg.SkipReason(str(error))
    if reason := _looks.why_not(place):
        return dg.SkipReason(reason)
    with _looks.look(place):
        return _new_recordings(context, postgres.kept_engine(), place)


def _new_recordings(
    context: dg.SensorEvaluationContext, engine: sa.Engine, place: settings.Place
) -> dg.SensorResult | dg.SkipReason:
    try:
        keep_frames(engine)
        put_examples(place, known_recordings(context.instance))
        folder = folder_of(engine, place)
        scan = folder.scan(time.time(), SETTLE_S, _memo.get(str(place)))
        _memo[str(place)] = scan.memo
        change, lacking = files_to_read(engine, folder, scan)
    except (CcfError, OSError) as error:
        return dg.SkipReason(str(error))
    # A refused file that has not changed would be refused again, and make the run of the others fail.
    also = set(scan.files) - refused_files(engine) if lacking else ()
    known = context.instance.get_dynamic_partitions(_PARTITIONS)
    gone = forgotten(engine, folder, scan, known) if set(known) - set(scan.files) else set()
    if gone:  # a range of partitions that a run has yet to read must keep its ends
        gone -= set(_alive(context.instance))
    idle, slices = _nothing_new(scan, change), sizes_of_files(scan) if lacking else _NO_SLICES
    # So large a number of files is only read, one run after the other, since the first file keeps a site that
    # several claim. Regions follow from the sensor unregistered_sites, in runs side by side.
    sizes, largest = slices
    many = len(lacking) > 1 and sum(sizes.get(key, 0) for key in lacking) > largest
    assets = OF_FILES if many else ()
    return _requests(context, lacking, idle, also, WIDEST_GAP, gone, slices, assets)


def _nothing_new(scan: FolderScan, change: FolderChange) -> str:
    """The reason to skip when no file is new; files that cannot be read or are being written come first."""
    parts = [*scan.unreadable.values(), *scan.waiting.values()]
    more = [f"… and {len(parts) - 3} more such files."] if len(parts) > 3 else []  # noqa: PLR2004
    gone = ""
    if change.gone:
        theirs = "its" if len(change.gone) == 1 else "their"
        gone = f"{counted(len(change.gone), 'file was', 'files were')} deleted; {theirs} sites stay."
    return " ".join(
        [*parts[:3], *more, *filter(None, [gone]), f"{counted(len(scan.files), 'file')}, nothing new."]
    )


@dg.sensor(
    job=register_sites,
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers sites that lack a region in an atlas (inserted by SQL, or the atlas was loaded "
    "later), and compares regions that were reported since.",
)
def unregistered_sites(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    """Request runs for the sources with unregistered sites, or with reported regions not yet compared."""
    engine = postgres.kept_engine()
    try:
        # If a lab's frame has changed, a trigger takes the regions of its sites away; they are found below.
        keep_frames(engine)
    except CcfError as error:
        return dg.SkipReason(str(error))
    lacking = unregistered(engine)
    alive = _alive(context.instance, register_recordings.name)
    for key in alive:
        lacking.pop(key, None)  # a run that is queued or running registers it
    also: set[str] = set()
    if lacking:
        also = siteless(engine, context.instance.get_dynamic_partitions(_PARTITIONS)) - set(alive)
    idle = "Every site is registered in every loaded atlas."
    slices = sizes_of_sources(engine) if lacking else _NO_SLICES
    return _requests(context, lacking, idle, also, len(also), (), slices)


def _requests(
    context: dg.SensorEvaluationContext,
    lacking: Mapping[str, str],
    idle: str,
    also: Collection[str],
    widest_gap: int,
    gone: Collection[str],
    slices: tuple[Mapping[str, int], int],
    assets: Sequence[str] = (),
) -> dg.SensorResult:
    """Run requests for what lacks work and is due, the new partitions, and the cursor with the requests.

    Args:
        context: of the tick.
        lacking: partition key → digest of what lacks work.
        idle: the reason to skip when nothing lacks work.
        also: partitions that a run may include although they lack no work.
        widest_gap: most of those between two that lack work.
        gone: partitions to delete.
        slices: how large the work on a partition is, and the most for one run of several.
        assets: the assets to materialize; all of the job's if empty.
    """
    now = time.time()
    requests = {key: before for key, before in _requested_before(context).items() if key in lacking}
    now_due = due(lacking, requests, _alive_batches(context.instance), now)
    there = context.instance.get_dynamic_partitions(_PARTITIONS)
    known = dict.fromkeys(key for key in there if key not in gone)
    new = [key for key in now_due if key not in known]
    runs = []
    in_order = [*known, *new]
    for batch in batches(set(now_due), in_order, FILES_PER_RUN, set(also), widest_gap, *slices):
        wanted = {key: lacking[key] for key in batch if key in lacking}
        name, made = request(batch, wanted, requests, now)
        requests |= made
        runs.append(
            dg.RunRequest(
                run_key=name,
                tags={BATCH_TAG: name, **range_tags(batch[0], batch[-1])},
                asset_selection=[dg.AssetKey(asset) for asset in assets] or None,
            )
        )
    if lacking and not runs:
        idle = f"Runs for {len(lacking)} have been requested."
    return dg.SensorResult(
        run_requests=runs,
        skip_reason=None if runs else dg.SkipReason(idle),
        dynamic_partitions_requests=[
            *([recording_partitions.build_add_request(new)] if new else []),
            *([recording_partitions.build_delete_request(sorted(gone))] if gone else []),
        ],
        cursor=_cursor(requests),
    )


_IN_CURSOR = "asked"
"""Key of the requests in the JSON of a cursor; cursors outlive versions of the program."""


def _requested_before(context: dg.SensorEvaluationContext) -> dict[str, Request]:
    """The requests that the cursor remembers."""
    cursor = context.cursor or ""
    # The cursor of changed_region_sets was once a digest.
    remembered = json.loads(cursor).get(_IN_CURSOR, {}) if cursor.startswith("{") else {}
    return {key: Request(**fields) for key, fields in remembered.items()}


def _cursor(requests: Mapping[str, Request]) -> str:
    return json.dumps({_IN_CURSOR: {key: dataclasses.asdict(each) for key, each in requests.items()}})


def _unfinished(instance: dg.DagsterInstance, job: str | None = None) -> Iterator[Mapping[str, str]]:
    """Tags of the runs that are queued or in progress."""
    for run in instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(UNFINISHED))):
        yield run.tags


def _alive_batches(instance: dg.DagsterInstance) -> Collection[str]:
    return {tags[BATCH_TAG] for tags in _unfinished(instance) if BATCH_TAG in tags}


def _alive(instance: dg.DagsterInstance, job: str | None = None) -> Sequence[str]:
    """The recording partitions of the unfinished runs of a job, or of all."""
    in_order = instance.get_dynamic_partitions(_PARTITIONS)
    return [key for tags in _unfinished(instance, job) for key in keys_of_run(tags, in_order) or ()]


@dg.sensor(
    jobs=[load_atlas, load_voxel_rows],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Updates loaded atlases when the content they were made from has changed, and keeps the "
    "partitions: the atlases in the database, and those that were asked for.",
)
def outdated_atlases(
    context: dg.SensorEvaluationContext, postgres: PostgresResource, sources: SourcesResource
) -> dg.SensorResult | dg.SkipReason:
    """Request a run for the stale assets of each loaded atlas, such as after a refresh with new content."""
    engine, source, graph = (
        postgres.kept_engine(),
        sources.get(),
        freshness.graph_of(context.repository_def),
    )
    jobs = (load_atlas.name, load_voxel_rows.name)
    try:
        keep_catalogue(engine)
        served = freshness.atlases_to_follow(engine, settings.source())
        busy = _busy(context.instance, served)
        found = {
            key: freshness.stale(graph, context.instance, engine, source, key, jobs)
            for key in served
            if key not in busy
        }
    except CcfError as error:
        return dg.SkipReason(str(error))
    stale = {key: names for key, names in found.items() if names}
    lacking = {key: " ".join(names) for key, names in stale.items()}
    idle = "Every loaded atlas is up to date."
    if busy:
        idle = f"{_still_loading(busy)} Every other loaded atlas is up to date."
    partitions = _partition_requests(context.instance, engine)
    return _atlas_requests(context, lacking, {*stale, *busy}, idle, load_atlas.name, stale, partitions)


def _partition_requests(instance: dg.DagsterInstance, engine: sa.Engine) -> list[PartitionsRequest]:
    """Requests for the partitions of atlases that are in the database, and against those that are no atlas.

    A key that is no atlas stays as long as a run of it is queued or in progress.
    """
    atlases = atlases_in_database(engine)
    add = missing_partitions(instance, atlases)
    unknown = unknown_partitions(instance, atlases)
    busy = _busy(instance, {key for keys in unknown.values() for key in keys})
    remove = {of: [key for key in keys if key not in busy] for of, keys in unknown.items()}
    return [
        *(of.build_add_request(keys) for of, keys in add.items()),
        *(of.build_delete_request(keys) for of, keys in remove.items() if keys),
    ]


def _still_loading(atlases: Collection[str]) -> str:
    return f"Runs are queued or in progress for {', '.join(atlases)}; checked again when they have ended."


def _busy(instance: dg.DagsterInstance, atlases: Collection[str]) -> list[str]:
    """The atlases of which a run is queued or in progress."""
    named = {tags.get("dagster/partition") for tags in _unfinished(instance)}
    return [key for key in atlases if key in named]


def _atlas_requests(
    context: dg.SensorEvaluationContext,
    lacking: Mapping[str, str],
    remembered: Collection[str],
    idle: str,
    job: str,
    assets: Mapping[str, Sequence[str]],
    partitions: Sequence[PartitionsRequest] = (),
) -> dg.SensorResult:
    """A run request for every atlas that lacks work and is due, and the cursor with the requests.

    Args:
        context: of the tick.
        lacking: key of an atlas → digest of what it lacks.
        remembered: atlases whose earlier requests stay in the cursor.
        idle: the reason to skip when nothing lacks work.
        job: the job to run.
        assets: key of an atlas → the assets to materialize; all assets of the job for other atlases.
        partitions: changes of the sets of partitions.
    """
    now = time.time()
    requests = {key: before for key, before in _requested_before(context).items() if key in remembered}
    runs = []
    for key in due(lacking, requests, (), now):
        name, made = request([key], lacking, requests, now)
        requests |= made
        # Rows of voxels have partitions of their own: they follow in another run, when the rest is done.
        names = [asset for asset in assets.get(key, ()) if asset != VOXEL_ROWS]
        only_rows = bool(assets.get(key)) and not names
        runs.append(
            dg.RunRequest(
                run_key=name,
                job_name=load_voxel_rows.name if only_rows else job,
                tags={BATCH_TAG: name, **atlas_tags(key)},
                partition_key=key,
                asset_selection=[dg.AssetKey(asset) for asset in names] or None,
            )
        )
    if lacking:
        idle = f"Runs for {', '.join(lacking)} have been requested."
    return dg.SensorResult(
        run_requests=runs,
        skip_reason=None if runs else dg.SkipReason(idle),
        dynamic_partitions_requests=partitions,
        cursor=_cursor(requests),
    )


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records runs whose process was killed as failed, so that their work is requested again.",
)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Record as failed the runs that no process executes any more; see runs.liveness.close_dead_runs."""
    lost = close_dead_runs(context.instance, START_S)
    return dg.SkipReason(
        f"Recorded as failed, because their processes were killed: {', '.join(lost)}."
        if lost
        else "No run has lost its process."
    )


@dg.sensor(
    job=load_region_sets,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Groups the regions of loaded atlases again when the maps in CCF_REGION_SETS change.",
)
def changed_region_sets(
    context: dg.SensorEvaluationContext, postgres: PostgresResource, sources: SourcesResource
) -> dg.SensorResult | dg.SkipReason:
    """Request a run for every loaded atlas whose regions were grouped by other maps than the present ones."""
    engine, instance = postgres.kept_engine(), context.instance
    source, graph = sources.get(), freshness.graph_of(context.repository_def)
    atlases = freshness.atlases_to_follow(engine, settings.source())
    busy, before = _busy(instance, atlases), _requested_before(context)
    try:
        keep_maps(engine, settings.region_sets())
    except CcfError as error:
        return dg.SkipReason(str(error))
    digest = digest_of_maps(engine)
    jobs = (load_region_sets.name,)
    changed = [
        key
        for key in atlases
        if key not in busy and freshness.stale(graph, instance, engine, source, key, jobs)
    ]
    # A run that succeeded with these maps and left no tag has refused one of them, and would do so again.
    refused = {
        key
        for key in changed
        if key in before and before[key].digest == digest and _succeeded(instance, before[key])
    }
    lacking = {key: digest for key in changed if key not in refused}
    idle = _still_loading(busy) if busy else "The region maps have not changed."
    return _atlas_requests(context, lacking, {*changed, *busy}, idle, load_region_sets.name, {})


def _succeeded(instance: dg.DagsterInstance, request: Request) -> bool:
    """Whether a run of this request has succeeded."""
    done = dg.RunsFilter(tags={BATCH_TAG: request.batch}, statuses=[dg.DagsterRunStatus.SUCCESS])
    return instance.get_runs_count(done) > 0


# Dagster would make one by itself, which is stopped.
changed_atlases = dg.AutomationConditionSensorDefinition(
    "changed_atlases",
    target=dg.AssetSelection.assets("region_consistency"),
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares the atlases again when one was loaded with other content (the automation condition "
    "of region_consistency).",
)

sensors = [
    new_recordings,
    unregistered_sites,
    outdated_atlases,
    changed_region_sets,
    changed_atlases,
    lost_runs,
]
