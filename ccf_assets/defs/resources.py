"""The resources: thin Dagster faces of db.database and sources, configured from the environment at run time.

They have no settings of their own, so that a URL with a password never appears in the UI.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets.ccf.catalogue import catalogue
from ccf_assets.db import database
from ccf_assets.db import schema as tables
from ccf_assets.db.own_catalogue import follow_catalogue
from ccf_assets.io_manager import EngineResource, PostgresIOManager
from ccf_assets.pg.copy_in import Output
from ccf_assets.sources.source import Sources


class PostgresResource(EngineResource):
    """The database that CCF_POSTGRES_URL names, else that of the embedded server, started when first used."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[None]:
        """Record in the database that the run's process is alive while the run has this resource.

        The run knows a lab's own atlases, whatever host it is on. It also gets the tags by which the UI
        filters runs, where it has none.
        """
        from ccf_assets.runs.liveness import alive
        from ccf_assets.runs.tags import described

        if context.run is None or context.instance is None:
            yield self.create_resource(context)
        else:
            with alive(context.instance, context.run.run_id):
                follow_catalogue(self.create_engine())
                if more := described(context.run.tags, catalogue().entries):
                    context.instance.add_run_tags(context.run.run_id, more)
                yield self.create_resource(context)

    def create_engine(self) -> sa.Engine:
        """An engine on the database, with the tables of schema ccf installed."""
        return database.create_engine()

    def kept_engine(self) -> sa.Engine:
        """The engine of the ticks of sensors and schedules, which keeps connections from tick to tick."""
        return database.kept_engine()


class InPlace:
    """The output of an asset whose rows are in the table already; what is downstream reads them there."""


class AtlasIOManager(PostgresIOManager):
    """The IO manager, which knows the number of each atlas in the tables; in metadata it would be shown."""

    def handle_output(self, context: dg.OutputContext, obj: Output | InPlace) -> None:
        """Replace the slice that the asset's partitions cover; leave it as it is if its rows are in place."""
        if not isinstance(obj, InPlace):
            super().handle_output(context, obj)

    def values_of(self, metadata: Mapping[str, Any]) -> Mapping[str, object]:
        """The numbers, for assets that are divided by them."""
        ids = {key: entry.ccf_id for key, entry in catalogue().entries.items()}
        return ids if metadata.get("partition_expr") == "ccf_id" else super().values_of(metadata)

    def table(self, connection: sa.Connection, schema: str, name: str) -> sa.Table:
        """One of the program's own tables as it is defined: to ask for it takes 15 ms, twenty times a run."""
        known = tables.metadata.tables.get(f"{schema}.{name}")
        return super().table(connection, schema, name) if known is None else known


class SourcesResource(dg.ConfigurableResource[None]):
    """Where files come from: what CCF_SOURCE names, cached in CCF_HOME."""

    def get(self) -> Sources:
        """The source, as the environment now names it."""
        return Sources.from_settings()
