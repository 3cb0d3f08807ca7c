"""Of two Dagster UIs on one database the second is refused while the first lives."""

from __future__ import annotations

import socket

import pytest
import sqlalchemy as sa

from ccf_assets.errors import CcfError
from ccf_assets.runs.daemon import DaemonPlace


def end_sessions(engine: sa.Engine) -> None:
    """As if the process, the network or the server had died."""
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'ccf-assets up%%'"
        )


def test_the_second_is_refused_and_told_where_the_first_is(database: sa.Engine) -> None:
    first, second = DaemonPlace(), DaemonPlace()
    first.take()
    first.take()  # again and again, while the UI runs
    with pytest.raises(CcfError, match=f"already running on {socket.gethostname()}"):
        second.take()
    first.close()
    second.take()
    second.close()


def test_a_place_whose_holder_died_is_free(database: sa.Engine) -> None:
    first, second = DaemonPlace(), DaemonPlace()
    first.take()
    end_sessions(database)
    second.take()
    with pytest.raises(CcfError, match="already running"):
        first.take()
    second.close()


def test_a_lost_connection_is_made_again(database: sa.Engine) -> None:
    place = DaemonPlace()
    place.take()
    end_sessions(database)
    place.take()
    with pytest.raises(CcfError, match="already running"):
        DaemonPlace().take()
    place.close()
