r"""The reference page: every table, view and function, as the database itself describes them.

``python -m ccf_assets.db.reference > docs/reference.md`` writes it. Its texts are the comments in the
database, so that the page, ``\d+`` in psql and the UI cannot differ; to change it, change a comment in schema
or below sql/.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.db.database import create_engine
from ccf_assets.db.schema import SCHEMA

_HEAD = """# Reference

Every table, view and function of the schema `ccf`, made from the comments in the database by
`python -m ccf_assets.db.reference`. Coordinates are CCF µm from the corner of the volume: x = AP to
posterior, y = DV to ventral, z = ML to the right.
"""

_TABLES = """
SELECT c.relname AS name,
       obj_description(c.oid, 'pg_class') AS comment,
       c.relkind IN ('r', 'p') AS is_table,
       ARRAY(SELECT a.attname FROM pg_constraint AS k, unnest(k.conkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = key.number
             WHERE k.conrelid = c.oid AND k.contype = 'p' ORDER BY key.place)::text[] AS key
FROM pg_class AS c
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
ORDER BY is_table DESC, c.relname
"""

_COLUMNS = """
SELECT a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS required,
       col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relname = :name AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

_FUNCTIONS = """
SELECT p.proname AS name,
       pg_get_function_arguments(p.oid) AS arguments,
       pg_get_function_result(p.oid) AS result,
       obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc AS p
WHERE p.pronamespace = to_regnamespace(:schema) AND p.prorettype <> 'trigger'::regtype
ORDER BY p.proname, p.oid
"""


def page(connection: sa.Connection) -> str:
    """The reference page of the database behind ``connection``, in Markdown.

    Triggers' functions and partitions are left out: nobody calls or names them.
    """
    named = {"schema": SCHEMA}
    relations = connection.execute(sa.text(_TABLES), named).all()
    functions = connection.execute(sa.text(_FUNCTIONS), named).all()
    lines = [_HEAD, *_index(relations, functions)]
    for title, is_table in (("Tables", True), ("Views", False)):
        lines += [f"## {title}", ""]
        for relation in relations:
            if relation.is_table == is_table:
                columns = connection.execute(sa.text(_COLUMNS), {**named, "name": relation.name}).all()
                lines += _relation(relation, columns)
    lines += ["## Functions", ""]
    for function in functions:
        lines += _function(function)
    return "\n".join(lines).rstrip() + "\n"


def _index(relations: Sequence[sa.Row[Any]], functions: Sequence[sa.Row[Any]]) -> list[str]:
    """What there is, a line each: a function with several forms is one line."""
    lines = ["## Index", ""]
    for title, is_table in (("Tables", True), ("Views", False)):
        links = [_link(each.name) for each in relations if each.is_table == is_table]
        lines += [f"{title}: {', '.join(links)}.", ""]
    forms: dict[str, list[str]] = {}
    for function in functions:
        forms.setdefault(function.name, []).append(_first_sentence(function.comment))
    # Of several forms the one that does not refer to another; they come in the order in which they were made.
    rows: list[tuple[str, ...]] = [
        (_link(name), _cell(min(sentences, key=lambda each: (each.startswith("The same"), each))))
        for name, sentences in forms.items()
    ]
    return [*lines, *_table(("function", "what it gives"), rows), ""]


def _link(name: str) -> str:
    return f"[`{name}`](#{SCHEMA}{name})"  # as GitHub names a heading: without the dot


def _first_sentence(comment: str | None) -> str:
    """The first sentence of a comment, as far as it stands alone."""
    paragraph = (comment or "").strip().partition("\n\n")[0]
    return re.split(r"(?<=[^.]\.)\s|[:;]\s|\. ", paragraph, maxsplit=1)[0].rstrip(".")


def section(table: sa.Table) -> str:
    """A table's part of the page, from its definition: for where there is no database to ask."""
    dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
    relation = SimpleNamespace(
        name=table.name, comment=table.comment, is_table=True, key=table.primary_key.columns.keys()
    )
    columns = [
        SimpleNamespace(
            name=column.name,
            type=column.type.compile(dialect).lower(),
            required=not column.nullable,
            comment=column.comment,
        )
        for column in table.columns
    ]
    where = "The views and functions over it are in the project's `docs/reference.md`."
    return "\n".join([*_relation(relation, columns), where])


def _relation(
    relation: sa.Row[Any] | SimpleNamespace, columns: Sequence[sa.Row[Any] | SimpleNamespace]
) -> list[str]:
    """A table or a view: what it holds, its key, its columns."""
    described = any(column.comment for column in columns)
    head = ("column", "type", "meaning") if described else ("column", "type")
    rows = [
        (
            f"`{column.name}`",
            column.type + (", may be null" if relation.is_table and not column.required else ""),
            *([_cell(column.comment)] if described else []),
        )
        for column in columns
    ]
    key = [f"Key: {', '.join(f'`{name}`' for name in relation.key)}.", ""] if relation.key else []
    return [
        f"### {SCHEMA}.{relation.name}",
        "",
        _sentence(relation.comment),
        "",
        *key,
        *_table(head, rows),
        "",
    ]


def _function(function: sa.Row[Any]) -> list[str]:
    """A function: how it is called, what it gives, what it means; examples stand as code."""
    returns = function.result.replace("SETOF ", "rows of ").replace("TABLE(", "rows (")
    lines = [
        f"### {SCHEMA}.{function.name}",
        "",
        f"`{SCHEMA}.{function.name}({function.arguments})` → `{returns}`",
        "",
    ]
    for paragraph in (function.comment or "").split("\n\n"):
        lines += ["```sql", paragraph, "```", ""] if is_example(paragraph) else [_sentence(paragraph), ""]
    return lines


def is_example(paragraph: str) -> bool:
    """Whether a paragraph of a comment is a statement to try, not text."""
    return paragraph.startswith(("SELECT ", "WITH "))


def _sentence(comment: str | None) -> str:
    """A comment as a paragraph. Those of tables end without a full stop."""
    text = (comment or "").strip()
    return text if text.endswith((".", ":", "?")) or not text else f"{text}."


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def main() -> None:
    """Print the page of the configured database."""
    with create_engine().connect() as connection:
        sys.stdout.write(page(connection))


if __name__ == "__main__":
    main()
