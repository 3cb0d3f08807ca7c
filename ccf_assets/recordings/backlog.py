"""What has to be done: files new or changed, sites without a region, reports not compared. No Dagster.

Doing it is in intake and in the assets of defs.assets.recordings.
"""

import hashlib
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from ccf_assets.db import schema
from ccf_assets.db.frames import stored_frames
from ccf_assets.db.loaded import select_first_atlases, select_loaded_atlases
from ccf_assets.recordings.comparison import region_sizes_of
from ccf_assets.recordings.folders import Folder
from ccf_assets.recordings.intake import circumstances, judged_alike
from ccf_assets.recordings.ownership import of_files
from ccf_assets.recordings.scan.folder import FolderChange, FolderScan, what_is_new
from ccf_assets.recordings.scan.keys import is_file

BYTES_PER_RUN = 100_000_000
"""Most bytes of several files in one run, two to three million sites: they are in memory together."""

SITES_PER_RUN = 1_000_000
"""Most sites of several sources that one run registers: some ten seconds in an atlas. Further ones are runs
of their own, which work side by side."""


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
    readable = of_files(engine, change.new)
    change = replace(change, new=tuple(key for key in change.new if key in readable))
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
    idle = table.refused | table.source.not_in(sa.select(schema.recording_source.c.source))
    now = circumstances(engine, stored_frames(engine))
    query = sa.select(
        table.source, table.digest, table.looked_at_with, free.label("free"), idle.label("idle")
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    valid = {row.source: judged_alike(row.looked_at_with, now) and not row.free for row in rows}
    known = {row.source: row.digest if valid[row.source] else "" for row in rows}
    return known, {row.source for row in rows if row.idle}


def refused_files(engine: sa.Engine) -> set[str]:
    """Partition keys of the files that were refused when they were last read."""
    file = schema.recording_file.c
    with engine.connect() as connection:
        return set(connection.scalars(sa.select(file.source).where(file.refused)))


def siteless(engine: sa.Engine, partitions: Collection[str]) -> set[str]:
    """Those of some partitions without a site, such as that of a refused file: they need no work."""
    with engine.connect() as connection:
        return set(partitions) - set(connection.scalars(sa.select(schema.recording_source.c.source)))


def sizes_of_files(scan: FolderScan) -> tuple[dict[str, int], int]:
    """How large the work of reading each file is, in bytes, and the most for one run of several."""
    return {key: file.size for key, file in scan.files.items()}, BYTES_PER_RUN


def sizes_of_sources(engine: sa.Engine) -> tuple[dict[str, int], int]:
    """How large the work of registering each source is, in sites, and the most for one run of several."""
    source = schema.recording_source.c
    with engine.connect() as connection:
        rows = connection.execute(sa.select(source.source, source.sites)).all()
    return {row.source: int(row.sites) for row in rows}, SITES_PER_RUN


def forgotten(engine: sa.Engine, folder: Folder, scan: FolderScan, partitions: Collection[str]) -> set[str]:
    """Those of some partitions whose file is gone and of which nothing is stored: no site, and no finding."""
    stored = sa.union(
        *(sa.select(table.c.source) for table in (schema.recording_file, schema.recording_finding)),
        sa.select(schema.recording_source.c.source),
    )
    with engine.connect() as connection:
        left = {*connection.scalars(stored), *scan.files, *scan.waiting, *scan.unreadable}
    own = folder.owns(set(partitions) - left)
    return {key for key in own if is_file(key) and not scan.is_hidden(key)}


def unregistered(engine: sa.Engine) -> dict[str, str]:
    """Source → digest of what is missing: regions in a loaded atlas, or a comparison of reported regions.

    Sites and regions are not read but their numbers (recording_tally). Every region is of an existing site
    and of its source, so with as many regions as sites none is missing.
    """
    tally = schema.recording_tally.c
    loaded = select_loaded_atlases().cte("loaded")
    # Of the atlas as it is now: a reload makes new partitions, and regions from the old ones do not count.
    registered = (
        sa.select(tally.source, loaded.c.ccf_id, sa.func.sum(tally.sites).label("sites"))
        .join_from(
            schema.recording_tally,
            loaded,
            sa.and_(
                tally.registered_in == loaded.c.ccf_id,
                tally.voxels_of == loaded.c.voxels_of,
                tally.surface_of == loaded.c.surface_of,
            ),
        )
        .group_by(tally.source, loaded.c.ccf_id)
        .subquery("registered")
    )
    # How many sites of a source are in the space of an atlas: those in frames that lead into it.
    frame = schema.coordinate_frame.c
    wanted = (
        sa.select(
            tally.source,
            loaded.c.ccf_id,
            sa.func.sum(tally.sites).label("sites"),
            sa.func.max(tally.changed_at).label("changed_at"),
        )
        .join_from(schema.recording_tally, schema.coordinate_frame, frame.name == tally.frame)
        .join(loaded, loaded.c.space == frame.space)
        .where(tally.registered_in.is_(None))
        .group_by(tally.source, loaded.c.ccf_id)
        .subquery("wanted")
    )
    missing = wanted.c.sites - sa.func.coalesce(registered.c.sites, 0)
    of_both = sa.and_(registered.c.source == wanted.c.source, registered.c.ccf_id == wanted.c.ccf_id)
    query = (
        sa.select(wanted.c.source, wanted.c.ccf_id, missing, wanted.c.changed_at)
        .join_from(wanted, registered, of_both, isouter=True)
        .where(missing != 0)
        .order_by(wanted.c.source, wanted.c.ccf_id)
    )
    lacks: dict[str, list[str]] = {}
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.ccf.condense_tally()))
        for one, *what in connection.execute(query):
            lacks.setdefault(one, []).append(str(what))
        for one in connection.scalars(_to_compare()):
            lacks.setdefault(one, []).append("comparison")
    return {one: hashlib.sha256("".join(what).encode()).hexdigest() for one, what in lacks.items()}


def _to_compare() -> sa.CompoundSelect[Any]:
    """The sources with reported regions and without a comparison, and those with the opposite.

    None while the first atlas of their space is still being loaded for the first time. The triggers on
    recording_site delete a comparison when reports change; so does dropping the atlas.
    """
    tally, frame = schema.recording_tally.c, schema.coordinate_frame.c
    first = select_first_atlases().subquery()
    reporting = (
        sa.select(tally.source)
        .join_from(schema.recording_tally, schema.coordinate_frame, frame.name == tally.frame)
        .join(first, first.c.space == frame.space)
        .where(tally.registered_in.is_(None), region_sizes_of(first.c.ccf_id))
        .group_by(tally.source)
        .having(sa.func.sum(tally.reporting) > 0)
    )
    compared = sa.select(schema.recording_agreement.c.source)
    return sa.union(sa.except_(reporting, compared), sa.except_(compared, reporting))
