"""The resources: thin Dagster faces of db.database and sources, configured from the environment at run time.

They have no settings of their own, so that a URL with a password never appears in the UI.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
import sqlalchemy as sa

from ccf_assets.db import database
from ccf_assets.io_manager import EngineResource
from ccf_assets.sources.source import Sources


class PostgresResource(EngineResource):
    """The database that CCF_POSTGRES_URL names, else that of the embedded server, started when first used."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[None]:
        """Record in the database that the run's process is alive while the run has this resource."""
        from ccf_assets.runs.liveness import alive

        if context.run is None or context.instance is None:
            yield self.create_resource(context)
        else:
            with alive(context.instance, context.run.run_id):
                yield self.create_resource(context)

    def create_engine(self) -> sa.Engine:
        """An engine on the database, with the tables of schema ccf installed."""
        return database.create_engine()


class SourcesResource(dg.ConfigurableResource[None]):
    """Where files come from: what CCF_SOURCE names, cached in CCF_HOME."""

    def get(self) -> Sources:
        """The source, as the environment now names it."""
        return Sources.from_settings()
