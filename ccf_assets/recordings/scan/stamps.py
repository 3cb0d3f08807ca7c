"""Whether a file of sites is complete, and a digest of its content that is computed again only if it changed.

Which files there are is in walk.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from ccf_assets.errors import CcfError
from ccf_assets.files import sha256_of
from ccf_assets.recordings.files.settings import is_absent
from ccf_assets.recordings.files.source import HEAD_BYTES, Classify, Listing
from ccf_assets.recordings.scan.keys import partition_key_of
from ccf_assets.recordings.scan.walk import Content, content_of, may_be_read

SETTLE_S = 5.0
"""A file written less than this long ago may still be growing."""

Stamp: TypeAlias = tuple[int, int, int, str]
"""size in bytes, mtime in ns, ctime in ns, and what was found in the content: a SHA-256, or what it is."""


_REFUSED = "refused: "
"""Before a sentence in the place of a digest."""


class StillWritingError(Exception):
    """The file may still be being written."""


class Stamper:
    """Stamps files once per scan, and opens only those whose size or times differ from those in the memo.

    Args:
        top: the folder of recordings.
        now: the time, in seconds since 1970.
        settle_s: a file written less than this many seconds ago may still be growing.
        old: `memo` of an earlier scan.
    """

    def __init__(self, top: Path, now: float, settle_s: float, old: Mapping[str, Stamp]) -> None:
        self.memo: dict[str, Stamp] = {}
        self.top = top
        self._now_ns = int(now * 1e9)
        self._settle_ns = int(settle_s * 1e9)
        self._old = old

    def stamp(
        self,
        path: Path,
        name: str,
        digest: Callable[[], str] | None = None,
        largest_bytes: int | None = None,
        entry: os.DirEntry[str] | None = None,
    ) -> Stamp | None:
        """The stamp of a file, or of all that is in a folder; None if it is gone.

        Args:
            path: where it is.
            name: under which its stamp is kept.
            digest: computes the digest of its content; if not given, SHA-256 of the whole file.
            largest_bytes: more is refused.
            entry: the same file as a listing of its folder has it, which saves asking the disk again.

        Raises:
            StillWritingError: it was written a moment ago, or changed meanwhile.
            CcfError: its format refuses it.
            OSError: it exists and cannot be read, or must not be.
        """
        if name in self.memo:
            return _not_refused(self.memo[name])
        try:
            looks = self._looks(path, entry)
            old = self._old.get(name)
            if old is None or tuple(old[:3]) != looks:
                self._refuse_odd(path, looks[0], largest_bytes, may_be_folder=digest is not None)
                content = _content(digest or functools.partial(sha256_of, path))
                if self._looks(path, None) != looks:
                    raise StillWritingError(f"{path} changed while it was read.")
                old = (*looks, content)
        except OSError as error:
            if not is_absent(error):
                raise
            return None
        self.memo[name] = (*looks, old[3])
        return _not_refused(self.memo[name])

    def content(self, relative: str) -> Content | None:
        """The content of a folder; see `walk.content_of`."""
        return content_of(self.top, relative)

    def listing(self, content: Content, taken: Collection[str] = ()) -> Listing:
        """What formats see of a folder, without the names that are taken."""

        def look(name: str, classify: Classify) -> str:
            key = partition_key_of(content.below(name))
            return self._look(content.folder / name, key, content.files[name], classify)

        files, folders = (frozenset(names).difference(taken) for names in (content.files, content.folders))
        return Listing(content.folder, files, folders, look)

    def _look(self, path: Path, name: str, entry: os.DirEntry[str] | None, classify: Classify) -> str:
        """What a file is, by its first bytes; empty if it cannot be opened. Asked once while it stays so."""
        kept = kept_look(name, classify)
        try:
            status = entry.stat() if entry else path.stat()
            looks = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            old = self.memo.get(kept) or self._old.get(kept)
            if old is None or tuple(old[:3]) != looks:
                if not stat.S_ISREG(status.st_mode) or not self._may_open(path, entry):
                    return ""
                with path.open("rb") as file:
                    old = (*looks, classify(file.read(HEAD_BYTES)))
        except OSError:
            return ""
        self.memo[kept] = (*looks, old[3])
        return old[3]

    def _looks(self, path: Path, entry: os.DirEntry[str] | None) -> tuple[int, int, int]:
        """Size and times of a file; of a folder, the sum and the latest of all that is in it."""
        status = entry.stat() if entry else path.stat()
        if not self._may_open(path, entry):
            raise OSError(
                None,
                "it is a link out of the folder of recordings; copy the file there, or name the folder that "
                "it leads to in CCF_RECORDINGS_ROOTS",
                str(path),
            )
        if stat.S_ISDIR(status.st_mode):
            inside = [status, *_files_below(path)]
            looks = (
                sum(each.st_size for each in inside),
                max(each.st_mtime_ns for each in inside),
                max(each.st_ctime_ns for each in inside),
            )
        else:
            looks = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        self._refuse_fresh(path, looks)
        return looks

    def may_open(self, content: Content, name: str) -> bool:
        """Whether a name in a folder is no link, or one that stays where files may be read."""
        return self._may_open(content.folder / name, content.entry(name))

    def may_be_read(self, path: Path) -> bool:
        """Whether a path is where files may be read; see `walk.may_be_read`."""
        return may_be_read(path, self.top)

    def _may_open(self, path: Path, entry: os.DirEntry[str] | None) -> bool:
        """Whether a file is no link, or one that stays where files may be read.

        Others may lead to anybody's file, and an error message would show that file's first line.
        """
        is_link = entry.is_symlink() if entry else path.is_symlink()
        return not is_link or self.may_be_read(path)

    def _refuse_odd(self, path: Path, size: int, largest_bytes: int | None, *, may_be_folder: bool) -> None:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or (may_be_folder and stat.S_ISDIR(mode))):
            raise OSError(None, "it is not a regular file", str(path))
        if largest_bytes is not None and size > largest_bytes:
            raise OSError(None, f"it has more than {largest_bytes:,} bytes; divide it", str(path))

    def _refuse_fresh(self, path: Path, looks: tuple[int, int, int]) -> None:
        age_ns = self._now_ns - looks[1]
        if age_ns < 0:
            # A date in the future (a copied file, a wrong clock) must not make a file wait for years: then
            # the time of the last change in the file system counts.
            age_ns = self._now_ns - looks[2]
        if age_ns < self._settle_ns:
            raise StillWritingError(f"{path} was written less than {self._settle_ns / 1e9:g} s ago.")


def kept_look(name: str, classify: Classify) -> str:
    """Under which name a memo has what a file of a partition key is."""
    return f"{name}\0{classify.__module__}.{classify.__qualname__}"


def _content(digest: Callable[[], str]) -> str:
    """The digest of a file; of one that its format refuses, the sentence, so that it is not opened again."""
    try:
        return digest()
    except CcfError as error:
        return f"{_REFUSED}{error}"


def _not_refused(stamp: Stamp) -> Stamp:
    if stamp[3].startswith(_REFUSED):
        raise CcfError(stamp[3].removeprefix(_REFUSED))
    return stamp


def _files_below(folder: Path) -> Iterator[os.stat_result]:
    """The files in a folder and its subfolders, as they are now; links are not followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a writer's temporary file
                yield Path(place, name).lstat()
