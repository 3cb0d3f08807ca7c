"""Installing the tables, views and functions, and upgrading those of an older version.

The tables are defined in schema, views and functions in sql/.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.ccf.space import ALLEN_CCF
from ccf_assets.db import dependents, roles, site_partitions
from ccf_assets.db.replica import is_replica
from ccf_assets.db.schema import SCHEMA, atlas, metadata, reference_space
from ccf_assets.db.schema.recordings import KIND_IS_KNOWN, STATUS_IS_KNOWN
from ccf_assets.db.spaces import space_row
from ccf_assets.errors import CcfError, server_said

VERSION = 15
"""Version of the tables, views and functions; raised with every change, so that databases are upgraded.

Version 12 adds spaces: the tables reference_space and atlas_number, the space of atlases and frames, the
edges of voxels along each axis, brain_region.source_id, and the frame in recording_tally.

Version 13 makes site_id a number of 64 bits, and adds what labs join sites on (recording_site.site_name,
probe, shank, channel, axial_um, lateral_um, kind, details), the view recording_track, and the status missing.

Version 14 adds what several hosts must agree on: the table shared_file, and coordinate_frame.defined_by.

Version 15 adds the functions region_overlap_by_plane, which compares atlases plane by plane, and regions_at,
for very many points.
"""

_SQL = ("regions.sql", "points.sql", "recordings.sql", "region_sets.sql", "comparison.sql")
"""Files below sql/: views, functions and triggers over the tables, in the order they are installed."""

_INSTALLED = "Allen Mouse Brain CCF; installed by ccf_assets, version "
"""The schema's comment, with the version behind it."""


def _installed_version(connection: sa.Connection) -> int:
    """Version of the tables in the database; 0 if there are none, or if the version is unknown."""
    comment = sa.text("SELECT obj_description(to_regnamespace(:schema), 'pg_namespace')")
    text = str(connection.scalar(comment, {"schema": SCHEMA}) or "")
    number = text.removeprefix(_INSTALLED)
    return int(number) if text != number and number.isdecimal() else 0


_BEFORE: Mapping[int, str] = MappingProxyType(
    {
        12: "ALTER TABLE ccf.atlas ADD COLUMN IF NOT EXISTS edge_ap double precision, "
        "ADD COLUMN IF NOT EXISTS edge_dv double precision, "
        "ADD COLUMN IF NOT EXISTS edge_ml double precision; "
        "UPDATE ccf.atlas SET edge_ap = ccf_resolution, edge_dv = ccf_resolution, edge_ml = ccf_resolution "
        "WHERE edge_ap IS NULL; "
        "ALTER TABLE ccf.atlas ALTER COLUMN edge_ap SET NOT NULL, ALTER COLUMN edge_dv SET NOT NULL, "
        "ALTER COLUMN edge_ml SET NOT NULL; "
        "INSERT INTO ccf.atlas_number (ccf_id, key) SELECT ccf_id, key FROM ccf.atlas ON CONFLICT DO NOTHING",
        13: "ALTER TABLE ccf.recording_site ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT 'site', "
        "DROP CONSTRAINT IF EXISTS recording_site_kind_check, "
        f"ADD CONSTRAINT recording_site_kind_check CHECK ({KIND_IS_KNOWN}); "
        "ALTER TABLE ccf.recording_region DROP CONSTRAINT IF EXISTS recording_region_status_check, "
        f"ADD CONSTRAINT recording_region_status_check CHECK ({STATUS_IS_KNOWN})",
    }
)
"""Version → statement that changes columns, or adds those which rows of older versions must have a value in.

It does nothing to tables of this version, which a schema that lost its comment may have.
"""

_CHANGES: Mapping[int, str] = MappingProxyType(
    {
        7: "UPDATE ccf.recording_region SET hemisphere = NULL WHERE status = 'outside_volume'",
        9: "DROP INDEX IF EXISTS ccf.recording_site_source_idx, ccf.recording_region_source_idx",
        11: "DELETE FROM ccf.recording_agreement; DELETE FROM ccf.recording_finding AS f "
        "WHERE NOT EXISTS (SELECT FROM ccf.recording_site AS s WHERE s.source = f.source) "
        "AND NOT EXISTS (SELECT FROM ccf.recording_file AS r WHERE r.source = f.source)",
        13: "UPDATE ccf.recording_region AS r SET status = 'missing' FROM ccf.recording_site AS s "
        "WHERE r.status = 'invalid_nan' AND (s.recording_id, s.site_id) = (r.recording_id, r.site_id) "
        "AND (s.ap, s.dv, s.ml) = ('NaN', 'NaN', 'NaN')",
    }
)
"""Version → statement that changes rows written by older versions, or drops what it no longer has."""


def create_tables(connection: sa.Connection, partitions: int = 1) -> bool:
    """Create the schema and the missing tables, or upgrade those of an older version.

    Does nothing if this version is installed: replacing a trigger locks its table, for which a command that
    only reads must not wait. Several processes may call it at once: a lock that is held to the end of the
    transaction lets one at a time through, since CREATE … IF NOT EXISTS alone can collide. The search_path
    is pg_catalog from now to the end of the transaction.

    Args:
        connection: in a transaction.
        partitions: into how many partitions new tables of sites are divided; those that are there stay.

    Returns:
        Whether anything was done.

    Raises:
        CcfError: the schema is somebody else's; the tables are of a newer version; or of an older one, and
            the user has no right to change them, or they cannot be changed. The transaction must then be
            rolled back.
    """
    # The names in views, checks and BEGIN ATOMIC functions are bound now, and must not find another schema.
    connection.exec_driver_sql("SET LOCAL search_path = pg_catalog")
    if not _is_outdated(connection):
        return False
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{SCHEMA}.create_tables"))))
    if not _is_outdated(connection):
        return False
    installed = _installed_version(connection)
    if not installed:
        _refuse_what_is_not_ours(connection)
    # Not IF NOT EXISTS, which needs the right to create schemas even if an administrator made this one.
    if not sa.inspect(connection).has_schema(SCHEMA):
        connection.execute(sa.schema.CreateSchema(SCHEMA))
    older = sa.inspect(connection).has_table(atlas.name, SCHEMA)
    aside: Sequence[dependents.SetAside] = ()
    try:
        metadata.create_all(connection)
        connection.execute(
            postgresql.insert(reference_space).on_conflict_do_nothing(), [space_row(ALLEN_CCF)]
        )
        if older:
            aside = _widen(connection)
            for version, statement in _BEFORE.items():
                if installed < version:
                    connection.exec_driver_sql(statement)
            _change_tables(connection)
            for version, statement in _CHANGES.items():
                if installed < version:
                    connection.execute(sa.text(statement))
        elif partitions > 1:
            aside = site_partitions.rebuild(connection, partitions)
        _run_sql_files(connection)
        dependents.put_back(connection, aside)
    except sa.exc.DBAPIError as error:
        if not older:
            raise
        raise CcfError(
            f"The tables in schema {SCHEMA} are of version {installed} and cannot be changed to {VERSION}. "
            f"{server_said(error)} Nothing was changed. Save your recordings (with the older program: "
            f"ccf-assets export recording_site), drop the schema {SCHEMA}, and load again."
        ) from None
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{_INSTALLED}{VERSION}'")
    return True


def divide_sites(connection: sa.Connection, partitions: int) -> None:
    """Divide the sites of an existing database into so many partitions by recording; 1: ordinary tables.

    Every row stays, and so do views, functions, grants, triggers and foreign keys. The tables of sites are
    locked to the end of the transaction, and take their room twice until then.

    Raises:
        CcfError: something that a lab has made on these tables could not be made again, and is named; or
            other sessions use them.
    """
    connection.exec_driver_sql("SET LOCAL search_path = pg_catalog")
    columns = [column for table in site_partitions.TABLES for column in table.c]
    try:
        aside = dependents.set_aside(connection, columns, _is_ours, with_tables=True)
        saved = site_partitions.rebuild(connection, partitions)
        _run_sql_files(connection)
        dependents.put_back(connection, [*saved, *aside])
        roles.renew(connection)
    except sa.exc.DBAPIError as error:
        raise CcfError(
            f"The tables of sites cannot be divided into {partitions} partitions. {server_said(error)} "
            "Nothing was changed."
        ) from None


def _run_sql_files(connection: sa.Connection) -> None:
    for text in _sql_files():
        connection.exec_driver_sql(text.replace("%", "%%"))


@cache
def _sql_files() -> Sequence[str]:
    """The texts of the files below sql/, in the order they are installed."""
    return [Path(__file__).with_name("sql").joinpath(name).read_text("utf-8") for name in _SQL]


def _is_ours(schema: str, name: str) -> bool:
    """Whether the SQL files create a view or function with this name."""
    made = re.compile(rf"^CREATE OR REPLACE (?:VIEW|FUNCTION) {SCHEMA}\.{re.escape(name)}\b", re.MULTILINE)
    return schema == SCHEMA and any(made.search(text) for text in _sql_files())


def _widen(connection: sa.Connection) -> Sequence[dependents.SetAside]:
    """Make each site_id of 32 bits one of 64; returns the views and functions that were dropped for it."""
    there = sa.inspect(connection)
    narrow = [
        table.c.site_id
        for table in metadata.sorted_tables
        if "site_id" in table.c
        for column in there.get_columns(table.name, SCHEMA)
        if column["name"] == "site_id" and not isinstance(column["type"], sa.BigInteger)
    ]
    if not narrow:
        return ()
    aside = dependents.set_aside(connection, narrow, _is_ours)
    # The foreign key between two of them is checked once, not again with each.
    key = "recording_region_recording_id_site_id_fkey"
    connection.exec_driver_sql(f"ALTER TABLE ccf.recording_region DROP CONSTRAINT IF EXISTS {key}")
    for column in narrow:
        connection.exec_driver_sql(f"ALTER TABLE {column.table} ALTER COLUMN site_id TYPE bigint")
    connection.exec_driver_sql(
        f"ALTER TABLE ccf.recording_region ADD CONSTRAINT {key} FOREIGN KEY (recording_id, site_id) "
        "REFERENCES ccf.recording_site ON DELETE CASCADE"
    )
    # The planner's statistics of a column go with its type.
    connection.exec_driver_sql("ANALYZE ccf.recording_site (site_id), ccf.recording_region (site_id)")
    return aside


_OURS = frozenset({"atlas", "brain_region", "voxel_run"})
"""Tables of every version: they tell our schema also where its comment was lost."""


def _refuse_what_is_not_ours(connection: sa.Connection) -> None:
    """Refuse a schema of our name with something else in it, such as the tables of a DataJoint pipeline.

    What the schema's owner has put into it tells what it is for. Of what others have, only our names matter.
    """
    query = sa.text(
        "WITH there (name, owner, place) AS ("
        "  SELECT relname, relowner, relnamespace FROM pg_class WHERE relkind <> 'i'"
        "  UNION SELECT proname, proowner, pronamespace FROM pg_proc"
        ") SELECT DISTINCT name FROM there JOIN pg_namespace AS n ON n.oid = place "
        "WHERE n.nspname = :schema AND (owner = n.nspowner OR name = ANY (:ours)) ORDER BY name"
    )
    ours = [table.name for table in metadata.tables.values()]
    found = connection.scalars(query, {"schema": SCHEMA, "ours": ours}).all()
    if not found or set(found) >= _OURS:
        return
    raise CcfError(
        f"The schema {SCHEMA} of this database belongs to something else: ccf_assets did not make what is in "
        f"it ({_first_of(found)}). Nothing was changed. Use another database, and name it in "
        "CCF_POSTGRES_URL."
    )


def _first_of(names: Sequence[str], most: int = 5) -> str:
    return ", ".join([*names[:most], *(["…"] if len(names) > most else [])])


def _is_outdated(connection: sa.Connection) -> bool:
    """Whether the tables are missing, or of an older version that the user may change."""
    installed = _installed_version(connection)
    if installed < VERSION and is_replica(connection):
        has = f"of version {installed}" if installed else "without the tables of ccf_assets"
        raise CcfError(
            f"This server is a read-only copy {has}; this program needs version {VERSION}. Use any command "
            "of it once on the primary, as the owner of the tables, and what it makes there arrives here."
        )
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
    """Bring columns and comments of an older version up to those of schema.

    Nothing is dropped, since a lab may have columns and indexes of its own on our tables; a column that is no
    longer ours becomes nullable.
    """
    # 0.2 s to import, only for an upgrade.
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
    # For a user with the name of our schema, that is the default schema, which Alembic leaves unnamed.
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
            if type(change).__name__.startswith("Drop"):
                continue
            with warnings.catch_warnings():
                # Of a key that became an identity, Alembic tells PostgreSQL's users what holds for MySQL.
                warnings.filterwarnings("ignore", "autoincrement and existing_autoincrement")
                operations.invoke(change)
