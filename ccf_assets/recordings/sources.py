"""The sources of recording sites, files and inserted rows, for ``ccf-assets recordings``; and the examples.

What is in the files is in the package files; which of them a run has to read, in backlog.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.db import loaded, schema
from ccf_assets.finding import listed
from ccf_assets.objects import Address, nothing_below
from ccf_assets.recordings.files.marker import MARKER
from ccf_assets.recordings.folders import EXAMPLES, Folder, folder_as_known, has_content

if TYPE_CHECKING:
    from ccf_assets.recordings.scan.folder import FolderScan, Ignored

OF_BEFORE = "refused; its sites are those of before"
"""State of a file that was good once, and is refused as it is now."""


def put_examples(folder: settings.Place, known: Collection[str]) -> None:
    """Make the folder of recordings, and put the example recordings into it if no others were ever known.

    A folder outside CCF_HOME is left as it is: it is a lab's own, and its disk may not be mounted. With an
    engine so is the one in CCF_HOME, because the hosts that execute runs have not got it.

    Args:
        folder: the folder of recordings.
        known: the recordings that were ever known; deleted examples do not come back.
    """
    if isinstance(folder, Address) or folder.parent != settings.home() or settings.engine():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if not known and all(path.name == MARKER for path in folder.iterdir()):
        shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)


def missing_folder(folder: settings.Place, known: Collection[str]) -> str | None:
    """The sentence for a folder of recordings that does not exist; None if it exists or need not.

    Args:
        folder: the folder of recordings.
        known: partitions of its files; without any, the folder in CCF_HOME need not exist.

    Raises:
        CcfError: the object store cannot be asked.
    """
    if isinstance(folder, Address):
        return None if has_content(folder) else nothing_below(folder, "files of sites", "CCF_RECORDINGS")
    if folder.is_dir() or (not known and folder.parent == settings.home()):
        return None
    return (
        f"The folder of recordings {folder} does not exist; is its disk mounted, and CCF_RECORDINGS correct?"
    )


@dataclass(frozen=True)
class Source:
    """A file of recording sites, or another source of them.

    Attributes:
        source: partition key.
        sites: how many of its sites are stored.
        statuses: number of sites by status, in the first loaded atlas of their space; empty before regions
            are computed.
        state: of the file in the folder: ``read``, or why the stored sites differ from those in the file, as
            `OF_BEFORE` does; None for rows that a lab inserted by SQL.
        refused: why the file was refused; empty if it was not.
        warnings: what is suspicious about it.
    """

    source: str
    sites: int
    statuses: Mapping[str, int]
    state: str | None
    refused: Sequence[str]
    warnings: Sequence[str]


def sources(engine: sa.Engine, folder: settings.Place) -> list[Source]:
    """Every source of recording sites by name: what is stored of it, and the state of its file.

    Raises:
        CcfError: the folder exists and cannot be read.
    """
    from ccf_assets.recordings.ownership import of_files
    from ccf_assets.recordings.scan.stamps import SETTLE_S  # imports polars, 0.15 s

    stored, region, file = schema.recording_source.c, schema.recording_region.c, schema.recording_file.c
    finding, agreement = schema.recording_finding.c, schema.recording_agreement.c
    with engine.connect() as connection:
        atlases = list(connection.scalars(loaded.select_first_atlases()))
        digests = {row.source: row.digest for row in connection.execute(sa.select(file.source, file.digest))}
        by_source = sa.select(stored.source, stored.sites)
        sites: dict[str, int] = {row.source: row.sites for row in connection.execute(by_source)}
        count = sa.select(region.source, region.status, sa.func.count()).where(region.ccf_id.in_(atlases))
        statuses: dict[str, dict[str, int]] = {}
        for source, status, number in connection.execute(count.group_by(region.source, region.status)):
            statuses.setdefault(source, {})[status] = number
        sentences: dict[tuple[str, bool], list[str]] = {}
        # A run that was interrupted, or is running, has stored findings of files that are not read yet.
        inserted = set(sites) - of_files(engine, sites)
        query = sa.union_all(
            sa.select(finding.source, finding.blocking, finding.sentence).where(
                finding.source.in_(sa.select(file.source)) | finding.source.in_(inserted)
            ),
            sa.select(agreement.source, sa.false(), agreement.sentence).where(~agreement.passed),
        )
        for source, blocking, sentence in connection.execute(query):
            sentences.setdefault((source, blocking), []).append(sentence)
    known_folder = folder_as_known(engine, folder)
    scan = known_folder.scan(time.time(), SETTLE_S) if has_content(folder) else None
    states = _states(known_folder, scan, digests, sites, inserted)
    for source, state in states.items():
        if state == "read" and source in sites and (source, True) in sentences:
            states[source] = OF_BEFORE
    found = [
        Source(
            source,
            sites.get(source, 0),
            dict(sorted(statuses.get(source, {}).items())),
            states.get(source),
            sentences.get((source, True), []),
            sentences.get((source, False), []),
        )
        for source in {*digests, *sites, *states}
    ]
    for group in scan.ignored if scan else ():
        advice = [group.advice] if group.advice else []
        kind = group.kind if advice else "no format of sites"
        found.append(Source(group.label, 0, {}, f"ignored: {kind}", [], advice))
    return sorted(found, key=lambda each: each.source)


def ignored_lines(groups: Iterable[Ignored]) -> list[str]:
    """What was ignored in a folder of recordings: a sentence for each kind, with where and what to do."""
    by_kind: dict[tuple[str, str], list[Ignored]] = {}
    for group in groups:
        what = (group.kind, group.advice) if group.advice else ("", "")
        by_kind.setdefault(what, []).append(group)
    return [_ignored_line(kind, advice, parts) for (kind, advice), parts in sorted(by_kind.items())]


def _ignored_line(kind: str, advice: str, parts: Sequence[Ignored]) -> str:
    count = sum(part.count for part in parts)
    folders = list(dict.fromkeys(part.folder or "the folder of recordings" for part in parts))
    what = parts[0].label if count == 1 else f"{count:,} files in {listed(folders, most=3)}"
    if advice:
        return f"ignored {what}: {kind}. {advice}"
    endings = listed(list(dict.fromkeys(part.kind for part in parts)), most=5)
    return f"ignored {what}: no format of sites ({endings}); docs/formats.md lists the formats"


def _states(
    folder: Folder,
    scan: FolderScan | None,
    digests: Mapping[str, str],
    sites: Mapping[str, int],
    inserted: Collection[str],
) -> dict[str, str]:
    """The state of each source in the folder, and of each known one that no longer exists.

    Args:
        folder: the folder of recordings.
        scan: what is in it; None if it does not exist.
        digests: partition key → digest of the sources that were read.
        sites: source → how many of its sites are stored; a gone file may have sites and no digest.
        inserted: the sources of rows inserted by SQL.
    """
    from ccf_assets.recordings.scan.folder import what_is_new

    known = {*digests, *(source for source in sites if source not in inserted)}
    own = folder.owns(known)
    elsewhere = {key: f"in the folder {folder.where(key)}" for key in known - set(own)}
    state = "its folder does not exist" if scan is None else "the file is gone"
    gone = {key: state + ("; its sites stay" if key in sites else "") for key in own}
    if scan is None:
        return {**elsewhere, **gone}
    change = what_is_new(scan, {key: digests[key] for key in own if key in digests})
    return {
        **elsewhere,
        **gone,
        **{key: reason for key in own if (reason := scan.is_hidden(key))},
        **dict.fromkeys(scan.files, "read"),
        **dict.fromkeys(change.new, "not read yet"),
        **dict.fromkeys(change.changed, "changed since it was read"),
        **{key: f"waiting: {reason}" for key, reason in scan.waiting.items()},
        **scan.unreadable,
        **dict.fromkeys(set(inserted) & set(scan.files), "not read: rows of this name were inserted by SQL"),
    }
