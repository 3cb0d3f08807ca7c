"""Where Dagster keeps its records.

The private names of Dagster that the program uses at run time are here: the ``_engine`` of each of
dagster-postgres's three storages, what they ask all the time, how an instance is described (``InstanceRef``),
and how often the UI and the daemon look for another code server (a test fails when one is renamed).
Dagster's home folder is in home.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._grpc import server_watcher
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage

from ccf_assets.db import database
from ccf_assets.pg.connect import KEPT, new_engine, undiverted
from ccf_assets.refusals import in_short
from ccf_assets.runs.console import show_in_short

_WATCH_S = 2
"""Between two looks whether the code server was started anew; each makes a connection to it.

By itself Dagster looks every second, in the UI and in the daemon, which is most of what the UI does while
nobody uses it. Ten times as long it waits for one that does not come back.
"""


class CcfDagsterStorage(DagsterPostgresStorage):
    """dagster-postgres's storage at the address of db.database; named in dagster.yaml.

    Loading the instance starts the embedded server if that is used, and counts the process among its users,
    so that the UI, the daemon, code servers and runs share it and the last of them stops it. Each process
    finds the address by itself: it is in no configuration that Dagster passes on or shows.
    """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The storage has no settings."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> CcfDagsterStorage:
        """Make the storage; ``config_value`` is empty."""
        # A run for 100 files materializes each table 100 times: 8 s to record one by one, 4.5 s at once.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
        address = database.database_url()
        found = _found.get(address)
        if found and not _has_tables(found):  # the database was made anew
            found = None
        url = found or database.dagster_url()
        with undiverted(sa.make_url(url)):
            storage = cls(url, should_autocreate_tables=not found, inst_data=inst_data)
        _found[address] = url
        with undiverted(sa.make_url(url)):
            events: Any = _EventLog(url, should_autocreate_tables=False)
        # Asked for each event that is stored or looked up: 650 times in a load of three atlases.
        events.has_table = functools.cache(events.has_table)
        events.has_asset_key_col = functools.cache(events.has_asset_key_col)
        storage._event_log_storage = events
        for part in storages_of(storage):
            part._engine = _kept_engine(storage.postgres_url)
        # It lists all tables once a second, to see whether the one of a version from 2022 is among them.
        schedules: Any = storage._schedule_storage
        schedules._has_instigators_table = schedules.has_instigators_table = _yes
        # Asked with two more questions for each state of a sensor that is read or written.
        schedules.has_built_index = functools.cache(schedules.has_built_index)
        server_watcher.WATCH_INTERVAL = _WATCH_S
        show_in_short()
        return storage


class _EventLog(PostgresEventLogStorage):
    """What runs say; of a refusal the sentence alone, without the stack of Dagster's own functions."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event of a run."""
        if event.dagster_event is not None:
            event = event._replace(dagster_event=in_short(event.dagster_event))
        super().store_event(event)


def records_in(home: Path) -> dg.DagsterInstance:
    """Dagster's records, for the runs of a command.

    What their steps print goes to the command's terminal. By itself Dagster would also keep it in files, with
    four processes for each run. Where ``dagster.yaml`` says how it is kept, it is kept so.

    Args:
        home: Dagster's home folder.
    """
    ref = InstanceRef.from_dir(str(home))
    if ref.compute_logs_data == InstanceRef.config_defaults(str(home))["compute_logs"]:
        nowhere = ConfigurableClassData(
            NoOpComputeLogManager.__module__, NoOpComputeLogManager.__name__, "{}"
        )
        ref = ref._replace(compute_logs_data=nowhere)
    return dg.DagsterInstance.from_ref(ref)


def _yes(*_: sa.Connection) -> bool:
    return True


def storages_of(storage: DagsterPostgresStorage) -> tuple[Any, Any, Any]:
    """The three storages that it consists of: of runs, events and schedules."""
    return storage._run_storage, storage._event_log_storage, storage._schedule_storage


_found: dict[sa.URL, str] = {}
"""Where this process found or made Dagster's tables: the address of the database, and Dagster's own for it.

Each tick of a sensor makes an instance. Dagster would look for the tables with a new connection for each of
the three storages, and the server starts a process for each connection.
"""


def _has_tables(url: str) -> bool:
    """Whether Dagster's tables are still there."""
    with suppress(sa.exc.SQLAlchemyError), _kept_engine(url).connect() as connection:
        return connection.scalar(sa.func.to_regclass(f"{database.DAGSTER_SCHEMA}.runs")) is not None
    return False


@functools.lru_cache(maxsize=1)
def _kept_engine(url: str) -> sa.Engine:
    """An engine that keeps connections for the process; dagster-postgres makes a new one for every query.

    A run for 100 files makes 5,000 queries, and the server starts a process for each: half of the run's time.
    """
    return new_engine(sa.make_url(url), isolation_level="AUTOCOMMIT", **KEPT)
