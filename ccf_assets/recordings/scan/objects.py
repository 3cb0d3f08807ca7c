"""A folder of recordings in an object store, as a scan and a run see it.

It is listed once; its folders are made of the names. An object's ETag is its stamp and its digest, so what
has not changed is not read, and nothing settles: an object is whole when it appears. What is read is brought
into a temporary folder on this host under the same names, and read there by the code that reads files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import BinaryIO

from ccf_assets import settings
from ccf_assets.errors import CcfError
from ccf_assets.files import whole_file
from ccf_assets.objects import Address, Objects, ReplacedError, nothing_below
from ccf_assets.recordings.files.source import HEAD_BYTES, Classify, Listing, SiteFormat
from ccf_assets.recordings.files.table import LARGEST_BYTES
from ccf_assets.recordings.scan.keys import partition_key_of
from ccf_assets.recordings.scan.stamps import Stamp, StillWritingError, kept_look
from ccf_assets.recordings.scan.walk import Content, is_revision, is_visible

_AT_ONCE = 16
"""Objects that are brought at a time."""


class ObjectView:
    """The objects below an address, as one listing gives them.

    Args:
        address: the folder of recordings.
        old: `memo` of an earlier scan; if not given, what this host kept of the last one.

    Attributes:
        top: the temporary folder, which stands for the address in paths; it exists while files are read.
        sources: folder → its sources, as far as they were asked for.
        memo: as `Stamper.memo`; in the place of the time of the last change is a number made of the ETag.

    Raises:
        CcfError: the store cannot be listed, or there is nothing below the address. That may be a wrong
            address, and is never taken for a folder whose files are gone.
    """

    def __init__(self, address: Address, old: Mapping[str, Stamp] | None = None) -> None:
        self.address = address
        self._aside = Path(tempfile.gettempdir(), f"ccf_objects_{uuid.uuid4().hex}")
        self.top = self._aside / address.name
        self.memo: dict[str, Stamp] = {}
        self.sources: dict[str, Mapping[str, tuple[SiteFormat, tuple[str, ...]]]] = {}
        self._objects = Objects(address)
        self._entries = self._objects.entries()
        if not self._entries:
            raise CcfError(nothing_below(address, "files of sites", "CCF_RECORDINGS"))
        self._old = _kept_looks(address) if old is None else old
        self._files: dict[str, set[str]] = {"": set()}
        self._folders: dict[str, set[str]] = {"": set()}
        for path in self._entries:
            self._place(path)

    def _place(self, path: str) -> None:
        """Take an object into the folder that its name says, and every such folder into the one above."""
        folder, _, name = path.rpartition("/")
        if folder not in self._files:
            parts = folder.split("/")
            for depth, part in enumerate(parts):
                self._folders.setdefault("/".join(parts[:depth]), set()).add(part)
                below = "/".join(parts[: depth + 1])
                self._files.setdefault(below, set())
                self._folders.setdefault(below, set())
        self._files[folder].add(name)

    def content(self, relative: str) -> Content | None:
        """The content of a folder without hidden and temporary names; None if there is none."""
        if relative not in self._files:
            return None
        files = filter(is_visible, self._files[relative])
        folders = (name for name in self._folders[relative] if is_visible(name) or is_revision(name))
        return Content(self.top / relative, relative, relative, dict.fromkeys(files), dict.fromkeys(folders))

    def names(self, relative: str) -> set[str]:
        """The names in a folder, hidden ones too; none if there is no folder."""
        return self._files.get(relative, set()) | self._folders.get(relative, set())

    def has_file(self, relative: str) -> bool:
        """Whether an object is there."""
        return relative in self._entries

    def has_folder(self, relative: str) -> bool:
        """Whether objects are below a path."""
        return relative in self._files

    def listing(self, content: Content, taken: Collection[str] = ()) -> Listing:
        """What formats see of a folder, without the names that are taken."""

        def look(name: str, classify: Classify) -> str:
            return self._look(content.below(name), classify)

        files, folders = (frozenset(names).difference(taken) for names in (content.files, content.folders))
        return _ObjectListing(content.folder, files, folders, look, self, content.relative)

    def may_open(self, content: Content, name: str) -> bool:
        """Whether an object may be read: there are no links in a store."""
        return content.has(name)

    def may_be_read(self, path: Path) -> bool:
        """Whether a path is below the address."""
        return path.is_relative_to(self.top)

    def stamp(
        self,
        path: Path,
        name: str,
        digest: Callable[[], str] | None = None,
        largest_bytes: int | None = None,
        entry: object = None,
    ) -> Stamp | None:
        """The stamp of an object, or of all below a path; None if there is none. See `Stamper.stamp`.

        Raises:
            OSError: it is too large.
        """
        del digest, entry  # its ETag is known, without reading it
        relative = path.relative_to(self.top).as_posix()
        paths = sorted(self._below(relative))
        of_all = [self._entries[each] for each in paths]
        if not of_all:
            return None
        size = sum(each.size for each in of_all)
        if largest_bytes is not None and size > largest_bytes:
            raise OSError(None, f"it has more than {largest_bytes:,} bytes; divide it", str(path))
        version = of_all[0].version
        if relative not in self._entries:
            lines = (f"{path}\n{self._entries[path].version}\n" for path in paths)
            version = hashlib.sha256("".join(lines).encode()).hexdigest()
        self.memo[name] = (size, max(each.mtime_ns for each in of_all), _number(version), version)
        return self.memo[name]

    def _below(self, relative: str) -> Iterator[str]:
        """The object of a path, or all those below it."""
        if relative in self._entries:
            yield relative
            return
        for name in self._files.get(relative, ()):
            yield f"{relative}/{name}"
        for name in self._folders.get(relative, ()):
            yield from self._below(f"{relative}/{name}")

    def _look(self, relative: str, classify: Classify) -> str:
        """What an object is, by its first bytes; empty if it is gone. Asked once while its ETag stays."""
        kept, entry = kept_look(partition_key_of(relative), classify), self._entries[relative]
        looks = (entry.size, entry.mtime_ns, _number(entry.version))
        old = self.memo.get(kept) or self._old.get(kept)
        if old is None or tuple(old[:3]) != looks:
            end = min(HEAD_BYTES, entry.size)
            try:
                head = self._objects.read(relative, entry.version, 0, end) if end else b""
            except (FileNotFoundError, ReplacedError):
                return ""
            old = (*looks, classify(head))
        self.memo[kept] = old
        return old[3]

    def keep_looks(self) -> None:
        """Keep on this host what the objects are that were looked into, for the next process."""
        looks = {name: stamp for name, stamp in self.memo.items() if "\0" in name}
        file = _looks_file(self.address)
        if not looks or looks == {name: stamp for name, stamp in self._old.items() if "\0" in name}:
            return
        with suppress(OSError):  # the next process then looks again
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(file) as aside:
                aside.write_text(json.dumps(looks), "utf-8")

    @contextmanager
    def brought(
        self, form: SiteFormat, names: Sequence[str], places: Iterable[str]
    ) -> Iterator[Callable[[Path], BinaryIO] | None]:
        """Have the objects of a source in `top` while it is read.

        Args:
            form: its format. An object that may be of any size is not brought: parts of it are read.
            names: its paths below the address, the anchor first.
            places: the paths of its settings, which need not exist.

        Yields:
            What opens an object that is not brought; None if all are.

        Raises:
            StillWritingError: an object was replaced or deleted since it was listed.
            CcfError: the store cannot be read, or what was read is refused; the text has the address.
        """
        by_range = form.largest_bytes is None and names[0] in self._entries
        wanted = [] if by_range else [*names]
        paths = [path for name in wanted for path in self._below(name) if _is_read(form, name, path)]
        paths += [place for place in (*places, *(names[1:] if by_range else ())) if place in self._entries]
        failed: list[Exception] = []

        def opened(path: Path) -> BinaryIO:
            relative = path.relative_to(self.top).as_posix()
            return self._objects.opened(relative, self._entries[relative], failed.append)

        try:
            try:
                self._bring(names[0], dict.fromkeys(paths))
                yield opened if by_range else None
            finally:
                shutil.rmtree(self._aside, ignore_errors=True)
                if failed:  # the library that read the object has made something else of it
                    raise failed[0]
        except (ReplacedError, _GoneError) as error:
            raise StillWritingError(str(error)) from None
        except CcfError as error:
            error.args = (self.in_words(str(error)),)
            raise

    def _bring(self, anchor: str, paths: Collection[str]) -> None:
        size = sum(self._entries[path].size for path in paths)
        if size > LARGEST_BYTES:
            raise CcfError(
                f"{self.address}/{anchor}: {size:,} bytes would have to be read, more than "
                f"{LARGEST_BYTES:,}; put the table of its sites there as CSV or Parquet."
            )
        self._aside.mkdir(mode=0o700, exist_ok=True)  # recordings are not for everybody on this host
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(self._bring_one, paths):
                pass

    def _bring_one(self, path: str) -> None:
        into = self.top / path
        into.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._objects.bring(path, self._entries[path], into)
        except FileNotFoundError:
            raise _GoneError(f"{self.address}/{path} was deleted since the folder was listed.") from None

    def in_words(self, sentence: str) -> str:
        """A sentence about a path below `top`, with the address in its place."""
        return sentence.replace(str(self.top), str(self.address))


class _GoneError(Exception):
    """An object that was listed is no longer there."""


@dataclass(frozen=True)
class _ObjectListing(Listing):
    """A folder of an object store, as formats see it."""

    view: ObjectView
    relative: str

    def has_file(self, path: str) -> bool:
        """Whether an object is there."""
        return self.view.has_file(self._below(path))

    def has_folder(self, path: str) -> bool:
        """Whether objects are below a path."""
        return self.view.has_folder(self._below(path))

    def names(self, path: str = "") -> Collection[str]:
        """All names in a folder."""
        return self.view.names(self._below(path))

    def _below(self, path: str) -> str:
        below = normpath(f"{self.relative}/{path}".strip("/"))
        return "" if below == "." else below


def _is_read(form: SiteFormat, anchor: str, path: str) -> bool:
    """Whether a format reads an object that is below its anchor."""
    folder, below, _ = path.removeprefix(f"{anchor}/").partition("/")
    return not form.parts or not below or folder in form.parts


def _number(version: str) -> int:
    return int(hashlib.sha256(version.encode()).hexdigest()[:12], 16)


def _looks_file(address: Address) -> Path:
    name = hashlib.sha256(str(address).encode()).hexdigest()[:12]
    return settings.home() / "objects" / f"{name}.json"


def _kept_looks(address: Address) -> Mapping[str, Stamp]:
    try:
        kept = json.loads(_looks_file(address).read_text("utf-8"))
        return {
            name: (int(size), int(when), int(of), str(what)) for name, (size, when, of, what) in kept.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):  # none yet, or damaged: it is made again
        return {}
