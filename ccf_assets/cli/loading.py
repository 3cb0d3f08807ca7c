"""Loading without the UI: atlases side by side in worker processes, then recordings and the comparison."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry
from ccf_assets.cli.outcome import Outcome, failure
from ccf_assets.cli.workers import KILLED, Worker, end_workers, outcome_of
from ccf_assets.db import database
from ccf_assets.progress import going_on

if TYPE_CHECKING:
    import dagster as dg

    from ccf_assets.recordings.files.folder import FolderScan
    from ccf_assets.recordings.folders import Folder

WORKERS = 2
"""Atlases loading at once, unless another number is asked for. A load keeps a core busy in Python and one in
PostgreSQL."""

_ONTOLOGY = "structure_graph"

_RECORDINGS = "recordings"

_COMPARISON = "comparison"

_COMPARED = {"voxel_run", "region_ancestor", "region_volume"}
"""What the comparison of atlases is made from."""


def load(
    entries: Sequence[AtlasEntry],
    *,
    rows: bool | None,
    refresh: bool,
    examples: bool = False,
    jobs: int | None = None,
    report: Callable[[Outcome], object],
    say: Callable[[str], object],
) -> list[Outcome]:
    """Load the ontology, then the atlases side by side, the largest first.

    Args:
        entries: the atlases.
        rows: load one row per voxel too; None means as the catalogue says.
        refresh: fetch files again even if they are cached.
        examples: put the example recordings where there is no other recording yet.
        jobs: how many atlases load at once; WORKERS if not given.
        report: receives each outcome as it comes.
        say: receives a line while there is nobody yet who could say one.

    Returns:
        The outcome of the ontology, then, unless that failed, of each atlas in the order they ended, then of
        the recordings: what the sensors would find to do is done at once; then of the comparison of atlases,
        if there was one to make.
    """
    # polars and ADBC, once imported, stand between Ctrl-C and Python, whose wait for the workers it would not
    # end: Python's own handler again.
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
    workers = [Worker() for _ in range(jobs or WORKERS)]
    try:
        say("Starting Dagster …")
        with going_on(say, "Starting Dagster"):
            # All that will have an atlas to load import at once; the first is all that the ontology waits for.
            started = [worker.submit(_start, _ONTOLOGY) for worker in workers[: max(1, len(entries))]]
            wait(started[:1])
        outcomes = _load_all(workers, entries, rows=rows, refresh=refresh, examples=examples, report=report)
        if any(outcome.error == KILLED for outcome in outcomes):
            outcome_of(workers[0].submit(_close_dead_runs, _ONTOLOGY), _ONTOLOGY)
    except BaseException:
        end_workers()
        raise
    finally:
        for worker in workers:
            worker.leave()
    return outcomes


def _load_all(
    workers: Sequence[Worker],
    entries: Sequence[AtlasEntry],
    *,
    rows: bool | None,
    refresh: bool,
    examples: bool = False,
    report: Callable[[Outcome], object],
) -> list[Outcome]:
    first = workers[0]
    outcomes = [outcome_of(first.submit(_load_ontology, _ONTOLOGY, refresh), _ONTOLOGY)]
    report(outcomes[0])
    if outcomes[0].error is not None:
        return outcomes
    idle = list(reversed(workers))
    running: dict[Future[Outcome], tuple[str, Worker]] = {}
    waiting = sorted(set(entries), key=lambda entry: -entry.resolution_um)  # the largest is the last
    while waiting or running:
        while waiting and idle:
            entry, worker = waiting.pop(), idle.pop()
            with_rows = entry.voxel_rows if rows is None else rows
            running[worker.submit(_load_atlas, entry.key, with_rows, refresh)] = entry.key, worker
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            key, worker = running.pop(done)
            idle.append(worker)
            outcomes.append(outcome_of(done, key))
            report(outcomes[-1])
    changed = any(_COMPARED & set(outcome.loaded) for outcome in outcomes)
    outcomes.append(outcome_of(first.submit(_register_recordings, _RECORDINGS, examples), _RECORDINGS))
    report(outcomes[-1])
    compared = outcome_of(first.submit(_compare_atlases, _COMPARISON, changed), _COMPARISON)
    if compared.loaded or compared.error:
        outcomes.append(compared)
        report(compared)
    return outcomes


def _start(key: str) -> Outcome:
    """Import what takes long to import."""
    _, instance = _dagster()
    with instance:
        return Outcome(key)


def _close_dead_runs(key: str) -> Outcome:
    from ccf_assets.runs.liveness import close_dead_runs

    _, instance = _dagster()
    with instance:
        close_dead_runs(instance)
    return Outcome(key)


def _load_ontology(key: str, refresh: bool) -> Outcome:
    from ccf_assets.defs import freshness
    from ccf_assets.runs.console import reporter
    from ccf_assets.runs.liveness import close_dead_runs
    from ccf_assets.sources.source import Sources

    started = time.monotonic()
    defs, instance = _dagster()
    with instance:
        with going_on(reporter(key), "looking for runs whose process was killed"):
            close_dead_runs(instance)
        if not refresh and not freshness.outdated(defs, instance, database.create_engine(), [key], "", 0):
            files = Sources.from_settings()
            candidate = files.structure_graph(report=reporter(key))
            seen = freshness.versions(instance, key)
            # In use, and known to be sound, also where another source's was refreshed since; or, where the
            # cache was emptied, fetched again.
            if candidate.sha256 in (seen[:1] if candidate.fetched else seen):
                files.accept_structure_graph(candidate)
                return Outcome(key, seconds=time.monotonic() - started)
        return _run(defs, instance, "refresh_ontology", key, None, [key], refresh, started)


def _load_atlas(key: str, rows: bool, refresh: bool) -> Outcome:
    from ccf_assets import settings
    from ccf_assets.ccf import region_sets
    from ccf_assets.db.loaded import atlases_in_database
    from ccf_assets.defs import freshness

    started = time.monotonic()
    defs, instance = _dagster()
    loaded: list[str] = []
    with instance:
        if refresh:
            # First and by itself: whether it brings anything new decides what else there is to do.
            outcome = _run(defs, instance, "load_atlas", key, key, ["annotation"], refresh, started)
            if outcome.error is not None:
                return outcome
            loaded += outcome.loaded
        # Rows that are there are kept up to date without being asked for.
        rows = rows or atlases_in_database(database.create_engine()).get(key, False)
        for job in ("load_atlas", "load_voxel_rows") if rows else ("load_atlas",):
            selection = [k.path[-1] for k in defs.resolve_job_def(job).asset_layer.selected_asset_keys]
            stale = freshness.outdated(
                defs, instance, database.create_engine(), selection, key, atlas_entry(key).ccf_id
            )
            maps = region_sets.map_files(settings.region_sets())
            if job == "load_atlas" and freshness.maps_changed(instance, key, maps):
                stale = list(dict.fromkeys([*stale, "region_set", "region_set_member"]))
            if not stale:
                continue
            outcome = _run(defs, instance, job, key, key, stale, False, started)
            if outcome.error is not None:
                return outcome
            loaded += outcome.loaded
    return Outcome(key, loaded, seconds=time.monotonic() - started)


def _register_recordings(name: str, examples: bool) -> Outcome:
    """Do what the sensors of recordings would ask for now: new files, sites without a region."""
    from ccf_assets import settings
    from ccf_assets.ccf.frames.files import load_frames
    from ccf_assets.db import schema
    from ccf_assets.db.frames import keep_frames
    from ccf_assets.defs.partitions import recording_partitions
    from ccf_assets.recordings import backlog, sources
    from ccf_assets.recordings.files.keys import is_file
    from ccf_assets.recordings.folders import folder_of
    from ccf_assets.runs import requests
    from ccf_assets.runs.tags import range_tags

    started = time.monotonic()
    partitions = str(recording_partitions.name)
    engine = database.create_engine()
    with engine.begin() as connection:
        keep_frames(connection, load_frames(*settings.frames_files()))
    path = settings.recordings()
    defs, instance = _dagster()
    done: list[str] = []
    refused: list[str] = []
    folder = None
    with instance:
        if examples:
            sources.put_examples(path, instance.get_dynamic_partitions(partitions))
        for job in ("register_recordings", "register_sites"):
            also: set[str] = set()
            if job == "register_sites":
                keys = list(backlog.unregistered(engine))
                also = backlog.siteless(engine, instance.get_dynamic_partitions(partitions))
            elif path.is_dir():
                folder = folder_of(engine, path)
                keys = list(backlog.files_to_read(engine, folder, _settled(folder))[1])
            else:
                keys = []
            instance.add_dynamic_partitions(partitions, keys)
            there = instance.get_dynamic_partitions(partitions)
            for batch in requests.batches(keys, there, len(there), also, len(also)):
                tags = range_tags(batch[0], batch[-1])
                outcome = _run(defs, instance, job, name, None, None, False, started, tags)
                if outcome.error is not None:
                    return outcome
            if job == "register_recordings":
                file = schema.recording_file.c
                query = sa.select(file.source, file.refused).where(file.source.in_(keys))
                with engine.connect() as connection:
                    read = dict(connection.execute(query).tuples().all())
                refused = [key for key in keys if read.get(key)]
                keys = [key for key in keys if read.get(key) is False]
            done += keys
        remark = sources.missing_folder(
            path, list(filter(is_file, instance.get_dynamic_partitions(partitions)))
        )
        if remark is None and folder is not None and folder.name:
            first = folder.others.get("", "another folder")
            remark = (
                f"{path} is a further folder of recordings of this database, beside {first}: its files are "
                f"called {folder.name}/…"
            )
    return Outcome(name, done, refused, "registered", remark, seconds=time.monotonic() - started)


def _compare_atlases(name: str, changed: bool) -> Outcome:
    """Compare the loaded atlases, where one was changed or two were not compared yet."""
    from ccf_assets.db import comparison, schema

    started = time.monotonic()
    done = schema.region_consistency.c
    with database.create_engine().connect() as connection:
        pairs = set(connection.execute(comparison.references()).tuples())
        compared = set(connection.execute(sa.select(done.ccf_id, done.reference_id).distinct()).tuples())
    if not pairs or (pairs == compared and not changed):
        return Outcome(name)
    defs, instance = _dagster()
    with instance:
        return _run(defs, instance, "compare_atlases", name, None, ["region_consistency"], False, started)


def _settled(folder: Folder) -> FolderScan:
    """What stands in the folder of recordings, once what was written just now is complete.

    A file that goes on growing does not hold up the others: the sensor, or the next load, reads it.
    """
    from ccf_assets.recordings.files.folder import SETTLE_S

    deadline = time.monotonic() + 2 * SETTLE_S
    while True:
        scan = folder.scan(time.time(), SETTLE_S)
        if not scan.waiting or time.monotonic() > deadline:
            return scan
        time.sleep(0.5)


def _dagster() -> tuple[dg.Definitions, dg.DagsterInstance]:
    """The definitions and the instance, in this process."""
    import dagster as dg

    from ccf_assets.definitions import defs
    from ccf_assets.runs.storage import dagster_home

    dagster_home()
    return defs, dg.DagsterInstance.get()


def _run(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    name: str,
    partition: str | None,
    assets: Sequence[str] | None,
    refresh: bool,
    started: float,
    tags: dict[str, str] | None = None,
) -> Outcome:
    """Run ``assets`` of ``job``, or all of them, and put into words how it ended.

    ``refresh`` is for the first of the assets.
    """
    import dagster as dg

    from ccf_assets.runs.liveness import alive_tag, held

    config: dict[str, Any] = {"loggers": {"console": {"config": {"label": name}}}}
    if refresh and assets:
        config["ops"] = {assets[0]: {"config": {"refresh": True}}}
    run_id = str(uuid.uuid4())
    with held(run_id):  # before there is the run: killed before it has begun, it would stay so for ever
        result = defs.resolve_job_def(job).execute_in_process(
            run_config=config,
            instance=instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
            run_id=run_id,
            tags={**(tags or {}), **alive_tag(run_id)},
            raise_on_error=False,
        )
    seconds = time.monotonic() - started
    if result.success:
        return Outcome(name, list(assets or []), seconds=seconds)
    error, unreachable = failure(result)
    return Outcome(name, error=error, unreachable=unreachable, seconds=seconds)
