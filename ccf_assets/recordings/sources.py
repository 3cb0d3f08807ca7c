"""The sources of recording sites, files and inserted rows, as a person asks for them; the examples."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.db import loaded, schema
from ccf_assets.recordings.files.marker import MARKER
from ccf_assets.recordings.folders import Folder, folder_as_known


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
    if not known and all(path.name == MARKER for path in folder.iterdir()):
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
    from ccf_assets.recordings.files import keys  # with polars, 0.15 s that other commands need not wait

    site, region, file = schema.recording_site.c, schema.recording_region.c, schema.recording_file.c
    found, agreement = schema.recording_finding.c, schema.recording_agreement.c
    with engine.connect() as connection:
        atlas = connection.scalar(loaded.select_loaded_atlases())
        digests = {row.source: row.digest for row in connection.execute(sa.select(file.source, file.digest))}
        by_source = sa.select(site.source, sa.func.count().label("number")).group_by(site.source)
        sites: dict[str, int] = {row.source: row.number for row in connection.execute(by_source)}
        count = sa.select(region.source, region.status, sa.func.count()).where(region.ccf_id == atlas)
        statuses: dict[str, dict[str, int]] = {}
        for source, status, number in connection.execute(count.group_by(region.source, region.status)):
            statuses.setdefault(source, {})[status] = number
        told: dict[tuple[str, bool], list[str]] = {}
        # A run that was interrupted, or goes on, has stored what it found and not yet that it is done.
        inserted = [source for source in sites if not keys.is_file(source)]
        query = sa.union_all(
            sa.select(found.source, found.blocking, found.sentence).where(
                found.source.in_(sa.select(file.source)) | found.source.in_(inserted)
            ),
            sa.select(agreement.source, sa.false(), agreement.sentence).where(~agreement.passed),
        )
        for source, blocking, sentence in connection.execute(query):
            told.setdefault((source, blocking), []).append(sentence)
    states = _states(folder_as_known(engine, folder), digests, sites)
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


def _states(folder: Folder, digests: Mapping[str, str], sites: Mapping[str, int]) -> dict[str, str]:
    """What is to be said of each file: of those in the folder, and of those that were.

    Args:
        folder: the folder of recordings.
        digests: partition key → digest of the files that were read.
        sites: source → how many of its sites are stored; what was found in a gone file is kept no longer
            than its sites, and not always so long.
    """
    from ccf_assets.recordings.files import keys  # with polars, 0.15 s that other commands need not wait
    from ccf_assets.recordings.files.folder import SETTLE_S, what_is_new

    known = {*digests, *(source for source in sites if keys.is_file(source))}
    own = folder.owns(known)
    elsewhere = {key: f"in the folder {folder.where(key)}" for key in known - set(own)}
    there = folder.path.is_dir()
    why_gone = "the file is gone" if there else "its folder does not exist"
    gone = {key: why_gone + ("; its sites stay" if key in sites else "") for key in own}
    if not there:
        return {**elsewhere, **gone}
    scan = folder.scan(time.time(), SETTLE_S)
    change = what_is_new(scan, {key: digests[key] for key in own if key in digests})
    return {
        **elsewhere,
        **gone,
        **{key: why for key in own if (why := scan.shut_away(key))},
        **dict.fromkeys(scan.files, "read"),
        **dict.fromkeys(change.new, "not read yet"),
        **dict.fromkeys(change.changed, "changed since it was read"),
        **{key: f"waiting: {why}" for key, why in scan.waiting.items()},
        **scan.unreadable,
        **dict.fromkeys(scan.ignored, "ignored: neither .csv nor .parquet"),
    }
