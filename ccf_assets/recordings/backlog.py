"""What has to be done: files new or changed, sites without a region, reports not compared. No Dagster.

Doing it is in intake and in the assets of defs.assets.recordings.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.ccf.frames.files import load_frames
from ccf_assets.db import schema
from ccf_assets.db.loaded import select_loaded_atlases
from ccf_assets.recordings.files.folder import FolderChange, FolderScan, what_is_new
from ccf_assets.recordings.folders import Folder
from ccf_assets.recordings.intake import circumstances, judged_alike


def files_to_read(engine: sa.Engine, folder: Folder, scan: FolderScan) -> tuple[FolderChange, dict[str, str]]:
    """What has changed in the folder, and partition key → digest of the files that a run has to read.

    These are the new and the changed files, and the gone ones without any stored site, because they were
    refused or had none: the run deletes their findings, so that no check fails for a file that does not
    exist.

    Raises:
        CcfError: a file of frames cannot be read.
    """
    known, idle = _known_files(engine)
    own = {key: known[key] for key in folder.owns(known)}  # another folder's are not gone from this one
    change = what_is_new(scan, own)
    lacking = {key: scan.files[key].digest for key in (*change.new, *change.changed)}
    return change, lacking | {key: "gone" for key in change.gone if key in idle}


def _known_files(engine: sa.Engine) -> tuple[dict[str, str], set[str]]:
    """Partition key → digest of the files that have been read, and the keys of those without a stored site.

    A file counts as changed once a frame or the brain used to check it has changed, or a site in it has been
    given up by another source: its digest is then empty.
    """
    table, claim, site = schema.recording_file.c, schema.recording_claim.c, schema.recording_site.c
    owned = sa.exists().where(site.recording_id == claim.recording_id, site.site_id == claim.site_id)
    free = sa.exists().where(claim.source == table.source, ~owned)
    # Not EXISTS a file: the planner takes a file's sites for scattered, and reads them all for each file:
    # 13.8 s for 1,000 files of 384 sites, where this takes 0.07 s.
    idle = table.refused | table.source.not_in(sa.select(site.source).distinct())
    now = circumstances(engine, load_frames(*settings.frames_files()))
    query = sa.select(
        table.source, table.digest, table.looked_at_with, free.label("free"), idle.label("idle")
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    valid = {row.source: judged_alike(row.looked_at_with, now) and not row.free for row in rows}
    known = {row.source: row.digest if valid[row.source] else "" for row in rows}
    return known, {row.source for row in rows if row.idle}


def siteless(engine: sa.Engine, partitions: Collection[str]) -> set[str]:
    """Those of some partitions without a site, such as that of a refused file: they need no work."""
    with engine.connect() as connection:
        return set(partitions) - set(connection.scalars(sa.select(schema.recording_site.c.source).distinct()))


def unregistered(engine: sa.Engine) -> dict[str, str]:
    """Source → digest of what is missing: regions in a loaded atlas, or a comparison of reported regions."""
    site, region = schema.recording_site.c, schema.recording_region.c
    loaded = select_loaded_atlases().cte("loaded")
    registered = sa.exists().where(
        region.recording_id == site.recording_id,
        region.site_id == site.site_id,
        *_registered_now(loaded),
    )
    query = (
        sa.select(site.source, loaded.c.ccf_id, sa.func.count(), sa.func.max(site.inserted_at))
        .join_from(schema.recording_site, loaded, sa.true())
        .where(~registered)
        .group_by(site.source, loaded.c.ccf_id)
        .order_by(site.source, loaded.c.ccf_id)
    )
    lacks: dict[str, list[str]] = {}
    with engine.connect() as connection:
        if not _all_registered(connection):
            for source, *what in connection.execute(query):
                lacks.setdefault(source, []).append(str(what))
        for source in connection.scalars(_to_compare(loaded)):
            lacks.setdefault(source, []).append("comparison")
    return {source: hashlib.sha256("".join(w).encode()).hexdigest() for source, w in lacks.items()}


def _to_compare(loaded: sa.CTE) -> sa.CompoundSelect[Any]:
    """The sources with reported regions and without a comparison, and those with the opposite.

    The triggers on recording_site delete a comparison when reports change; so does dropping the atlas.
    """
    site = schema.recording_site.c
    reporting = sa.select(site.source).where(
        site.reported_region.is_not(None), sa.exists(sa.select(loaded.c.ccf_id))
    )
    compared = sa.select(schema.recording_agreement.c.source)
    return sa.union(sa.except_(reporting, compared), sa.except_(compared, reporting))


def _registered_now(loaded: sa.FromClause) -> Sequence[sa.ColumnElement[bool]]:
    """The condition that a row of recording_region is of the current load of an atlas, not an earlier one."""
    region = schema.recording_region.c
    return [region[name] == loaded.c[name] for name in ("ccf_id", "voxels_of", "surface_of")]


def _all_registered(connection: sa.Connection) -> bool:
    """Whether there are as many rows as sites times loaded atlases.

    Every row is of an existing site and atlas (foreign keys), so with equal numbers no pair is missing.
    Counting takes a tenth of the time of looking for each pair.
    """
    atlases = select_loaded_atlases().cte("loaded")
    region = schema.recording_region
    rows = sa.select(sa.func.count()).join_from(region, atlases, sa.and_(*_registered_now(atlases)))
    sites = sa.select(sa.func.count()).select_from(schema.recording_site)
    loaded = sa.select(sa.func.count()).select_from(atlases)
    counts = sa.select(rows.scalar_subquery() == sites.scalar_subquery() * loaded.scalar_subquery())
    return bool(connection.scalar(counts))
