"""Dagster's storage: the file of an earlier version is good, and the private names it uses are there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
import sqlalchemy as sa
from dagster._core.storage.schedules.migration import SCHEDULE_JOBS_SELECTOR_ID
from dagster._grpc import server_watcher
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from ccf_assets import settings
from ccf_assets.db import database as our_database
from ccf_assets.errors import CcfError
from ccf_assets.refusals import in_words
from ccf_assets.runs import storage
from ccf_assets.runs.home import dagster_home

NOW, BEFORE = "module: ccf_assets.runs.storage\n", "module: ccf_assets.instance\n"


@pytest.mark.parametrize("named", [NOW, BEFORE])
def test_a_dagster_home_that_names_the_storage_as_before_loads_an_instance(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    text = settings.dagster_file("dagster.yaml").read_text("utf-8")
    assert NOW in text
    (tmp_path / "dagster.yaml").write_text(text.replace(NOW, named), "utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert dagster_home() == tmp_path
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0
        instance.add_dynamic_partitions("recording", ["a.csv"])
        assert instance.get_dynamic_partitions("recording") == ["a.csv"]
    with database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ccf_dagster.runs").scalar() == 0


def test_each_of_dagsters_storages_has_the_engine_that_is_replaced(database: sa.Engine) -> None:
    plain = DagsterPostgresStorage(our_database.dagster_url())
    assert [type(part._engine) for part in storage.storages_of(plain)] == [sa.Engine] * 3
    with plain._schedule_storage.connect() as connection:
        assert plain._schedule_storage._has_instigators_table(connection), "as ours says without looking"
    assert plain._schedule_storage.has_instigators_table()
    assert plain._schedule_storage.has_built_index(SCHEDULE_JOBS_SELECTOR_ID), "which ours looks up once"
    ours = storage.CcfDagsterStorage.from_config_value(None, {})
    engines = {id(part._engine) for part in storage.storages_of(ours)}
    assert len(engines) == 1, "one engine, and so the same connections, for all three"
    assert engines.isdisjoint({id(part._engine) for part in storage.storages_of(plain)})


def test_whether_the_code_server_is_another_one_is_looked_at_less_often(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_watcher, "WATCH_INTERVAL", 1)  # as it is by itself; raises if it is renamed
    watched = inspect.getsource(server_watcher.watch_grpc_server_thread)
    assert "WATCH_INTERVAL" in watched, "it is looked up when the watching begins"
    storage.CcfDagsterStorage.from_config_value(None, {})
    assert server_watcher.WATCH_INTERVAL == 2


def test_a_process_looks_for_the_tables_once_and_makes_them_again_if_they_are_gone(
    database: sa.Engine,
) -> None:
    connections: list[object] = []

    def runs() -> list[int]:
        made = storage.CcfDagsterStorage.from_config_value(None, {})
        return [made.run_storage.get_runs_count() for _ in range(3)]

    assert runs() == [0, 0, 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg2, "connect", lambda *_, **__: connections.append(1))
        assert runs() == [0, 0, 0]
    assert connections == [], "a tick of a sensor uses a connection that the process keeps"
    with database.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA ccf_dagster CASCADE")
    assert runs() == [0, 0, 0]


def test_the_class_that_dagster_hands_to_a_storage_is_the_one_of_our_annotations(
    database: sa.Engine,
) -> None:
    data = ConfigurableClassData("ccf_assets.runs.storage", "CcfDagsterStorage", "{}\n")
    assert storage.CcfDagsterStorage.from_config_value(data, {}).inst_data is data


TABLES = "SELECT schemaname FROM pg_tables WHERE tablename IN ('runs', 'event_logs', 'alembic_version')"


@pytest.mark.parametrize("refuses", [True, False], ids=["refuses the option", "ignores the option"])
def test_a_pooler_that_drops_the_search_path_is_refused_with_the_statement_that_helps(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    def through_a_pooler(*given: Any, connect: Any = psycopg2.connect, **parameters: Any) -> Any:
        if parameters.pop("options", None) and refuses:
            raise psycopg2.OperationalError("FATAL:  unsupported startup parameter: options")
        return connect(*given, **parameters)

    def schemas() -> set[str]:
        with database.connect() as connection:
            return set(connection.scalars(sa.text(TABLES)))

    monkeypatch.setattr(psycopg2, "connect", through_a_pooler)
    with pytest.raises(CcfError, match="pooler that drops the search path") as refused:
        storage.CcfDagsterStorage.from_config_value(None, {})
    assert schemas() == set()
    helps = re.search("ALTER ROLE .* SET search_path = ccf_dagster, public;", str(refused.value))
    assert helps is not None
    with database.begin() as connection:
        connection.exec_driver_sql(helps[0])
    made = storage.CcfDagsterStorage.from_config_value(None, {})
    assert made.run_storage.get_runs_count() == 0
    assert schemas() == {"ccf_dagster"}


SENTENCE = "The volume from x.nrrd was refused. It has 3 axes of 4."


@dg.asset
@in_words
def refused() -> None:
    raise CcfError(SENTENCE)


@dg.asset(deps=[refused])
def after_it() -> None:
    pass


@dg.asset
def broken() -> float:
    return 1 / 0


@pytest.fixture
def records(database: sa.Engine) -> Iterator[dg.DagsterInstance]:
    dagster_home()
    with dg.DagsterInstance.get() as instance:
        yield instance


def _run(records: dg.DagsterInstance, *assets: dg.AssetsDefinition) -> list[dg.DagsterEvent]:
    """The failures that are recorded of a run as the UI starts it: without a logger of its own."""
    result = dg.materialize(assets, instance=records, raise_on_error=False)
    assert not result.success
    failures = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    return [entry.get_dagster_event() for entry in records.all_logs(result.run_id, of_type=failures)]


def test_of_a_refusal_the_sentence_is_recorded_and_no_stack(records: dg.DagsterInstance) -> None:
    step, run = _run(records, refused, after_it)
    within = run.job_failure_data.first_step_failure_event
    assert within is not None
    for failed in (step.step_failure_data, within.step_failure_data):
        assert failed.error is not None
        assert failed.error.message == SENTENCE
        assert list(failed.error.stack) == []
        assert failed.error.cause is None
        assert failed.user_failure_data is not None
        assert failed.user_failure_data.description == SENTENCE


def test_an_error_that_nobody_foresaw_keeps_its_stack(records: dg.DagsterInstance) -> None:
    step, _run_failure = _run(records, broken)
    error = step.step_failure_data.error
    assert error is not None
    assert error.cause is not None
    assert "1 / 0" in "".join(error.cause.stack)


def test_the_terminal_of_the_ui_has_the_sentence_in_one_line(
    records: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    _run(records, refused, after_it)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert [line for line in shown.err.splitlines() if SENTENCE in line] == [
        line for line in shown.err.splitlines() if "STEP_FAILURE" in line
    ]
    assert shown.err.count(SENTENCE) == 1
    for noise in ("Stack Trace", "Traceback", "File ", "Dependencies for step"):
        assert noise not in shown.err
    _run(records, broken)
    assert "1 / 0" in capfd.readouterr().err, "a fault of the program keeps its traceback"
