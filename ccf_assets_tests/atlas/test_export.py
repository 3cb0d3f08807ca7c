"""Exported files hold the rows of their tables, whole, in order, and are never there by halves."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from ccf_assets.atlas import export
from ccf_assets.atlas.atlas import Atlas
from ccf_assets.db import schema
from ccf_assets.db.loaded import pick_atlas
from ccf_assets.errors import CcfError
from ccf_assets.files import new_file


def _rows(engine: sa.Engine, query: sa.Select[tuple[object, ...]]) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_every_table_is_exported_ordered_by_its_key(
    phantom_database: sa.Engine, tmp_path: Path, suffix: str
) -> None:
    for table in schema.metadata.sorted_tables:
        if table is schema.voxel:  # whose rows come from the runs
            continue
        path = tmp_path / f"{table.name}{suffix}"
        count = export.export(phantom_database, table.name, path)
        expected = _rows(phantom_database, sa.select(table).order_by(*table.primary_key.columns))
        found = pl.read_parquet(path) if suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
        assert found.columns == [column.name for column in table.columns]
        assert count == len(expected) == found.height
        if suffix == ".parquet":
            assert found.rows() == expected
    assert {path.suffix for path in tmp_path.iterdir()} == {suffix}  # nothing else is left


def test_one_atlas_is_exported(phantom_database: sa.Engine, tmp_path: Path) -> None:
    atlas = pick_atlas(phantom_database, "phantom_100um")
    assert export.export(phantom_database, "voxel_run", tmp_path / "runs.csv", atlas) == 39_516
    assert pl.read_csv(tmp_path / "runs.csv")["ccf_id"].unique().to_list() == [904]
    with pytest.raises(CcfError, match="coordinate_frame is the same for every atlas"):
        export.export(phantom_database, "coordinate_frame", tmp_path / "frames.csv", atlas)


def test_voxels_are_those_of_the_volume_whether_their_table_is_loaded_or_not(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    atlas = Atlas("phantom_100um")
    path = tmp_path / "voxel.PARQUET"
    assert export.export(phantom_database, "voxel", path, pick_atlas(phantom_database, atlas.key)) == 404_045
    voxels = pl.read_parquet(path)
    volume = atlas.volume()
    places = np.argwhere(volume)  # ordered by x, y, z
    assert np.array_equal(voxels.select("x", "y", "z").to_numpy(), places * 100)
    assert np.array_equal(voxels["region_id"].to_numpy(), volume[tuple(places.T)])


def test_the_columns_of_a_parquet_file_say_what_they_mean(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    export.export(phantom_database, "region_volume", tmp_path / "v.parquet")
    field = pq.read_schema(tmp_path / "v.parquet").field("volume_mm3")
    assert field.metadata[b"comment"] == schema.region_volume.c.volume_mm3.comment.encode()


def test_electrodes_are_as_nwb_has_them(phantom_database: sa.Engine, tmp_path: Path) -> None:
    atlas = Atlas("phantom_100um")
    sites = [
        ("m1", 0, 6600.0, 4000.0, 5000.0, "left", 997, "assigned"),
        ("m2", 0, -1.0, 2.0, 3.0, None, None, "outside_volume"),
        ("m1", -7, None, None, None, None, None, "missing"),
        ("m1", 2**40, 6600.0, 4000.0, 5000.0, "left", 997, "assigned"),
    ]
    more = {-7: {"site_name": "tip"}, 2**40: {"kind": "track"}}
    with phantom_database.begin() as connection:
        for recording, number, x, y, z, hemisphere, region_id, status in sites:
            site = {"recording_id": recording, "site_id": number, "source": "inserted"}
            place = {"x": x, "y": y, "z": z, "hemisphere": hemisphere, "region_id": region_id}
            given = sa.insert(schema.recording_site).values(
                **site, ap=1, dv=2, ml=3, frame="ccf", **more.get(number, {})
            )
            connection.execute(given)
            connection.execute(
                sa.insert(schema.recording_region).values(
                    **site, **place, ccf_id=atlas.ccf_id, status=status, voxels_of=1, surface_of=1
                )
            )
        waiting = {"recording_id": "m3", "site_id": 5, "ap": 1, "dv": 2, "ml": 3, "frame": "ccf"}
        connection.execute(sa.insert(schema.recording_site).values(**waiting, source="inserted"))
    picked = pick_atlas(phantom_database, atlas.key)
    assert export.export(phantom_database, "electrodes", tmp_path / "e.parquet", picked) == 4
    found = pl.read_parquet(tmp_path / "e.parquet")
    assert found.columns == list(export.comments_of("electrodes"))
    assert found.rows() == [
        (0, None, None, None, "unknown", "m1", -7, None, "missing", "phantom_100um", "tip"),
        (1, 6600, 4000, 5000, "root", "m1", 0, "left", "assigned", "phantom_100um", "0"),
        (2, -1, 2, 3, "unknown", "m2", 0, None, "outside_volume", "phantom_100um", "0"),
        (3, None, None, None, "unknown", "m3", 5, None, "not_registered", "phantom_100um", "5"),
    ]
    with pytest.raises(CcfError, match="of one atlas"):
        export.export(phantom_database, "electrodes", tmp_path / "all.csv")


def test_a_file_that_is_there_is_kept_unless_told_otherwise(
    phantom_database: sa.Engine, tmp_path: Path
) -> None:
    path = tmp_path / "atlas.csv"
    path.write_text("mine")
    with pytest.raises(CcfError, match="exists already; --force replaces it"):
        export.export(phantom_database, "atlas", path)
    assert path.read_text() == "mine"
    assert export.export(phantom_database, "atlas", path, force=True) == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("table", "name", "words"),
    [
        ("brain_regions", "a.csv", "There is no table 'brain_regions'; did you mean brain_region"),
        ("atlas", "a.xlsx", "the ending of the file must be .parquet or .csv"),
        ("atlas", "no/such/folder/a.csv", "cannot be written: No such file or directory"),
        ("atlas", "folder.csv", "is not a file"),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(
    phantom_database: sa.Engine, tmp_path: Path, table: str, name: str, words: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(CcfError, match=re.escape(words)):
        export.export(phantom_database, table, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_comes_while_another_is_written_is_kept_unless_told_otherwise(
    tmp_path: Path, force: bool
) -> None:
    path = tmp_path / "a.csv"
    refused = pytest.raises(CcfError, match=r"a\.csv exists already; --force replaces it")
    with nullcontext() if force else refused, new_file(path, force=force) as aside:
        aside.write_text("ours")
        path.write_text("another's")
    assert path.read_text() == ("ours" if force else "another's")
    assert list(tmp_path.iterdir()) == [path]


def test_an_export_that_fails_leaves_the_old_file(phantom_database: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "atlas.csv"
    path.write_text("mine")
    with phantom_database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ccf.atlas RENAME COLUMN sha256 TO gone")
    with pytest.raises(Exception, match="sha256"):
        export.export(phantom_database, "atlas", path, force=True)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("mine", [path])
