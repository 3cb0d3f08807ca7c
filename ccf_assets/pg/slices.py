"""The slice of a table that an asset's partitions cover: its condition in SQL and its row counts.

Not here: how rows get into the slice (copy_in.py, merge.py, swap.py), and Dagster's partitions, which the IO
manager translates to values and spans of time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

import sqlalchemy as sa

from ccf_assets.errors import CcfError

NAMED_PARTITIONS = 5
"""Most partitions that an error names one by one."""

KEYS_PER_QUERY = 500
"""Partitions whose rows are counted at once; a query has at most 1664 columns."""


class _Untyped(sa.types.UserDefinedType[str]):
    """Text that the server reads as the type of what it is compared with, as it does a quoted literal."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "unknown"


class Span(NamedTuple):
    """A span of time, from ``start`` up to but not including ``end``; both know their time zone."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Dimension:
    """One way in which an asset's partitions divide its table.

    Attributes:
        expression: a column of the table, or an SQL expression that the asset's author wrote.
        value_of: the value of the expression in a partition, by partition key; a partition that is missing
            has its key as the value.
        span_of: the span of the expression's values in a partition, by partition key, where partitions are
            windows of time; else empty.
    """

    expression: str
    value_of: Mapping[str, object] = field(default_factory=dict)
    span_of: Mapping[str, Span] = field(default_factory=dict)

    def value(self, key: str) -> object:
        """The value of the expression in the partition ``key``."""
        return self.value_of.get(key, key)

    def of(self, source: sa.FromClause) -> sa.ColumnElement[Any]:
        """The expression on ``source``, which is the table or has its columns."""
        if self.expression in source.c:
            return source.c[self.expression]
        return sa.literal_column(f"({self.expression})")

    def holds(self, source: sa.FromClause, keys: Sequence[str]) -> sa.ColumnElement[bool]:
        """The condition that a row of ``source`` is in one of the partitions ``keys``."""
        of = self.of(source)
        if not self.span_of:
            return of.in_([_bound(self.value(key)) for key in keys])
        merged: list[Span] = []
        for span in sorted(self.span_of[key] for key in keys):
            if merged and merged[-1].end == span.start:
                merged[-1] = Span(merged[-1].start, span.end)
            else:
                merged.append(span)
        # As text with its offset: an instant to a timestamptz, the span's own clock to date and timestamp.
        ends = [[_bound(end.isoformat(" ")) for end in span] for span in merged]
        return sa.or_(sa.false(), *(sa.and_(of >= start, of < end) for start, end in ends))


def _bound(value: object) -> sa.BindParameter[Any]:
    return sa.literal(value, _Untyped()) if isinstance(value, str) else sa.literal(value)


@dataclass(frozen=True)
class Slice:
    """The part of a table that an asset's partitions cover.

    Attributes:
        table: the table, as reflected from the database.
        dimensions: how partitions divide it; empty for an asset without partitions: its slice is the table.
        parts: the partitions covered: by partition key, its part in each dimension, in the same order.
    """

    table: sa.Table
    dimensions: Sequence[Dimension] = ()
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def keys(self) -> Sequence[str]:
        """The keys of the partitions covered."""
        return list(self.parts)

    def where(
        self, source: sa.FromClause | None = None, keys: Sequence[str] | None = None
    ) -> sa.ColumnElement[bool]:
        """The condition that a row is in the slice, or in its partitions ``keys``.

        ``source`` is the table, or another one with its columns.
        """
        if not self.dimensions:
            return sa.true()
        source = self.table if source is None else source
        keys = self.keys if keys is None else keys
        parts = [
            list(dict.fromkeys(self.parts[key][place] for key in keys))
            for place in range(len(self.dimensions))
        ]
        # A full grid of partitions needs one condition for each dimension, not one for each partition.
        if math.prod(map(len, parts)) == len(keys):
            return sa.and_(*(d.holds(source, part) for d, part in zip(self.dimensions, parts, strict=True)))
        return sa.or_(*(self.where(source, [key]) for key in keys))

    def partitions(self) -> str:
        """The partitions for an error's text, the first few by name."""
        keys, dimension = self.keys, self.dimensions[0]
        values = [(str(key), dimension.value(key)) for key in keys[:NAMED_PARTITIONS]]
        names = [repr(key) if value == key else f"{key!r} ({value})" for key, value in values]
        more = len(keys) - NAMED_PARTITIONS
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def refuse_rows_outside(connection: sa.Connection, target: Slice, source: sa.TableClause) -> None:
    """Refuse rows of ``source`` outside the slice: the next run of its partitions would leave them behind.

    Raises:
        CcfError: there is such a row.
    """
    if not target.dimensions:
        return
    divided = [dimension.of(source).label(dimension.expression) for dimension in target.dimensions]
    outside = sa.select(*divided).select_from(source).where(target.where(source).is_not(sa.true())).limit(1)
    stray = connection.execute(outside).mappings().first()
    if stray is not None:
        refuse_row(target, stray)


def refuse_row(target: Slice, row: Mapping[Any, object]) -> NoReturn:
    """Refuse a row outside the slice, of which ``row`` has what divides the table.

    Raises:
        CcfError: always.
    """
    raise CcfError(
        f"{target.table}: a row has {paired(row)}, outside what is written: {target.partitions()}."
    )


def paired(row: Mapping[Any, object]) -> str:
    """Column names and values for an error's text: ``probe 1, name 'a'``."""
    shown = {
        name: value if isinstance(value, (int, float, str)) else str(value) for name, value in row.items()
    }
    return ", ".join(f"{name} {value!r}" for name, value in shown.items())


def rows_per_key(connection: sa.Connection, target: Slice, source: sa.FromClause) -> Mapping[str, int]:
    """The number of rows of each partition; empty unless there are several."""
    counts: dict[str, int] = {}
    keys = target.keys if len(target.keys) > 1 else ()
    for first in range(0, len(keys), KEYS_PER_QUERY):
        part = keys[first : first + KEYS_PER_QUERY]
        each = [sa.func.count().filter(target.where(source, [key])) for key in part]
        query = sa.select(*each).select_from(source).where(target.where(source, part))
        counts |= zip(part, connection.execute(query).one(), strict=True)
    return counts
