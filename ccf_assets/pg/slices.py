"""The part of a table that a write covers, and what the table holds of it. No Dagster, and no table of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import sqlalchemy as sa

from ccf_assets.errors import CcfError

PREVIEW_ROWS = 5

NAMED_PARTITIONS = 5
"""Most partitions that an error names one by one."""

KEYS_PER_QUERY = 500
"""Partitions whose rows are counted at once; a query has at most 1664 columns."""


class _Untyped(sa.types.UserDefinedType[str]):
    """Text that the server reads as the type of what it is compared with, as it does a quoted literal."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "unknown"


@dataclass(frozen=True)
class Dimension:
    """One way in which an asset's partitions divide its table.

    Attributes:
        name: the dimension's name, of a multi-partitioned asset.
        expression: a column of the table, or an SQL expression that the asset's author wrote.
        definition: the partitions.
        value_of: what the expression holds for a partition, where that is not its key.
    """

    name: str
    expression: str
    definition: dg.PartitionsDefinition[Any]
    value_of: Mapping[str, object] = field(default_factory=dict)

    def key(self, key: str) -> str:
        """This dimension's part of a partition key."""
        return key.keys_by_dimension[self.name] if isinstance(key, dg.MultiPartitionKey) else key

    def value(self, key: str) -> object:
        return self.value_of.get(key, key)

    def of(self, source: sa.FromClause) -> sa.ColumnElement[Any]:
        if self.expression in source.c:
            return source.c[self.expression]
        return sa.literal_column(f"({self.expression})")

    def holds(self, source: sa.FromClause, keys: Sequence[str]) -> sa.ColumnElement[bool]:
        """The condition that a row of ``source`` is in one of the partitions ``keys``."""
        of = self.of(source)
        if not isinstance(self.definition, dg.TimeWindowPartitionsDefinition):
            return of.in_([_bound(self.value(key)) for key in keys])
        spans: list[list[Any]] = []
        for start, end in sorted(map(self.definition.time_window_for_partition_key, keys)):
            if spans and spans[-1][1] == start:
                spans[-1][1] = end
            else:
                spans.append([start, end])
        # As text with its offset: an instant to a timestamptz, the window's own clock to date and timestamp.
        ends = [[_bound(end.isoformat(" ")) for end in span] for span in spans]
        return sa.or_(sa.false(), *(sa.and_(of >= start, of < end) for start, end in ends))


def _bound(value: object) -> sa.BindParameter[Any]:
    return sa.literal(value, _Untyped()) if isinstance(value, str) else sa.literal(value)


@dataclass(frozen=True)
class Slice:
    """The part of a table that an asset's partitions cover.

    Attributes:
        table: the table, as reflected from the database.
        dimensions: how partitions divide it; empty for an asset without, whose slice is the whole table.
        keys: the partitions covered.
    """

    table: sa.Table
    dimensions: Sequence[Dimension] = ()
    keys: Sequence[str] = ()

    def where(
        self, source: sa.FromClause | None = None, keys: Sequence[str] | None = None
    ) -> sa.ColumnElement[bool]:
        """The slice, or its partitions ``keys``, as a condition on the table or another with its columns."""
        if not self.dimensions:
            return sa.true()
        source = self.table if source is None else source
        keys = self.keys if keys is None else keys
        parts = [list(dict.fromkeys(map(dimension.key, keys))) for dimension in self.dimensions]
        if math.prod(map(len, parts)) == len(keys):
            return sa.and_(*(d.holds(source, part) for d, part in zip(self.dimensions, parts, strict=True)))
        return sa.or_(*(self.where(source, [key]) for key in keys))

    def partitions(self) -> str:
        """The partitions for an error's text."""
        more = len(self.keys) - NAMED_PARTITIONS
        values = [(str(key), self.dimensions[0].value(key)) for key in self.keys[:NAMED_PARTITIONS]]
        names = [repr(key) if value == key else f"{key!r} ({value})" for key, value in values]
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class Written:
    """What was put in place; ``per_key`` only where several partitions were."""

    rows: int
    numbers: Mapping[str, float]
    preview: dg.TableMetadataValue
    per_key: Mapping[str, int]


def preview_of(
    connection: sa.Connection, source: sa.FromClause, where: sa.ColumnElement[bool], keys: Sequence[str]
) -> dg.TableMetadataValue:
    """The first few rows by key, for the UI."""
    query = sa.select(source).where(where).order_by(*(source.c[key] for key in keys)).limit(PREVIEW_ROWS)
    records = [
        dg.TableRecord({name: _shown(value) for name, value in row.items()})
        for row in connection.execute(query).mappings()
    ]
    columns = [dg.TableColumn(c.name, str(c.type)) for c in source.c]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _shown(value: object) -> str | float | None:
    """``value`` as JSON can hold it, which knows no NaN."""
    if value is None or isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def refuse_rows_outside(connection: sa.Connection, target: Slice, source: sa.TableClause) -> None:
    """A row of another partition would be left behind by the next run of this one."""
    if not target.dimensions:
        return
    divided = [dimension.of(source).label(dimension.expression) for dimension in target.dimensions]
    outside = sa.select(*divided).select_from(source).where(target.where(source).is_not(sa.true())).limit(1)
    stray = connection.execute(outside).mappings().first()
    if stray is not None:
        raise CcfError(
            f"{target.table}: a row has {paired(stray)}, outside what is written: {target.partitions()}."
        )


def paired(row: Mapping[Any, object]) -> str:
    shown = {
        name: value if isinstance(value, (int, float, str)) else str(value) for name, value in row.items()
    }
    return ", ".join(f"{name} {value!r}" for name, value in shown.items())


def rows_per_key(connection: sa.Connection, target: Slice, source: sa.FromClause) -> Mapping[str, int]:
    """The rows of each partition, where there are several."""
    counts: dict[str, int] = {}
    keys = target.keys if len(target.keys) > 1 else ()
    for first in range(0, len(keys), KEYS_PER_QUERY):
        part = keys[first : first + KEYS_PER_QUERY]
        each = [sa.func.count().filter(target.where(source, [key])) for key in part]
        query = sa.select(*each).select_from(source).where(target.where(source, part))
        counts |= zip(part, connection.execute(query).one(), strict=True)
    return counts
