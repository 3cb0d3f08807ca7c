"""One Dagster daemon for each database: two would each request the same runs.

The place is a lock that the server holds for a transaction of `ccf-assets up`; it ends with the process.
"""

from __future__ import annotations

import socket
from contextlib import suppress

import sqlalchemy as sa

from ccf_assets.db.database import DAGSTER_SCHEMA
from ccf_assets.errors import CcfError
from ccf_assets.pg.connect import stay_open
from ccf_assets.runs.liveness import lock_engine

_PROGRAM = "ccf-assets up on "
"""Name of the session, with the host behind it; PostgreSQL cuts it to 63 bytes."""


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
        connection = lock_engine(5, application_name=f"{_PROGRAM}{socket.gethostname()}").connect()
        try:
            stay_open(connection)
            place = sa.func.hashtext(DAGSTER_SCHEMA), sa.func.hashtext("daemon")
            if connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(*place))):
                self._connection = connection
                return
            holder = connection.scalar(
                sa.text(
                    "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() "
                    "AND starts_with(application_name, :program) AND pid <> pg_backend_pid()"
                ),
                {"program": _PROGRAM},
            )
        finally:
            if self._connection is None:
                connection.close()
        where = f" on {str(holder).removeprefix(_PROGRAM)}" if holder else ""
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
