"""Loading without the UI: atlases side by side in worker processes, and then what is made of all of them.

Not here: what a worker does (cli.load_tasks), and how worker processes start and end (cli.workers).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import TypeAlias

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


Report: TypeAlias = Callable[[Outcome, Callable[[str], object]], object]
"""Receives each outcome as it comes, and what prints a line meanwhile."""


def load(
    entries: Sequence[AtlasEntry],
    *,
    source: str,
    rows: bool | None,
    refresh: bool,
    examples: bool = False,
    jobs: int | None = None,
    report: Report,
    ready: Callable[[Sequence[Outcome]], object],
) -> list[Outcome]:
    """Load the ontology, then the atlases side by side, the largest first, then their voxel rows.

    Args:
        entries: the atlases.
        source: where their files come from, as CCF_SOURCE names it; the workers' own setting.
        rows: load one row per voxel too; None means as the catalogue says.
        refresh: fetch files again even if they are cached.
        examples: put the example recordings where there is no other recording yet.
        jobs: how many atlases load at once; WORKERS if not given.
        report: receives the outcomes.
        ready: called when everything can be asked, with the outcomes so far; at most that of the comparison
            of atlases follows. Not called if the ontology failed.

    Returns:
        The outcome of the ontology, then, unless that failed, in the order they ended: of each atlas, and
        once more of its voxel rows; of the recordings, with what the sensors would find to do; of the
        comparison of atlases, if there was one to make. That of this host's settings alone, where another
        host's contradict them.
    """
    # polars and ADBC replace the handler of SIGINT when they are imported, and Ctrl-C would no longer end the
    # wait for the workers: restore Python's own.
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
    workers = [Worker(source) for _ in range(jobs or WORKERS)]
    try:
        with Watch() as watch:
            # Every worker that will load an atlas imports now; the ontology waits for the first one only.
            started = [
                worker.submit(load_tasks.start, _ONTOLOGY, worker is workers[0])
                for worker in workers[: max(1, len(entries))]
            ]
            watch.begin(_START)
            _next(started[:1], workers, watch)
            watch.end(_START)
            outcomes = _prepare(workers, entries, watch, refresh=refresh, report=report)
            if outcomes[0].error is None:
                tasks = _Tasks(
                    workers[: len(started)], entries, with_rows=rows, refresh=refresh, examples=examples
                )
                tasks.work(outcomes, watch, report, all_but=_COMPARISON)
        if outcomes[0].error is None:
            ready(outcomes)
            with Watch() as watch:
                tasks.work(outcomes, watch, report)
        if any(outcome.error == KILLED for outcome in outcomes):
            outcome_of(workers[0].submit(load_tasks.close_dead_runs, _ONTOLOGY), _ONTOLOGY)
    except BaseException:
        end_workers()
        raise
    finally:
        for worker in workers:
            worker.leave()
    return outcomes


def register(report: Report) -> Outcome:
    """Register new files and sites without a region, as the sensors would, and nothing else.

    Args:
        report: receives the outcome.
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
    done = workers[0].submit(task, key, *arguments)
    watch.begin(key)
    _next([done], workers, watch)
    watch.end(key)
    return outcome_of(done, key)


def _prepare(
    workers: Sequence[Worker],
    entries: Sequence[AtlasEntry],
    watch: Watch,
    *,
    refresh: bool,
    report: Report,
) -> list[Outcome]:
    """The outcome of the ontology; that of the settings instead, where these failed."""
    if any(entry.ontology in (ALLEN, PHANTOM) for entry in entries):
        outcome = _done(workers, watch, _ONTOLOGY, load_tasks.load_ontology, refresh)
        report(outcome, watch.say)
    else:
        outcome = Outcome(_ONTOLOGY)  # each has its own, which is read with its volume
    if outcome.error is not None:
        return [outcome]
    keys = [entry.key for entry in entries]
    asked = outcome_of(workers[0].submit(load_tasks.ask_for, _SETTINGS, keys), _SETTINGS)
    if asked.error is not None or asked.remarks:
        report(asked, watch.say)
    return [outcome if asked.error is None else asked]


@dataclass(frozen=True)
class _Task:
    """Something for a worker to do; ``by`` is the one that is best at it."""

    key: str
    function: Callable[..., Outcome]
    arguments: tuple[object, ...] = ()
    by: Worker | None = None


class _Tasks:
    """What is left to do once the ontology is there; each task begins as soon as a worker is idle.

    First the atlases, the finest of them, which takes longest, before the others. Voxel rows come last: what
    is made of all atlases, the regions of recordings and the comparison, needs none of them.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        entries: Sequence[AtlasEntry],
        *,
        with_rows: bool | None,
        refresh: bool,
        examples: bool,
    ) -> None:
        self._workers, self._examples = workers, examples
        self._idle = list(workers)
        ordered = sorted(set(entries), key=_edge_um)
        self._atlases = [entry.key for entry in ordered]
        self._waiting = [
            _Task(
                entry.key,
                load_tasks.load_atlas,
                (entry.voxel_rows if with_rows is None else with_rows, refresh),
            )
            for entry in ordered
        ]
        self._running: dict[Future[Outcome], tuple[_Task, Worker]] = {}
        self._loaded: dict[str, Worker] = {}
        self._changed = False
        if not self._waiting:
            self._register_and_compare()

    def work(
        self, outcomes: list[Outcome], watch: Watch, report: Report, *, all_but: str | None = None
    ) -> None:
        """Do what there is to do, and add each outcome to ``outcomes``.

        Args:
            outcomes: so far.
            watch: shows what is going on.
            report: as for `load`.
            all_but: key of a task that need not be awaited.
        """
        for task, _ in self._running.values():  # of an earlier call
            watch.begin(task.key)
        while self._waiting or self._running:
            while self._waiting and self._idle:
                self._begin(self._waiting.pop(0), watch)
            if not self._waiting and all(task.key == all_but for task, _ in self._running.values()):
                break  # it has just begun
            for done in _next(self._running, self._workers, watch):
                task, worker = self._running.pop(done)
                self._idle.insert(0, worker)
                watch.end(task.key)
                outcome = outcome_of(done, task.key)
                self._go_on(task, worker, outcome)
                if _is_news(task, outcome):
                    outcomes.append(outcome)
                    report(outcome, watch.say)

    def _begin(self, task: _Task, watch: Watch) -> None:
        worker = next((each for each in self._idle if each is task.by), self._idle[0])
        self._idle.remove(worker)
        self._running[worker.submit(task.function, task.key, *task.arguments)] = task, worker
        watch.begin(task.key)

    def _go_on(self, task: _Task, worker: Worker, outcome: Outcome) -> None:
        """Add what can be done now that a task has ended."""
        if task.function is not load_tasks.load_atlas:
            return
        self._loaded[task.key] = worker
        self._changed = self._changed or bool(_COMPARED & set(outcome.loaded))
        if outcome.rows_wanted:
            self._waiting.append(_Task(task.key, load_tasks.load_voxel_rows, by=worker))
        if len(self._loaded) == len(self._atlases):
            self._register_and_compare()

    def _register_and_compare(self) -> None:
        # The worker that loaded the finest atlas has its runs in memory.
        finest = next((self._loaded[key] for key in self._atlases), None)
        other = next((worker for worker in self._loaded.values() if worker is not finest), None)
        self._waiting[:0] = [
            _Task(_RECORDINGS, load_tasks.register_recordings, (self._examples,), other),
            _Task(_COMPARISON, load_tasks.compare_atlases, (self._changed,), finest),
        ]


def _is_news(task: _Task, outcome: Outcome) -> bool:
    """Whether a task has an outcome of its own: a comparison that was made, an atlas without rows to come."""
    nothing = not outcome.loaded and outcome.error is None
    return not (nothing and (task.key == _COMPARISON or outcome.rows_wanted))


def _edge_um(entry: AtlasEntry) -> float:
    """Of a voxel; 0 where only the atlas's files say it."""
    return entry.resolution_um or 0
