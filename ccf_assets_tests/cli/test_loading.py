"""Loads from the command line: how they fail, how they are stopped, and that nothing is left of them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import psycopg
import pytest
import sqlalchemy as sa
from dagster_postgres import DagsterPostgresStorage
from psycopg.rows import dict_row

from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.cli import forking, load, load_tasks, loading, worker_imports
from ccf_assets.cli import outcome as outcome_module
from ccf_assets.cli import workers as workers_module
from ccf_assets.cli.outcome import Outcome
from ccf_assets.cli.watch import Watch
from ccf_assets.errors import CcfError, SourceUnreachableError
from ccf_assets.pg import embedded
from ccf_assets.refusals import in_words
from ccf_assets_tests.support.http_server import LocalServer
from ccf_assets_tests.support.program import ccf, new_home, read_until, server, session, start, wait_for

# ---- failures in words


def failure(*raised: BaseException) -> tuple[str, bool]:
    """What is said of a run in which an op raised the last, because of the one before, and so on."""

    @dg.op
    @in_words
    def fails() -> None:
        def chain(errors: tuple[BaseException, ...]) -> None:
            *causes, error = errors
            if not causes:
                raise error
            try:
                chain(tuple(causes))
            except BaseException as cause:
                raise error from cause

        chain(raised)

    @dg.job
    def fail() -> None:
        fails()

    failed = outcome_module.failure(fail.execute_in_process(raise_on_error=False))
    return failed.sentence, failed.unreachable


def test_the_sentence_is_shown_not_what_it_was_made_of() -> None:
    causes = OSError(28, "No space left on device"), CcfError("The disk is full; make room.")
    assert failure(*causes) == ("The disk is full; make room.", False)


def test_a_sentence_is_shown_whole() -> None:
    text = "Of ccf.voxel: CcfError: is a word here.\nAnd this is the second line: it matters too."
    assert failure(CcfError(text)) == (text, False)


def test_an_unreachable_source_is_recognised() -> None:
    text = "http://db/x could not be fetched because the server refused the connection."
    assert failure(ConnectionRefusedError(111, "refused"), SourceUnreachableError(text)) == (text, True)


def test_a_database_that_went_away_is_said_as_elsewhere() -> None:
    lost = psycopg.OperationalError("server closed the connection unexpectedly\n\tThis probably means")
    sentence, _ = failure(lost, RuntimeError("step failed"))
    assert sentence == (
        "The database answers: server closed the connection unexpectedly This probably means. "
        "What was not finished was undone; load again."
    )


def test_an_error_that_nobody_foresaw_is_named_with_where_to_look() -> None:
    sentence, unreachable = failure(ZeroDivisionError("division by zero"), RuntimeError("step failed"))
    assert sentence == "ZeroDivisionError: division by zero. The run's page in the UI has the details."
    assert not unreachable


def test_of_checks_that_stopped_a_run_each_is_told_and_of_warnings_none() -> None:
    specs = [dg.AssetCheckSpec(name, asset="table", blocking=True) for name in ("one", "two", "fine", "odd")]

    @dg.asset(check_specs=specs)
    def table() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(check_name="one", passed=False, description="3 regions are lost.")
        yield dg.AssetCheckResult(check_name="two", passed=False, description="2 runs overlap.")
        yield dg.AssetCheckResult(check_name="fine", passed=True, description="All is well.")
        warning = dg.AssetCheckSeverity.WARN
        yield dg.AssetCheckResult(check_name="odd", passed=False, severity=warning, description="Odd.")

    result = dg.materialize([table], raise_on_error=False)
    assert outcome_module.failure(result) == outcome_module.Failure("3 regions are lost. 2 runs overlap.")


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (CcfError("No right to do so."), Outcome("x", error="No right to do so.")),
        (SourceUnreachableError("It is away."), Outcome("x", error="It is away.", unreachable=True)),
        (KeyError("id"), Outcome("x", error="KeyError: 'id'")),
    ],
)
def test_what_a_worker_raises_is_an_outcome_of_that_atlas(raised: Exception, outcome: Outcome) -> None:
    def work(_key: str) -> Outcome:
        raise raised

    found = workers_module.work(work, "x")
    assert (found.error, found.unreachable) == (outcome.error, outcome.unreachable)


def test_a_database_that_is_lost_is_told_in_a_sentence_also_when_dagster_lost_it(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    address = f"postgresql://x@/x?host={tmp_path}"

    def ours(_key: str) -> Outcome:
        raise AssertionError(sa.create_engine(address.replace("://", "+psycopg://")).connect())

    def dagsters(_key: str) -> Outcome:
        raise AssertionError(DagsterPostgresStorage(address, should_autocreate_tables=True))

    for work in (ours, dagsters):
        error = workers_module.work(work, "x").error
        assert error is not None
        assert re.fullmatch(
            r"The database answers: [^\n]*No such file or directory[^\n]*\? "
            r"What was not finished was undone; load again\.",
            error,
        )
        assert "Traceback" not in capfd.readouterr().err


# ---- the ontology


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A mirror with an ontology, which the program uses."""
    with LocalServer() as mirror:
        mirror.files["/ccf/ontology/structure_graph.csv"] = phantom_ontology.structure_graph_csv()
        monkeypatch.setenv("CCF_SOURCE", mirror.url)
        yield mirror


def test_the_ontology_is_fetched_once_and_the_wait_for_it_is_announced(
    database: sa.Engine, mirror: LocalServer, capfd: pytest.CaptureFixture[str]
) -> None:
    first = load_tasks.load_ontology("structure_graph", False)
    assert list(first.loaded) == ["structure_graph"]
    assert f"structure_graph  fetching {mirror.url}/ontology/structure_graph.csv" in capfd.readouterr().err
    assert list(load_tasks.load_ontology("structure_graph", False).loaded) == []
    assert len(mirror.requests) == 1
    assert list(load_tasks.load_ontology("structure_graph", True).loaded) == ["structure_graph"]
    assert len(mirror.requests) == 2


def test_an_emptied_cache_is_filled_again_from_the_database_without_a_run(
    database: sa.Engine, mirror: LocalServer, capfd: pytest.CaptureFixture[str]
) -> None:
    load_tasks.load_ontology("structure_graph", False)
    cache = Path(os.environ["CCF_HOME"]) / "downloads"
    shutil.rmtree(cache)
    capfd.readouterr()
    assert load_tasks.load_ontology("structure_graph", False).loaded == []
    assert "fetching" not in capfd.readouterr().err
    assert len(mirror.requests) == 1
    assert [file.name for file in cache.rglob("*.csv")] == ["structure_graph.csv"]


# ---- the comparison of atlases


def test_atlases_are_compared_once_and_again_when_one_has_changed(phantom_database: sa.Engine) -> None:
    rows = sa.text("SELECT count(*) FROM ccf.region_consistency")
    assert load_tasks.compare_atlases("comparison", False).loaded == ["region_consistency"]
    with phantom_database.begin() as connection:
        assert connection.scalar(rows)
        connection.execute(sa.text("UPDATE ccf.region_consistency SET agreement = 2"))
    assert load_tasks.compare_atlases("comparison", False).loaded == []
    assert load_tasks.compare_atlases("comparison", True).loaded == ["region_consistency"]
    with phantom_database.begin() as connection:
        assert not connection.scalar(
            sa.text("SELECT count(*) FROM ccf.region_consistency WHERE agreement = 2")
        )
        connection.execute(sa.text("UPDATE ccf.atlas SET ccf_version = ccf_id::text"))
    assert load_tasks.compare_atlases("comparison", True).loaded == []


# ---- stopping


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A CCF_HOME with an embedded server and phantom_100um and phantom_50um loaded, without rows."""
    with new_home() as home:
        first = ccf("load", "phantom_100um", "phantom_50um", "--no-rows", **_settings(home))
        assert first.returncode == 0, first.stderr
        yield home


def _settings(home: Path) -> dict[str, str]:
    """Also where the suite runs on a server of the lab's: this is about the one that the program starts."""
    return {
        "CCF_HOME": str(home),
        "CCF_SOURCE": "phantom",
        "CCF_RECORDINGS": str(home / "none"),
        "CCF_POSTGRES_URL": "",
    }


def _load(home: Path, *others: str) -> subprocess.Popen[str]:
    """A load that is in the middle of it: the server is writing one row per voxel."""
    load = start("load", "phantom_50um", *others, "--rows", **_settings(home))
    read_until(load, "ontology: up to date")
    found = server(home)
    assert found is not None
    with _connect(found) as watch:
        query = "query LIKE 'COPY %voxel_%loading%' AND state = 'active'"
        busy = f"SELECT count(*) FROM pg_stat_activity WHERE {query}"
        wait_for(lambda: watch.execute(busy).fetchone() != (0,), 60)
    return load


def _connect(found: embedded.Server) -> psycopg.Connection[tuple[Any, ...]]:
    address = {"host": found.socket_dir, "port": found.port, "user": "postgres", "dbname": "ccf"}
    return psycopg.connect(**address, autocommit=True)


def _left_behind(home: Path) -> Mapping[str, Any]:
    """What a load could leave in the database, the status of the last run, and what is loaded."""
    query = """
        SELECT (SELECT count(*) FROM pg_class WHERE relname ~ 'loading|stag') AS staging,
            (SELECT count(*) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS sessions,
            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS advisory,
            (SELECT count(*) FROM ccf_dagster.runs WHERE status LIKE 'START%') AS unfinished,
            -- A run that the signal met before its first step is NOT_STARTED, and never will be.
            (SELECT CASE status WHEN 'NOT_STARTED' THEN 'FAILURE' ELSE status END
             FROM ccf_dagster.runs ORDER BY id DESC LIMIT 1) AS last,
            (SELECT count(*) FROM ccf.voxel) AS voxels
    """
    found = embedded.join(home / "postgres")
    try:
        with _connect(found) as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query).fetchone() or {}
    finally:
        embedded.leave()


NOTHING = {"staging": 0, "sessions": 0, "advisory": 0, "unfinished": 0, "last": "FAILURE", "voxels": 0}


def test_atlases_load_side_by_side_as_runs_of_dagster(home: Path) -> None:
    query = """
        SELECT a.pipeline_name, b.pipeline_name, a.start_time < b.end_time AND b.start_time < a.end_time
        FROM ccf_dagster.runs a JOIN ccf_dagster.runs b ON a.id = 2 AND b.id = 3
    """
    asked = ccf("psql", "-Atc", query, **_settings(home))
    assert asked.stdout == "load_atlas|load_atlas|t\n"


def test_ctrl_c_ends_a_load_at_once_in_order_and_completely(home: Path) -> None:
    load = _load(home)
    os.killpg(load.pid, signal.SIGINT)  # as a terminal does
    rest, _ = load.communicate(timeout=30)
    assert load.returncode not in {0, None}
    assert "Traceback" not in rest
    wait_for(lambda: not session(load))  # Python's resource tracker ends when its pipe closes
    assert server(home) is None
    assert _left_behind(home) == NOTHING


def test_ctrl_c_ends_a_load_also_while_a_run_is_being_set_up(home: Path) -> None:
    load = start("load", "phantom_50um", "--rows", **_settings(home))
    read_until(load, "ontology: up to date")
    os.killpg(load.pid, signal.SIGINT)
    rest, _ = load.communicate(timeout=30)
    assert load.returncode not in {0, None}
    assert "Traceback" not in rest
    wait_for(lambda: not session(load))
    assert server(home) is None
    assert {**_left_behind(home), "last": "FAILURE"} == NOTHING


def test_a_load_that_is_told_to_end_before_its_workers_are_there_ends(home: Path) -> None:
    load = start("load", "phantom_50um", **_settings(home))
    read_until(load, "Loading phantom_50um")
    load.terminate()
    rest, _ = load.communicate(timeout=30)
    assert load.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in rest
    wait_for(lambda: not session(load))  # Python's resource tracker ends when its pipe closes
    assert server(home) is None


def test_when_the_command_is_killed_its_workers_end_in_order(home: Path) -> None:
    load = _load(home)
    load.kill()
    load.communicate(timeout=30)
    wait_for(lambda: not session(load))
    assert server(home) is None
    assert _left_behind(home) == NOTHING


def test_the_process_that_workers_are_forked_from_takes_nothing_apart_at_its_end_and_they_do() -> None:
    program = (
        "import atexit, os, sys\n"
        "atexit.register(lambda: os.write(1, f'{os.getpid() == first} '.encode()))\n"
        "first = os.getpid()\n"
        "import ccf_assets.cli.worker_parent\n"
        "# as the command line of multiprocessing.forkserver has it\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "False "  # said by the child alone


def test_all_that_is_imported_ahead_of_the_workers_can_be_imported() -> None:
    """A failure there is not told, since each worker would import for itself; it costs seconds."""
    worker_imports.import_all()
    assert set(worker_imports.AHEAD) <= set(sys.modules)


@pytest.mark.skipif(
    not hasattr(sys.flags, "safe_path"),
    reason="Python 3.10 starts each worker by itself, which finds modules",
)
def test_a_module_in_the_current_folder_is_not_imported_in_place_of_one_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    (tmp_path / "statistics.py").write_text("raise SystemExit('a module of the lab is imported')")
    monkeypatch.chdir(tmp_path)
    with forking.starting():
        subprocess.run([sys.executable, "-c", "import statistics, ccf_assets"], check=True)
    assert subprocess.run([sys.executable, "-c", "import statistics"], check=False).returncode == 1


def test_a_killed_worker_fails_its_atlas_in_a_sentence_and_no_other(home: Path) -> None:
    load = _load(home, "phantom_100um")
    started = psutil.Process(load.pid).children(recursive=True)
    # What starts them, where that is a process, stays in the command's group, which they leave.
    workers = []
    for process in started:
        with suppress(psutil.NoSuchProcess):  # the shell that starts the server lives for a moment
            if "multiprocessing" in " ".join(process.cmdline()) and os.getpgid(process.pid) == process.pid:
                workers.append(process)
    min(workers, key=psutil.Process.create_time).kill()  # the larger atlas is begun first
    rest, _ = load.communicate(timeout=60)
    assert load.returncode == 1
    assert "phantom_50um: FAILED. Its process was killed, perhaps because memory ran out" in rest
    assert "phantom_100um: loaded voxel rows in" in rest
    assert "recordings: up to date" in rest
    assert "Traceback" not in rest
    wait_for(lambda: not session(load))
    assert server(home) is None
    assert {**_left_behind(home), "last": "FAILURE"} == {**NOTHING, "voxels": 404_045}
    emptied = ccf("psql", "-c", "TRUNCATE ccf.voxel", **_settings(home))
    assert emptied.returncode == 0, emptied.stderr


def test_after_everything_was_killed_at_once_the_next_load_puts_it_right(home: Path) -> None:
    load = _load(home)
    everything = [*psutil.Process(load.pid).children(recursive=True), psutil.Process(load.pid)]
    for process in everything:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    load.communicate(timeout=30)
    wait_for(lambda: server(home) is None)
    again = ccf("load", "phantom_50um", "--rows", **_settings(home))
    assert again.returncode == 0, again.stderr
    assert "phantom_50um: loaded voxel rows in" in again.stderr
    assert _left_behind(home) == {**NOTHING, "last": "SUCCESS", "voxels": 3_235_273}


def test_files_that_are_still_being_written_are_named_and_not_said_to_be_up_to_date(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    monkeypatch.setenv("CCF_RECORDINGS", str(folder))
    (folder / "growing.csv").write_text("recording_id,site_id,x,y,z\n", "utf-8")
    monkeypatch.setattr(load_tasks, "_settled", lambda folder: folder.scan(time.time(), 3600))
    outcome = load_tasks.register_recordings("recordings", False)
    assert (outcome.loaded, outcome.refused, outcome.error) == ([], [], None)
    load.report(outcome)
    assert capsys.readouterr().err == (
        "recordings: 1 file is still being written and was not read (growing.csv); the UI or the next load "
        "reads it when it is complete\n"
    )


class StandIn:
    """In the place of a worker: tells what it is given to do, and ends each task when it is told to."""

    def __init__(self, name: str, given: list[str], pending: Collection[str] = ()) -> None:
        self.name, self.given, self.pending = name, given, pending
        self.futures: dict[str, Future[Outcome]] = {}

    def submit(self, function: Callable[..., Outcome], key: str, *_: object) -> Future[Outcome]:
        self.given.append(f"{self.name} {function.__name__} {key}")
        self.futures[key] = future = Future[Outcome]()
        if key not in self.pending:
            future.set_result(Outcome(key, ["voxel_run"], rows_wanted=function is load_tasks.load_atlas))
        return future

    def notes(self) -> list[object]:
        return []


def tasks_of(workers: list[StandIn], *keys: str) -> loading._Tasks:
    entries = [atlas_entry(key) for key in keys]
    return loading._Tasks(workers, entries, with_rows=True, refresh=False, examples=False)  # type: ignore[arg-type]


def test_with_one_worker_nobody_waits_for_a_comparison_that_has_begun() -> None:
    given: list[str] = []
    outcomes: list[Outcome] = []
    with Watch() as watch:
        tasks_of([StandIn("a", given)], "phantom_100um").work(outcomes, watch, lambda *_: None)
    assert given == [
        "a load_atlas phantom_100um",
        "a register_recordings recordings",
        "a compare_atlases comparison",
        "a load_voxel_rows phantom_100um",
    ]
    given.clear()
    worker = StandIn("a", given, pending=("comparison",))
    with Watch() as watch:
        tasks = tasks_of([worker])
        tasks.work(outcomes, watch, lambda *_: None, all_but="comparison")
        assert given[-1] == "a compare_atlases comparison"
        worker.futures["comparison"].set_result(Outcome("comparison", ["region_consistency"]))
        tasks.work(outcomes, watch, lambda *_: None)
    assert outcomes[-1].key == "comparison"


def test_the_worker_with_the_finest_atlas_compares_and_the_other_registers() -> None:
    given: list[str] = []
    workers = [StandIn(name, given) for name in "ab"]
    with Watch() as watch:
        tasks_of(workers, "phantom_100um", "phantom_50um").work([], watch, lambda *_: None)
    assert given[:2] == ["a load_atlas phantom_50um", "b load_atlas phantom_100um"]
    assert sorted(given[2:4]) == ["a compare_atlases comparison", "b register_recordings recordings"]
    assert {line.split(" ", 1)[1] for line in given[4:]} == {
        "load_voxel_rows phantom_50um",
        "load_voxel_rows phantom_100um",
    }
