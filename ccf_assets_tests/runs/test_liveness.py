"""The lock by which others see that a run is alive: of a transaction, which holds back nobody."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ccf_assets.db import database as our_database
from ccf_assets.pg.connect import libpq_url
from ccf_assets.runs import liveness

RUN = "a run"

HOLDERS = """
SELECT a.state, a.backend_xid, a.backend_xmin FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND a.datname = current_database()
"""


def looked(database: sa.Engine) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(HOLDERS)]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_the_lock_is_held_by_an_open_transaction_that_holds_back_no_vacuum(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    by_default = isolation.replace(" ", "\\ ")
    url = database.url.update_query_dict({"options": f"-c default_transaction_isolation={by_default}"})
    monkeypatch.setenv("CCF_POSTGRES_URL", libpq_url(url))
    monkeypatch.setattr(liveness, "BEAT_S", 0.01)
    with liveness.held(RUN):
        seen = {state for _ in range(20) for state in looked(database)}
    assert ("idle in transaction", None, None) in seen
    assert {state[1] for state in seen} == {None}
    assert looked(database) == []
    our_database.forget()


def test_a_run_is_alive_for_whoever_looks_however_often_and_looking_leaves_no_lock(
    database: sa.Engine,
) -> None:
    engine = liveness.lock_engine()
    with liveness.held(RUN), liveness.held(RUN):
        for _ in range(3):
            with engine.connect() as connection:
                assert (
                    connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(liveness._key(RUN))))
                    is False
                )
    with engine.connect() as connection:
        for _ in range(2):  # in one session, as a pooler may give to two who look
            assert connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(liveness._key(RUN)))) is True
            connection.commit()
            assert looked(database) == []
