"""The folder of recordings: its files, which of them are new or changed, and which are still being written.

What is in a file is in read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from ccf_assets.errors import CcfError, why
from ccf_assets.files import sha256_of
from ccf_assets.recordings.files.keys import SUFFIXES, partition_key_of, path_of
from ccf_assets.recordings.files.settings import is_absent, settings_paths
from ccf_assets.recordings.files.table import LARGEST_BYTES

_LONGEST_KEY = 1000
"""Bytes of a partition key, which Dagster has in an index."""

SETTLE_S = 5.0
"""A file written less than this long ago may still be growing."""

Stamp = tuple[int, int, int, str]
"""size in bytes, mtime in ns, ctime in ns, SHA-256 of the content."""


@dataclass(frozen=True)
class SiteFile:
    """One file of sites that is complete.

    Attributes:
        path: where it is.
        digest: SHA-256 over the file and the settings that apply to it, so that a changed TOML counts.
        mtime_ns: when it was last written, ns since 1970.
    """

    path: Path
    digest: str
    mtime_ns: int


@dataclass(frozen=True)
class FolderScan:
    """The content of the folder of recordings.

    Attributes:
        files: the complete files by partition key.
        waiting: key → why the file is not read yet: it, or one of its settings, is still being written.
        unreadable: key → why the file, or the subfolder, cannot be read. It exists, so neither it nor any
            known file below it counts as new or gone.
        ignored: visible files that are no files of sites, such as ``.xlsx``, named like keys.
        memo: ``partition_key_of`` a file or its settings → stamp. Given to the next scan, it saves reading
            the files that have not changed.
    """

    files: Mapping[str, SiteFile]
    waiting: Mapping[str, str]
    unreadable: Mapping[str, str]
    ignored: tuple[str, ...]
    memo: Mapping[str, Stamp]

    def is_hidden(self, key: str) -> str | None:
        """Why it is unknown whether a file exists: it is below an unreadable subfolder; None if it is not."""
        above = map(str, PurePosixPath(key).parents)
        return next((self.unreadable[folder] for folder in above if folder in self.unreadable), None)


@dataclass(frozen=True)
class FolderChange:
    """The difference between a folder and what is known of it, as partition keys.

    ``new`` and ``changed`` are in the order in which the files were written, oldest first. Runs are requested
    in this order, and each reads its files in it: if two new files contain the same site, the older one keeps
    it. ``gone`` is sorted.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


def what_is_new(scan: FolderScan, known: Mapping[str, str]) -> FolderChange:
    """Compare a scan with the files already imported.

    Args:
        scan: the folder now.
        known: partition key → digest at its last import.

    Returns:
        The new, changed and gone keys. A file that is being written or cannot be read is none of these.
    """
    by_age = sorted(scan.files, key=lambda key: (scan.files[key].mtime_ns, key))
    existing = {*scan.files, *scan.waiting, *scan.unreadable}
    return FolderChange(
        new=tuple(key for key in by_age if key not in known),
        changed=tuple(key for key in by_age if key in known and known[key] != scan.files[key].digest),
        gone=tuple(sorted(key for key in known if key not in existing and not scan.is_hidden(key))),
    )


def scan_folder(
    folder: Path, now: float, settle_s: float, memo: Mapping[str, Stamp] | None = None
) -> FolderScan:
    """Find the files of sites in a folder and its subfolders.

    Files with hidden and temporary names (``.x``, ``~x``, ``#x``, ``x.part``, ``x.tmp``) are skipped, and so
    are linked subfolders, which could form a circle. A link to a file is read if the file is in the folder,
    too. A file that disappears during the scan counts as missing.

    Args:
        folder: the folder of recordings.
        now: the time, in seconds since 1970.
        settle_s: a file written less than this many seconds ago may still be growing, and waits.
        memo: ``FolderScan.memo`` of an earlier scan. With it 1,000 unchanged files take about 50 ms.

    Raises:
        CcfError: the folder cannot be read. It must not be taken for an empty one.
    """
    stamper = _Stamper(folder, now, settle_s, memo or {})
    files: dict[str, SiteFile] = {}
    waiting: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    ignored: list[str] = []
    for path in _visible_files(folder, folder, unreadable):
        relative = path.relative_to(folder)
        key = partition_key_of(relative)
        if path.suffix.lower() not in SUFFIXES:
            if path.suffix.lower() != ".toml":
                ignored.append(key)
            continue
        if len(key.encode()) > _LONGEST_KEY:
            unreadable[key] = (
                f"{key[:60]}…: the path has more than {_LONGEST_KEY} bytes; give it a shorter one."
            )
            continue
        if not _is_unicode(relative):
            unreadable[key] = f"{key}: the name is not UTF-8 (bytes are shown as %XX); give the file another."
            continue
        try:
            complete = stamper.site_file(path)
        except StillWritingError as error:
            waiting[key] = str(error)
        except OSError as error:
            unreadable[key] = _unreadable(error, path)
        else:
            if complete:
                files[key] = complete
    return FolderScan(files, waiting, unreadable, tuple(sorted(ignored)), stamper.memo)


def site_file(folder: Path, key: str) -> SiteFile | None:
    """One file as it is now; None if it is gone.

    Raises:
        CcfError: the key is not that of a file, or the file exists and cannot be read.
        StillWritingError: it, or one of its settings, was written less than SETTLE_S ago.
    """
    path = path_of(folder, key)
    try:
        return _Stamper(folder, time.time(), SETTLE_S, {}).site_file(path)
    except OSError as error:
        raise CcfError(_unreadable(error, path)) from None


def _unreadable(error: OSError, path: Path) -> str:
    """The sentence for a file of sites, or one of its settings, that exists and cannot be read."""
    return f"{error.filename or path} cannot be read: {why(error)}."


def _is_unicode(path: PurePath) -> bool:
    """Whether a path can be printed and stored: a name in an old encoding reaches Python as stray bytes."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


class StillWritingError(Exception):
    """The file may still be being written."""


class _Stamper:
    """Stamps files once per scan, and reads only those whose size or times differ from those in the memo."""

    def __init__(self, folder: Path, now: float, settle_s: float, old: Mapping[str, Stamp]) -> None:
        self.memo: dict[str, Stamp] = {}
        self._folder = folder
        self._now_ns = int(now * 1e9)
        self._settle_ns = int(settle_s * 1e9)
        self._old = old
        self._absent: set[Path] = set()

    def site_file(self, path: Path) -> SiteFile | None:
        """The file with its digest, or None if it is gone."""
        stamp = self._stamp(path)
        if stamp is None:
            return None
        digest = hashlib.sha256(stamp[3].encode())
        for place in settings_paths(self._folder, path):
            settings_stamp = self._stamp(place)
            if settings_stamp:
                digest.update(f"\n{self._name(place)}\n{settings_stamp[3]}".encode())
        return SiteFile(path, digest.hexdigest(), mtime_ns=stamp[1])

    def _name(self, path: Path) -> str:
        return partition_key_of(path.relative_to(self._folder))

    def _stamp(self, path: Path) -> Stamp | None:
        name = self._name(path)
        if name in self.memo:
            return self.memo[name]
        if path in self._absent:
            return None
        try:
            before = path.stat()
            self._refuse_link_out(path)
            self._refuse_fresh(path, before)
            self.memo[name] = self._stamp_of(path, name, before)
        except OSError as error:
            if not is_absent(error):
                raise
            self._absent.add(path)
            return None
        return self.memo[name]

    def _refuse_link_out(self, path: Path) -> None:
        """Refuse a link out of the folder.

        It may lead to anybody's file, and an error message would show that file's first line.
        """
        if path.is_symlink() and not path.resolve().is_relative_to(self._folder.resolve()):
            raise OSError(
                None, "it is a link out of the folder of recordings; copy the file there", str(path)
            )

    def _stamp_of(self, path: Path, name: str, before: os.stat_result) -> Stamp:
        """The old stamp if the file looks the same (a moved file has another ctime), otherwise a new one."""
        looks = (before.st_size, before.st_mtime_ns, before.st_ctime_ns)
        old = self._old.get(name)
        if old is not None and tuple(old[:3]) == looks:
            return (*looks, old[3])
        if not stat.S_ISREG(before.st_mode):
            raise OSError(None, "it is not a regular file", str(path))
        if before.st_size > LARGEST_BYTES:
            raise OSError(None, f"it has more than {LARGEST_BYTES:,} bytes; divide it", str(path))
        digest = sha256_of(path)
        after = path.stat()
        if (after.st_size, after.st_mtime_ns, after.st_ctime_ns) != looks:
            raise StillWritingError(f"{path} changed while it was read.")
        return (*looks, digest)

    def _refuse_fresh(self, path: Path, stat_now: os.stat_result) -> None:
        age_ns = self._now_ns - stat_now.st_mtime_ns
        if age_ns < 0:
            # A date in the future (a copied file, a wrong clock) must not make a file wait for years: then
            # the time of the last change in the file system counts.
            age_ns = self._now_ns - stat_now.st_ctime_ns
        if age_ns < self._settle_ns:
            raise StillWritingError(f"{path} was written less than {self._settle_ns / 1e9:g} s ago.")


def _visible_files(top: Path, folder: Path, unreadable: dict[str, str]) -> Iterator[Path]:
    """The files below a folder whose names are neither hidden nor temporary, in order of name.

    Subfolders of ``top`` that cannot be read, such as lost+found, are put into ``unreadable``.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except FileNotFoundError:
        if folder != top:  # a subfolder that was removed during the scan
            return
        raise CcfError(f"The folder of recordings {folder} does not exist.") from None
    except OSError as error:
        refusal = f"cannot be read: {why(error)}."
        if folder == top:
            raise CcfError(f"The folder of recordings {folder} {refusal}") from None
        key = partition_key_of(folder.relative_to(top))
        unreadable[key] = f"The subfolder {key} {refusal}"
        return
    for entry in entries:
        if entry.name.startswith((".", "~", "#")) or entry.name.lower().endswith((".part", ".tmp", "~")):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _visible_files(top, folder / entry.name, unreadable)
        elif not _leads_to_folder(entry):
            yield folder / entry.name


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # for example a circular link: reading it gives the error
        return False
