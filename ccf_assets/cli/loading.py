"""Loading without the UI: atlases side by side in worker processes, then recordings beside the comparison.

Not here: what a worker does (cli.load_tasks), and how worker processes start and end (cli.workers).
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from ccf_assets import settings
from ccf_assets.ccf.catalogue import ALLEN, PHANTOM, AtlasEntry
from ccf_assets.cli import load_tasks
from ccf_assets.cli.outcome import Outcome
from ccf_assets.cli.watch import Watch
from ccf_assets.cli.workers import KILLED, Worker, end_workers, outcome_of

WORKERS = 2
"""Atlases that load at once by default. A load keeps a core busy in Python and one in PostgreSQL."""

_START = "starting Dagster"

_ONTOLOGY = "structure_graph"

_SETTINGS = "settings"

_RECORDINGS = "recordings"

_COMPARISON = "comparison"

_COMPARED = {"voxel_run", "region_ancestor", "region_volume"}
"""The assets that the comparison of atlases is made from."""


def load(
    entries: Sequence[AtlasEntry],
    *,
    source: str,
    rows: bool | None,
    refresh: bool,
    examples: bool = False,
    jobs: int | None = None,
    report: Callable[[Outcome, Callable[[str], object]], object],
    ready: Callable[[Sequence[Outcome]], object],
) -> list[Outcome]:
    """Load the ontology, then the atlases side by side, the largest first.

    Args:
        entries: the atlases.
        source: where their files come from, as CCF_SOURCE names it; the workers' own setting.
        rows: load one row per voxel too; None means as the catalogue says.
        refresh: fetch files again even if they are cached.
        examples: put the example recordings where there is no other recording yet.
        jobs: how many atlases load at once; WORKERS if not given.
        report: receives each outcome as it comes, and what prints a line meanwhile.
        ready: called when the atlases can be asked, with the outcomes so far; only that of the comparison of
            atlases follows. Not called if the ontology failed.

    Returns:
        The outcome of the ontology, then, unless that failed, of each atlas in the order they ended, then of
        the recordings: what the sensors would find to do is done at once; then of the comparison of atlases,
        if there was one to make. That of this host's settings alone, where another host's contradict them.
    """
    # polars and ADBC replace the handler of SIGINT when they are imported, and Ctrl-C would no longer end the
    # wait for the workers: restore Python's own.
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
    workers = [Worker(source) for _ in range(jobs or WORKERS)]
    try:
        with Watch() as watch:
            # Every worker that will load an atlas imports now; the ontology waits for the first one only.
            started = [
                worker.submit(load_tasks.start, _ONTOLOGY) for worker in workers[: max(1, len(entries))]
            ]
            watch.begin(_START)
            _next(started[:1], workers, watch)
            watch.end(_START)
            say = functools.partial(_reported, report, watch)
            outcomes = _load_all(workers, entries, watch, rows=rows, refresh=refresh, report=say)
            loaded = outcomes[0].error is None
            changed = any(_COMPARED & set(outcome.loaded) for outcome in outcomes)
            comparing: Future[Outcome] | None = None
            if loaded:
                if workers[1 : len(entries)]:  # it needs no recordings
                    comparing = workers[1].submit(load_tasks.compare_atlases, _COMPARISON, changed)
                    watch.begin(_COMPARISON)
                outcomes.append(_done(workers, watch, _RECORDINGS, load_tasks.register_recordings, examples))
                say(outcomes[-1])
        if loaded:
            ready(outcomes)
            with Watch() as watch:
                comparing = comparing or workers[0].submit(load_tasks.compare_atlases, _COMPARISON, changed)
                compared = _awaited(workers, watch, _COMPARISON, comparing)
                if compared.loaded or compared.error:
                    outcomes.append(compared)
                    report(compared, watch.say)
        if any(outcome.error == KILLED for outcome in outcomes):
            outcome_of(workers[0].submit(load_tasks.close_dead_runs, _ONTOLOGY), _ONTOLOGY)
    except BaseException:
        end_workers()
        raise
    finally:
        for worker in workers:
            worker.leave()
    return outcomes


def register(report: Callable[[Outcome, Callable[[str], object]], object]) -> Outcome:
    """Register new files and sites without a region, as the sensors would, and nothing else.

    Args:
        report: receives the outcome, and what prints a line meanwhile.
    """
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))  # as for a load
    workers = [Worker(settings.source())]
    try:
        with Watch() as watch:
            outcome = _done(workers, watch, _RECORDINGS, load_tasks.register_recordings, False)
            report(outcome, watch.say)
    except BaseException:
        end_workers()
        raise
    finally:
        workers[0].leave()
    return outcome


def _reported(
    report: Callable[[Outcome, Callable[[str], object]], object], watch: Watch, outcome: Outcome
) -> None:
    report(outcome, watch.say)


POLL_S = 0.1
"""Seconds between two looks at what the workers report."""


def _next(
    running: Iterable[Future[Outcome]], workers: Sequence[Worker], watch: Watch
) -> set[Future[Outcome]]:
    """The tasks that ended first; what the workers report until then is shown."""
    waited = list(running)
    while True:
        done = wait(waited, POLL_S, FIRST_COMPLETED).done
        for worker in workers:
            for note in worker.notes():
                watch.note(note)
        if done:
            return done


def _done(
    workers: Sequence[Worker], watch: Watch, key: str, task: Callable[..., Outcome], *arguments: object
) -> Outcome:
    """The outcome of a task of the first worker."""
    return _awaited(workers, watch, key, workers[0].submit(task, key, *arguments))


def _awaited(workers: Sequence[Worker], watch: Watch, key: str, task: Future[Outcome]) -> Outcome:
    """The outcome of a task that has begun."""
    watch.begin(key)
    _next([task], workers, watch)
    watch.end(key)
    return outcome_of(task, key)


def _load_all(
    workers: Sequence[Worker],
    entries: Sequence[AtlasEntry],
    watch: Watch,
    *,
    rows: bool | None,
    refresh: bool,
    report: Callable[[Outcome], object],
) -> list[Outcome]:
    """The outcomes of the ontology and of the atlases; of what failed alone, where no atlas was begun."""
    if any(entry.ontology in (ALLEN, PHANTOM) for entry in entries):
        outcomes = [_done(workers, watch, _ONTOLOGY, load_tasks.load_ontology, refresh)]
        report(outcomes[0])
    else:
        outcomes = [Outcome(_ONTOLOGY)]  # each has its own, which is read with its volume
    if outcomes[0].error is not None:
        return outcomes
    asked = outcome_of(
        workers[0].submit(load_tasks.ask_for, _SETTINGS, [entry.key for entry in entries]), _SETTINGS
    )
    if asked.error is not None or asked.remarks:
        report(asked)
    if asked.error is not None:
        return [asked]
    idle = list(reversed(workers))
    running: dict[Future[Outcome], tuple[str, Worker]] = {}
    # Taken from the end: the largest first, and those first whose size only their files say.
    waiting = sorted(set(entries), key=lambda entry: -(entry.resolution_um or 0))
    while waiting or running:
        while waiting and idle:
            entry, worker = waiting.pop(), idle.pop()
            with_rows = entry.voxel_rows if rows is None else rows
            running[worker.submit(load_tasks.load_atlas, entry.key, with_rows, refresh)] = entry.key, worker
            watch.begin(entry.key)
        for done in _next(running, workers, watch):
            key, worker = running.pop(done)
            watch.end(key)
            idle.append(worker)
            outcomes.append(outcome_of(done, key))
            report(outcomes[-1])
    return outcomes
