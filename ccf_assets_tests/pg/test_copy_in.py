"""Every type and kind of rows on its way into the database."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from ccf_assets.pg import copy_in
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.refusals import Refused
from ccf_assets_tests.support.postgres_lab import BY_ATLAS, EVERY_TYPE, Database, every_type, stream

pytestmark = pytest.mark.filterwarnings("ignore:.*currently in beta")


def test_every_supported_type_comes_back_as_it_was(lab: Database) -> None:
    lab.sql(EVERY_TYPE)
    frame = every_type()
    lab.write(frame, "thing")
    asset = lab.asset("thing")
    polars.testing.assert_frame_equal(lab.read(pl.DataFrame, asset).sort("id"), frame)
    arrow = lab.read(pa.RecordBatchReader, asset, use=lambda reader: reader.read_all())
    assert (
        arrow.schema.types
        == frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow.schema).schema.types
    )
    before = lab.sql("SELECT xmin, ctid FROM lab.thing")
    lab.write(frame, "thing")
    lab.write(stream(frame), "thing")
    # To pandas a NaN is a missing value.
    lab.write(lab.read(pd.DataFrame, asset).drop(columns=["f4", "f8"]), "thing")
    assert lab.sql("SELECT xmin, ctid FROM lab.thing") == before


def test_pandas_keeps_every_digit_of_integers_with_nulls(lab: Database) -> None:
    lab.sql(EVERY_TYPE)
    lab.write(every_type(), "thing")
    frame = lab.read(pd.DataFrame, lab.asset("thing")).sort_values("id").reset_index(drop=True)
    assert frame["i8"].tolist() == [-(2**63), 2**63 - 1, 2**53 + 1, pd.NA]
    assert [str(frame[name].dtype) for name in ("id", "i2", "i4", "flag")] == [
        "int32",
        "Int16",
        "Int32",
        "boolean",
    ]


def test_what_pandas_calls_missing_becomes_null_and_its_index_is_left_out(lab: Database) -> None:
    frame = pd.DataFrame(
        {
            "probe": pd.array([1, 1, 1], dtype="Int64"),
            "id": [1.0, 2.0, 3.0],
            "name": np.array(["a", None, float("nan")], dtype=object),
            "depth": [1.5, float("nan"), None],
            "noted": pd.array([1, None, 3], dtype="Int32"),
        },
        index=[7, 7, 9],
    )
    lab.write(frame)
    assert lab.rows("site") == [(1, 1, "a", 1.5, 1), (1, 2, None, None, None), (1, 3, None, None, 3)]
    lab.write(frame.astype({"name": "category"}).set_index("noted"))
    assert lab.rows("site", "id, name, noted") == [(1, "a", 1), (2, None, None), (3, None, 3)]


def test_frames_of_other_types_are_written_where_no_value_is_changed(lab: Database) -> None:
    frame = pl.DataFrame(
        {
            "probe": pl.Series([1, 1], dtype=pl.UInt32),
            "id": pl.Series([1, 2], dtype=pl.Int64),
            "name": pl.Series(["a", None], dtype=pl.Categorical),
            "depth": pl.Series([1.5, None], dtype=pl.Float32),
            "noted": pl.Series([None, None], dtype=pl.Null),
        }
    )
    for same in (frame, frame.with_columns(pl.col("name").cast(pl.Enum(["a"])), pl.col("id").cast(pl.UInt8))):
        lab.write(same)
        assert lab.rows("site") == [(1, 1, "a", 1.5, None), (1, 2, None, None, None)]
    assert lab.write(frame.to_arrow().to_reader())["rows_updated"] == 0


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("i4", pl.Series([2**31], dtype=pl.UInt32)),
        ("i4", pl.Series([2**31])),
        ("i4", pl.Series([-(2**31) - 1])),
        ("i2", pl.Series([2**15])),
        ("i8", pl.Series([2**63], dtype=pl.UInt64)),
        ("i4", pl.Series([1.5])),
        ("i4", pl.Series([float("nan")])),
        ("i4", pl.Series(["one"])),
        ("f8", pl.Series([2**53 + 1])),
        ("f4", pl.Series([1e39])),
        ("moment", pl.Series([1], dtype=pl.Datetime("ns"))),
        ("short", pl.Series(["123456"])),
        ("words", pl.Series(["a\0b"])),
        ("mood", pl.Series(["angry"])),
        ("flag", pl.Series([[True]])),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused_not_changed(
    lab: Database, column: str, values: pl.Series
) -> None:
    lab.sql(EVERY_TYPE)
    for rows in (
        pl.DataFrame({"id": [1], column: values}),
        pl.DataFrame({"id": [1], column: values}).to_arrow(),
    ):
        with pytest.raises(
            Refused, match=rf"^lab.thing: [^\n]*\b{column}\b[^\n]*\.$|^lab.thing: invalid byte"
        ):
            lab.write(rows if isinstance(rows, pl.DataFrame) else rows.to_reader(), "thing")
    assert lab.sql("SELECT * FROM lab.thing") == []
    assert lab.left_over() == []


@pytest.mark.parametrize(("name", "arguments"), [("site", {}), ("voxel", {**BY_ATLAS, "key": "1"})])
def test_a_stream_may_bring_metadata_that_is_made_once_its_rows_are_with_the_server(
    lab: Database, name: str, arguments: dict[str, Any]
) -> None:
    seen: list[str] = []

    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows.to_batches()
        seen.append("rows")

    def metadata() -> dict[str, dg.MetadataValue[Any]]:
        seen.append("metadata")
        return {"picture": dg.MetadataValue.text("of it")}

    columns = {"site": {"probe": [1], "id": [2]}, "voxel": {"atlas": [1], "x": [1], "region": [1]}}[name]
    rows = pa.table({column: pa.array(values, pa.int32()) for column, values in columns.items()})
    stream = pa.RecordBatchReader.from_batches(rows.schema, batches())
    added = lab.write(copy_in.Stream(stream, metadata), name, **arguments)
    assert seen == ["rows", "metadata"]
    assert added["picture"] == dg.MetadataValue.text("of it")
    assert lab.sql(f"SELECT count(*) FROM lab.{name}") == [(1,)]


def test_metadata_of_a_query_is_made_while_the_server_works_on_it(lab: Database) -> None:
    def metadata() -> dict[str, dg.MetadataValue[Any]]:
        return {"picture": dg.MetadataValue.text("of it")}

    rows = sa.select(sa.literal(1).label("probe"), sa.literal(2).label("id"))
    assert lab.write(copy_in.Stream(rows, metadata))["picture"] == dg.MetadataValue.text("of it")
    assert lab.sql("SELECT probe, id FROM lab.site") == [(1, 2)]


def test_a_query_of_other_types_is_converted_as_an_insert_does(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, small int2, label varchar(3))")
    long, text = sa.cast(sa.literal(5), sa.BigInteger), sa.cast(sa.literal("abc"), sa.Text)
    lab.write(sa.select(long.label("id"), (long * 2).label("small"), text.label("label")), "thing")
    assert lab.sql("SELECT * FROM lab.thing") == [(5, 10, "abc")]
    for column in (sa.cast(sa.literal("abcd"), sa.Text).label("label"), (long * 20_000).label("small")):
        with pytest.raises(Refused, match=r"^lab\.thing: "):
            lab.write(sa.select(long.label("id"), column), "thing")
    with pytest.raises(Refused, match=r"^lab\.thing: "):
        lab.write(sa.select(text.label("id")), "thing")
    assert lab.sql("SELECT * FROM lab.thing") == [(5, 10, "abc")]


def test_a_type_that_arrow_cannot_bring_is_named_and_a_query_can(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, price numeric(8, 2), tags jsonb)")
    with pytest.raises(
        Refused, match=r"lab.thing.price is of type NUMERIC\(8, 2\).*return a sqlalchemy.Select"
    ):
        lab.write(pl.DataFrame({"id": [1], "price": ["1.5"]}), "thing")
    lab.write(sa.select(sa.literal(1).label("id"), sa.literal(1.5).label("price")), "thing")
    assert lab.sql("SELECT id, price::text FROM lab.thing") == [(1, "1.50")]


def test_json_in_other_words_is_no_change_and_what_is_no_json_is_refused(
    lab: Database,
) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, tags jsonb)")
    for said in ('{"b": 1, "a": [true]}', '{"a":[true],"b":1.0}', '{"a": [true], "b": 1}'):
        lab.write(pl.DataFrame({"id": [1, 2], "tags": [said, None]}), "thing")
        assert lab.sql("SELECT id, tags ->> 'b', tags -> 'a' FROM lab.thing ORDER BY id") == [
            (1, "1", [True]),
            (2, None, None),
        ]
    before = lab.sql("SELECT xmin FROM lab.thing")
    wrote = lab.write(pd.DataFrame({"id": [1, 2], "tags": ['{"b": 1, "a":   [true]}', None]}), "thing")
    assert wrote["rows_updated"] == 0
    assert lab.sql("SELECT xmin FROM lab.thing") == before
    with pytest.raises(Refused, match=r"^lab\.thing: .*json"):
        lab.write(pl.DataFrame({"id": [1], "tags": ['{"b": 1']}), "thing")


def test_a_pandas_frame_that_is_no_table_is_refused_in_a_sentence(lab: Database) -> None:
    with pytest.raises(Refused, match=r"lab\.site: the frame cannot be written: "):
        lab.write(pd.DataFrame({"probe": [1, 1], "id": [1, "a"]}))
    with pytest.raises(Refused, match=r"lab\.site: .*id"):
        lab.write(pd.DataFrame([[1, 2]], columns=["id", "id"]))
    with pytest.raises(Refused, match=r"lab\.site has no column 0, 1"):
        lab.write(pd.DataFrame([[1, 2]]))


integers = st.integers(-(2**31), 2**31 - 1)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


sites = st.lists(
    st.tuples(
        integers,
        st.none() | texts,
        st.none() | st.floats(allow_nan=True),
        st.none() | integers,
    ),
    unique_by=lambda row: row[0],
    max_size=30,
)


@given(first=sites, second=sites, kind=st.sampled_from(["polars", "stream"]), rows=st.integers(1, 7))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
def test_random_rows_replace_random_rows_and_come_back(
    lab: Database, first: list[Any], second: list[Any], kind: str, rows: int
) -> None:
    columns = {"id": pl.Int32, "name": pl.String, "depth": pl.Float64, "noted": pl.Int32}
    table = sa.Table("site", sa.MetaData(), schema="lab", autoload_with=lab.engine)
    for values in (first, second):
        frame = pl.DataFrame(values, schema=columns, orient="row").with_columns(
            pl.lit(1, pl.Int32).alias("probe")
        )
        lab.write(frame if kind == "polars" else frame.to_arrow().to_reader(rows))
        back = pl.from_arrow(read_arrow(lab.engine.url, sa.select(table)).read_all())
        polars.testing.assert_frame_equal(
            back.select(frame.columns).sort("id"), frame.sort("id"), check_exact=True
        )
