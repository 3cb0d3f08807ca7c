"""Where Dagster keeps its records, and its home folder."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from ccf_assets import settings
from ccf_assets.db import database


class CcfDagsterStorage(DagsterPostgresStorage):
    """dagster-postgres's storage at the address that postgres.py knows; named in dagster.yaml.

    Loading the instance starts the embedded server where it is needed and counts the process among its
    users, so the UI, the daemon, code servers and runs share it and the last of them stops it. The address
    is found anew in each process: it stands in no configuration that Dagster passes on or shows.
    """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> CcfDagsterStorage:
        """Make the storage; ``config_value`` is empty."""
        # A run for 100 files materializes each table 100 times: 8 s to record one by one, 4.5 s at once.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
        storage = cls(postgres_url=database.dagster_url(), inst_data=inst_data)
        for part in (storage._run_storage, storage._event_log_storage, storage._schedule_storage):
            part._engine = _kept_connection(storage.postgres_url)
        return storage


@functools.lru_cache(maxsize=1)
def _kept_connection(url: str) -> sa.Engine:
    """An engine that keeps one connection for the process; dagster-postgres makes a new one for every query.

    A run for 100 files asks 5,000 times, for each of which the server starts a process: half of its time.
    """
    return sa.create_engine(
        url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=-1, pool_pre_ping=True
    )


def dagster_home() -> Path:
    """DAGSTER_HOME, set for this process and its children: CCF_HOME/dagster with our settings if unset."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    home = settings.home() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    ours, there = settings.dagster_file("dagster.yaml").read_bytes(), home / "dagster.yaml"
    if not there.is_file() or there.read_bytes() != ours:
        # In one step: another process that found half of it would keep its records elsewhere.
        aside = home / f"dagster.yaml.{uuid.uuid4().hex}"
        aside.write_bytes(ours)
        aside.replace(there)
    os.environ["DAGSTER_HOME"] = str(home)
    return home
