"""One Dagster daemon for each database: two would each request the same runs.

The place is a lock that the server holds for a transaction of `ccf-assets up`; it ends with the process.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import NamedTuple

import sqlalchemy as sa

import ccf_assets
from ccf_assets.db.database import DAGSTER_SCHEMA
from ccf_assets.errors import CcfError
from ccf_assets.pg.connect import stay_open
from ccf_assets.runs.liveness import lock_engine

_PROGRAM = "ccf-assets up "
"""Name of the session, with the version and the host behind it; PostgreSQL cuts it to 63 bytes."""

_NAMED = re.compile(rf"{_PROGRAM}(?:(\S+) )?on (.*)")
"""Without a version it is of 0.2.0 or older."""


class RunningUI(NamedTuple):
    """The `ccf-assets up` of a database; the version is empty where it does not say it."""

    version: str
    host: str


def running_ui(connection: sa.Connection) -> RunningUI | None:
    """The UI that runs on the database of a connection, if any."""
    holder = connection.scalar(
        sa.text(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() "
            "AND starts_with(application_name, :program) AND pid <> pg_backend_pid()"
        ),
        {"program": _PROGRAM},
    )
    found = _NAMED.fullmatch(str(holder))
    return RunningUI(found[1] or "", found[2]) if found else None


class DaemonRunsElsewhereError(CcfError):
    """Another process has the place of the daemon."""


class DaemonPlace:
    """The place of the one daemon of the database, held until `close`."""

    def __init__(self) -> None:
        self._connection: sa.Connection | None = None

    def take(self) -> None:
        """Take the place, or make sure that it is still held; a lost connection is made again.

        Raises:
            DaemonRunsElsewhereError: another daemon has it; the text says on which host.
        """
        if self._connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                self._connection.exec_driver_sql("SELECT 1")
                return
            self.close()
        connection = lock_engine(5, application_name=_name()).connect()
        try:
            stay_open(connection)
            place = sa.func.hashtext(DAGSTER_SCHEMA), sa.func.hashtext("daemon")
            if connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(*place))):
                self._connection = connection
                return
            holder = running_ui(connection)
        finally:
            if self._connection is None:
                connection.close()
        where = f" on {holder.host}" if holder else ""
        raise DaemonRunsElsewhereError(
            f"The Dagster UI of this database is already running{where}. Two would request every run twice: "
            "use that one, or stop it first."
        )

    def close(self) -> None:
        """Give the place up."""
        if self._connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                self._connection.close()
            self._connection = None


def _name() -> str:
    return f"{_PROGRAM}{ccf_assets.__version__} on {socket.gethostname()}"
