"""What the database holds, atlas by atlas, and how to take an atlas out of it."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
import sqlalchemy as sa

from ccf_assets import registration, schema, settings
from ccf_assets.errors import CcfError

_WHOLE = ("brain_region", "region_parent", "region_ancestor", "voxel_run", "brain_surface", "region_volume")
"""Tables in which every whole atlas has rows."""

LOCK_WAIT_S = 10
"""Longest wait for other sessions before a drop gives up."""


@dataclass(frozen=True)
class Holding:
    """An atlas in the database: its row of table atlas, and what each table holds of it.

    Attributes:
        rows: exact row counts by table.
        bytes: size on disk of its partitions of voxel_run, voxel and brain_surface, keys included.
        missing: tables that hold nothing of it and would after a whole load: it was interrupted, or failed.
    """

    ccf_id: int
    key: str
    version: str
    resolution_um: float
    source_url: str
    sha256: str
    loaded_at: datetime
    rows: Mapping[str, int]
    bytes: int
    missing: Sequence[str]


def _tables_by_atlas() -> list[sa.Table]:
    """The tables with rows per atlas, those referred to before those that refer to them."""
    return [table for table in schema.metadata.sorted_tables if "ccf_id" in table.columns]


def _partition(table: sa.Table, ccf_id: int) -> str | None:
    """Name of the partition that holds an atlas's rows, or None for an ordinary table."""
    partitioned = table.dialect_options["postgresql"]["partition_by"] is not None
    return f"{schema.SCHEMA}.{table.name}_{ccf_id}" if partitioned else None


def holdings(engine: sa.Engine) -> list[Holding]:
    """Every atlas in the database, by number."""
    found = []
    with engine.connect() as connection:
        for row in connection.execute(sa.select(schema.atlas).order_by(schema.atlas.c.ccf_id)):
            rows, size = {}, 0
            for table in _tables_by_atlas():
                count = sa.select(sa.func.count()).select_from(table).where(table.c.ccf_id == row.ccf_id)
                rows[table.name] = connection.scalar(count) or 0
                partition = _partition(table, row.ccf_id)
                if partition is not None:
                    relation = sa.func.to_regclass(partition)
                    size += connection.scalar(sa.select(sa.func.pg_total_relation_size(relation))) or 0
            found.append(
                Holding(
                    ccf_id=row.ccf_id,
                    key=row.key,
                    version=row.ccf_version,
                    resolution_um=row.ccf_resolution,
                    source_url=row.source_url,
                    sha256=row.sha256,
                    loaded_at=row.loaded_at,
                    rows=rows,
                    bytes=size,
                    missing=[name for name in _WHOLE if not rows[name]],
                )
            )
    return found


_OF_RECORDINGS = (
    schema.recording_region,
    schema.recording_agreement,
    schema.recording_claim,
    schema.recording_site,
    schema.recording_finding,
    schema.recording_file,
)
"""Everything that comes from recordings; what refers to another table comes before it."""


def recorded(engine: sa.Engine) -> tuple[dict[str, int], int]:
    """Exact row counts of the tables of recordings, and how many of the sites no file gives back."""
    site = schema.recording_site.c
    in_file = sa.exists().where(schema.recording_file.c.source == site.source)
    with engine.connect() as connection:
        counts = {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in reversed(_OF_RECORDINGS)
        }
        inserted = connection.scalar(sa.select(sa.func.count(site.site_id)).where(~in_file)) or 0
    return counts, inserted


def drop_atlas(engine: sa.Engine, *ccf_ids: int, recordings: bool = False) -> None:
    """Take everything of some atlases out of the database, in one transaction; cached files stay.

    Args:
        engine: the database.
        ccf_ids: the atlases.
        recordings: also everything of recordings, sites that a lab inserted itself among them. Without it
            the sites stay, and lose the regions that they had in these atlases.

    Raises:
        CcfError: other sessions are using its tables.
    """
    try:
        with engine.begin() as connection:
            # Whoever comes to read queues behind us while we wait.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'")
            if recordings:
                for table in _OF_RECORDINGS:
                    connection.execute(sa.delete(table))
            for table, ccf_id in itertools.product(reversed(_tables_by_atlas()), ccf_ids):
                partition = _partition(table, ccf_id)
                if partition is None:
                    connection.execute(sa.delete(table).where(table.c.ccf_id == ccf_id))
                else:
                    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {partition}")
    except sa.exc.OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        raise CcfError(
            "The tables are in use by another session, so nothing was dropped; "
            "wait for its queries or loads to end, or end them, and drop again."
        ) from None


def put_examples(folder: Path, known: Collection[str]) -> None:
    """Make the folder of recordings, with the example recordings in it, where there never was another.

    Nothing is done to a folder outside CCF_HOME: it is a lab's own, and may be on a disk that is not there
    just now.

    Args:
        folder: the folder of recordings.
        known: the recordings that were ever known; examples that were taken away do not come back.
    """
    if folder.parent != settings.home():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if not known and not any(folder.iterdir()):
        shutil.copytree(Path(__file__).with_name("examples"), folder, dirs_exist_ok=True)


def missing_folder(folder: Path, known: Collection[str]) -> str | None:
    """What to say of a folder of recordings that is not there; None where there is nothing to say.

    Args:
        folder: the folder of recordings.
        known: partitions of its files; without one, the folder in CCF_HOME need not be there.
    """
    if folder.is_dir() or (not known and folder.parent == settings.home()):
        return None
    return f"The folder of recordings {folder} does not exist; is its disk there, and CCF_RECORDINGS right?"


@dataclass(frozen=True)
class Source:
    """A file of recording sites, or another source of them.

    Attributes:
        source: partition key.
        sites: how many of its sites are stored.
        statuses: how many have which status, in the finest loaded atlas; empty before they are registered.
        state: of the file in the folder: ``read``, or in words why what is stored is not what it holds; None
            for rows that a lab inserted itself.
        refused: why the file was not taken; empty if it was.
        warnings: what is suspicious about it.
    """

    source: str
    sites: int
    statuses: Mapping[str, int]
    state: str | None
    refused: Sequence[str]
    warnings: Sequence[str]


def sources(engine: sa.Engine, folder: Path) -> list[Source]:
    """Every source of recording sites by name: what is stored of it, and what stands in the folder.

    Raises:
        CcfError: the folder is there and cannot be read.
    """
    from ccf_assets import recordings  # with polars, 0.15 s that other commands need not wait

    site, region, file = schema.recording_site.c, schema.recording_region.c, schema.recording_file.c
    found, agreement = schema.recording_finding.c, schema.recording_agreement.c
    with engine.connect() as connection:
        atlas = connection.scalar(registration.loaded_atlases())
        digests = {row.source: row.digest for row in connection.execute(sa.select(file.source, file.digest))}
        by_source = sa.select(site.source, sa.func.count().label("number")).group_by(site.source)
        sites: dict[str, int] = {row.source: row.number for row in connection.execute(by_source)}
        count = sa.select(region.source, region.status, sa.func.count()).where(region.ccf_id == atlas)
        statuses: dict[str, dict[str, int]] = {}
        for source, status, number in connection.execute(count.group_by(region.source, region.status)):
            statuses.setdefault(source, {})[status] = number
        told: dict[tuple[str, bool], list[str]] = {}
        # A run that was interrupted, or goes on, has stored what it found and not yet that it is done.
        inserted = [source for source in sites if not recordings.is_file(source)]
        query = sa.union_all(
            sa.select(found.source, found.blocking, found.sentence).where(
                found.source.in_(sa.select(file.source)) | found.source.in_(inserted)
            ),
            sa.select(agreement.source, sa.false(), agreement.sentence).where(~agreement.passed),
        )
        for source, blocking, sentence in connection.execute(query):
            told.setdefault((source, blocking), []).append(sentence)
    states = _states(folder, digests, sites)
    return [
        Source(
            source,
            sites.get(source, 0),
            dict(sorted(statuses.get(source, {}).items())),
            states.get(source),
            told.get((source, True), []),
            told.get((source, False), []),
        )
        for source in sorted({*digests, *sites, *states})
    ]


def _states(folder: Path, digests: Mapping[str, str], sites: Mapping[str, int]) -> dict[str, str]:
    """What is to be said of each file: of those in the folder, and of those that were.

    Args:
        folder: the folder of recordings.
        digests: partition key → digest of the files that were read.
        sites: source → how many of its sites are stored; what was found in a gone file is kept no longer
            than its sites, and not always so long.
    """
    from ccf_assets import recordings  # with polars, 0.15 s that other commands need not wait

    known = {*digests, *(source for source in sites if recordings.is_file(source))}
    there = folder.is_dir()
    told = "the file is gone" if there else "its folder does not exist"
    gone = {key: told + ("; its sites stay" if key in sites else "") for key in known}
    if not there:
        return gone
    scan = recordings.scan_folder(folder, time.time(), recordings.SETTLE_S)
    change = recordings.what_is_new(scan, digests)
    return {
        **gone,
        **{key: why for key in known if (why := scan.shut_away(key))},
        **dict.fromkeys(scan.files, "read"),
        **dict.fromkeys(change.new, "not read yet"),
        **dict.fromkeys(change.changed, "changed since it was read"),
        **{key: f"waiting: {why}" for key, why in scan.waiting.items()},
        **scan.unreadable,
        **dict.fromkeys(scan.ignored, "ignored: neither .csv nor .parquet"),
    }
