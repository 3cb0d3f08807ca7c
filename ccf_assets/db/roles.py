"""The group roles of a shared server: ccf_reader, who reads, and ccf_writer, who inserts sites as well.

They are created on request, cannot log in, and own nothing; a lab makes its people's login roles members of
them. Roles belong to the whole server, their rights to this database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from ccf_assets.db import schema
from ccf_assets.db.replica import refuse_replica
from ccf_assets.errors import CcfError

READER = "ccf_reader"

WRITER = "ccf_writer"

ROLES = (READER, WRITER)

# Not DELETE and UPDATE: the triggers that these fire run with the caller's rights and would need more.
_WRITERS = f"{schema.SCHEMA}.{schema.recording_site.name}"
"""The one table that ccf_writer inserts into."""

_MORE = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
"""What can be done to a table but read it."""

_BEYOND = {
    "rolsuper": "NOSUPERUSER",
    "rolcreaterole": "NOCREATEROLE",
    "rolcreatedb": "NOCREATEDB",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}
"""Attributes that no grant limits, and the word that takes each away."""


def make(connection: sa.Connection) -> Mapping[str, bool]:
    """Create the missing roles, and give both exactly their rights in schema ccf.

    Call it in a transaction: other sessions then see the old rights or the new ones.

    Returns:
        By role, whether it was created now.

    Raises:
        CcfError: the server is a replica; the user does not own the tables, or may not create roles; or an
            existing role has more rights than it should, which cannot be revoked here. The text has the SQL
            for an administrator.
    """
    refuse_replica(connection)
    connection.exec_driver_sql("SET LOCAL search_path = pg_catalog")  # names are then qualified
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{schema.SCHEMA}.roles"))))
    _refuse_strangers(connection)
    made = _make_missing(connection)
    _refuse_powers(connection)
    # A load that puts a partition in place waits for us, so that none is gone when its turn comes.
    connection.exec_driver_sql("LOCK TABLE ccf.voxel_run, ccf.voxel, ccf.brain_surface IN ACCESS SHARE MODE")
    both = ", ".join(ROLES)
    _on_all(connection, "REVOKE ALL ON {kind} {names} FROM " + both)
    connection.exec_driver_sql(f"REVOKE ALL ON SCHEMA {schema.SCHEMA} FROM {both}")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema.SCHEMA} TO {both}")
    _give(connection)
    # What later loads and upgrades make, by whoever owns the tables or is the one who runs this.
    runner = connection.scalar(sa.text("SELECT quote_ident(current_user)"))
    for creator in {*_owners(connection), runner}:
        to = f"ALTER DEFAULT PRIVILEGES FOR ROLE {creator} IN SCHEMA {schema.SCHEMA} GRANT"
        _execute(connection, f"{to} SELECT ON TABLES TO {both}")
        _execute(connection, f"{to} EXECUTE ON ROUTINES TO {both}")
    _refuse_more(connection)
    return made


def renew(connection: sa.Connection) -> None:
    """After an upgrade: grant the roles their rights on what is new, where they exist; revoke nothing."""
    asked_for = sa.text(
        "SELECT count(DISTINCT rolname) = 2 FROM pg_namespace, aclexplode(nspacl) AS acl "
        "JOIN pg_roles AS r ON r.oid = acl.grantee WHERE nspname = :schema AND rolname = ANY(:roles)"
    )
    if connection.scalar(asked_for, {"schema": schema.SCHEMA, "roles": list(ROLES)}):
        _give(connection)


def _give(connection: sa.Connection) -> None:
    both = ", ".join(ROLES)
    _on_all(connection, "GRANT {right} ON {kind} {names} TO " + both)
    connection.exec_driver_sql(f"GRANT INSERT ON {_WRITERS} TO {WRITER}")


def _owners(connection: sa.Connection) -> Sequence[str]:
    """The owners of the schema and its tables, in quotes where they need them; almost always one."""
    query = """
        SELECT quote_ident(rolname) FROM pg_roles WHERE oid IN (
            SELECT nspowner FROM pg_namespace WHERE nspname = :schema
            UNION ALL SELECT relowner FROM pg_class
            WHERE relnamespace = to_regnamespace(:schema) AND relname = ANY(:tables)
        )
    """
    tables = [table.name for table in schema.metadata.sorted_tables]
    return connection.scalars(sa.text(query), {"schema": schema.SCHEMA, "tables": tables}).all()


def _refuse_strangers(connection: sa.Connection) -> None:
    """Refuse a user who has not the rights of every owner."""
    has_rights = sa.text("SELECT pg_has_role(CAST(:owner AS regrole), 'USAGE')")
    others = [name for name in _owners(connection) if not connection.scalar(has_rights, {"owner": name})]
    if others:
        raise CcfError(
            f"Only who owns the schema {schema.SCHEMA} and its tables can give rights on them: run this as "
            f"{' and '.join(others)}, or as an administrator."
        )


def _make_missing(connection: sa.Connection) -> Mapping[str, bool]:
    there = set(connection.scalars(sa.text("SELECT rolname FROM pg_roles")))
    statements = [f"CREATE ROLE {role};" for role in ROLES if role not in there]
    may = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    if statements and not connection.scalar(sa.text(may)):
        raise CcfError(
            f"The database's user may not make roles. Let an administrator of the server execute: "
            f"{' '.join(statements)} Then run `ccf-assets roles` again."
        )
    for statement in statements:
        connection.exec_driver_sql(statement)
    return {role: role not in there for role in ROLES}


def _refuse_powers(connection: sa.Connection) -> None:
    rows = connection.execute(
        sa.text("SELECT * FROM pg_roles WHERE rolname = ANY(:roles) ORDER BY rolname"), {"roles": list(ROLES)}
    ).mappings()
    statements = [
        f"ALTER ROLE {row['rolname']} {' '.join(words)};"
        for row in rows
        if (words := [word for attribute, word in _BEYOND.items() if row[attribute]])
    ]
    if statements:
        raise CcfError(
            f"A role of this name exists and has attributes that no grant limits. Let an administrator "
            f"of the server execute: {' '.join(statements)} Then run `ccf-assets roles` again."
        )


def _on_all(connection: sa.Connection, statement: str) -> None:
    """Execute a GRANT or REVOKE on all relations and routines of the schema that the user owns."""
    relations = (
        "SELECT c.oid::regclass::text FROM pg_class AS c WHERE relnamespace = to_regnamespace(:schema) "
        "AND relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_has_role(relowner, 'USAGE')"
    )
    routines = (
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p "
        "WHERE pronamespace = to_regnamespace(:schema) AND pg_has_role(proowner, 'USAGE')"
    )
    for kind, right, query in (("TABLE", "SELECT", relations), ("ROUTINE", "EXECUTE", routines)):
        names: Sequence[str] = connection.scalars(sa.text(query), {"schema": schema.SCHEMA}).all()
        _execute(connection, statement.format(kind=kind, right=right, names=", ".join(names)))


def _execute(connection: sa.Connection, statement: str) -> None:
    """Execute a statement with names that the server has quoted; a % in one is not the driver's."""
    connection.exec_driver_sql(statement.replace("%", "%%"))


def _refuse_more(connection: sa.Connection) -> None:
    """Refuse a role that may do more than it was given: by a membership, or by what everybody may."""
    query = """
        SELECT r.rolname, w.word, c.oid::regclass::text AS relation
        FROM pg_roles AS r, pg_class AS c, unnest(CAST(:more AS text[])) AS w (word)
        WHERE r.rolname = ANY(:roles) AND c.relnamespace = to_regnamespace(:schema)
          AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_has_role(c.relowner, 'USAGE')
          AND has_table_privilege(r.oid, c.oid, w.word)
          AND NOT (r.rolname = :writer AND w.word = 'INSERT' AND c.oid = to_regclass(:writers))
        UNION ALL
        SELECT r.rolname, 'CREATE', 'schema ' || :schema
        FROM pg_roles AS r WHERE r.rolname = ANY(:roles) AND has_schema_privilege(r.oid, :schema, 'CREATE')
        ORDER BY 1, 3, 2 LIMIT 1
    """
    words = {"more": list(_MORE), "roles": list(ROLES), "schema": schema.SCHEMA}
    more = connection.execute(sa.text(query), {**words, "writer": WRITER, "writers": _WRITERS}).first()
    if more:
        raise CcfError(
            f"{more.rolname} may also {more.word} in {more.relation}, as a member of another role or because "
            "PUBLIC may. Take that away (\\drg and \\dp in psql show it) and run `ccf-assets roles` again; "
            "nothing was changed."
        )
