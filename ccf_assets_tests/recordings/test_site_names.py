"""The numbers of sites that have a name: the same in Python and in SQL."""

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccf_assets.recordings.files.site_names import site_number, site_numbers

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def test_a_name_has_the_number_that_it_has_had_since_names_were_first_stored():
    assert site_number("tip") == -5_448_230_490_290_800_672
    assert site_number("") == -1 - (0xE3B0C44298FC1C14 >> 1), "the well-known SHA-256 of nothing"


@given(names)
def test_every_number_is_negative_and_of_64_bits(name: str):
    assert -(2**63) <= site_number(name) < 0


@given(st.lists(st.none() | names))
def test_a_column_of_names_has_the_number_of_each(column: list[str | None]):
    numbers = site_numbers(pl.Series(column, dtype=pl.String))
    assert numbers.dtype == pl.Int64
    assert numbers.to_list() == [None if name is None else site_number(name) for name in column]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(names, max_size=100))
def test_sql_gives_the_same_numbers(database: sa.Engine, column: list[str]):
    query = sa.text("SELECT ccf.site_number(name) FROM unnest(CAST(:names AS text[])) AS name")
    with database.connect() as connection:
        assert connection.scalars(query, {"names": column}).all() == [site_number(name) for name in column]


@pytest.mark.parametrize("nobody", [None])
def test_no_name_has_no_number_in_sql(database: sa.Engine, nobody: None):
    with database.connect() as connection:
        assert connection.scalar(sa.text("SELECT ccf.site_number(:name)"), {"name": nobody}) is None
