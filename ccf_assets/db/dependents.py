"""What stands on a column or table that is made anew: taken away before, and put back after it.

PostgreSQL changes no column that a view uses, and replaces no table. Our own views and functions are made
again by the SQL files; what a lab has built on them is its own, and must not cost it a view or a grant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ccf_assets.errors import CcfError, server_said
from ccf_assets.finding import listed

_WHAT_TO_DO = "Drop it, use this ccf_assets once, and create it again; nothing was changed."

TO_DIVIDE = "Drop it, divide the sites once more, and create it again; nothing was changed."


@dataclass(frozen=True)
class SetAside:
    """A view or function that was dropped, or a table that will be made anew.

    Attributes:
        kind: view, function or table, as in SQL.
        name: its name with the schema, of a function with its arguments, quoted where that is needed.
        owner: its owner, quoted likewise.
        made_by: the statement that creates it; None if it is ours, which the SQL files create, or a table.
        comments: column, or "" for the view or table itself → comment; none of what is ours.
        grants: what is granted, and to whom: ``SELECT``, ``ccf_reader WITH GRANT OPTION``.
    """

    kind: str
    name: str
    owner: str
    made_by: str | None
    comments: Mapping[str, str]
    grants: Sequence[tuple[str, str]]


def set_aside(
    connection: sa.Connection,
    columns: Sequence[sa.Column[Any]],
    is_ours: Callable[[str, str], bool],
    *,
    with_tables: bool = False,
) -> list[SetAside]:
    """Drop the views and functions that depend on columns, directly or through others.

    Args:
        connection: in the transaction of the change.
        columns: the columns whose type is to change.
        is_ours: whether the view or function with this schema and name is created by the SQL files.
        with_tables: the tables of the columns will be made anew, with their triggers.

    Returns:
        What was dropped, each after those it depends on.

    Raises:
        CcfError: something depends on them that cannot be made again from the catalogue; it is named.
    """
    places = [f"{column.table.schema}.{column.table.name}" for column in columns]
    names = [column.name for column in columns]
    about = {"tables": places, "columns": names, "with_tables": with_tables}
    found = connection.execute(sa.text(_DEPENDENTS), about).mappings().all()
    ours = {row["oid"] for row in found if row["kind"] and is_ours(row["schema"], row["simple_name"])}
    odd = [row["described"] for row in found if row["oid"] not in ours and row["kind"] != "view"]
    odd += [
        f"{row['described']} of the role {row['owner']}" for row in found if row["kind"] and not row["may"]
    ]
    if odd:
        types = listed(sorted({f"{column.table.name}.{column.name}" for column in columns}))
        what = "Tables of sites are made anew" if with_tables else f"The upgrade changes the type of {types}"
        raise CcfError(
            f"{what}, on which {listed(odd)} {'depends' if len(odd) == 1 else 'depend'}, which this user "
            f"cannot create again as it was. {TO_DIVIDE if with_tables else _WHAT_TO_DO}"
        )
    aside = [_saved(connection, row, ours=row["oid"] in ours) for row in found]
    for each in reversed(aside):
        connection.exec_driver_sql(_driver(f"DROP {each.kind} {each.name}"))
    return aside


def saved_table(connection: sa.Connection, table: sa.Table) -> SetAside:
    """What a new table of this name is to be given: owner, comments and grants."""
    query = sa.text(
        "SELECT c.oid, 'table' AS kind, c.oid::regclass::text AS name, c.relowner::regrole::text AS owner "
        "FROM pg_class AS c WHERE c.oid = to_regclass(:name)"
    )
    row = connection.execute(query, {"name": str(table)}).mappings().one()
    about = {"oid": row["oid"], "kind": row["kind"]}
    grants = connection.execute(sa.text(_GRANTS), about).tuples().all()
    comments: dict[str, str] = dict(connection.execute(sa.text(_COMMENTS), about).tuples().all())
    return SetAside(row["kind"], row["name"], row["owner"], None, comments, grants)


def put_back(connection: sa.Connection, aside: Sequence[SetAside]) -> None:
    """Create the views of a lab again, and give everything its owner, its comments and its grants.

    Args:
        connection: as for `set_aside`, once the SQL files have been run.
        aside: as `set_aside` gave it.

    Raises:
        CcfError: one of them cannot be created again as it was; the transaction must be rolled back.
    """
    for each in aside:
        try:
            if each.made_by:
                connection.exec_driver_sql(_driver(each.made_by))
            for statement in _restoring(connection, each):
                connection.exec_driver_sql(_driver(statement))
        except sa.exc.DBAPIError as error:
            raise CcfError(
                f"The {each.kind} {each.name} cannot be created again as it was. {server_said(error)} "
                f"{_WHAT_TO_DO}"
            ) from None


def _driver(statement: str) -> str:
    """A statement with text from the catalogue, in which a % is not the driver's."""
    return statement.replace("%", "%%")


def _saved(connection: sa.Connection, row: sa.RowMapping, *, ours: bool) -> SetAside:
    grants = connection.execute(sa.text(_GRANTS), {"oid": row["oid"], "kind": row["kind"]}).tuples().all()
    made_by, comments = None, dict[str, str]()
    if not ours:
        options = f" WITH ({', '.join(row['options'])})" if row["options"] else ""
        made_by = f"CREATE VIEW {row['name']}{options} AS {row['definition']}"
        comments = dict(connection.execute(sa.text(_COMMENTS), {"oid": row["oid"]}).tuples().all())
    return SetAside(row["kind"], row["name"], row["owner"], made_by, comments, grants)


def _restoring(connection: sa.Connection, each: SetAside) -> list[str]:
    """The statements that give a new view or function its comments, its owner and exactly its grants."""
    what = f"{'FUNCTION' if each.kind == 'function' else 'TABLE'} {each.name}"
    comments = [
        f"COMMENT ON {f'COLUMN {each.name}.{column}' if column else f'{each.kind} {each.name}'} IS {text}"
        for column, text in each.comments.items()
    ]
    # Who creates it owns it, and default privileges may grant more than was granted.
    at_first = connection.scalars(sa.text(_GRANTEES), {"name": each.name, "kind": each.kind}).all()
    return [
        *comments,
        f"ALTER {each.kind} {each.name} OWNER TO {each.owner}",
        *(f"REVOKE ALL ON {what} FROM {grantee}" for grantee in {*at_first, each.owner}),
        *(f"GRANT {rights} ON {what} TO {grantee}" for rights, grantee in each.grants),
    ]


_DEPENDENTS = """
WITH RECURSIVE edge AS MATERIALIZED (
  -- A view stands for its rule, its columns and its row type.
  SELECT coalesce(of_type.oid, d.refobjid) AS on_oid,
         CASE WHEN of_type.oid IS NULL THEN d.refclassid ELSE 'pg_class'::regclass END AS on_class,
         d.refobjsubid AS on_column,
         CASE WHEN v.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass END AS class,
         coalesce(v.oid, d.objid) AS oid,
         CASE WHEN v.oid IS NULL THEN d.objsubid ELSE 0 END AS part,
         d.classid = 'pg_proc'::regclass OR coalesce(v.relkind = 'v', false) AS goes_on
  FROM pg_depend AS d
  LEFT JOIN pg_type AS t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
  LEFT JOIN pg_type AS element ON element.oid = t.typelem
  LEFT JOIN pg_class AS of_type ON of_type.oid IN (t.typrelid, element.typrelid) AND of_type.relkind = 'v'
  LEFT JOIN pg_rewrite AS w
    ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND w.rulename = '_RETURN'
  LEFT JOIN pg_class AS v
    ON v.oid = CASE d.classid WHEN 'pg_class'::regclass THEN d.objid ELSE w.ev_class END
    AND v.relkind IN ('v', 'm')
  WHERE d.deptype <> 'i'
), reached AS (
  SELECT e.class, e.oid, e.part, e.goes_on, 1 AS depth
  FROM unnest(CAST(:tables AS text[]), CAST(:columns AS text[])) AS given (name, col)
  JOIN pg_attribute AS a ON a.attrelid = to_regclass(given.name) AND a.attname = given.col
  JOIN edge AS e
    ON (e.on_class, e.on_oid) = ('pg_class'::regclass, a.attrelid)
    AND (e.on_column = a.attnum OR (:with_tables AND e.on_column = 0 AND e.goes_on))
  LEFT JOIN pg_class AS c ON e.class = 'pg_class'::regclass AND c.oid = e.oid
  LEFT JOIN pg_attrdef AS own ON e.class = 'pg_attrdef'::regclass AND own.oid = e.oid AND own.adnum = a.attnum
  -- These PostgreSQL changes together with the column.
  WHERE e.class NOT IN ('pg_constraint'::regclass, 'pg_statistic_ext'::regclass)
    AND coalesce(c.relkind NOT IN ('i', 'I', 'S'), true) AND own.oid IS NULL
    AND NOT (:with_tables AND e.class IN ('pg_trigger'::regclass, 'pg_attrdef'::regclass))
  UNION
  SELECT e.class, e.oid, e.part, e.goes_on, r.depth + 1
  FROM reached AS r
  JOIN edge AS e ON (e.on_class, e.on_oid) = (r.class, r.oid) AND (e.class, e.oid) <> (r.class, r.oid)
  WHERE r.goes_on AND r.depth < 50
)
SELECT r.oid, max(r.depth) AS depth, pg_describe_object(r.class, r.oid, r.part) AS described,
       CASE WHEN v.oid IS NOT NULL THEN 'view' WHEN p.oid IS NOT NULL THEN 'function' END AS kind,
       n.nspname AS schema, coalesce(v.relname, p.proname) AS simple_name,
       coalesce(v.oid::regclass::text, p.oid::regprocedure::text) AS name,
       quote_ident(o.rolname) AS owner,
       pg_has_role(o.oid, 'MEMBER') AS may,
       pg_get_viewdef(v.oid) AS definition, v.reloptions AS options
FROM reached AS r
LEFT JOIN pg_class AS v
  ON r.class = 'pg_class'::regclass AND v.oid = r.oid AND v.relkind = 'v' AND v.relpersistence = 'p'
LEFT JOIN pg_proc AS p ON r.class = 'pg_proc'::regclass AND p.oid = r.oid AND p.prokind = 'f'
LEFT JOIN pg_namespace AS n ON n.oid = coalesce(v.relnamespace, p.pronamespace)
LEFT JOIN pg_roles AS o ON o.oid = coalesce(v.relowner, p.proowner)
GROUP BY r.class, r.oid, r.part, v.oid, v.relname, v.reloptions, p.oid, p.proname, n.nspname, o.rolname, o.oid
ORDER BY depth, described
"""
"""What depends on columns, each after what it depends on: a view, a function, or something else (no kind)."""

_GRANTS = """
SELECT a.privilege_type || a.of,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
       || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM (
  SELECT acl.*, '' AS of
  FROM pg_class AS c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS acl
  WHERE :kind IN ('view', 'table') AND c.oid = :oid
  UNION ALL
  SELECT acl.*, format(' (%I)', t.attname) FROM pg_attribute AS t, aclexplode(t.attacl) AS acl
  WHERE :kind IN ('view', 'table') AND t.attrelid = :oid
  UNION ALL
  SELECT acl.*, '' FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
  WHERE :kind = 'function' AND p.oid = :oid
) AS a
"""

_GRANTEES = """
SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END
FROM (
  SELECT coalesce(c.relacl, acldefault('r', c.relowner)) FROM pg_class AS c
  WHERE :kind IN ('view', 'table') AND c.oid = to_regclass(:name)
  UNION ALL
  SELECT coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_proc AS p
  WHERE :kind = 'function' AND p.oid = to_regprocedure(:name)
) AS a (acls), aclexplode(a.acls) AS acl
"""

_COMMENTS = """
SELECT coalesce(quote_ident(a.attname), ''), quote_literal(d.description)
FROM pg_description AS d
LEFT JOIN pg_attribute AS a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE d.classoid = 'pg_class'::regclass AND d.objoid = :oid
"""
