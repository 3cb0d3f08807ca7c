"""Dagster's own instance: where it keeps its records, and the folder that is its home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from ccf_assets import postgres, settings


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
        return cls(postgres_url=postgres.dagster_url(), inst_data=inst_data)


def dagster_home() -> Path:
    """DAGSTER_HOME, set for this process and its children: CCF_HOME/dagster with our settings if unset."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    home = settings.home() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(settings.dagster_file("dagster.yaml"), home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home
