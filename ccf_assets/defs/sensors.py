"""Sensors: new recordings, sites without a region, atlases made from content that has changed since.

Each is a thin shell over a pure comparison (recordings.what_is_new, asking.due, currency.outdated). A read
that fails raises or says so, and never passes for an empty one; the next tick tries again.
"""

import dataclasses
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

import dagster as dg

from ccf_assets import settings
from ccf_assets.ccf import region_sets
from ccf_assets.ccf.catalogue import CATALOGUE
from ccf_assets.ccf.frames.files import load_frames
from ccf_assets.db.frames import keep_frames
from ccf_assets.db.loaded import atlases_in_database, served_atlases
from ccf_assets.defs import freshness
from ccf_assets.defs.jobs import load_atlas, load_region_sets, register_recordings, register_sites
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.defs.resources import PostgresResource
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted
from ccf_assets.recordings import sources
from ccf_assets.recordings.backlog import files_to_read, siteless, unregistered
from ccf_assets.recordings.files.folder import (
    SETTLE_S,
    FolderChange,
    FolderScan,
    Stamp,
)
from ccf_assets.recordings.folders import folder_of
from ccf_assets.runs.liveness import UNFINISHED, close_dead_runs
from ccf_assets.runs.requests import Asked, ask, batches, due
from ccf_assets.runs.tags import BATCH_TAG, keys_of_run, range_tags

FILES_PER_RUN = 100
"""A run costs some 4 s to start and a small file 10 ms: a thousand files are ten runs."""

WIDEST_GAP = 10
"""So many unchanged files between two changed ones are read again rather than starting another run."""

_PARTITIONS = str(recording_partitions.name)

_memo: dict[str, Mapping[str, Stamp]] = {}
"""Folder → what its last scan saw: saves reading files that have not changed. Not in the cursor, which
Dagster keeps with every tick: a thousand files would be 150 KB, four times a minute."""


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
    path, engine = settings.recordings(), postgres.create_engine()
    try:
        sources.put_examples(path, context.instance.get_dynamic_partitions(_PARTITIONS))
        folder = folder_of(engine, path)
        scan = folder.scan(time.time(), SETTLE_S, _memo.get(str(path)))
        _memo[str(path)] = scan.memo
        change, lacking = files_to_read(engine, folder, scan)
    except (CcfError, OSError) as error:
        return dg.SkipReason(str(error))
    return _requests(context, lacking, _nothing_new(scan, change), scan.files, WIDEST_GAP)


def _nothing_new(scan: FolderScan, change: FolderChange) -> str:
    """What to say where there is nothing to do: first what the user should know of."""
    parts = [*scan.unreadable.values(), *scan.waiting.values()]
    more = [f"… and {len(parts) - 3} more such files."] if len(parts) > 3 else []  # noqa: PLR2004
    gone = ""
    if change.gone:
        theirs = "its" if len(change.gone) == 1 else "their"
        gone = f"{counted(len(change.gone), 'file is', 'files are')} gone; {theirs} sites stay."
    return " ".join(
        [*parts[:3], *more, *filter(None, [gone]), f"{counted(len(scan.files), 'file')}, nothing new."]
    )


@dg.sensor(
    job=register_sites,
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers sites that lack a region in an atlas (inserted by SQL, or the atlas came later), "
    "and compares regions that were reported since.",
)
def unregistered_sites(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run for every source with a site that is not registered, or reports that are not compared."""
    engine = postgres.create_engine()
    try:
        frames = load_frames(*settings.frames_files())
    except CcfError as error:
        return dg.SkipReason(str(error))
    with engine.begin() as connection:
        # A lab's frame that was changed: its sites lose their regions (a trigger) and are found below.
        keep_frames(connection, frames)
    lacking = unregistered(engine)
    alive = _alive(context.instance, register_recordings.name)
    for key in alive:
        lacking.pop(key, None)  # its run is about to register it
    also: set[str] = set()
    if lacking:
        also = siteless(engine, context.instance.get_dynamic_partitions(_PARTITIONS)) - set(alive)
    return _requests(context, lacking, "Every site has a row for every loaded atlas.", also, len(also))


def _requests(
    context: dg.SensorEvaluationContext,
    lacking: Mapping[str, str],
    idle: str,
    also: Collection[str] = (),
    widest_gap: int = 0,
) -> dg.SensorResult:
    """Run requests for what lacks work and is due, new partitions, and the cursor that remembers them.

    Args:
        context: of the tick.
        lacking: partition key → digest of what lacks work.
        idle: what to say where nothing lacks work.
        also: partitions that a run may do again on its way from one to another.
        widest_gap: most of those in one gap.
    """
    now = time.time()
    asked = {key: before for key, before in _asked_before(context).items() if key in lacking}
    now_due = due(lacking, asked, _alive_batches(context.instance), now)
    there = dict.fromkeys(context.instance.get_dynamic_partitions(_PARTITIONS))
    new = [key for key in now_due if key not in there]
    requests = []
    for batch in batches(set(now_due), [*there, *new], FILES_PER_RUN, set(also), widest_gap):
        wanted = {key: lacking[key] for key in batch if key in lacking}
        name, remembered = ask(batch, wanted, asked, now)
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
        cursor=_cursor(asked),
    )


def _asked_before(context: dg.SensorEvaluationContext) -> dict[str, Asked]:
    """The requests that the cursor remembers."""
    cursor = context.cursor or ""
    # The cursor of changed_region_sets was once a digest.
    remembered = json.loads(cursor).get("asked", {}) if cursor.startswith("{") else {}
    return {key: Asked(**fields) for key, fields in remembered.items()}


def _cursor(asked: Mapping[str, Asked]) -> str:
    return json.dumps({"asked": {key: dataclasses.asdict(a) for key, a in asked.items()}})


def _unfinished(instance: dg.DagsterInstance, job: str | None = None) -> Iterator[Mapping[str, str]]:
    """Tags of the runs that are queued or running."""
    for run in instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(UNFINISHED))):
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
def outdated_atlases(context: dg.SensorEvaluationContext, postgres: PostgresResource) -> dg.SensorResult:
    """Ask for what has become stale of each loaded atlas, after a refresh that brought other content."""
    from ccf_assets.definitions import defs  # not above: the definitions contain this sensor

    engine = postgres.create_engine()
    served = served_atlases(engine, phantom_only=settings.source() == settings.PHANTOM)
    busy = _busy(context.instance, served)
    wanted = [key.path[-1] for key in defs.resolve_job_def(load_atlas.name).asset_layer.selected_asset_keys]
    stale: dict[str, list[str]] = {}
    for key, has_rows in served.items():
        if key not in busy:
            selection = [*wanted, "voxel"] if has_rows else wanted
            ccf_id = CATALOGUE[key].ccf_id
            if outdated := freshness.outdated(defs, context.instance, engine, selection, key, ccf_id):
                stale[key] = outdated
    lacking = {key: " ".join(names) for key, names in stale.items()}
    idle = "Every loaded atlas is made from the present content."
    if busy:
        others = "Every other one is made from the present content."
        idle = f"Being loaded, and looked at after that: {', '.join(busy)}. {others}"
    return _atlas_requests(context, lacking, {*stale, *busy}, idle, stale)


def _busy(instance: dg.DagsterInstance, atlases: Collection[str]) -> list[str]:
    """Those of ``atlases`` that a queued or running run is for."""
    named = {tags.get("dagster/partition") for tags in _unfinished(instance)}
    return [key for key in atlases if key in named]


def _atlas_requests(
    context: dg.SensorEvaluationContext,
    lacking: Mapping[str, str],
    remembered: Collection[str],
    idle: str,
    assets: Mapping[str, Sequence[str]],
) -> dg.SensorResult:
    """A run request for every atlas that lacks work and is due, and the cursor that remembers them.

    Args:
        context: of the tick.
        lacking: key of an atlas → digest of what it lacks.
        remembered: atlases of which earlier requests are not forgotten.
        idle: what to say where nothing lacks work.
        assets: key of an atlas → what to make; all of the job's where it is not there.
    """
    now = time.time()
    asked = {key: before for key, before in _asked_before(context).items() if key in remembered}
    requests = []
    for key in due(lacking, asked, (), now):
        name, request = ask([key], lacking, asked, now)
        asked |= request
        selection = [dg.AssetKey(asset) for asset in assets.get(key, ())] or None
        requests.append(
            dg.RunRequest(run_key=name, tags={BATCH_TAG: name}, partition_key=key, asset_selection=selection)
        )
    if lacking:
        idle = f"Runs for {', '.join(lacking)} have been asked for."
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason(idle),
        cursor=_cursor(asked),
    )


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed, so that what they were to do is asked for again.",
)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Report as failed the runs that nobody carries out any more; see instance.close_dead_runs."""
    lost = close_dead_runs(context.instance)
    return dg.SkipReason(
        f"Ended, for their processes are gone: {', '.join(lost)}." if lost else "No run is lost."
    )


@dg.sensor(
    job=load_region_sets,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Groups the regions of loaded atlases anew when the maps in CCF_REGION_SETS change.",
)
def changed_region_sets(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run for every loaded atlas whose regions were grouped by other maps than there are now."""
    engine, instance = postgres.create_engine(), context.instance
    atlases = [key for key in atlases_in_database(engine) if key in CATALOGUE]
    busy, before = _busy(instance, atlases), _asked_before(context)
    try:
        files = region_sets.map_files(settings.region_sets())
        digest = region_sets.digest(files)
    except OSError as error:
        return dg.SkipReason(f"A map cannot be read: {error}.")
    changed = [key for key in atlases if key not in busy and freshness.maps_changed(instance, key, files)]
    # A run that succeeds and takes a map of these for none has refused it, and would refuse it again.
    refused = {
        key
        for key in changed
        if key in before and before[key].digest == digest and _succeeded(instance, before[key])
    }
    lacking = {key: digest for key in changed if key not in refused}
    idle = (
        f"Being loaded, and looked at after that: {', '.join(busy)}."
        if busy
        else "The maps are as they were."
    )
    return _atlas_requests(context, lacking, {*changed, *busy}, idle, {})


def _succeeded(instance: dg.DagsterInstance, request: Asked) -> bool:
    """Whether the run that was asked for has done its work."""
    done = dg.RunsFilter(tags={BATCH_TAG: request.batch}, statuses=[dg.DagsterRunStatus.SUCCESS])
    return instance.get_runs_count(done) > 0


sensors = [new_recordings, unregistered_sites, outdated_atlases, changed_region_sets, lost_runs]
