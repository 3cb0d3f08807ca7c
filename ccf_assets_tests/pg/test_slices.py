"""Which rows a partition covers."""

import datetime as dt

import dagster as dg
import polars as pl
import polars.testing
import pytest

from ccf_assets.refusals import Refused
from ccf_assets_tests.support.postgres_lab import Database, atlases, days

pytestmark = pytest.mark.filterwarnings("ignore:.*currently in beta")

DAYS = pl.DataFrame(
    {
        "id": range(6),
        "moment": [dt.datetime(2024, 1, day, hour) for day in (1, 2, 3) for hour in (0, 23)],
    }
)


def test_a_dynamic_partition_is_one(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (who text, id int, PRIMARY KEY (who, id))")
    parts = dg.DynamicPartitionsDefinition(name="who")
    lab.instance.add_dynamic_partitions("who", ["it's", "b"])
    for key in ("it's", "b", "it's"):
        rows = pl.DataFrame({"who": [key], "id": [1]})
        lab.write(rows, "thing", partitions=parts, by="who", key=key)
    assert lab.rows("thing") == [("b", 1), ("it's", 1)]


@pytest.mark.parametrize(
    ("column", "expression"),
    [
        ("moment timestamp", "moment"),
        ("moment timestamptz", "moment"),
        ("moment date", "moment"),
        ("moment timestamp", "moment + interval '1 second' * 0"),
        ("moment text", "moment::timestamp"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
def test_a_time_window_covers_its_own_days_whatever_the_session_clock(
    lab: Database, column: str, expression: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    lab.sql(f"CREATE TABLE lab.thing (id int PRIMARY KEY, {column})")
    parts = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-11", timezone=zone)
    moments = DAYS.with_columns(pl.col("moment").dt.replace_time_zone(zone))
    if "timestamptz" not in column:
        moments = DAYS.cast({"moment": pl.Date} if "date" in column else {})
    if "text" in column:
        moments = moments.cast({"moment": pl.String})
    asset = lab.asset("thing", moments, partitions=parts, by=expression)
    assert lab.counts(asset, "2024-01-01", "2024-01-03") == {f"2024-01-0{day}": 2 for day in (1, 2, 3)}
    got = lab.read(pl.DataFrame, asset, partitions=parts, key="2024-01-02")
    assert sorted(got["id"]) == [2, 3]
    lab.write(moments[2:3], "thing", partitions=parts, by=expression, key="2024-01-02")
    assert [row[0] for row in lab.rows("thing")] == [0, 1, 2, 4, 5]
    with pytest.raises(
        Refused, match=r"lab.thing: a row has .* '?2024-01-01.*, outside what is written: '2024"
    ):
        lab.write(moments[:1], "thing", partitions=parts, by=expression, key="2024-01-02")


def test_days_with_gaps_between_them_leave_the_days_between_alone(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, moment timestamp)")
    asset = lab.asset("thing", DAYS, partitions=days, by="moment")
    lab.counts(asset, "2024-01-01", "2024-01-03")
    mapping = dg.SpecificPartitionsPartitionMapping(["2024-01-01", "2024-01-03"])
    assert sorted(lab.read(pl.DataFrame, asset, mapping=mapping)["id"]) == [0, 1, 4, 5]
    before = dg.TimeWindowPartitionMapping(
        start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
    )
    read = {
        key: sorted(lab.read(pl.DataFrame, asset, partitions=days, mapping=before, key=key)["id"])
        for key in ("2024-01-01", "2024-01-02")
    }
    assert read == {"2024-01-01": [], "2024-01-02": [0, 1]}


@pytest.mark.parametrize(
    ("expression", "keys"),
    [
        ("n", ["1", "2"]),
        ("n % 2 + 1", ["1", "2"]),
        ("who", ["a", "b"]),
        ("lower(who)", ["a", "b"]),
        ("flag", ["true", "false"]),
        ("kind", ["x", "y"]),
        ("day", ["2024-01-01", "2024-01-02"]),
        ("extract(year FROM day)::text || '%'", ["2024%", "2025%"]),
    ],
)
def test_a_partition_key_is_read_as_the_type_of_what_it_names(
    lab: Database, expression: str, keys: list[str]
) -> None:
    lab.sql("""
        CREATE TYPE lab.xy AS ENUM ('x', 'y');
        CREATE TABLE lab.thing (
            id int PRIMARY KEY, n smallint, who varchar(3), flag bool, kind lab.xy, day date
        )
    """)
    one = {"id": 1, "n": 1, "who": "a", "flag": True, "kind": "x", "day": dt.date(2024, 1, 1)}
    two = {"id": 2, "n": 2, "who": "b", "flag": False, "kind": "y", "day": dt.date(2024, 1, 2)}
    if "n %" in expression:
        one, two = {**two, "id": 1}, {**one, "id": 2}
    if "year" in expression:
        two["day"] = dt.date(2025, 1, 1)
    parts = dg.StaticPartitionsDefinition(keys)
    for key, row in [*zip(keys, (one, two), strict=True)] * 2:
        lab.write(pl.DataFrame([row]), "thing", partitions=parts, by=expression, key=key)
    asset = lab.asset("thing", partitions=parts, by=expression)
    assert lab.read(pl.DataFrame, asset, partitions=parts, key=keys[1]).to_dicts() == [two]
    assert lab.read(pl.DataFrame, asset).height == 2


def test_partition_values_say_what_the_column_holds_for_a_key(lab: Database) -> None:
    parts = dg.StaticPartitionsDefinition(["fine", "coarse"])
    values = {"fine": 1, "coarse": 2}
    for name, column in (("site", "probe"), ("voxel", "atlas")):
        asset = lab.asset(name, partitions=parts, by=column, values=values)
        for key, value in values.items():
            rows = pl.DataFrame({column: [value], "id" if name == "site" else "x": [1]})
            rows = rows if name == "site" else rows.with_columns(region=5)
            lab.write(rows, name, partitions=parts, by=column, values=values, key=key)
        assert [row[0] for row in lab.rows(name)] == [1, 2]
        assert lab.read(pl.DataFrame, asset, partitions=parts, key="coarse")[column].to_list() == [2]
        with pytest.raises(Refused, match=f"a row has {column} 2, outside what is written: 'fine' \\(1\\)."):
            lab.write(rows, name, partitions=parts, by=column, values=values, key="fine")


def test_multi_partitions_hold_in_every_dimension(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, who text, moment timestamp)")
    whose = dg.StaticPartitionsDefinition(["a", "b"])
    parts = dg.MultiPartitionsDefinition({"who": whose, "day": days})
    by = {"who": "who", "day": "date_trunc('hour', moment)"}
    for day in (1, 2):
        for who in "ab":
            rows = pl.DataFrame(
                {"id": [day * 10 + ord(who)], "who": who, "moment": dt.datetime(2024, 1, day, 5)}
            )
            key = dg.MultiPartitionKey({"who": who, "day": f"2024-01-0{day}"})
            lab.write(rows, "thing", partitions=parts, by=by, key=key)
    asset = lab.asset("thing", partitions=parts, by=by)
    key = dg.MultiPartitionKey({"who": "b", "day": "2024-01-01"})
    assert lab.read(pl.DataFrame, asset, partitions=parts, key=key)["id"].to_list() == [108]
    assert lab.read(pl.DataFrame, asset).height == 4
    assert sorted(lab.read(pl.DataFrame, asset, partitions=whose, key="a")["id"]) == [107, 117]
    corners = [dg.MultiPartitionKey({"who": w, "day": f"2024-01-0{d}"}) for w, d in (("a", 1), ("b", 2))]
    mapping = dg.SpecificPartitionsPartitionMapping(corners)
    assert sorted(lab.read(pl.DataFrame, asset, mapping=mapping)["id"]) == [107, 118]

    with pytest.raises(Refused, match=r"who 'a'.*outside what is written: '2024-01-02\|b'"):
        lab.write(
            pl.DataFrame({"id": [1], "who": "a", "moment": dt.datetime(2024, 1, 2)}),
            "thing", partitions=parts, by=by, key=dg.MultiPartitionKey({"who": "b", "day": "2024-01-02"}),
        )  # fmt: skip
    with pytest.raises(Refused, match=r"thing: metadata 'partition_expr' names no column for day\."):
        lab.write(rows, "thing", partitions=parts, by={"who": "who"}, key=key)
    with pytest.raises(Refused, match=r"thing: metadata 'partition_expr' names no column for day, who\."):
        lab.write(rows, "thing", partitions=parts, by="who", key=key)


def test_a_range_of_multi_partitions_is_one_run(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, who text, day date)")
    whose = dg.StaticPartitionsDefinition(["a", "b"])
    parts = dg.MultiPartitionsDefinition({"who": whose, "day": days})
    rows = pl.DataFrame({"id": [1, 2], "who": ["a", "a"], "day": [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]})
    asset = lab.asset("thing", rows, partitions=parts, by={"who": "who", "day": "day"})
    counts = lab.counts(asset, "2024-01-01|a", "2024-01-02|a")
    assert counts == {"2024-01-01|a": 1, "2024-01-02|a": 1}


def test_an_asset_with_partitions_must_say_what_they_divide(lab: Database) -> None:
    with pytest.raises(Refused, match="site has partitions but no metadata 'partition_expr'"):
        lab.write(pl.DataFrame({"probe": [1], "id": [1]}), partitions=atlases, key="1")


def test_rows_must_bring_the_column_that_partitions_divide(lab: Database) -> None:
    lab.sql("CREATE TABLE lab.thing (id int PRIMARY KEY, who text DEFAULT '1')")
    with pytest.raises(Refused, match=r"lab.thing: rows must bring who; they bring id\."):
        lab.write(pl.DataFrame({"id": [1]}), "thing", partitions=atlases, by="who", key="1")
    with pytest.raises(Refused, match=r"lab.voxel: rows must bring atlas; they bring x, region\."):
        lab.voxels(pl.DataFrame({"x": [1], "region": [2]}))
    with pytest.raises(Refused, match=r'lab\.thing: column "nix" does not exist'):
        lab.write(pl.DataFrame({"id": [1]}), "thing", partitions=atlases, by="nix", key="1")
