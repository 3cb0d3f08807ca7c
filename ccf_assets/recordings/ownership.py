"""Which source owns a site: what is a file's and what a lab's own, and whose sites a new file may take.

How the files themselves are read is in intake.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.db import schema
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.table import SITES_SCHEMA
from ccf_assets.recordings.findings.claims import KEY
from ccf_assets.recordings.folders import Folder, has_content
from ccf_assets.recordings.scan.folder import find_source
from ccf_assets.recordings.scan.keys import is_file
from ccf_assets.recordings.scan.objects import ObjectView
from ccf_assets.recordings.stored import as_frame

CLAIM_SCHEMA = pl.Schema({name: SITES_SCHEMA[name] for name in (*KEY, "source")})

_ALWAYS_FILES = (".csv", ".parquet")
"""Endings by which a partition was always that of a file."""


def of_files(engine: sa.Engine, keys: Iterable[str]) -> set[str]:
    """Those of some partitions that are of files; the others are of rows that a lab inserted by SQL.

    A lab may call the source of its rows after the file that it has them from, such as ``mouse 7.nwb``. So
    with an ending other than `_ALWAYS_FILES`, sites that no file brought are a lab's own, and stay so.
    """
    named = {key for key in keys if is_file(key)}
    doubtful = [key for key in named if not key.lower().endswith(_ALWAYS_FILES)]
    if not doubtful:
        return named
    stored, file = schema.recording_source.c, schema.recording_file.c
    query = sa.select(stored.source).where(
        stored.source == sa.any_(sa.literal(doubtful, sa.ARRAY(sa.Text))),
        stored.source.not_in(sa.select(file.source)),
    )
    with engine.connect() as connection:
        return named - set(connection.scalars(query))


def prepare_to_store(engine: sa.Engine, folder: Folder, taken: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """What comes before the sites of files are stored.

    Args:
        engine: the database.
        folder: the folder of recordings.
        taken: partition key → the sites of each file of the run.

    Returns:
        As `owned_sites`.
    """
    _announce(engine, taken)
    owned = owned_sites(engine, taken)
    return owned_sites(engine, taken) if _take_from_gone(engine, folder, taken, owned) else owned


def _announce(engine: sa.Engine, keys: Iterable[str]) -> None:
    """Record that files are about to be read, for `of_files`: their sites are stored before `recording_file`.

    The digest is empty, so a run that is killed meanwhile is requested again.
    """
    rows = [
        {"source": key, "digest": "", "sites": 0, "refused": False}
        for key in keys
        if not key.lower().endswith(_ALWAYS_FILES)
    ]
    if rows:
        with engine.begin() as connection:
            connection.execute(postgresql.insert(schema.recording_file).on_conflict_do_nothing(), rows)


def owned_sites(engine: sa.Engine, taken: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """recording_id, site_id, source of the stored sites that are in files of this run and belong to others.

    If the file that owns a site is read in this run too, and no longer has the site, the site is free.
    """
    table = schema.recording_site.c
    claimed = pl.concat([pl.DataFrame(schema=SITES_SCHEMA), *taken.values()])
    ids = sa.literal(claimed["recording_id"].unique().to_list(), sa.ARRAY(sa.Text))
    recording = sa.func.unnest(ids).table_valued("recording_id", name="recording").render_derived()
    # Those of a single file count for no other: they need not be read.
    others = [table.source != key for key in taken] if len(taken) == 1 else []
    # Each recording by itself, by the key (OFFSET 0 keeps it so): for thousands at once the planner reads all
    # sites that there are.
    of_one = (
        sa.select(*(table[name] for name in CLAIM_SCHEMA))
        .where(table.recording_id == recording.c.recording_id, *others)
        .offset(0)
        .lateral("site")
    )
    stored = as_frame(engine, sa.select(of_one).join_from(recording, of_one, sa.true())).cast(CLAIM_SCHEMA)
    read_again = pl.col("source").is_in(list(taken))
    still_there = stored.join(claimed, on=[*KEY, "source"], how="semi")
    return pl.concat([stored.filter(~read_again), still_there])


def _take_from_gone(
    engine: sa.Engine, folder: Folder, taken: Mapping[str, pl.DataFrame], owned: pl.DataFrame
) -> bool:
    """Give the sites of files that are gone to the files of this run that have them now; whether any were.

    So the sites of a file follow it when it is renamed, or when a source is found under another of its files.
    """
    owners = [key for key in owned["source"].unique() if key not in taken]
    gone = _gone(folder, folder.owns(of_files(engine, owners)))
    if not gone:
        return False
    free = owned.filter(pl.col("source").is_in(gone))
    site = schema.recording_site.c
    with engine.begin() as connection:
        for key, sites in taken.items():
            claimed = sites.join(free, on=KEY, how="semi")
            ids = (
                sa.func.unnest(
                    sa.literal(claimed["recording_id"].to_list(), sa.ARRAY(sa.Text)),
                    sa.literal(claimed["site_id"].to_list(), sa.ARRAY(sa.BigInteger)),
                )
                .table_valued("recording_id", "site_id", name="claimed")
                .render_derived()
            )
            same = (site.recording_id == ids.c.recording_id, site.site_id == ids.c.site_id)
            update = sa.update(schema.recording_site).values(source=key)
            connection.execute(update.where(*same, site.source.in_(gone)))
    return True


def _gone(folder: Folder, keys: Collection[str]) -> list[str]:
    """Those of some sources that were in the folder and are there no longer; not if that cannot be seen."""
    if not keys:
        return []
    try:
        top, view = folder.opened()
        return [key for key in keys if _is_gone(top, folder.relative(key) or "", view)]
    except CcfError:
        return []


def _is_gone(top: Path, key: str, view: ObjectView | None) -> bool:
    try:
        return (view is not None or has_content(top)) and find_source(top, key, view) is None
    except (CcfError, OSError):
        return False
