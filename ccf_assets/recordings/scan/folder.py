"""The folder of recordings: its sources, which of them are new or changed, and which are still being written.

How a folder is walked is in walk, when a file counts as complete in stamps, what is in a file in read.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TypeAlias

from ccf_assets.errors import CcfError, why
from ccf_assets.objects import Address
from ccf_assets.recordings.files.settings import FOLDER_SETTINGS, settings_paths, stem_of
from ccf_assets.recordings.files.source import NotSites, SiteFormat, Source
from ccf_assets.recordings.files.table import LARGEST_BYTES
from ccf_assets.recordings.formats.known import found_in, not_sites
from ccf_assets.recordings.scan.keys import partition_key_of, path_of
from ccf_assets.recordings.scan.objects import ObjectView
from ccf_assets.recordings.scan.stamps import SETTLE_S, Stamp, Stamper, StillWritingError
from ccf_assets.recordings.scan.walk import Content, UnreadableFolderError, content_of, may_be_read

_LONGEST_KEY = 1000
"""Bytes of a partition key, which Dagster has in an index."""

_LINK_OUT = NotSites(
    "links out of the folder of recordings",
    lambda _: (),
    "Copy the files there, or name the folder that the links lead to in CCF_RECORDINGS_ROOTS.",
)

View: TypeAlias = Stamper | ObjectView
"""A folder of recordings as a scan sees it, on a disk or in an object store."""

_KEPT_FOLDERS = 4
"""Folders whose sources `site_file` remembers: a run reads many files of one folder."""


@dataclass(frozen=True)
class SiteFile:
    """One source of sites that is complete.

    Attributes:
        paths: its files, the one that gives it its key first.
        format: what it is.
        digest: SHA-256 over its files and the settings that apply to it, so that a changed TOML counts.
        mtime_ns: when the last of its files was last written, ns since 1970.
        size: bytes of its files.
    """

    paths: tuple[Path, ...]
    format: SiteFormat
    digest: str
    mtime_ns: int
    size: int


@dataclass(frozen=True)
class Ignored:
    """Files of one kind in one folder that are no files of sites.

    Attributes:
        folder: the folder, as the start of a key; empty for the folder of recordings itself.
        kind: what they are, such as ``geometry of a probe`` or ``.xyz``.
        count: how many.
        example: the name of one.
        advice: what to do instead; empty if nothing is known of the kind.
    """

    folder: str
    kind: str
    count: int
    example: str
    advice: str

    @property
    def label(self) -> str:
        """Which files, for a list: the path of one, and how many more there are."""
        first = f"{self.folder}/{self.example}" if self.folder else self.example
        return first if self.count == 1 else f"{first} and {self.count - 1:,} more"


@dataclass(frozen=True)
class FolderScan:
    """The content of the folder of recordings.

    Attributes:
        files: the complete sources by partition key.
        waiting: key → why the source is not read yet: a file of it, or of its settings, is being written.
        unreadable: key → why the source, or the subfolder, cannot be read. It exists, so neither it nor any
            known source below it counts as new or gone.
        ignored: visible files that are no files of sites, by folder and kind.
        memo: ``partition_key_of`` a file or its settings → stamp. Given to the next scan, it saves reading
            the files that have not changed.
    """

    files: Mapping[str, SiteFile]
    waiting: Mapping[str, str]
    unreadable: Mapping[str, str]
    ignored: tuple[Ignored, ...]
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
    """Find the sources of sites in a folder and its subfolders.

    Files with hidden and temporary names (``.x``, ``~x``, ``#x``, ``x.part``, ``x.tmp``) are skipped. A link
    is followed if it stays in the folder, or leads into one of `settings.recordings_roots`; a subfolder only
    in the latter case, since its files would be found twice. A file that disappears during the scan counts as
    missing.

    Args:
        folder: the folder of recordings.
        now: the time, in seconds since 1970.
        settle_s: a file written less than this many seconds ago may still be growing, and waits.
        memo: ``FolderScan.memo`` of an earlier scan. With it 100,000 unchanged files take about 3 s.

    Raises:
        CcfError: the folder cannot be read. It must not be taken for an empty one.
    """
    return _scanned(Stamper(folder, now, settle_s, memo or {}))


def scan_objects(address: Address, memo: Mapping[str, Stamp] | None = None) -> FolderScan:
    """As `scan_folder`, of a folder in an object store: from one listing, whatever the folder holds.

    Args:
        address: the folder of recordings.
        memo: ``FolderScan.memo`` of an earlier scan; else what this host kept of one.

    Raises:
        CcfError: the store cannot be read, or there is nothing below the address.
    """
    view = ObjectView(address, memo)
    scan = _scanned(view)
    view.keep_looks()
    return replace(
        scan, unreadable={key: view.in_words(sentence) for key, sentence in scan.unreadable.items()}
    )


def _scanned(view: View) -> FolderScan:
    scan = _Scan(view)
    folders: list[tuple[str, tuple[str, ...]]] = [("", ())]
    links: list[tuple[str, tuple[str, ...]]] = []
    walked: set[Hashable] = set()
    while folders or links:
        # Links last: a folder that is there itself, too, is found under its own name.
        relative, inherited = folders.pop() if folders else links.pop()
        try:
            content = view.content(relative)
        except UnreadableFolderError as error:
            scan.unreadable[partition_key_of(relative)] = str(error)
            continue
        if content is None or content.number in walked:
            continue
        walked.add(content.number)
        if FOLDER_SETTINGS in content.files:
            inherited = (*inherited, content.below(FOLDER_SETTINGS))
        taken = scan.add(content, inherited)
        for name in sorted(content.folders.keys() - taken, reverse=True):
            entry = content.folders[name]
            ahead = links if entry and entry.is_symlink() else folders
            ahead.append((content.below(name), inherited))
    return scan.result()


class _Scan:
    """A scan in progress."""

    def __init__(self, view: View) -> None:
        self.unreadable: dict[str, str] = {}
        self._view = view
        self._files: dict[str, SiteFile] = {}
        self._waiting: dict[str, str] = {}
        self._others: dict[tuple[str, str, str], list[str]] = {}
        self._parts: set[str] = set()

    def add(self, content: Content, inherited: tuple[str, ...]) -> set[str]:
        """Take in the sources of one folder, and what else is in it.

        Args:
            content: the folder.
            inherited: paths of the settings of it and the folders above it, below the folder of recordings.

        Returns:
            The names in it that belong to a source.
        """
        try:
            sources = _sources_of(content, self._view)
        except OSError as error:  # a folder beside it that cannot be looked into
            self.unreadable[partition_key_of(content.relative)] = _unreadable(error, content.folder)
            return set()
        for anchor, (form, names) in sources.items():
            self._parts.update(map(partition_key_of, names[1:]))
            own = f"{stem_of(anchor)}.toml"
            has_own = content.has(own) and own != FOLDER_SETTINGS
            places = (*inherited, content.below(own)) if has_own else inherited
            self._add_source(content, form, names, places)
        taken = {*sources, *(one for _, names in sources.values() for one in _here(content, names))}
        return taken | self._add_others(content, taken)

    def _add_others(self, content: Content, taken: Collection[str]) -> set[str]:
        """Take in what a folder has beside its sources and settings, by kind.

        Returns:
            The names of the subfolders that are of a known kind.
        """
        kinds = not_sites(self._view.listing(content, taken))
        folders = {name for name in kinds if name in content.folders}
        folder = partition_key_of(content.relative)
        for name in (*content.files, *folders):
            if name in taken or name.lower().endswith(".toml"):
                continue
            kind = kinds.get(name) if self._view.may_open(content, name) else _LINK_OUT
            ending = PurePosixPath(name).suffix.lower()
            what = (kind.name, kind.advice) if kind else (ending or "a name without an ending", "")
            self._others.setdefault((folder, *what), []).append(name)
        return folders

    def _add_source(
        self, content: Content, form: SiteFormat, names: tuple[str, ...], places: tuple[str, ...]
    ) -> None:
        key = partition_key_of(names[0])
        if refusal := _odd_name(names[0], key):
            self.unreadable[key] = refusal
            return
        try:
            complete = _site_file(form, names, places, self._view, content)
        except StillWritingError as error:
            self._waiting[key] = str(error)
        except OSError as error:
            self.unreadable[key] = _unreadable(error, self._view.top / names[0])
        except CcfError as error:  # what a format says of its file
            self.unreadable[key] = str(error)
        else:
            if complete:
                self._files[key] = complete

    def result(self) -> FolderScan:
        """All that was found."""
        for of_all in (self._files, self._waiting, self.unreadable):
            for key in self._parts & set(of_all):  # of a source in another folder
                of_all.pop(key)
        return FolderScan(
            dict(sorted(self._files.items())),
            dict(sorted(self._waiting.items())),
            dict(sorted(self.unreadable.items())),
            tuple(self._ignored()),
            self._view.memo,
        )

    def _ignored(self) -> Iterator[Ignored]:
        for (folder, kind, advice), names in sorted(self._others.items()):
            start = f"{folder}/" if folder else ""
            left = [name for name in names if start + partition_key_of(name) not in self._parts]
            if left:
                yield Ignored(folder, kind, len(left), min(left), advice)


def site_file(folder: Path, key: str, view: ObjectView | None = None) -> SiteFile | None:
    """One source as it is now; None if it is gone.

    Args:
        folder: the folder of recordings; of one in an object store, ``view.top``.
        key: its partition key.
        view: of an object store.

    Raises:
        CcfError: the key is not that of a file, or the file exists and cannot be read.
        StillWritingError: it, or one of its settings, was written less than SETTLE_S ago.
    """
    path = path_of(folder, key)
    try:
        source = find_source(folder, key, view)
        if source is None:
            return None
        form, names = source
        places = [place.relative_to(folder).as_posix() for place in settings_paths(folder, path)]
        return _site_file(form, names, places, view or Stamper(folder, time.time(), SETTLE_S, {}))
    except OSError as error:
        raise CcfError(_unreadable(error, path)) from None


def find_source(
    folder: Path, key: str, view: ObjectView | None = None
) -> tuple[SiteFormat, tuple[str, ...]] | None:
    """The format of a source and its files, as paths below the folder, the anchor first; None if it is gone.

    Args:
        folder: the folder of recordings; of one in an object store, ``view.top``.
        key: its partition key.
        view: of an object store.

    Raises:
        CcfError: the key is not that of a file, or its folder cannot be read.
    """
    path = path_of(folder, key)
    relative = path.parent.relative_to(folder).as_posix().removeprefix(".")
    if view:
        return _sources_in_store(view, relative).get(path.name)
    if not may_be_read(path.parent, folder):
        raise CcfError(f"{path} is not in the folder of recordings.")
    try:
        status = path.parent.stat()
        return _sources_in(folder, relative, status.st_ino, status.st_mtime_ns).get(path.name)
    except FileNotFoundError:
        return None
    except UnreadableFolderError as error:
        raise CcfError(str(error)) from None


_Sources: TypeAlias = Mapping[str, tuple[SiteFormat, tuple[str, ...]]]
"""Name of an anchor → its format, and its files as paths below the folder of recordings, the anchor first."""


def _sources_of(content: Content, view: View) -> _Sources:
    """The sources in one folder."""
    found = found_in(view.listing(content))
    return {one.anchor: (form, _names(content, (one.anchor, *one.others))) for form, one in found}


@functools.lru_cache(_KEPT_FOLDERS)
def _sources_in(folder: Path, relative: str, _file_number: int, _mtime_ns: int) -> _Sources:
    """As `_sources_of`, kept as long as no file comes into the folder, or goes or is replaced."""
    content = content_of(folder, relative)
    return _sources_of(content, Stamper(folder, time.time(), SETTLE_S, {})) if content else {}


def _sources_in_store(view: ObjectView, relative: str) -> _Sources:
    """As `_sources_of`, in a folder of an object store, and kept with the view, which does not change."""
    if relative not in view.sources:
        content = view.content(relative)
        view.sources[relative] = _sources_of(content, view) if content else {}
    return view.sources[relative]


def _names(content: Content, files: Iterable[str]) -> tuple[str, ...]:
    """Paths below the folder of recordings; what a format would have beside that folder is not read."""
    names = (normpath(content.below(name)) for name in files)
    return tuple(name for name in names if not name.startswith("../"))


def _here(content: Content, names: Iterable[str]) -> list[str]:
    """Those of some paths below the folder of recordings that are in this folder, as names in it."""
    start = f"{content.relative}/" if content.relative else ""
    return [name.removeprefix(start) for name in names if name.startswith(start)]


def _site_file(
    form: SiteFormat,
    names: tuple[str, ...],
    places: Iterable[str],
    view: View,
    content: Content | None = None,
) -> SiteFile | None:
    """A source with its digest, or None if its anchor is gone.

    Args:
        form: the format of the source.
        names: its files below the folder, the anchor first.
        places: paths below the folder of the settings that may apply to it.
        view: the folder of recordings; it stamps the files.
        content: of the anchor's folder, where that is known.
    """
    paths = tuple(view.top / name for name in names)
    for path in paths[1:]:  # what lies beside the anchor is looked at when it is stamped
        if path.parent != paths[0].parent and not view.may_be_read(path):
            raise OSError(None, "it is not in the folder of recordings", str(path))
    keys = [partition_key_of(name) for name in names]
    entry = content.entry(paths[0].name) if content else None
    digest = functools.partial(form.digest, Source(keys[0], paths)) if form.digest else None
    anchor = view.stamp(paths[0], keys[0], digest, form.largest_bytes, entry)
    if anchor is None:
        return None
    sha, mtime_ns, size = hashlib.sha256(anchor[3].encode()), anchor[1], anchor[0]
    for path, key in zip(paths[1:], keys[1:], strict=True):
        if stamp := view.stamp(path, key, largest_bytes=form.largest_bytes):
            sha.update(f"\n{key}\n{stamp[3]}".encode())
            mtime_ns = max(mtime_ns, stamp[1])
            size += stamp[0]
    for place in places:
        key = partition_key_of(place)
        if stamp := view.stamp(view.top / place, key, largest_bytes=LARGEST_BYTES):
            sha.update(f"\n{key}\n{stamp[3]}".encode())
    # Of a format without a largest size only a table is read.
    to_read = 0 if form.largest_bytes is None else size
    return SiteFile(paths, form, sha.hexdigest(), mtime_ns, to_read)


def _odd_name(name: str, key: str) -> str | None:
    """Why a source of this path cannot be one; None if it can."""
    if len(key) * 4 > _LONGEST_KEY and len(key.encode()) > _LONGEST_KEY:
        return f"{key[:60]}…: the path has more than {_LONGEST_KEY} bytes; give it a shorter one."
    try:
        name.encode()
    except UnicodeEncodeError:  # a name in an old encoding reaches Python as stray bytes
        return f"{key}: the name is not UTF-8 (bytes are shown as %XX); give the file another."
    return None


def _unreadable(error: OSError, path: Path) -> str:
    """The sentence for a file of sites, or one of its settings, that exists and cannot be read."""
    return f"{error.filename or path} cannot be read: {why(error)}."
