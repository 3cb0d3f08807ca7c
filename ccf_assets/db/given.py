"""Rows that are not in a table, in a query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa


def given_rows(name: str, rows: Iterable[Sequence[Any]], **columns: sa.types.TypeEngine[Any]) -> sa.CTE:
    """Rows that are not in a table, as one in a query; there may be none.

    Args:
        name: of the table in the query.
        rows: their values.
        columns: name → type.
    """
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = (
        sa.literal(list(column), sa.ARRAY(type_))
        for column, type_ in zip(values, columns.values(), strict=True)
    )
    given = sa.func.unnest(*arrays).table_valued(*columns, name=f"given_{name}").render_derived()
    return sa.select(*(sa.type_coerce(given.c[n], t).label(n) for n, t in columns.items())).cte(name)
