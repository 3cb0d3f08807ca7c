"""Whether the server is a streaming replica, a read-only copy of another."""

from __future__ import annotations

import sqlalchemy as sa

from ccf_assets.errors import CcfError


def is_replica(connection: sa.Connection) -> bool:
    """Whether the server is a copy of another one, whose changes arrive by themselves."""
    return bool(connection.scalar(sa.select(sa.func.pg_is_in_recovery())))


def refuse_replica(connection: sa.Connection) -> None:
    """Refuse a server where what is to be done cannot be.

    Raises:
        CcfError: it is a replica.
    """
    if is_replica(connection):
        raise CcfError(
            "The server that CCF_POSTGRES_URL names is a read-only copy of another: it answers every "
            "question, and nothing can be loaded, registered or changed there. Do this on the primary; what "
            "it holds arrives here by itself."
        )
