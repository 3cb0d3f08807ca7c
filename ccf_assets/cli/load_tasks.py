"""What a worker of a load does: the ontology, an atlas, recordings, the comparison, each as one task.

Not here: in which order (cli.loading), and what there is to do (defs.freshness, recordings.backlog,
db.comparison, as for the sensors).
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.cli.outcome import Outcome
from ccf_assets.cli.run_job import run_job
from ccf_assets.db import database
from ccf_assets.errors import CcfError
from ccf_assets.progress import going_on

if TYPE_CHECKING:
    import dagster as dg

    from ccf_assets.recordings.folders import Folder
    from ccf_assets.recordings.scan.folder import FolderScan


def start(key: str, first: bool) -> Outcome:
    """Import Dagster and the definitions, which takes seconds.

    In an empty database the ``first`` worker makes Dagster's tables; others at it would wait, and try again.
    """
    _definitions()
    if first:
        _dagster()
    return Outcome(key)


def close_dead_runs(key: str) -> Outcome:
    """Record as failed the runs whose process was killed."""
    from ccf_assets.runs.liveness import close_dead_runs

    close_dead_runs(_dagster()[1])
    return Outcome(key)


def load_ontology(key: str, refresh: bool) -> Outcome:
    """Load the ontology if it has changed, or ``refresh`` it."""
    from ccf_assets.db.ontologies import follow_ontology, keep_ontology
    from ccf_assets.defs import freshness
    from ccf_assets.runs.console import reporter
    from ccf_assets.runs.liveness import close_dead_runs
    from ccf_assets.sources.source import Sources

    started = time.monotonic()
    defs, instance = _dagster()
    with going_on(reporter(key), "looking for runs whose process was killed"):
        close_dead_runs(instance)
    files, graph, engine = Sources.from_settings(), defs.resolve_asset_graph(), database.create_engine()
    if not refresh and not freshness.outdated(graph, instance, engine, files, [key]):
        follow_ontology(engine, files)
        candidate = files.structure_graph(report=reporter(key))
        seen = freshness.versions(instance, key)
        # It has passed its checks before: it is in use, even if another source's was refreshed since; or
        # it was fetched again into an emptied cache, and is the latest that passed.
        if candidate.sha256 in (seen[:1] if candidate.fetched else seen):
            keep_ontology(engine, files, files.accept_structure_graph(candidate))
            return Outcome(key, seconds=time.monotonic() - started)
    return run_job(defs, instance, "refresh_ontology", key, started=started, assets=[key], refresh=refresh)


def ask_for(name: str, keys: Sequence[str]) -> Outcome:
    """Keep what this host's files say; make atlases partitions, with those in the database already."""
    from ccf_assets.db.loaded import atlases_in_database
    from ccf_assets.db.own_catalogue import keep_catalogue
    from ccf_assets.db.region_maps import keep_maps
    from ccf_assets.db.shared_files import ContradictionError
    from ccf_assets.defs.partitions import add_atlases

    engine = database.create_engine()
    keep_catalogue(engine)
    remarks = []
    try:
        keep_maps(engine, settings.region_sets())
    except ContradictionError:
        raise
    except CcfError as error:  # a map that cannot be read keeps nothing else from being loaded
        remarks.append(str(error))
    _, instance = _dagster()
    add_atlases(instance, dict.fromkeys(keys, False) | atlases_in_database(engine))
    return Outcome(name, remarks=remarks)


def load_atlas(key: str, rows: bool, refresh: bool) -> Outcome:
    """Load what is stale of an atlas but for its voxel rows: these are made of what is then there."""
    from ccf_assets.db.own_catalogue import follow_catalogue
    from ccf_assets.defs.partitions import add_atlases

    started = time.monotonic()
    defs, instance = _dagster()
    follow_catalogue(database.create_engine())
    loaded: list[str] = []
    if refresh:
        # By itself and first: whether the file is a new one decides what else is stale.
        outcome = run_job(
            defs, instance, "load_atlas", key,
            started=started, partition=key, assets=["annotation"], refresh=True,
        )  # fmt: skip
        if outcome.error is not None:
            return outcome
        loaded += outcome.loaded
    if stale := _stale(key, ("load_atlas", "load_region_sets")):
        add_atlases(instance, {key: False})
        outcome = run_job(defs, instance, "load_atlas", key, started=started, partition=key, assets=stale)
        if outcome.error is not None:
            return outcome
        loaded += outcome.loaded
    wanted = bool(_stale(key, ("load_voxel_rows",), rows=rows))
    return Outcome(key, loaded, rows_wanted=wanted, seconds=time.monotonic() - started)


def load_voxel_rows(key: str) -> Outcome:
    """Load the voxel rows of an atlas."""
    from ccf_assets.defs.partitions import add_atlases

    started = time.monotonic()
    defs, instance = _dagster()
    add_atlases(instance, {key: True})
    return run_job(defs, instance, "load_voxel_rows", key, started=started, partition=key, assets=["voxel"])


def _stale(key: str, jobs: Sequence[str], *, rows: bool = False) -> list[str]:
    from ccf_assets.defs import freshness
    from ccf_assets.sources.source import Sources

    defs, instance = _dagster()
    graph, engine = defs.resolve_asset_graph(), database.create_engine()
    return freshness.stale(graph, instance, engine, Sources.from_settings(), key, jobs, with_rows=rows)


def register_recordings(name: str, examples: bool) -> Outcome:
    """Run at once what the sensors of recordings would request: new files, sites without a region."""
    from ccf_assets.db import schema
    from ccf_assets.db.frames import keep_frames
    from ccf_assets.defs.partitions import known_recordings, recording_partitions
    from ccf_assets.recordings import backlog, sources
    from ccf_assets.recordings.folders import folder_or_why_not
    from ccf_assets.recordings.scan.keys import is_file
    from ccf_assets.runs import requests
    from ccf_assets.runs.tags import range_tags

    started = time.monotonic()
    partitions = str(recording_partitions.name)
    engine = database.create_engine()
    keep_frames(engine)
    path = settings.recordings()
    defs, instance = _dagster()
    done: list[str] = []
    refused: list[str] = []
    folder, scan, missing = None, None, None
    if examples:
        sources.put_examples(path, known_recordings(instance))
    for job in ("register_recordings", "register_sites"):
        also: set[str] = set()
        if job == "register_sites":
            keys = list(backlog.unregistered(engine))
            also = backlog.siteless(engine, instance.get_dynamic_partitions(partitions))
            slices = backlog.sizes_of_sources(engine)
        else:
            folder, missing = folder_or_why_not(engine, path)
            scan = _settled(folder) if folder else None
            keys, slices = [], ({}, 0)
            if folder and scan:
                keys = list(backlog.files_to_read(engine, folder, scan)[1])
                slices = backlog.sizes_of_files(scan)
        instance.add_dynamic_partitions(partitions, keys)
        there = instance.get_dynamic_partitions(partitions)
        for batch in requests.batches(keys, there, len(there), also, len(also), *slices):
            tags = range_tags(batch[0], batch[-1])
            outcome = run_job(defs, instance, job, name, started=started, tags=tags)
            if outcome.error is not None:
                return outcome
        if job == "register_recordings":
            file = schema.recording_file.c
            query = sa.select(file.source, file.refused).where(file.source.in_(keys))
            with engine.connect() as connection:
                read = dict(connection.execute(query).tuples().all())
            refused = [key for key in keys if read.get(key)]
            keys = [key for key in keys if read.get(key) is False]
        done += [key for key in keys if key not in done]
    known = list(filter(is_file, instance.get_dynamic_partitions(partitions)))
    missing = missing or sources.missing_folder(path, known)
    remarks = [missing] if missing else _remarks(folder, scan)
    return Outcome(name, done, refused, "registered", remarks, seconds=time.monotonic() - started)


_UNREAD_LINES = 5
"""Most files that cannot be read of which each has its sentence."""


def _remarks(folder: Folder | None, scan: FolderScan | None) -> list[str]:
    """What there is to remark about the folder of recordings and what is in it and was not read."""
    from ccf_assets.finding import counted, listed
    from ccf_assets.recordings.sources import ignored_lines

    remarks = []
    if folder is not None and folder.name:
        first = folder.others.get("", "another folder")
        remarks.append(
            f"{folder.path} is a further folder of recordings of this database, beside {first}: its files "
            f"are called {folder.name}/…"
        )
    if scan is None:
        return remarks
    if scan.waiting:
        one, many = "file is still being written and was", "files are still being written and were"
        remarks.append(
            f"{counted(len(scan.waiting), one, many)} not read ({listed(list(scan.waiting))}); the UI or the "
            f"next load reads {'it when it is' if len(scan.waiting) == 1 else 'them when they are'} complete"
        )
    unread = list(scan.unreadable.values())
    remarks += unread[:_UNREAD_LINES]
    if len(unread) > _UNREAD_LINES:
        remarks.append(
            f"{len(unread) - _UNREAD_LINES} more files cannot be read; `ccf-assets recordings` lists them"
        )
    return remarks + ignored_lines(scan.ignored)


def compare_atlases(name: str, changed: bool) -> Outcome:
    """Compare the loaded atlases if one has changed or two have not been compared yet."""
    from ccf_assets.db import comparison, schema

    started = time.monotonic()
    done = schema.region_consistency.c
    with database.create_engine().connect() as connection:
        pairs = set(connection.execute(comparison.references()).tuples())
        compared = set(connection.execute(sa.select(done.ccf_id, done.reference_id).distinct()).tuples())
    if not pairs or (pairs == compared and not changed):
        return Outcome(name)
    defs, instance = _dagster()
    outcome = run_job(defs, instance, "compare_atlases", name, started=started, assets=["region_consistency"])
    return dataclasses.replace(outcome, verb="made")


def _settled(folder: Folder) -> FolderScan:
    """A scan of the folder of recordings, after a wait for files that are still being written.

    The wait has an end: a file that goes on growing is read by the sensor, or by the next load.
    """
    from ccf_assets.recordings.scan.stamps import SETTLE_S

    deadline = time.monotonic() + 2 * SETTLE_S
    while True:
        scan = folder.scan(time.time(), SETTLE_S)
        if not scan.waiting or time.monotonic() > deadline:
            return scan
        time.sleep(0.5)


def _dagster() -> tuple[dg.Definitions, dg.DagsterInstance]:
    """All definitions and Dagster's records."""
    from ccf_assets.runs.home import dagster_home

    return _definitions(), _records(dagster_home(), database.database_url())


@functools.cache
def _definitions() -> dg.Definitions:
    """Made once for a process."""
    from ccf_assets.definitions import build_defs

    return build_defs()


@functools.lru_cache(maxsize=1)
def _records(home: Path, _of: sa.URL) -> dg.DagsterInstance:
    """Opened once for a process, as long as they are in the same database."""
    from ccf_assets.runs.storage import records_in

    return records_in(home)
