"""Tables, views and functions installed, and those of an older version brought up to this one.

What the tables are is in schema.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import sqlalchemy as sa

from ccf_assets.db.schema import SCHEMA, atlas, metadata
from ccf_assets.errors import CcfError, server_said

VERSION = 10
"""Of the tables, views and functions; raised with every change of them, so that databases are upgraded."""

_SQL = ("regions.sql", "space.sql", "recordings.sql", "region_sets.sql", "comparison.sql")
"""Files below sql/: views, functions and triggers over the tables, in the order they are installed."""

_INSTALLED = "Allen Mouse Brain CCF; installed by ccf_assets, version "
"""The schema's comment, with the version behind it."""


def _installed_version(connection: sa.Connection) -> int:
    """Version of the tables in the database; 0 where there are none, or nobody knows."""
    comment = sa.text("SELECT obj_description(to_regnamespace(:schema), 'pg_namespace')")
    said = str(connection.scalar(comment, {"schema": SCHEMA}) or "")
    number = said.removeprefix(_INSTALLED)
    return int(number) if said != number and number.isdecimal() else 0


_CHANGES: Mapping[int, str] = MappingProxyType(
    {
        7: "UPDATE ccf.recording_region SET hemisphere = NULL WHERE status = 'outside_volume'",
        9: "DROP INDEX IF EXISTS ccf.recording_site_source_idx, ccf.recording_region_source_idx",
    }
)
"""By version, what it changes in rows that an older one wrote, and what it no longer has."""


def create_tables(connection: sa.Connection) -> bool:
    """Create the schema and whatever tables are missing, or bring an older version's up to this one.

    Does nothing where this version's are in place: replacing a trigger locks its table, which a command that
    only asks something must not wait for. Safe to call from several processes at once: a lock held to the end
    of the transaction lets one at a time through, since CREATE … IF NOT EXISTS alone can collide. The
    search_path is pg_catalog from now to the end of the transaction.

    Returns:
        Whether anything was done.

    Raises:
        CcfError: the tables are a newer version's; or an older one's, and the user may not change them, or
            they cannot be changed; the transaction is then to be rolled back, and everything is as it was.
    """
    # What views, checks and BEGIN ATOMIC functions name is bound now; nobody's schema may come in between.
    connection.exec_driver_sql("SET LOCAL search_path = pg_catalog")
    if not _is_outdated(connection):
        return False
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{SCHEMA}.create_tables"))))
    if not _is_outdated(connection):
        return False
    installed = _installed_version(connection)
    # Not IF NOT EXISTS: that asks for the right to create schemas also where an administrator made this one.
    if not sa.inspect(connection).has_schema(SCHEMA):
        connection.execute(sa.schema.CreateSchema(SCHEMA))
    older = sa.inspect(connection).has_table(atlas.name, SCHEMA)
    try:
        metadata.create_all(connection)
        if older:
            _change_tables(connection)
            for version, statement in _CHANGES.items():
                if installed < version:
                    connection.execute(sa.text(statement))
        for name in _SQL:
            text = Path(__file__).with_name("sql").joinpath(name).read_text("utf-8")
            connection.exec_driver_sql(text.replace("%", "%%"))
    except sa.exc.DBAPIError as error:
        if not older:
            raise
        raise CcfError(
            f"The tables in schema {SCHEMA} are of version {installed} and cannot be changed to {VERSION}. "
            f"{server_said(error)} Nothing was changed. Save your recordings (with the older one: ccf-assets export "
            f"recording_site), drop the schema {SCHEMA}, and load again."
        ) from None
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{_INSTALLED}{VERSION}'")
    return True


def _is_outdated(connection: sa.Connection) -> bool:
    """Whether the tables are missing, or of an older version that the user may change."""
    installed = _installed_version(connection)
    if installed > VERSION:
        raise CcfError(
            f"The tables in schema {SCHEMA} are of version {installed}, and this program, of {VERSION}, is "
            "older: it does not know what they hold. Update ccf_assets; nothing was changed."
        )
    if 0 < installed < VERSION and not connection.scalar(
        sa.select(sa.func.has_schema_privilege(SCHEMA, "CREATE"))
    ):
        raise CcfError(
            f"The tables in schema {SCHEMA} are of version {installed}, and this program, of {VERSION}, may "
            "not change them. Ask their owner to use this ccf_assets once, or use an older one."
        )
    return installed < VERSION


def _change_tables(connection: sa.Connection) -> None:
    """Bring columns and comments that an older version made to those of this module.

    Nothing is dropped, since a lab may have columns and indexes of its own on our tables; a column that is no
    longer ours may be left empty from now on.
    """
    # 0.2 s to import, which only an upgrade takes.
    from alembic.autogenerate import produce_migrations
    from alembic.migration import MigrationContext
    from alembic.operations import Operations, ops

    def ours(name: str | None, kind: str, _parents: object) -> bool:
        if kind == "schema":
            return name == SCHEMA
        return kind != "table" or f"{SCHEMA}.{name}" in metadata.tables

    how = {"target_metadata": metadata, "include_schemas": True, "include_name": ours, "compare_type": True}
    context = MigrationContext.configure(connection, opts=how)
    operations = Operations(context)
    dialect, first = connection.dialect, connection.dialect.default_schema_name
    # For a user who is called as our schema that is the first; Alembic would then know it by no name.
    dialect.default_schema_name = "pg_catalog"
    try:
        changes = produce_migrations(context, metadata).upgrade_ops
    finally:
        dialect.default_schema_name = first
    for table in changes.ops if changes else ():
        for change in getattr(table, "ops", [table]):
            if isinstance(change, ops.DropColumnOp):
                change = ops.AlterColumnOp(  # noqa: PLW2901
                    change.table_name, change.column_name, schema=SCHEMA, modify_nullable=True
                )
            if not type(change).__name__.startswith("Drop"):
                operations.invoke(change)
