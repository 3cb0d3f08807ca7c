"""Runs that Celery workers execute: they end as anywhere, and what does not fit is said before one starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import psycopg
import pytest
import redis
import sqlalchemy as sa
import yaml
from dagster._core.definitions.reconstruct import ReconstructableRepository

import ccf_assets
from ccf_assets import settings
from ccf_assets.cli import ui, worker
from ccf_assets.db import database as our_database
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect
from ccf_assets.runs import liveness, run_engine
from ccf_assets.runs.home import dagster_home
from ccf_assets_tests.conftest import Copies
from ccf_assets_tests.support.broker import PASSWORD, new_broker
from ccf_assets_tests.support.program import read_until, start, wait_for

PLAIN = settings.dagster_file("dagster.yaml").read_bytes()


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with new_broker() as url:
        yield url


# --- what is written, and what is refused -------------------------------------------------------------------


def test_without_an_engine_the_settings_of_dagster_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCF_SLOTS", "7")
    assert (dagster_home() / "dagster.yaml").read_bytes() == PLAIN
    monkeypatch.setenv("CCF_ENGINE", "k8s")
    assert (dagster_home() / "dagster.yaml").read_bytes() == PLAIN, "there the chart writes them"


def test_with_a_broker_they_fit_the_slots_and_hold_no_address(
    monkeypatch: pytest.MonkeyPatch, broker: str
) -> None:
    monkeypatch.setenv("CCF_ENGINE", broker)
    monkeypatch.setenv("CCF_SLOTS", "7")
    text = (dagster_home() / "dagster.yaml").read_text("utf-8")
    told, plain = yaml.safe_load(text), yaml.safe_load(PLAIN)
    assert told["run_launcher"]["config"]["broker"] == {"env": "CCF_ENGINE"}
    assert broker not in text
    assert told["concurrency"]["runs"].pop("max_concurrent_runs") == 7
    assert told["concurrency"]["pools"].pop("default_limit") == 7
    assert told["run_monitoring"].pop("start_timeout_seconds") > 900
    for where, name in (("runs", "max_concurrent_runs"), ("pools", "default_limit")):
        del plain["concurrency"][where][name]
    assert {key: told[key] for key in plain} == plain, "everything else is as it was"
    monkeypatch.delenv("CCF_ENGINE")
    monkeypatch.delenv("DAGSTER_HOME")
    assert (dagster_home() / "dagster.yaml").read_bytes() == PLAIN


def test_a_home_whose_runs_would_not_reach_the_workers_is_not_used(
    monkeypatch: pytest.MonkeyPatch, broker: str, tmp_path: Path
) -> None:
    (tmp_path / "dagster.yaml").write_bytes(PLAIN)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert dagster_home() == tmp_path
    monkeypatch.setenv("CCF_ENGINE", broker)
    said: list[str] = []
    assert dagster_home(said.append) != tmp_path
    assert "without a run_launcher" in said[0]


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("redis//:Zq7xW@host", "CCF_ENGINE is no engine; write it as redis://"),
        ("amqp://me:Zq7xW@host", "CCF_ENGINE is no engine; write it as redis://"),
        ("redis://:Zq7xW/x@host:6379/0", "CCF_ENGINE is not the address of a broker"),
        ("redis://:Zq7xW#x@host:6379/0", "CCF_ENGINE is not the address of a broker"),
        ("redis://:Zq7xW@127.0.0.1:1/0", "The broker at 127.0.0.1:1 cannot be used: Error"),
        ("k8s", "see deploy/kubernetes"),
    ],
)
def test_an_engine_that_cannot_be_used_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, engine: str, words: str
) -> None:
    monkeypatch.setenv("CCF_POSTGRES_URL", "postgresql://127.0.0.1:1/lab")
    monkeypatch.setenv("CCF_ENGINE", engine)
    with pytest.raises(CcfError) as refused:
        worker.work(None, (), print)
    assert words in str(refused.value)
    assert "Zq7xW" not in str(refused.value)
    with pytest.raises(CcfError) as refused:
        ui.serve("127.0.0.1", 0, print)
    assert words in str(refused.value)


def test_a_wrong_password_of_the_broker_is_said_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, broker: str
) -> None:
    monkeypatch.setenv("CCF_POSTGRES_URL", "postgresql://127.0.0.1:1/lab")
    monkeypatch.setenv("CCF_ENGINE", broker.replace(PASSWORD, "Zq7xW"))
    with pytest.raises(
        CcfError, match=r"The broker at 127\.0\.0\.1:\d+ cannot be used: .*password"
    ) as refused:
        run_engine.require_workers("A worker")
    assert "Zq7xW" not in str(refused.value)


def test_what_a_worker_lacks_is_named(monkeypatch: pytest.MonkeyPatch, broker: str) -> None:
    with pytest.raises(CcfError, match="A worker needs CCF_ENGINE"):
        worker.work(None, (), print)
    monkeypatch.setenv("CCF_ENGINE", broker)
    with pytest.raises(
        CcfError, match="needs a PostgreSQL server that all hosts reach: set CCF_POSTGRES_URL"
    ):
        worker.work(None, (), print)
    monkeypatch.setenv("CCF_POSTGRES_URL", "postgresql://127.0.0.1:1/lab")
    with pytest.raises(CcfError, match=r"PostgreSQL at 127\.0\.0\.1:1 cannot be used"):
        worker.work(None, (), print)
    monkeypatch.setattr(run_engine.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CcfError, match=r"pip install 'ccf_assets\[celery\]'"):
        worker.work(None, (), print)


@pytest.mark.parametrize("slots", ["0", "-1", "two", "1001"])
def test_a_number_of_slots_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, slots: str) -> None:
    monkeypatch.setenv("CCF_SLOTS", slots)
    with pytest.raises(CcfError, match=f"CCF_SLOTS is '{slots}'; write how many"):
        settings.slots()


def test_a_worker_of_another_version_than_the_ui_is_refused(
    monkeypatch: pytest.MonkeyPatch, broker: str, database: sa.Engine
) -> None:
    monkeypatch.setenv("CCF_ENGINE", broker)
    address = os.environ["CCF_POSTGRES_URL"]
    for name, its in (("ccf-assets up 9.8.7 on hosta", "9.8.7"), ("ccf-assets up on hosta", "of an older")):
        with (
            psycopg.connect(address, application_name=name),
            pytest.raises(CcfError, match=rf"on hosta, is ccf_assets {its}.* this host has") as refused,
        ):
            worker.work(None, (), print)
        assert ccf_assets.__version__ in str(refused.value)


def test_a_worker_whose_clock_is_wrong_is_refused(
    monkeypatch: pytest.MonkeyPatch, broker: str, database: sa.Engine
) -> None:
    monkeypatch.setenv("CCF_ENGINE", broker)
    now = worker.time.time
    for off, words in ((60, "60 s ahead of"), (-7, "7 s behind")):
        monkeypatch.setattr(worker.time, "time", lambda off=off: now() + off)
        with pytest.raises(CcfError, match=f"clock of this host is {words} that of the database; 5 s"):
            worker.work(None, (), print)


def test_runs_that_read_files_go_to_the_queue_of_the_workers_that_have_them() -> None:
    ask = (
        "from ccf_assets.defs.jobs import jobs; "
        "print([job.name for job in jobs if job.tags.get('dagster-celery/queue') == 'files'])"
    )
    queue = {**os.environ, "CCF_RECORDINGS_QUEUE": "files"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ask], check=True, capture_output=True, text=True, env=queue
    )
    assert done.stdout.strip() == "['register_recordings']"


# --- a worker -----------------------------------------------------------------------------------------------


class Lab:
    """A database with phantoms, a broker, and Dagster's records; runs are handed over as the daemon does."""

    def __init__(self, instance: dg.DagsterInstance, engine: sa.Engine, broker: str) -> None:
        self.instance, self.engine = instance, engine
        self.redis = redis.Redis.from_url(broker)
        self._repository = ReconstructableRepository.for_module("ccf_assets.definitions", "defs")

    def launch(self, job: str, **tags: str) -> str:
        """Hand a run over; returns its id."""
        recon = self._repository.get_reconstructable_job(job)
        run = self.instance.create_run_for_job(
            recon.get_definition(),
            job_code_origin=recon.get_python_origin(),
            tags={"dagster/partition": "phantom_100um", **tags},
        )
        self.instance.launch_run(run.run_id, None)  # type: ignore[arg-type]
        return str(run.run_id)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """While this lasts, runs stop at the first table that they write."""
        with self.engine.begin() as other:
            other.exec_driver_sql("LOCK TABLE ccf.region_set IN EXCLUSIVE MODE")
            yield

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def wait(self, run_id: str, status: str) -> None:
        wait_for(lambda: self.run(run_id).status.value == status, 60)

    def waiting(self, queue: str) -> int:
        """How many runs wait in the broker."""
        return int(self.redis.llen(queue))  # type: ignore[arg-type]

    def messages(self, run_id: str) -> str:
        logs = self.instance.all_logs(run_id)
        return "\n".join(entry.dagster_event.message or "" for entry in logs if entry.dagster_event)


@pytest.fixture(scope="module")
def _url(_phantom_copies: Copies) -> Iterator[sa.URL]:
    with _phantom_copies.one() as url:
        yield url


@pytest.fixture
def lab(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, _url: sa.URL, broker: str
) -> Iterator[Lab]:
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(_url))
    monkeypatch.setenv("CCF_ENGINE", broker)
    monkeypatch.setenv("CCF_SOURCE", "phantom")
    dagster_home()
    with dg.DagsterInstance.get() as instance:
        add_atlases(instance, {"phantom_100um": True})
        yield Lab(instance, our_database.create_engine(), broker)


@pytest.fixture(scope="module")
def _workers() -> Iterator[list[subprocess.Popen[str]]]:
    workers: list[subprocess.Popen[str]] = []
    yield workers
    for process in workers:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def one_worker(lab: Lab, _workers: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """A worker for one run at a time, of two queues; it takes 5 s to start, so tests share it."""
    if not _workers or _workers[-1].poll() is not None:
        process = start("worker", "--slots", "1", "--queue", "dagster", "--queue", "files")
        _workers.append(process)
        said = read_until(process, "Waiting at the broker")
        for words in ("No UI of this database runs now", "Recordings: ", "the queue dagster and files, 1 at"):
            assert words in said
        assert PASSWORD not in said
    return _workers[-1]


def family(worker: subprocess.Popen[str]) -> list[psutil.Process]:
    command = psutil.Process(worker.pid)
    return [command, *command.children()]


def test_a_run_is_executed_by_a_worker_which_takes_the_next_when_it_is_free(
    lab: Lab, one_worker: subprocess.Popen[str]
) -> None:
    with lab.held_up():
        first = lab.launch("load_region_sets")
        lab.wait(first, "STARTED")
        titles = [" ".join(each.cmdline()) for each in family(one_worker)]
        assert len(titles) == 2, "the worker, and its process for runs"
        assert not [title for title in titles if PASSWORD in title]
        second = lab.launch("load_region_sets", **{"dagster-celery/queue": "files"})
        canceled = lab.launch("load_region_sets")
        lab.instance.report_run_canceled(lab.run(canceled))
        # Nothing is taken that could be done elsewhere, and a run that waits is no lost one.
        assert (lab.waiting("dagster"), lab.waiting("files")) == (1, 1)
        assert liveness.close_dead_runs(lab.instance) == []
        assert lab.run(second).status.value == "STARTING"
    lab.wait(first, "SUCCESS")
    lab.wait(second, "SUCCESS")
    wait_for(lambda: "Not starting execution" in lab.messages(canceled), 60)
    assert lab.run(canceled).status.value == "CANCELED"
    assert (lab.waiting("dagster"), lab.waiting("files")) == (0, 0)


def test_a_run_that_a_person_ends_is_canceled_and_one_whose_worker_ends_is_started_again(
    lab: Lab, one_worker: subprocess.Popen[str]
) -> None:
    with lab.held_up():
        ended = lab.launch("load_region_sets")
        lab.wait(ended, "STARTED")
        assert lab.instance.run_launcher.terminate(ended)
        lab.wait(ended, "CANCELED")
        assert not lab.instance.run_launcher.terminate(ended), "once is enough"
        assert "dagster/will_retry" not in lab.run(ended).tags
        interrupted = lab.launch("load_region_sets")
        lab.wait(interrupted, "STARTED")
        one_worker.terminate()
        lab.wait(interrupted, "FAILURE")
        said, _ = one_worker.communicate(timeout=60)
    assert lab.run(interrupted).tags["dagster/will_retry"] == "true"
    assert one_worker.returncode == 0
    assert PASSWORD not in said


def test_a_run_that_the_broker_has_forgotten_is_failed_and_started_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, forgotten = (lab.launch("load_region_sets", **{"dagster-celery/queue": q}) for q in ("a", "b"))
    assert liveness.close_dead_runs(lab.instance) == []
    lab.redis.delete("b")  # as by a broker that was started anew
    monkeypatch.setattr(liveness, "START_S", 0)
    monkeypatch.setattr(liveness, "SECOND_LOOK_S", 0)
    assert liveness.close_dead_runs(lab.instance) == [forgotten]
    assert lab.run(forgotten).tags["dagster/will_retry"] == "true"
    lab.instance.report_run_canceled(lab.run(waiting))


def test_a_broker_that_is_gone_fails_the_run_with_a_sentence(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("CCF_ENGINE", f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
    with dg.DagsterInstance.get() as instance:
        lab.instance = instance
        with pytest.raises(CcfError, match=rf"The broker at 127\.0\.0\.1:{port} cannot be reached") as failed:
            lab.launch("load_region_sets")
    assert PASSWORD not in str(failed.value)


@pytest.mark.parametrize(
    ("engine", "setting"),
    [
        ("rediss://host:6379/0", {"broker_use_ssl": {"ssl_cert_reqs": "required"}}),
        ("rediss://host:6379/0?ssl_cert_reqs=CERT_NONE", {}),
        ("redis://host:6379/0", {}),
    ],
)
def test_the_certificate_of_a_broker_is_verified_unless_its_address_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, engine: str, setting: dict[str, object]
) -> None:
    monkeypatch.setenv("CCF_ENGINE", engine)
    assert run_engine.verified() == setting
