"""The Dagster faces of postgres.py and sources.py: thin, and configured from the environment at run time.

They have no settings of their own, so that an address with a password never appears in the UI.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
import sqlalchemy as sa

from ccf_assets.db import database
from ccf_assets.sources.source import Sources


class PostgresResource(dg.ConfigurableResource[None]):
    """The database: the server CCF_POSTGRES_URL names, else the embedded one, started when first used."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[None]:
        """For as long as a run has this resource, the database knows that its process is alive."""
        from ccf_assets.runs.liveness import alive

        if context.run is None or context.instance is None:
            yield self.create_resource(context)
        else:
            with alive(context.instance, context.run.run_id):
                yield self.create_resource(context)

    def create_engine(self) -> sa.Engine:
        """An engine on the database, its tables in place."""
        return database.create_engine()


class SourcesResource(dg.ConfigurableResource[None]):
    """Where files come from: what CCF_SOURCE names, cached in CCF_HOME."""

    def get(self) -> Sources:
        """The source, as the environment now names it."""
        return Sources.from_settings()
