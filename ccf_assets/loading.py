"""Loading from the command line: the same Dagster jobs the UI runs, in worker processes, two at a time.

The runs are recorded in Dagster's storage and show in the UI. What is current is not loaded again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import sqlalchemy as sa

from ccf_assets import postgres
from ccf_assets.atlases import AtlasEntry, atlas_entry
from ccf_assets.errors import CcfError, SourceUnreachableError
from ccf_assets.progress import going_on

if TYPE_CHECKING:
    from pathlib import Path

    import dagster as dg
    from dagster_shared.error import SerializableErrorInfo

    from ccf_assets import recordings

WORKERS = 2
"""Atlases loading at once, unless another number is asked for. A load keeps a core busy in Python and one in
PostgreSQL."""

GRACE_S = 10
"""Longest wait for a worker to undo and record what it was told to stop doing."""

REMINDER_S = 2
"""A worker is told again after so long: while Dagster sets up a run it takes no notice of being told."""

_ONTOLOGY = "structure_graph"
_RECORDINGS = "recordings"
_COMPARISON = "comparison"

_COMPARED = {"voxel_run", "region_ancestor", "region_volume"}
"""What the comparison of atlases is made from."""


@dataclass(frozen=True)
class Outcome:
    """How a load ended.

    Attributes:
        key: the atlas, or ``structure_graph``.
        loaded: the assets that were materialized, or the sources whose sites were registered; empty when
            all was current.
        refused: the files of recordings that were read and not taken.
        verb: what was done to those in ``loaded``.
        remark: what the user should know of, in a sentence; None where there is nothing.
        error: why it failed, in a sentence; None when it did not.
        unreachable: whether it failed because the source could not be reached.
        seconds: how long it took.
    """

    key: str
    loaded: Sequence[str] = field(default_factory=list)
    refused: Sequence[str] = field(default_factory=list)
    verb: str = "loaded"
    remark: str | None = None
    error: str | None = None
    unreachable: bool = False
    seconds: float = 0.0


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
    workers = [_Worker() for _ in range(jobs or WORKERS)]
    try:
        say("Starting Dagster …")
        with going_on(say, "Starting Dagster"):
            wait([workers[0].submit(_start, _ONTOLOGY)])
        outcomes = _load_all(workers, entries, rows=rows, refresh=refresh, examples=examples, report=report)
        if any(outcome.error == _KILLED for outcome in outcomes):
            _outcome(workers[0].submit(_close_dead_runs, _ONTOLOGY), _ONTOLOGY)
    except BaseException:
        _end_workers()
        raise
    finally:
        for worker in workers:
            worker.leave()
    return outcomes


def _load_all(
    workers: Sequence[_Worker],
    entries: Sequence[AtlasEntry],
    *,
    rows: bool | None,
    refresh: bool,
    examples: bool = False,
    report: Callable[[Outcome], object],
) -> list[Outcome]:
    first = workers[0]
    outcomes = [_outcome(first.submit(_load_ontology, _ONTOLOGY, refresh), _ONTOLOGY)]
    report(outcomes[0])
    if outcomes[0].error is not None:
        return outcomes
    idle = list(reversed(workers))
    running: dict[Future[Outcome], tuple[str, _Worker]] = {}
    waiting = sorted(set(entries), key=lambda entry: -entry.resolution_um)  # the largest is the last
    while waiting or running:
        while waiting and idle:
            entry, worker = waiting.pop(), idle.pop()
            with_rows = entry.rows if rows is None else rows
            running[worker.submit(_load_atlas, entry.key, with_rows, refresh)] = entry.key, worker
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            key, worker = running.pop(done)
            idle.append(worker)
            outcomes.append(_outcome(done, key))
            report(outcomes[-1])
    changed = any(_COMPARED & set(outcome.loaded) for outcome in outcomes)
    outcomes.append(_outcome(first.submit(_register_recordings, _RECORDINGS, examples), _RECORDINGS))
    report(outcomes[-1])
    compared = _outcome(first.submit(_compare_atlases, _COMPARISON, changed), _COMPARISON)
    if compared.loaded or compared.error:
        outcomes.append(compared)
        report(compared)
    return outcomes


class _Worker:
    """A process for one task after the other, and another one when it was killed.

    One pool of all of them would not do: it fails every task at hand when one of its processes is killed.
    """

    def __init__(self) -> None:
        self._pool = self._new_pool()

    @staticmethod
    def _new_pool() -> ProcessPoolExecutor:
        # Not forked: a forked child would share the parent's database connections.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=_prepare_worker)

    def submit(self, function: Callable[..., Outcome], key: str, *arguments: object) -> Future[Outcome]:
        """Begin a task; its process is started when there is none."""
        task = partial(_work, function, key, *arguments)
        with _spared_ctrl_c():
            try:
                return self._pool.submit(task)
            except BrokenProcessPool:
                self._pool = self._new_pool()
                return self._pool.submit(task)

    def leave(self) -> None:
        """End the process, once its task has ended."""
        self._pool.shutdown()


_KILLED = (
    "Its process was killed, perhaps because memory ran out; what it had not finished was undone. Load again."
)


def _outcome(load: Future[Outcome], key: str) -> Outcome:
    try:
        return load.result()
    except BrokenProcessPool:
        return Outcome(key, error=_KILLED)


def _end_workers() -> None:
    """End the workers, in order where they manage it in time."""
    workers = multiprocessing.active_children()
    for _ in range(GRACE_S // REMINDER_S):
        for worker in workers:
            worker.terminate()
        deadline = time.monotonic() + REMINDER_S
        for worker in workers:
            worker.join(max(0, deadline - time.monotonic()))
    for worker in workers:
        worker.kill()


@contextmanager
def _spared_ctrl_c() -> Iterator[None]:
    """Whatever process is started here does not hear a Ctrl-C before it has left the terminal's group."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ---- in a worker

_busy = False
_ending = False


def _prepare_worker() -> None:
    """Leave Ctrl-C to the command, end in order when it says so, and end when it was killed."""
    # Remarks of dagster and its dependencies about each other; before anything imports them.
    warnings.simplefilter("ignore")
    # The terminal sends Ctrl-C to the command's group of processes; this one, and what it starts, is another.
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # and one that came before that
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _on_sigterm)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _on_sigterm(_number: int, _frame: object) -> None:
    """Interrupt the load at hand, which Dagster then records as failed; without one, end at once."""
    global _ending  # noqa: PLW0603 - a signal handler has nothing else to tell it to
    if _ending:
        return
    _ending = True
    if not _busy:
        _end()
    raise KeyboardInterrupt


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        for _ in range(GRACE_S // REMINDER_S):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(REMINDER_S)
        _end()


def _end() -> NoReturn:
    sys.stderr.flush()
    postgres.leave()
    os._exit(1)


def _work(function: Callable[..., Outcome], key: str, *arguments: object) -> Outcome:
    """Call ``function`` and turn whatever it raises into an outcome."""
    global _busy  # noqa: PLW0603
    _busy = True
    started = time.monotonic()
    try:
        return function(key, *arguments)
    except CcfError as error:
        unreachable = isinstance(error, SourceUnreachableError)
        return Outcome(key, error=str(error), unreachable=unreachable, seconds=time.monotonic() - started)
    except Exception as error:  # of one atlas; the others are not to suffer for it
        if told := _told_by_database(error):
            return Outcome(key, error=told, seconds=time.monotonic() - started)
        traceback.print_exc()
        return Outcome(key, error=f"{type(error).__name__}: {error}", seconds=time.monotonic() - started)
    except BaseException:  # told to end; Dagster hears it in our place and raises an exception of its own
        _end()
    finally:
        _busy = False
        signal.signal(signal.SIGTERM, _on_sigterm)  # which Dagster has replaced, for good
        if _ending:
            _end()


def _told_by_database(error: BaseException) -> str | None:
    """A sentence with what the database said, or what was said of it; None for an error of something else."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sa.exc.DBAPIError):
        cause = cause.__cause__
    if cause is None:
        return None
    return _database_answers(str(cause.orig))


def _database_answers(said: str) -> str:
    one_line = " ".join(said.split()).rstrip(".")
    return f"The database answers: {one_line}. What was not finished was undone; load again."


def _start(key: str) -> Outcome:
    """Import what takes long to import."""
    _, instance = _dagster()
    with instance:
        return Outcome(key)


def _close_dead_runs(key: str) -> Outcome:
    from ccf_assets.instance import close_dead_runs

    _, instance = _dagster()
    with instance:
        close_dead_runs(instance)
    return Outcome(key)


def _load_ontology(key: str, refresh: bool) -> Outcome:
    from ccf_assets import currency
    from ccf_assets.console import reporter
    from ccf_assets.instance import close_dead_runs
    from ccf_assets.sources import Sources

    started = time.monotonic()
    defs, instance = _dagster()
    with instance:
        with going_on(reporter(key), "looking for runs whose process was killed"):
            close_dead_runs(instance)
        if not refresh and not currency.outdated(defs, instance, postgres.create_engine(), [key], "", 0):
            files = Sources.from_settings()
            candidate = files.structure_graph(report=reporter(key))
            seen = currency.versions(instance, key)
            # In use, and known to be sound, also where another source's was refreshed since; or, where the
            # cache was emptied, fetched again.
            if candidate.sha256 in (seen[:1] if candidate.fetched else seen):
                files.accept_structure_graph(candidate)
                return Outcome(key, seconds=time.monotonic() - started)
        return _run(defs, instance, "refresh_ontology", key, None, [key], refresh, started)


def _load_atlas(key: str, rows: bool, refresh: bool) -> Outcome:
    from ccf_assets import currency, region_sets, sensors, settings

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
        rows = rows or sensors.atlases_there(postgres.create_engine()).get(key, False)
        for job in ("load_atlas", "load_voxel_rows") if rows else ("load_atlas",):
            selection = [k.path[-1] for k in defs.resolve_job_def(job).asset_layer.selected_asset_keys]
            stale = currency.outdated(
                defs, instance, postgres.create_engine(), selection, key, atlas_entry(key).ccf_id
            )
            maps = region_sets.map_files(settings.region_sets())
            if job == "load_atlas" and currency.maps_changed(instance, key, maps):
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
    from ccf_assets import asking, frames, inventory, recordings, schema, sensors, settings
    from ccf_assets.partitions import range_tags, recording_partitions

    started = time.monotonic()
    partitions = str(recording_partitions.name)
    engine = postgres.create_engine()
    with engine.begin() as connection:
        schema.keep_frames(connection, frames.load_frames(*settings.frames_files()))
    folder = settings.recordings()
    defs, instance = _dagster()
    done: list[str] = []
    refused: list[str] = []
    with instance:
        if examples:
            inventory.put_examples(folder, instance.get_dynamic_partitions(partitions))
        for job in ("register_recordings", "register_sites"):
            also: set[str] = set()
            if job == "register_sites":
                keys = list(sensors.unregistered(engine))
                also = sensors.siteless(engine, instance.get_dynamic_partitions(partitions))
            elif folder.is_dir():
                keys = list(sensors.files_to_read(engine, _settled(folder))[1])
            else:
                keys = []
            instance.add_dynamic_partitions(partitions, keys)
            there = instance.get_dynamic_partitions(partitions)
            for batch in asking.batches(keys, there, len(there), also, len(also)):
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
        remark = inventory.missing_folder(
            folder, list(filter(recordings.is_file, instance.get_dynamic_partitions(partitions)))
        )
    return Outcome(name, done, refused, "registered", remark, seconds=time.monotonic() - started)


def _compare_atlases(name: str, changed: bool) -> Outcome:
    """Compare the loaded atlases, where one was changed or two were not compared yet."""
    from ccf_assets import comparison, schema

    started = time.monotonic()
    done = schema.region_consistency.c
    with postgres.create_engine().connect() as connection:
        pairs = set(connection.execute(comparison.references()).tuples())
        compared = set(connection.execute(sa.select(done.ccf_id, done.reference_id).distinct()).tuples())
    if not pairs or (pairs == compared and not changed):
        return Outcome(name)
    defs, instance = _dagster()
    with instance:
        return _run(defs, instance, "compare_atlases", name, None, ["region_consistency"], False, started)


def _settled(folder: Path) -> recordings.FolderScan:
    """What stands in the folder of recordings, once what was written just now is complete.

    A file that goes on growing does not hold up the others: the sensor, or the next load, reads it.
    """
    from ccf_assets import recordings

    deadline = time.monotonic() + 2 * recordings.SETTLE_S
    while True:
        scan = recordings.scan_folder(folder, time.time(), recordings.SETTLE_S)
        if not scan.waiting or time.monotonic() > deadline:
            return scan
        time.sleep(0.5)


def _dagster() -> tuple[dg.Definitions, dg.DagsterInstance]:
    """The definitions and the instance, in this process."""
    import dagster as dg

    from ccf_assets.definitions import defs
    from ccf_assets.instance import dagster_home

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

    from ccf_assets.instance import alive_tag, held

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
    error, unreachable = _failure(result)
    return Outcome(name, error=error, unreachable=unreachable, seconds=seconds)


def _failure(result: dg.ExecuteInProcessResult) -> tuple[str, bool]:
    """Why a run failed, in a sentence, and whether it was because the source is out of reach."""
    import dagster as dg

    errors = [
        event.step_failure_data.error
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.error is not None
    ]
    causes = [cause for error in errors for cause in _causes(error)]
    # The sentence that was written to be read, not what it was made of, nor what it is wrapped in.
    meant = next(
        (c for c in causes if c.cls_name in {CcfError.__name__, SourceUnreachableError.__name__}), None
    )
    if meant is not None:
        return _text(meant), meant.cls_name == SourceUnreachableError.__name__
    broken = [
        check.description or check.check_name
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    if broken:
        return " ".join(broken), False
    if not errors:
        return "The run failed; its page in the UI says more.", False
    deepest = list(_causes(errors[0]))[-1]
    if deepest.cls_name == sa.exc.OperationalError.__name__:  # the drivers' are named alike
        return _database_answers(_text(deepest)), False
    said = " ".join(_text(deepest).split()).rstrip(".")
    return f"{deepest.cls_name}: {said}. The run's page in the UI says more.", False


def _causes(error: SerializableErrorInfo) -> Iterator[SerializableErrorInfo]:
    """The error and what led to it."""
    cause: SerializableErrorInfo | None = error
    while cause is not None:
        yield cause
        cause = cause.cause or cause.context


def _text(error: SerializableErrorInfo) -> str:
    """What the error says, without the name of its class in front."""
    before, named, text = error.message.strip().partition(f"{error.cls_name}: ")
    return text if named else before
