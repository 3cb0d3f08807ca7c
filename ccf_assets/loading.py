"""Loading from the command line: the same Dagster jobs the UI runs, in worker processes, two at a time.

The runs are recorded in Dagster's storage and show in the UI. What is current is not loaded again.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ccf_assets import postgres
from ccf_assets.atlases import AtlasEntry, atlas_entry

if TYPE_CHECKING:
    import dagster as dg

WORKERS = 2
"""Atlases loading at once. One load keeps a core busy in Python and one in PostgreSQL."""


@dataclass(frozen=True)
class Outcome:
    """How a load ended.

    Attributes:
        key: the atlas, or ``structure_graph``.
        loaded: the assets that were materialized; empty when all was current.
        error: why it failed, in a sentence; None when it did not.
        unreachable: whether it failed because the source could not be reached.
        seconds: how long it took.
    """

    key: str
    loaded: Sequence[str] = field(default_factory=list)
    error: str | None = None
    unreachable: bool = False
    seconds: float = 0.0


def load(
    entries: Sequence[AtlasEntry],
    *,
    rows: bool | None,
    refresh: bool,
    report: Callable[[Outcome], object],
) -> list[Outcome]:
    """Load the ontology, then the atlases side by side, the largest first.

    Args:
        entries: the atlases.
        rows: load one row per voxel too; None means as the catalogue says.
        refresh: fetch files again even if they are cached.
        report: receives each outcome as it comes.

    Returns:
        The outcome of the ontology, then, unless that failed, of each atlas in the order they ended, then of
        the recordings: what the sensors would find to do is done at once.
    """
    # Not forked: a forked child would share the parent's database connections.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context, initializer=_end_with_parent) as pool:
        outcomes = [pool.submit(_load_ontology, refresh).result()]
        report(outcomes[0])
        if outcomes[0].error is not None:
            return outcomes
        largest_first = sorted(entries, key=lambda entry: entry.resolution_um)
        loads = [
            pool.submit(_load_atlas, entry.key, entry.rows if rows is None else rows, refresh)
            for entry in largest_first
        ]
        for done in as_completed(loads):
            outcomes.append(done.result())
            report(outcomes[-1])
        outcomes.append(pool.submit(_register_recordings).result())
        report(outcomes[-1])
    return outcomes


def _end_with_parent() -> None:
    """End this worker when the command that started it is killed, so that nothing is left running."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            postgres.leave()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _load_ontology(refresh: bool) -> Outcome:
    from ccf_assets import currency
    from ccf_assets.errors import CcfError, SourceUnreachableError
    from ccf_assets.sources import Sources

    started = time.monotonic()
    name = "structure_graph"
    defs, instance = _dagster()
    with instance:
        if not refresh:
            try:
                candidate = Sources.from_settings().structure_graph()
            except CcfError as error:
                unreachable = isinstance(error, SourceUnreachableError)
                return Outcome(name, error=str(error), unreachable=unreachable)
            if candidate.sha256 == currency.latest_version(instance, name):
                return Outcome(name)
        config = {"ops": {name: {"config": {"refresh": refresh}}}}
        return _run(defs, instance, "refresh_ontology", name, None, [name], config, started)


def _load_atlas(key: str, rows: bool, refresh: bool) -> Outcome:
    from ccf_assets import currency

    started = time.monotonic()
    defs, instance = _dagster()
    loaded: list[str] = []
    with instance:
        for job, wanted in (("load_atlas", True), ("load_voxel_rows", rows)):
            if not wanted:
                continue
            selection = [k.path[-1] for k in defs.resolve_job_def(job).asset_layer.selected_asset_keys]
            stale = currency.outdated(
                defs, instance, postgres.create_engine(), selection, key, atlas_entry(key).ccf_id
            )
            config: dict[str, Any] = {}
            if refresh and job == "load_atlas":
                stale = sorted({*stale, "annotation"})
                config = {"ops": {"annotation": {"config": {"refresh": True}}}}
            if not stale:
                continue
            outcome = _run(defs, instance, job, key, key, stale, config, started)
            loaded += outcome.loaded
            if outcome.error is not None:
                return outcome
    return Outcome(key, loaded, seconds=time.monotonic() - started)


def _register_recordings() -> Outcome:
    """Do what the sensors of recordings would ask for now: new files, sites without a region."""
    from ccf_assets import asking, recordings, sensors, settings
    from ccf_assets.partitions import range_tags, recording_partitions

    started = time.monotonic()
    name = "recordings"
    partitions = str(recording_partitions.name)
    engine = postgres.create_engine()
    folder = settings.recordings()
    defs, instance = _dagster()
    loaded: list[str] = []
    with instance:
        for job in ("register_recordings", "register_sites"):
            if job == "register_sites":
                keys = list(sensors.unregistered(engine))
            elif folder.is_dir():
                scan = recordings.scan_folder(folder, time.time(), settle_s=0)
                change = recordings.what_is_new(scan, sensors.known_files(engine))
                keys = [*change.new, *change.changed]
            else:
                keys = []
            instance.add_dynamic_partitions(partitions, keys)
            for batch in asking.batches(keys, instance.get_dynamic_partitions(partitions), len(keys)):
                tags = range_tags(batch[0], batch[-1])
                outcome = _run(defs, instance, job, name, None, None, {}, started, tags)
                if outcome.error is not None:
                    return outcome
            loaded += keys
    return Outcome(name, loaded, seconds=time.monotonic() - started)


def _dagster() -> tuple[dg.Definitions, dg.DagsterInstance]:
    """The definitions and the instance, in this process."""
    warnings.simplefilter("ignore")  # Remarks of dagster and its dependencies about each other.
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
    config: dict[str, Any],
    started: float,
    tags: dict[str, str] | None = None,
) -> Outcome:
    """Run ``assets`` of ``job``, or all of them, and put into words how it ended."""
    import dagster as dg

    result = defs.resolve_job_def(job).execute_in_process(
        run_config={**config, "loggers": {"console": {"config": {"label": name}}}},
        instance=instance,
        partition_key=partition,
        asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
        tags=tags,
        raise_on_error=False,
    )
    error, kind = _failure(result)
    return Outcome(
        name,
        list(assets or []) if result.success else [],
        None if result.success else error,
        unreachable=kind == "SourceUnreachableError",
        seconds=time.monotonic() - started,
    )


def _failure(result: dg.ExecuteInProcessResult) -> tuple[str, str | None]:
    """The sentence and the class of what made a run fail."""
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            while error.cause is not None:
                error = error.cause
            sentence = error.message.strip()
            prefix = f"{error.cls_name}: "
            return sentence.rpartition(prefix)[2] if prefix in sentence else sentence, error.cls_name
    failed = [e.description or e.check_name for e in result.get_asset_check_evaluations() if not e.passed]
    return " ".join(failed) or "The run failed; see it in the UI.", None
