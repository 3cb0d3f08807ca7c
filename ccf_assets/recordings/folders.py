"""Which folders of recordings a database knows, and which of them a folder on this host is.

Several folders can bring files to one database: of two rigs, of two hosts, or one after the other. The first
has no name, and its files' keys are their paths below it; every further one has a name, which becomes the
first part of its keys, so that files of one name in two folders never take each other's place. What
identifies a folder is its marker (files.marker).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.db import schema
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted, listed
from ccf_assets.objects import Address, Objects
from ccf_assets.recordings.files.marker import (
    MARKER,
    Marker,
    marker_of,
    place_of,
    read_marker,
    write_marker,
)
from ccf_assets.recordings.scan.keys import partition_key_of

if TYPE_CHECKING:
    from ccf_assets.recordings.scan.folder import FolderScan
    from ccf_assets.recordings.scan.objects import ObjectView
    from ccf_assets.recordings.scan.stamps import Stamp

EXAMPLES = Path(__file__).with_name("examples")
"""The examples. Every folder in a CCF_HOME has them, so they identify none."""

_EVIDENCE = 20
"""Most files whose content is compared to recognise the folder of a database that kept no folders yet."""

_Known: TypeAlias = Mapping[str, sa.Row[Any]]
"""Rows of recording_folder by folder_id."""


@dataclass(frozen=True)
class Folder:
    """A folder of recordings on this host or in an object store, as the database knows it.

    Attributes:
        path: where it is.
        name: the first part of its files' keys; empty for the first folder of the database.
        others: the other folders of the database, name → where each was last seen.
    """

    path: settings.Place
    name: str
    others: Mapping[str, str]

    def key(self, relative: str) -> str:
        """The partition key of a file, given what its key would be in the first folder."""
        return f"{self.name}/{relative}" if self.name else relative

    def relative(self, key: str) -> str | None:
        """The inverse of `key`; None for a key of another folder's file."""
        first = key.partition("/")[0]
        if self.name:
            return key.removeprefix(f"{self.name}/") if first == self.name else None
        return None if first in self.others and "/" in key else key

    def owns(self, keys: Iterable[str]) -> list[str]:
        """Those of ``keys`` that are of files of this folder."""
        return [key for key in keys if self.relative(key) is not None]

    def where(self, key: str) -> str:
        """Which folder a key of another folder's file belongs to, for a sentence."""
        first = key.partition("/")[0]
        return self.others.get(first) or self.others.get("", "another folder")

    def opened(self) -> tuple[Path, ObjectView | None]:
        """Where its files are read: the folder itself, or what stands for its address, with a view of that.

        Raises:
            CcfError: the object store cannot be read, or there is nothing below the address.
        """
        from ccf_assets.recordings.scan.objects import ObjectView

        if isinstance(self.path, Path):
            return self.path, None
        view = ObjectView(self.path)
        return view.top, view

    def scan(self, now: float, settle_s: float, memo: Mapping[str, Stamp] | None = None) -> FolderScan:
        """What is in the folder, by partition key; see files.folder.scan_folder.

        Raises:
            CcfError: the folder cannot be read.
        """
        from ccf_assets.recordings.scan.folder import scan_folder, scan_objects

        if isinstance(self.path, Path):
            found = scan_folder(self.path, now, settle_s, memo)
        else:
            found = scan_objects(self.path, memo)
        if self.name:
            return replace(
                found,
                files={self.key(key): file for key, file in found.files.items()},
                waiting={self.key(key): why for key, why in found.waiting.items()},
                unreadable={self.key(key): why for key, why in found.unreadable.items()},
                ignored=tuple(replace(one, folder=self.key(one.folder).rstrip("/")) for one in found.ignored),
            )
        taken = [key for key in (*found.files, *found.waiting) if self.relative(key) is None]
        why = {
            key: f"{key}: its subfolder has the name of another folder of recordings ({self.where(key)}); "
            "rename the subfolder."
            for key in taken
        }
        return replace(
            found,
            files={key: file for key, file in found.files.items() if key not in why},
            waiting={key: reason for key, reason in found.waiting.items() if key not in why},
            unreadable={**found.unreadable, **why},
        )


def folder_of(engine: sa.Engine, path: settings.Place) -> Folder:
    """The folder at ``path`` as the database knows it; one that is new to it gets a name.

    Args:
        engine: the database.
        path: the folder.

    Raises:
        FolderGoneError: there is nothing but the mount point of the folder that was there.
        CcfError: the folder is not there or has no readable marker; or it is a copy of another folder that
            the database knows. The text says which is which. Nothing was changed.
    """
    with engine.connect() as connection:
        known = _known(connection)
    if isinstance(path, Address):
        marker = marker_of(path)
    else:
        if path.is_dir() and _last_seen_at(path, known):
            require_content(path)
        marker = write_marker(path)
    if not _is_as_known(marker, known):
        # A lock, so that two hosts that bring their first file at once do not both become the first folder.
        with engine.begin() as connection:
            lock = sa.func.pg_advisory_xact_lock(sa.func.hashtext(str(schema.recording_folder)))
            connection.execute(sa.select(lock))
            _register(connection, marker, _known(connection), path)
            known = _known(connection)
    return _folder(path, known[marker.folder_id], known)


def folder_or_why_not(engine: sa.Engine, path: settings.Place) -> tuple[Folder | None, str | None]:
    """As `folder_of`, or why its disk is not there; neither where there is no folder."""
    try:
        return (folder_of(engine, path), None) if is_there(path) else (None, None)
    except FolderGoneError as error:
        return None, str(error)


def folder_to_read(engine: sa.Engine, path: settings.Place) -> Folder:
    """As `folder_of` for a run, whose files whoever asked for it has found in a folder that is known.

    Raises:
        FolderGoneError: this host has no such folder, or its mount point only.
        CcfError: as `folder_of`; or this host has another folder there. Nothing was changed.
    """
    advice = "mount it there, or let the runs that read it go to a worker that has it"
    host = socket.gethostname()
    if isinstance(path, Path) and not path.is_dir():
        raise FolderGoneError(f"The folder of recordings {path} is not there on {host}; {advice}.")
    with engine.connect() as connection:
        known = _known(connection)
    if not known:  # a run by hand, before any sensor looked
        return folder_of(engine, path)
    there = has_content(path)
    if isinstance(path, Address):
        marker: Marker | None = marker_of(path)
    else:
        marker = read_marker(path) if there else None
    row = _row_of(engine, marker, known, path) if marker else None
    if marker is None or row is None:
        what = (
            "is not the folder of recordings of this database"
            if there
            else "has nothing of the folder of recordings"
        )
        places = listed(list(_places(known).values()))
        raise FolderGoneError(f"{path} on {host} {what}, which is {places}; {advice}.")
    if marker.folder_id == row.folder_id and not _is_as_known(marker, known):
        _refuse_copy(marker, row)
    return _folder(path, row, known)


def _row_of(engine: sa.Engine, marker: Marker, known: _Known, path: settings.Place) -> sa.Row[Any] | None:
    """The known folder that a folder is; None if it is none, or another host's that has no marker either."""
    if marker.is_written or marker.folder_id in known:
        return known.get(marker.folder_id)
    with engine.connect() as connection:
        old = _files_of_before(connection)
    for row in known.values():
        # A shared folder that nobody can write to is one of another place on each host.
        if (row.path, row.file_number) == (marker.path, marker.file_number):
            folder = _folder(path, row, known)
            own = {folder.relative(key) or "": old[key] for key in folder.owns(old)}
            if not own or _has_read(own, path):
                return row
    return None


def is_there(path: settings.Place) -> bool:
    """Whether a folder exists: on a disk, or with something below its address.

    Raises:
        CcfError: the object store cannot be asked.
    """
    return path.is_dir() if isinstance(path, Path) else has_content(path)


def has_content(path: settings.Place) -> bool:
    """Whether a folder is there and holds anything, if only its marker: not the mount point of a disk.

    Raises:
        CcfError: the object store cannot be asked.
    """
    if isinstance(path, Address):
        return not Objects(path).is_empty()
    return path.is_dir() and any(path.iterdir())


def require_content(path: Path) -> None:
    """Refuse the mount point of a folder of recordings whose disk is not there.

    Raises:
        FolderGoneError: there is nothing in it.
    """
    if not has_content(path):
        raise FolderGoneError(
            f"The folder of recordings {path} is empty on {socket.gethostname()}, and even its file {MARKER} "
            "is gone; mount its disk. If its files were deleted, put the next one there."
        )


class FolderGoneError(CcfError):
    """The folder of recordings is not there; what was read of it stays as it is."""


def folder_as_known(engine: sa.Engine, path: settings.Place) -> Folder:
    """As `folder_of`, but only asks: of a folder that is new to the database it says what name it may get.

    Raises:
        CcfError: the folder's marker cannot be read.
    """
    with engine.connect() as connection:
        known = _known(connection)
    if isinstance(path, Address):
        row = known.get(marker_of(path).folder_id)
    elif has_content(path):
        marker = read_marker(path)
        row = known.get(marker.folder_id) if marker else None
    else:
        row = _last_seen_at(path, known)
    if row is None:
        return Folder(path, path.name if known else "", _places(known))
    return _folder(path, row, known)


def take_over(engine: sa.Engine, path: settings.Place) -> Folder:
    """The folder at ``path``, which was moved here from where the database last saw it, say its users.

    Raises:
        CcfError: the folder is not there, or the database does not know its marker.
    """
    table = schema.recording_folder
    if isinstance(path, Address):
        with engine.begin() as connection:
            known = _known(connection)
            if len(known) != 1:
                raise CcfError(
                    f"It cannot be told which of {counted(len(known), 'folder')} of recordings was moved to "
                    f"{path}. Load it as a further one."
                )
            now = marker_of(path)
            connection.execute(sa.update(table).values(folder_id=now.folder_id, **_seen(now)))
        return folder_of(engine, path)
    marker = read_marker(path)
    if marker is not None and not marker.is_written:
        raise CcfError(
            f"{path} cannot be written to, so it has no file by which it could be known again. Load it as "
            "any other; what was read of it before stays."
        )
    if marker is not None:
        with engine.begin() as connection:
            moved = sa.update(table).where(table.c.folder_id == marker.folder_id)
            is_known = connection.execute(moved.values(_seen(marker))).rowcount > 0
        if is_known:
            return folder_of(engine, path)
    raise CcfError(f"{path} was not moved here: the database does not know it. Load it as any other.")


def _known(connection: sa.Connection) -> _Known:
    return {row.folder_id: row for row in connection.execute(sa.select(schema.recording_folder))}


def _folder(path: settings.Place, row: sa.Row[Any], known: _Known) -> Folder:
    return Folder(path, row.name, _places(known, but=row.folder_id))


def _seen(marker: Marker) -> dict[str, str]:
    """The columns that say where a folder was last seen."""
    return {"host": marker.host, "path": marker.path, "file_number": marker.file_number}


def _last_seen_at(path: Path, known: _Known) -> sa.Row[Any] | None:
    """The known folder that was last seen in this place, whose disk may not be there now."""
    place = (socket.gethostname(), str(path.resolve()))
    return next((row for row in known.values() if (row.host, row.path) == place), None)


def _places(known: _Known, but: str = "") -> dict[str, str]:
    """Name → where a folder was last seen, of all folders but one."""
    unseen = "a folder that was used before the database kept folders"
    return {
        row.name: place_of(row.path, row.host) if row.path else unseen
        for row in known.values()
        if row.folder_id != but
    }


def _is_as_known(marker: Marker, known: _Known) -> bool:
    """Whether a folder is where the database last saw it, or is the same one mounted on another host."""
    row = known.get(marker.folder_id)
    if row is None:
        return False
    if row.host == marker.host:
        return bool(row.path == marker.path)
    return bool(row.file_number == marker.file_number)


def _register(connection: sa.Connection, marker: Marker, known: _Known, path: settings.Place) -> None:
    """Store a new folder, or the new place of one that moved; refuse a copy."""
    table, seen = schema.recording_folder, _seen(marker)
    row = known.get(marker.folder_id)
    if row is not None:
        _refuse_copy(marker, row)
        connection.execute(sa.update(table).where(table.c.folder_id == marker.folder_id).values(seen))
        return
    old = _files_of_before(connection)
    # Folder and database of one CCF_HOME have always belonged together.
    own_home = isinstance(path, Path) and settings.postgres_url() is None and path.parent == settings.home()
    for row in known.values():
        # A folder whose marker was deleted, though another disk may be mounted here as well; one without a
        # marker, in a container that has another host name each time; or the one of a database that was made
        # before folders were kept. Only content that was read before tells.
        same_host = row.host == marker.host or not marker.is_written
        if row.path is not None and not (row.path == marker.path and same_host):
            continue
        folder = _folder(path, row, known)
        own = {folder.relative(key) or "": old[key] for key in folder.owns(old)}
        if own_home or _has_read(own, path):
            update = sa.update(table).where(table.c.folder_id == row.folder_id)
            connection.execute(update.values(folder_id=marker.folder_id, **seen))
            return
    name = ""
    if known or (old and not own_home and not _has_read(old, path)):
        if not known:
            # The keys of the files of before are not for this folder to replace. Whose they are is seen when
            # that folder is used.
            connection.execute(sa.insert(table).values(folder_id="unknown", name=""))
        name = _new_name(connection, marker, {"", *(row.name for row in known.values())})
    connection.execute(sa.insert(table).values(folder_id=marker.folder_id, name=name, **seen))


def _refuse_copy(marker: Marker, row: sa.Row[Any]) -> None:
    """Refuse a folder whose marker was copied with it; one that was moved passes."""
    if row.file_number == marker.file_number:  # renamed
        return
    seen = f"{row.path} on {row.host}"
    advice = f"If it is a copy, delete {marker.path}/{MARKER}: it then becomes a folder of its own"
    if row.host == marker.host:
        original = Path(str(row.path))
        there = read_marker(original) if original.is_dir() else None
        if there is None or there.folder_id != marker.folder_id:
            return  # moved to another disk
        raise CcfError(
            f"{marker.path} is a copy of the folder of recordings {seen}: both have one marker. {advice}."
        )
    raise CcfError(
        f"{marker.place} has the marker of the folder of recordings {seen}, and is not that folder on a "
        f"shared disk. {advice}. If it was moved here, say so once: ccf-assets recordings --moved."
    )


def _files_of_before(connection: sa.Connection) -> Mapping[str, str]:
    """Partition key → digest of the files that have been read, without the examples."""
    file = schema.recording_file.c
    rows = connection.execute(sa.select(file.source, file.digest))
    examples = {example.name for example in EXAMPLES.iterdir()}
    return {row.source: row.digest for row in rows if PurePosixPath(row.source).name not in examples}


def _has_read(old: Mapping[str, str], path: settings.Place) -> bool:
    """Whether a file in the folder is, content and settings, one of ``old``: partition key → digest."""
    if isinstance(path, Address):  # its digests are made of ETags: it has always been known by its address
        return False
    from ccf_assets.recordings.scan.folder import site_file
    from ccf_assets.recordings.scan.stamps import StillWritingError

    tried = 0
    for key, digest in old.items():
        try:
            file = site_file(path, key)
        except (CcfError, StillWritingError):
            continue
        if file is None:
            continue
        if file.digest == digest:
            return True
        tried += 1
        if tried == _EVIDENCE:
            return False
    return False


def _new_name(connection: sa.Connection, marker: Marker, taken: set[str]) -> str:
    """A name for a further folder: its own, with the host's where another has it."""
    base = partition_key_of(Path(marker.path).name).replace("/", "_") or "recordings"
    sources = connection.scalars(sa.select(schema.recording_file.c.source))
    used = taken | {source.partition("/")[0] for source in sources}
    host = partition_key_of(marker.host or urlsplit(marker.path).netloc)
    names = [base, f"{base}-{host}", *(f"{base}-{host}-{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in used)
