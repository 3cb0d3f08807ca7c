"""What is loaded, counted; and how an atlas goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.db import holdings, schema
from ccf_assets.recordings import sources


def test_nothing_is_held_at_first(database: sa.Engine, tmp_path: Path) -> None:
    assert holdings.holdings(database) == []
    assert sources.sources(database, tmp_path / "none") == []


def test_what_is_held_is_counted_table_by_table(phantom_database: sa.Engine) -> None:
    fine, coarse = holdings.holdings(phantom_database)
    assert (fine.ccf_id, fine.key, fine.resolution_um) == (903, "phantom_50um", 50)
    assert coarse.version == "phantom (not the Allen CCF)"
    with phantom_database.connect() as connection:
        for holding in (fine, coarse):
            for name, rows in holding.rows_of.items():
                table = schema.metadata.tables[f"{schema.SCHEMA}.{name}"]
                count = sa.select(sa.func.count()).where(table.c.ccf_id == holding.ccf_id)
                assert connection.scalar(count) == rows, name
    assert coarse.rows_of["brain_region"] == 54
    assert coarse.rows_of["voxel"] == 0
    of_atlas = {t.name for t in schema.metadata.sorted_tables if "ccf_id" in t.columns}
    assert set(coarse.rows_of) == of_atlas - {"atlas_number"}


def test_an_atlas_whose_load_did_not_end_says_what_it_lacks(phantom_database: sa.Engine) -> None:
    assert [holding.missing for holding in holdings.holdings(phantom_database)] == [[], []]
    with phantom_database.begin() as connection:
        connection.exec_driver_sql("TRUNCATE ccf.voxel_run, ccf.region_volume")
    assert [holding.missing for holding in holdings.holdings(phantom_database)] == [
        ["voxel_run", "region_volume"]
    ] * 2


def test_the_size_is_that_of_the_partitions_with_their_keys(phantom_database: sa.Engine) -> None:
    [fine, _] = holdings.holdings(phantom_database)
    with phantom_database.connect() as connection:
        size = connection.scalar(
            sa.text(
                "SELECT sum(pg_total_relation_size(('ccf.' || name || '_903')::regclass)) "
                "FROM unnest(ARRAY['voxel_run', 'brain_surface']) name"
            )
        )
    assert fine.size_bytes == size
    assert fine.size_bytes > 162_260 * 24


def test_an_atlas_goes_with_everything_of_it_and_nothing_else(phantom_database: sa.Engine) -> None:
    [fine, _] = holdings.holdings(phantom_database)
    holdings.drop_atlas(phantom_database, 904)
    assert holdings.holdings(phantom_database) == [fine]
    with phantom_database.connect() as connection:
        assert connection.scalar(sa.text("SELECT to_regclass('ccf.voxel_run_904')")) is None


def test_dropping_what_is_not_there_does_nothing(phantom_database: sa.Engine) -> None:
    before = holdings.holdings(phantom_database)
    holdings.drop_atlas(phantom_database, 1)
    assert holdings.holdings(phantom_database) == before


def test_a_drop_that_fails_leaves_everything(
    phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = holdings.holdings(phantom_database)
    with phantom_database.begin() as connection:
        # A lab's own table that refers to the atlas.
        connection.exec_driver_sql("CREATE TABLE mine (ccf_id int REFERENCES ccf.atlas)")
        connection.exec_driver_sql("INSERT INTO mine VALUES (904)")
    with pytest.raises(sa.exc.IntegrityError):
        holdings.drop_atlas(phantom_database, 904)
    assert holdings.holdings(phantom_database) == before


def test_examples_are_put_where_there_is_nothing_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "recordings"
    sources.put_examples(folder, known=[])
    assert not folder.exists(), "a folder elsewhere is a lab's own"
    folder = settings.recordings()
    monkeypatch.setenv("CCF_ENGINE", "redis://127.0.0.1:1/0")
    sources.put_examples(folder, known=[])
    assert not folder.exists(), "the hosts that execute runs would not have it"
    monkeypatch.delenv("CCF_ENGINE")
    sources.put_examples(folder, known=[])
    examples = sorted(file.name for file in folder.iterdir())
    assert examples
    for file in folder.iterdir():
        file.unlink()
    sources.put_examples(folder, known=examples)
    assert list(folder.iterdir()) == [], "what a lab took away stays away"
